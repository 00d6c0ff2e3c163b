"""Anytime-valid test of a mean score against a target, and its confidence interval.

The test may run after every row and stop at any time: the chance that the interval ever excludes
the true mean is at most alpha.

Source:
    Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting, Journal
    of the Royal Statistical Society B 86(1), https://doi.org/10.1093/jrsssb/qkad009: the capital of
    a gambler who bets against a mean is, if the mean is true, a martingale (its appendix on
    diversified bets: so is the mean of several gamblers); by Ville's inequality it exceeds 1/alpha
    with a chance of at most alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Standing = Literal["reaches", "falls short", "open"]
BETS = (np.arange(16) + 0.5) / 16
"""Share of the capital that each gambler bets every time."""
GRID = np.linspace(0.0, 1.0, 201)[1:-1]
"""Candidate means of the interval."""
STEP = float(GRID[0])
EDGE = 1e-6
Floats = NDArray[np.float64]


def capital(scores: Sequence[float], means: Floats) -> tuple[Floats, Floats]:
    """Return the logarithm of the highest capital so far of gamblers who bet against each mean.

    First of those who bet on a higher mean, then on a lower one. With bet b and mean m, 1 becomes
    1 + b (x / m - 1) above, and 1 - b (x - m) / (1 - m) below, for each score x [0..1] in turn.
    """
    clipped = np.clip(np.asarray(means, np.float64), EDGE, 1 - EDGE)
    bets = BETS[:, None]
    over, under = np.zeros((len(BETS), len(clipped))), np.zeros((len(BETS), len(clipped)))
    most_over, most_under = np.zeros(len(clipped)), np.zeros(len(clipped))
    for score in scores:
        over += np.log1p(bets * (score / clipped - 1))
        under += np.log1p(-bets * (score - clipped) / (1 - clipped))
        most_over = np.maximum(most_over, _mean(over))
        most_under = np.maximum(most_under, _mean(under))
    return most_over, most_under


def standing(scores: Sequence[float], target: float, alpha: float) -> Standing:
    """Test whether the mean is at or above a target, below it, or open.

    Each result is wrong with a chance of at most alpha / 2, however often the test runs.

    >>> standing([1.0] * 60, 0.8, 0.05), standing([0.0, 1.0] * 20, 0.9, 0.05)
    ('reaches', 'falls short')
    >>> standing([1.0] * 5, 0.8, 0.05)
    'open'
    """
    above, below = capital(scores, np.array([target]))
    if max(above[0], below[0]) < np.log(2 / alpha):
        return "open"
    return "reaches" if above[0] > below[0] else "falls short"


def interval(scores: Sequence[float], alpha: float) -> tuple[float, float]:
    """Return the interval of the mean, rounded outwards to half a percent.

    >>> interval([], 0.05)
    (0.0, 1.0)
    >>> interval([1.0] * 60, 0.05)
    (0.91, 1.0)
    """
    above, below = capital(scores, GRID)
    left = GRID[np.maximum(above, below) < np.log(2 / alpha)]
    if not len(left):  # between two candidate means
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
