"""PriceColumn: one kind of price for each option of a batch, on a day or averaged over a period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.prices.series import Price
from advisor.units import DAYS_PER_MONTH, Number

Column = NDArray[np.float64]
"""One number per option, of shape [options, 1, 1]; broadcasts over variants and draws."""
Mask = NDArray[np.bool_]
Shares = NDArray[np.float64]
UNIT_SIZE = {
    "USD/1M tokens": 1e6,
    "USD/1M training tokens": 1e6,
    "USD/1M read units": 1e6,
    "USD/1M write units": 1e6,
    "USD/1M requests": 1e6,
    "USD/1K searches": 1e3,
}
"""Quantity that one price covers; 1 for every other unit."""


def option_column(values: Sequence[float]) -> Column:
    """Return one number per option as a column."""
    return np.array(values, np.float64)[:, None, None]


PeriodKey = tuple[object, ...]


class Period(NamedTuple):
    """A part of the horizon [months after the day of the question]; may differ by option."""

    start: Number
    end: Number
    day: date
    """Day of the question."""

    def key(self) -> PeriodKey:
        """Return what identifies the period."""
        ends = (np.asarray(self.start, np.float64), np.asarray(self.end, np.float64))
        return (self.day, *((end.shape, end.tobytes()) for end in ends))


@dataclass(frozen=True)
class PriceColumn:
    """One kind of price, for each option: the price of the day, or the mean over a period."""

    each: tuple[Price | None, ...]
    period: Period | None = None
    """None: the price of the day applies throughout."""

    @cached_property
    def steps(self) -> tuple[tuple[Price | None, ...], ...]:
        """Prices of each option in order of time; an option with fewer steps repeats its last."""
        known = [price.steps() if price else (None,) for price in self.each]
        count = max(map(len, known))
        return tuple(tuple(p[min(k, len(p) - 1)] for p in known) for k in range(count))

    @cached_property
    def shares(self) -> Shares:
        """Share of the period in which each step applies: [steps, options, variants, 1]."""
        if self.period is None:
            return np.ones((1, 1, 1, 1))
        start, end, day = self.period
        days = np.array([_first_days(prices, day) for prices in self.steps])[:, :, None, None]
        begins = np.maximum(days / DAYS_PER_MONTH, 0.0)
        begins[1:] = np.where(days[1:] <= days[:-1], np.inf, begins[1:])  # a repeated last step
        ends = np.concatenate([begins[1:], np.full_like(begins[:1], np.inf)])
        ends = np.minimum.accumulate(ends[::-1])[::-1]
        start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
        inside = np.maximum(np.minimum(ends, end) - np.maximum(begins, start), 0.0)
        at_once = (begins <= start) & (start < ends)  # a period without length has one price
        has_length = end - start > 1e-9
        return np.where(has_length, inside / np.where(has_length, end - start, 1.0), at_once)

    @cached_property
    def rate(self) -> Column:
        """USD per unit, mean over the period; 0 without such a price."""
        if self.period is None:
            return _rates(self.each)
        return np.asarray((self.shares * self.step_rates).sum(axis=0))

    @cached_property
    def step_rates(self) -> Shares:
        """USD per unit of each step: [steps, options, 1, 1]."""
        return np.stack([_rates(prices) for prices in self.steps])

    @cached_property
    def known(self) -> Mask:
        """Which options have such a price."""
        return np.array([price is not None for price in self.each])[:, None, None]

    def otherwise(self, other: PriceColumn) -> PriceColumn:
        """Return these prices, completed by another kind."""
        each = tuple(a or b for a, b in zip(self.each, other.each, strict=True))
        return PriceColumn(each, self.period or other.period)

    def during(self, period: Period) -> PriceColumn:
        """Return the mean over a period; the prices themselves if none changes before its end."""
        last = period.day.toordinal() + float(np.max(period.end)) * DAYS_PER_MONTH
        changes = [price.next_change for price in self.each if price and price.next_change]
        if not any(change.toordinal() < last for change in changes):
            return self
        mean = PriceColumn(self.each, period)
        mean.__dict__["steps"] = self.steps  # the same prices, whatever the period
        mean.__dict__["step_rates"] = self.step_rates
        return mean


def _rates(prices: Sequence[Price | None]) -> Column:
    return option_column([unit_rate(price) if price else 0.0 for price in prices])


def _first_days(prices: Sequence[Price | None], day: date) -> list[float]:
    """Days from *day* to the first day of each price."""
    return [float((price.since - day).days) if price else 0.0 for price in prices]


def unit_rate(price: Price, value: Decimal | None = None) -> float:
    """USD per single unit, at the price or at another value in its unit.

    >>> from datetime import date
    >>> unit_rate(Price(item="a/b/input", unit="USD/1M tokens", value=2, since=date(2026, 1, 1),
    ...               source="list", read_on=date(2026, 1, 1), confidence="high", note=None,
    ...               next_change=None))
    2e-06
    """
    return float(price.value if value is None else value) / UNIT_SIZE.get(price.unit, 1.0)
