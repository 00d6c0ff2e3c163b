"""Scores of estimates: mean and worst error, coverage of the range, and fit verdicts per GPU."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from advisor.units import GIB

CARDS_GIB = (8, 12, 16, 24, 32, 40, 48, 80)
NEAR_SHARE = 0.15
"""Within this share of the peak, the verdict on a GPU is hard."""


@dataclass(frozen=True)
class EstimatePair:
    """One measurement and its estimate."""

    name: str
    """Id of the row."""
    measured: float
    """Measured value."""
    estimated: float
    """Estimated value."""
    low: float
    """5th percentile of the estimate."""
    high: float
    """95th percentile of the estimate."""

    @property
    def error(self) -> float:
        """Relative error."""
        return self.estimated / self.measured - 1

    @property
    def is_covered(self) -> bool:
        """Whether the measurement is within the range."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of the estimates of some rows."""

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
        """Compute the summary."""
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
        """Return a line of the table."""
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
    """Errors of a rule that decides whether a training fits a GPU."""

    asked: int
    false_fits: int
    false_misfits: int

    def line(self, name: str) -> str:
        """Return a line of the table."""
        return f"{name:34} {self.asked:7} {self.false_fits:12} {self.false_misfits:18}\n"


def card_verdicts(
    rows: Iterable[tuple[float, float]], near_only: bool, fits: Callable[[float, float], bool]
) -> CardVerdicts:
    """Compare each measured peak with every GPU size.

    Args:
        rows: Measured peak and estimate [bytes].
        near_only: Whether only sizes near the peak count.
        fits: The rule, given an estimate and a GPU size [bytes].
    """
    asked = false_fits = false_misfits = 0
    for measured, estimated in rows:
        for card in (size * GIB for size in CARDS_GIB):
            if near_only and abs(card / measured - 1) > NEAR_SHARE:
                continue
            asked += 1
            false_fits += fits(estimated, card) and measured > card
            false_misfits += not fits(estimated, card) and measured <= card
    return CardVerdicts(asked, false_fits, false_misfits)
