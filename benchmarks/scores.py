"""Estimated beside measured -> mean and worst error, coverage of a range, and verdicts on cards."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from advisor.units import GIB

CARDS_GIB = (8, 12, 16, 24, 32, 40, 48, 80)
NEAR_SHARE = 0.15
"""Cards within this share of the peak are those where a verdict is hard."""


@dataclass(frozen=True)
class EstimatePair:
    """One measurement and what was said of it."""

    name: str
    """Of the row."""
    measured: float
    """What was measured."""
    said: float
    """What was estimated."""
    low: float
    """5th percentile of the estimate."""
    high: float
    """95th percentile of the estimate."""

    @property
    def error(self) -> float:
        """How far off, as a share of what was measured."""
        return self.said / self.measured - 1

    @property
    def is_covered(self) -> bool:
        """Whether the range holds what was measured."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True)
class ErrorSummary:
    """How good the estimates of some rows are."""

    count: int
    mean: float
    bias: float
    worst: float
    worst_row: str
    coverage: float
    width: float
    """Median of high over low."""

    @classmethod
    def of(cls, pairs: Sequence[EstimatePair]) -> ErrorSummary:
        """Work out all of them."""
        worst = max(pairs, key=lambda pair: abs(pair.error))
        errors = [pair.error for pair in pairs]
        return cls(
            len(pairs),
            statistics.fmean(map(abs, errors)),
            statistics.fmean(errors),
            worst.error,
            worst.name,
            statistics.fmean(pair.is_covered for pair in pairs),
            statistics.median(pair.high / pair.low for pair in pairs),
        )

    def line(self, name: str) -> str:
        """Write a line of the table."""
        return (
            f"{name:62} {self.count:4} {self.mean:8.1%} {self.bias:+8.1%} {self.worst:+8.1%} "
            f"{self.worst_row:7} {self.coverage:6.0%} {self.width:6.2f}\n"
        )


HEADING = (
    f"{'':62} {'rows':>4} {'mean |e|':>8} {'bias':>8} {'worst':>8} {'row':7} "
    f"{'in 90%':>6} {'hi/lo':>6}\n"
)


@dataclass(frozen=True)
class CardVerdicts:
    """How often a rule was right about cards."""

    asked: int
    false_fits: int
    false_misfits: int

    def line(self, name: str) -> str:
        """Write a line of the table."""
        return f"{name:34} {self.asked:7} {self.false_fits:12} {self.false_misfits:18}\n"


def card_verdicts(
    rows: Iterable[tuple[float, float]], near_only: bool, fits: Callable[[float, float], bool]
) -> CardVerdicts:
    """Judge each measured peak against every card.

    Args:
        rows: Measured peak and estimate [bytes].
        near_only: Whether only cards near the peak count.
        fits: What the rule says of an estimate and a card [bytes].
    """
    asked = false_fits = false_misfits = 0
    for measured, said in rows:
        for card in (size * GIB for size in CARDS_GIB):
            if near_only and abs(card / measured - 1) > NEAR_SHARE:
                continue
            asked += 1
            false_fits += fits(said, card) and measured > card
            false_misfits += not fits(said, card) and measured <= card
    return CardVerdicts(asked, false_fits, false_misfits)
