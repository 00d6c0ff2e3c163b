"""One line of a bill as quantities: how much, at what rate, once or each month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from advisor.options.batch import PriceColumn, unit_rate
from advisor.prices.series import Price
from advisor.units import Number

Cadence = Literal["once", "month"]


@dataclass(frozen=True)
class CostLine:
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


def with_all_axes(value: Number) -> NDArray[np.float64]:
    """Return a value with all of its axes: [options or 1, variants or 1, draws or 1]."""
    array = np.asarray(value)
    return array.reshape((1,) * (3 - array.ndim) + array.shape)


def option_row(value: Number, row: int) -> NDArray[np.float64]:
    """Return what one option has of a value, of shape [variants, draws]."""
    array = with_all_axes(value)
    return np.asarray(array[row if len(array) > 1 else 0])


def quantity_unit(price: Price) -> str:
    """Name what a quantity at this price counts.

    >>> from types import SimpleNamespace
    >>> quantity_unit(SimpleNamespace(unit="USD/1M training tokens"))
    'training tokens'
    """
    return price.unit.removeprefix("USD/").removeprefix("1M ").removeprefix("1K ")


def priced_line(
    what: str, quantity: Number, price: Price | PriceColumn, cadence: Cadence = "month"
) -> CostLine:
    """Make a line from a price of the book, or from those of a panel."""
    if isinstance(price, PriceColumn):
        return CostLine(what, quantity, price.rate, cadence, prices=price.each)
    return CostLine(what, quantity, unit_rate(price), cadence, prices=(price,))


def scaling_lines(lines: Iterable[CostLine]) -> list[CostLine]:
    """Mark lines as growing in proportion to the requests."""
    return [replace(line, scales=True) for line in lines]


def total_cost(lines: Iterable[CostLine], cadence: Cadence) -> Number:
    """Add up the lines of one cadence [USD]."""
    amounts = [line.amount for line in lines if line.cadence == cadence]
    return sum(amounts[1:], amounts[0]) if amounts else 0.0
