"""One line of a bill as quantities: how much, at what rate, once or each month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from advisor.prices import Price
from advisor.units import Number

Cadence = Literal["once", "month"]

UNIT_SIZE = {
    "USD/1M tokens": 1e6, "USD/1M training tokens": 1e6, "USD/1M read units": 1e6,
    "USD/1M write units": 1e6, "USD/1K searches": 1e3,
}  # fmt: skip
"""How much one price covers; every other unit covers one."""


@dataclass(frozen=True)
class Line:
    """A quantity and its rate; arrays of shape [variants, 1] or [variants, draws]."""

    what: str
    """In words a buyer reads."""
    quantity: Number
    rate: Number
    """USD for one unit of the quantity."""
    cadence: Cadence
    unit: str
    """What the quantity counts."""
    price: Price | None = None
    """The price behind the rate; none for the user's own numbers."""
    scales: bool = False
    """Whether it grows in proportion to the requests."""

    @property
    def amount(self) -> Number:
        """USD."""
        return self.quantity * np.asarray(self.rate)


def priced(what: str, quantity: Number, price: Price, cadence: Cadence = "month") -> Line:
    """Make a line from a price of the book: the rate is per single unit."""
    rate = float(price.value) / UNIT_SIZE.get(price.unit, 1.0)
    unit = price.unit.removeprefix("USD/").removeprefix("1M ").removeprefix("1K ")
    return Line(what, quantity, rate, cadence, unit, price)


def scaling(lines: Iterable[Line]) -> list[Line]:
    """Mark lines as growing in proportion to the requests."""
    return [replace(line, scales=True) for line in lines]


def total(lines: Iterable[Line], cadence: Cadence) -> Number:
    """Add up the lines of one cadence [USD]."""
    amounts = [line.amount for line in lines if line.cadence == cadence]
    return sum(amounts[1:], amounts[0]) if amounts else 0.0
