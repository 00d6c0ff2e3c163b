"""Scores as they come -> an interval that holds at every look, and what it says of a target.

One may look after each row and stop when it pleases: the chance that the interval ever leaves the
true mean out is at most alpha.

Source:
    Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting, Journal
    of the Royal Statistical Society B 86(1), https://doi.org/10.1093/jrsssb/qkad009: capital that a
    gambler makes against a mean is, if the mean is true, a martingale (its appendix on diversified
    bets: the mean of several gamblers is one too); by Ville's inequality it passes 1/alpha with a
    chance of at most alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Standing = Literal["reaches", "falls short", "open"]
BETS = (np.arange(16) + 0.5) / 16
"""Shares of the capital that the gamblers put in, each always the same."""
GRID = np.linspace(0.0, 1.0, 201)[1:-1]
"""Means that are tried for the interval."""
STEP = float(GRID[0])
EDGE = 1e-6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Capital:
    """The most that was ever made on each mean: by who bets on more, and by who bets on less."""

    above: Floats
    """Logarithm [means]."""
    below: Floats
    """Logarithm [means]."""


def capital(scores: Sequence[float], means: Floats) -> Capital:
    """Let gamblers bet against each of some means, row by row.

    With bet b and mean m: above makes 1 + b (x / m - 1) of 1, below 1 - b (x - m) / (1 - m).

    Args:
        scores: In the order in which they came [0..1].
        means: Strictly between 0 and 1.
    """
    held = np.clip(np.asarray(means, np.float64), EDGE, 1 - EDGE)
    bets = BETS[:, None]
    over, under = np.zeros((len(BETS), len(held))), np.zeros((len(BETS), len(held)))
    most_over, most_under = np.zeros(len(held)), np.zeros(len(held))
    for score in scores:
        over += np.log1p(bets * (score / held - 1))
        under += np.log1p(-bets * (score - held) / (1 - held))
        most_over = np.maximum(most_over, _mean(over))
        most_under = np.maximum(most_under, _mean(under))
    return Capital(most_over, most_under)


def standing(scores: Sequence[float], target: float, alpha: float) -> Standing:
    """Say whether the mean is at or above a target, below it, or not known yet.

    Either word is wrong with a chance of at most alpha / 2, however often one looks.

    >>> standing([1.0] * 60, 0.8, 0.05), standing([0.0, 1.0] * 20, 0.9, 0.05)
    ('reaches', 'falls short')
    >>> standing([1.0] * 5, 0.8, 0.05)
    'open'
    """
    made, needed = capital(scores, np.array([target])), np.log(2 / alpha)
    if max(made.above[0], made.below[0]) < needed:
        return "open"
    return "reaches" if made.above[0] > made.below[0] else "falls short"


def interval(scores: Sequence[float], alpha: float) -> tuple[float, float]:
    """Return the interval of the mean, rounded outwards to half a percent.

    >>> interval([], 0.05)
    (0.0, 1.0)
    >>> interval([1.0] * 60, 0.05)
    (0.91, 1.0)
    """
    made, needed = capital(scores, GRID), np.log(2 / alpha)
    left = GRID[(made.above < needed) & (made.below < needed)]
    if not len(left):  # between two means that were tried
        middle = float(np.mean(scores))
        return max(middle - STEP, 0.0), min(middle + STEP, 1.0)
    return round(float(left[0]) - STEP, 6), round(float(left[-1]) + STEP, 6)


def difference(one: Sequence[float], other: Sequence[float], alpha: float) -> tuple[float, float]:
    """Return the interval of the mean of one - other, on the same rows in the same order.

    >>> difference([1.0] * 40, [0.0] * 40, 0.05)[0] > 0.5
    True
    """
    halves = [(left - right + 1) / 2 for left, right in zip(one, other, strict=True)]
    low, high = interval(halves, alpha)
    return round(2 * low - 1, 6), round(2 * high - 1, 6)


def _mean(logarithms: Floats) -> Floats:
    """Return the logarithm of the mean capital of all gamblers."""
    most = logarithms.max(axis=0)
    return np.asarray(most + np.log(np.mean(np.exp(logarithms - most), axis=0)))
