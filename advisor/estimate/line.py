"""One line of a bill as quantities: how much, at what rate, once or each month."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from advisor.options.price_column import PriceColumn
from advisor.prices.series import Price
from advisor.units import Number

Cadence = Literal["once", "month"]


@dataclass(frozen=True)
class CostLine:
    """A quantity and its rate: numbers, or arrays of [options, variants, draws]."""

    what: str
    """Name of the line."""
    quantity: Number
    rate: Number
    """USD for one unit of the quantity."""
    cadence: Cadence
    own_unit: str = ""
    """Unit of the quantity if there is no price."""
    price: PriceColumn | None = None
    """Price of each option; None for the user's own numbers."""
    scales: bool = False
    """Whether it is proportional to the number of requests."""
    machines: Number = 0.0
    """Machines or GPUs that run at once; 0 if the line is not about machine time."""
    always_shown: bool = False
    """Whether it is part of the bill without a price, such as hours of work."""
    by_price: tuple[tuple[tuple[Price | None, ...], Number], ...] = ()
    """Where traffic changes: the quantity at each price, in the first variant."""
    paid_share: Number | None = None
    """Part of the contracted cost that is paid, after free tiers and commitments; None: all."""
    free: Number = 0.0
    """Part of the quantity that is free, in the first variant."""
    is_unused: bool = False
    """Whether it is the unused part of a commitment, which has no list price."""
    own_source: str = "your scenario"
    """Source of the user's own numbers."""

    def quantities_by_price(self) -> list[tuple[tuple[Price | None, ...], Number]]:
        """Split the quantity by the price that applies: one part unless a price changes.

        The prices of a part are those of the options, or none for the user's own numbers.
        """
        if self.by_price:
            return list(self.by_price)
        if self.price is None:
            return [((), self.quantity)]
        shares = self.price.shares if self.price.period else (1.0,)
        return [
            (prices, self.quantity * np.asarray(share))
            for prices, share in zip(self.price.steps, shares, strict=False)
        ]

    @cached_property
    def contracted(self) -> Number:
        """Cost at contracted prices [USD]."""
        return self.quantity * np.asarray(self.rate)

    @cached_property
    def amount(self) -> Number:
        """Effective cost [USD]."""
        if self.paid_share is None:
            return self.contracted
        return self.contracted * np.asarray(self.paid_share)


def with_all_axes(value: Number) -> NDArray[np.float64]:
    """Return a value with all axes: [options or 1, variants or 1, draws or 1]."""
    array = np.asarray(value)
    return array.reshape((1,) * (3 - array.ndim) + array.shape)


def first_value(value: object) -> float:
    """Return the value of the first option, variant and draw."""
    return float(np.asarray(value, np.float64).flat[0])


def option_row(value: Number, row: int) -> NDArray[np.float64]:
    """Return the part of one option, of shape [variants, draws]."""
    array = with_all_axes(value)
    return np.asarray(array[row if len(array) > 1 else 0])


def quantity_unit(price: Price) -> str:
    """Return the unit of a quantity at this price.

    >>> from types import SimpleNamespace
    >>> quantity_unit(SimpleNamespace(unit="USD/1M training tokens"))
    'training tokens'
    """
    return price.unit.removeprefix("USD/").removeprefix("1M ").removeprefix("1K ")


def priced_line(
    what: str, quantity: Number, price: PriceColumn, cadence: Cadence = "month"
) -> CostLine:
    """Create a line from the prices of a batch."""
    return CostLine(what, quantity, price.rate, cadence, price=price)


def scaling_lines(lines: Iterable[CostLine]) -> list[CostLine]:
    """Mark lines as proportional to the number of requests."""
    return [replace(line, scales=True) for line in lines]


def mean_line(parts: Sequence[tuple[Number, CostLine]]) -> CostLine:
    """Return the mean of one line over several months, each with its weight."""
    quantity = _mean(parts, lambda line: line.quantity)
    contracted = _mean(parts, lambda line: line.contracted)
    rate = contracted / np.where(quantity > 0, quantity, 1.0)
    paid_share, free = parts[0][1].paid_share, parts[0][1].free
    if paid_share is not None:
        amount = _mean(parts, lambda line: line.amount)
        paid_share = amount / np.where(contracted > 0, contracted, 1.0)
        free = _mean([(with_all_axes(w)[:, :1, :1], line) for w, line in parts], _free)
    found: dict[int, tuple[tuple[Price | None, ...], Number]] = {}
    for weight, line in parts:
        for place, (prices, part) in enumerate(line.quantities_by_price()):
            first = with_all_axes(np.asarray(weight) * part)[:, :1, :1].copy()
            found[place] = prices, first + (found[place][1] if place in found else 0.0)
    machines = reduce(np.maximum, (np.asarray(line.machines) for _, line in parts))
    return replace(
        parts[0][1],
        quantity=quantity,
        rate=rate,
        machines=machines,
        paid_share=paid_share,
        free=free,
        by_price=tuple(found.values()),
    )


def _free(line: CostLine) -> Number:
    return line.free


def _mean(
    parts: Sequence[tuple[Number, CostLine]], read: Callable[[CostLine], Number]
) -> NDArray[np.float64]:
    return np.asarray(sum(np.asarray(weight) * read(line) for weight, line in parts))


def total_cost(lines: Iterable[CostLine], cadence: Cadence) -> Number:
    """Add up the lines of one cadence [USD]."""
    amounts = [line.amount for line in lines if line.cadence == cadence]
    return sum(amounts[1:], amounts[0]) if amounts else 0.0
