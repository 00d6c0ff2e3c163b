"""Numbers, ranges and prices of options -> columns, and options that a rule cannot tell apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.options.option import Option
from advisor.prices import Price

Column = NDArray[np.float64]
"""A number of each option, of shape [options, 1, 1]: it broadcasts over variants and draws."""
Bounds = tuple[Column, Column, Column]
Range = tuple[float, float, float]
Mask = NDArray[np.bool_]
UNIT_SIZE = {
    "USD/1M tokens": 1e6, "USD/1M training tokens": 1e6, "USD/1M read units": 1e6,
    "USD/1M write units": 1e6, "USD/1K searches": 1e3,
}  # fmt: skip
"""How much one price covers; every other unit covers one."""


def column(values: Sequence[float]) -> Column:
    """Lay one number of each option out."""
    return np.array(values, np.float64)[:, None, None]


def bounds(ranges: Sequence[Range]) -> Bounds:
    """Lay a range of each option out: low, likely and high."""
    low, likely, high = np.array(ranges, np.float64).T[:, :, None, None]
    return low, likely, high


@dataclass(frozen=True)
class Prices:
    """One kind of price, for each option that has it."""

    each: tuple[Price | None, ...]

    @cached_property
    def rate(self) -> Column:
        """USD for one unit; 0 where there is no such price."""
        return column([rate_of(price) if price else 0.0 for price in self.each])

    @cached_property
    def known(self) -> Mask:
        """Which options have it."""
        return np.array([price is not None for price in self.each])[:, None, None]

    def otherwise(self, other: Prices) -> Prices:
        """Fill gaps with another kind of price."""
        return Prices(tuple(a or b for a, b in zip(self.each, other.each, strict=True)))


def rate_of(price: Price) -> float:
    """USD for a single unit.

    >>> from datetime import date
    >>> rate_of(Price(item="a/b/input", unit="USD/1M tokens", value=2, since=date(2026, 1, 1),
    ...               source="list", read_on=date(2026, 1, 1), confidence="high", note=None,
    ...               next_change=None))
    2e-06
    """
    return float(price.value) / UNIT_SIZE.get(price.unit, 1.0)


Kind = tuple[object, ...]


@dataclass(frozen=True)
class Kinds:
    """Options that a rule cannot tell apart, each kind by the first of them."""

    first: tuple[Option, ...]
    of: NDArray[np.intp]
    """Kind of each option."""

    @classmethod
    def by(cls, options: Sequence[Option], key: Callable[[Option], Kind]) -> Kinds:
        """Sort options into kinds by a key."""
        keys = [key(option) for option in options]
        places = {kind: place for place, kind in enumerate(dict.fromkeys(keys))}
        first = dict(zip(reversed(keys), reversed(options), strict=True))
        return cls(tuple(first[kind] for kind in places), np.array([places[k] for k in keys]))
