"""One line of a bill as quantities: how much, at what rate, once or each month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from advisor.options.batch import Prices, rate_of
from advisor.prices.series import Price
from advisor.units import Number

Cadence = Literal["once", "month"]


@dataclass(frozen=True)
class Line:
    """A quantity and its rate: numbers, or arrays of [options, variants, draws]."""

    what: str
    """In words a buyer reads."""
    quantity: Number
    rate: Number
    """USD for one unit of the quantity."""
    cadence: Cadence
    own_unit: str = ""
    """What the quantity counts, where no price says it."""
    prices: tuple[Price | None, ...] = ()
    """The price behind the rate of each option; none for the user's own numbers."""
    scales: bool = False
    """Whether it grows in proportion to the requests."""

    @cached_property
    def amount(self) -> Number:
        """USD."""
        return self.quantity * np.asarray(self.rate)


def with_options(value: Number) -> NDArray[np.float64]:
    """Return a value with all of its axes: [options or 1, variants or 1, draws or 1]."""
    array = np.asarray(value)
    return array.reshape((1,) * (3 - array.ndim) + array.shape)


def row_of(value: Number, row: int) -> NDArray[np.float64]:
    """Return what one option has of a value, of shape [variants, draws]."""
    array = with_options(value)
    return np.asarray(array[row if len(array) > 1 else 0])


def unit_of(price: Price) -> str:
    """Name what a quantity at this price counts.

    >>> from types import SimpleNamespace
    >>> unit_of(SimpleNamespace(unit="USD/1M training tokens"))
    'training tokens'
    """
    return price.unit.removeprefix("USD/").removeprefix("1M ").removeprefix("1K ")


def priced(what: str, quantity: Number, price: Price | Prices, cadence: Cadence = "month") -> Line:
    """Make a line from a price of the book, or from those of a panel."""
    if isinstance(price, Prices):
        return Line(what, quantity, price.rate, cadence, prices=price.each)
    return Line(what, quantity, rate_of(price), cadence, prices=(price,))


def scaling(lines: Iterable[Line]) -> list[Line]:
    """Mark lines as growing in proportion to the requests."""
    return [replace(line, scales=True) for line in lines]


def total(lines: Iterable[Line], cadence: Cadence) -> Number:
    """Add up the lines of one cadence [USD]."""
    amounts = [line.amount for line in lines if line.cadence == cadence]
    return sum(amounts[1:], amounts[0]) if amounts else 0.0
