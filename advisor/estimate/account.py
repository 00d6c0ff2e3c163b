"""What a panel costs in many variants -> the first one, option by option, in plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.costs import Costs
from advisor.estimate.line import Cadence, Line, with_options
from advisor.prices import Price
from advisor.units import Number

AMOUNTS = ("one_off", "monthly", "total", "per_month")
ENDS = (0.05, 0.95)
"""Percentiles that low and high are."""


class Item(NamedTuple):
    """One line of the bill of one option; a line of nothing is left out."""

    what: str
    cadence: Cadence
    quantity: float
    rate: float
    amount: float
    """USD."""
    price: Price | None
    """The price behind the rate; none for the user's own numbers."""
    own_unit: str
    scales: bool
    """Whether it grows in proportion to the requests."""


class Account(NamedTuple):
    """What one option costs [USD], at one point."""

    months: float
    """How long it can be used."""
    one_off: float
    monthly: float
    total: float
    per_month: float
    items: tuple[Item, ...]


def accounts(costs: Costs, count: int) -> tuple[Account, ...]:
    """Write down what each of *count* options costs in the first variant."""
    items: list[list[Item]] = [[] for _ in range(count)]
    for line in costs.lines:
        for row, item in _items(line, count):
            items[row].append(item)
    parts = (costs.months, costs.one_off, costs.monthly, costs.total, costs.per_month)
    rows = zip(*(firsts(part, count) for part in parts), map(tuple, items), strict=True)
    return tuple(Account._make(row) for row in rows)


def _items(line: Line, count: int) -> list[tuple[int, Item]]:
    amounts = firsts(line.amount, count)
    quantities, rates = firsts(line.quantity, count), firsts(line.rate, count)
    prices = line.prices or (None,) * count
    return [
        (row, Item(line.what, line.cadence, quantities[row], rates[row], amount, prices[row],
                   line.own_unit, line.scales))
        for row, amount in enumerate(amounts)
        if amount > 0
    ]  # fmt: skip


def firsts(value: Number, count: int) -> list[float]:
    """Return the value of each option in the first variant, at the first draw."""
    return _spread(with_options(value)[:, 0, 0], count)


def _spread(values: NDArray[np.float64], count: int) -> list[float]:
    found: list[float] = values.tolist()
    return found if len(found) == count else found * count


def ends(costs: Costs, count: int) -> Mapping[str, list[tuple[float, float]]]:
    """Say between which percentiles of the draws each amount lies, in the first variant."""
    found = {}
    for name in AMOUNTS:
        low, high = percentiles(with_options(getattr(costs, name))[:, 0])
        found[name] = list(zip(_spread(low, count), _spread(high, count), strict=True))
    return found


def percentiles(draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low and the high end over the last axis, between the two nearest draws.

    >>> [round(float(end), 6) for end in percentiles(np.arange(101.0))]
    [5.0, 95.0]
    """
    if draws.shape[-1] == 1:
        return draws[..., 0], draws[..., 0]
    ordered = np.sort(draws, axis=-1)
    low, high = (_between(ordered, share * (draws.shape[-1] - 1)) for share in ENDS)
    return low, high


def _between(ordered: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    """Interpolate from the nearer neighbour, as NumPy's quantile does, to the last bit."""
    below, above = (
        ordered[..., int(place)],
        ordered[..., min(int(place) + 1, ordered.shape[-1] - 1)],
    )
    part = place - int(place)
    if part < 0.5:
        return np.asarray(below + (above - below) * part)
    return np.asarray(above - (above - below) * (1 - part))
