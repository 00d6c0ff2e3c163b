"""Statistics for evaluations: McNemar's test, bootstrap and Wilson intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
BLOCK_DRAWS = 2_000_000  # resampled scores at a time: 16 MB of scores, 8 MB of indices
WHOLE_NUMBERS = 2_000  # up to this size exact integer sums, above it logarithms
NEGLIGIBLE = 1e-17


def mcnemar(only_one: int, only_other: int) -> float:
    """Return the exact two-sided p-value of McNemar's test [0..1].

    n = only_one + only_other; p = min(1, 2 x sum over k <= min of C(n, k) / 2^n), the
    probability of a split at least as uneven if both sides were equally likely. 1 if n is 0.

    Args:
        only_one: Rows that only the first system answers correctly [rows].
        only_other: Rows that only the second system answers correctly [rows].

    Source:
        McNemar 1947; the exact form is the sign test. Above 2,000 rows the relative error is
        below 1e-9.

    >>> mcnemar(10, 2), mcnemar(0, 0)
    (0.03857421875, 1.0)
    """
    rows, least = only_one + only_other, min(only_one, only_other)
    if rows <= WHOLE_NUMBERS:
        tail, term = 0, 1
        for k in range(least + 1):
            tail += term
            term = term * (rows - k) // (k + 1)
        return min(1.0, tail / (1 << (rows - 1))) if rows else 1.0
    largest = (
        math.lgamma(rows + 1)
        - math.lgamma(least + 1)
        - math.lgamma(rows - least + 1)
        - rows * math.log(2)
    )
    share, total = 1.0, 0.0
    for k in range(least, -1, -1):
        total += share
        share *= k / (rows - k + 1)
        if share < NEGLIGIBLE * total:
            break
    return min(1.0, 2 * math.exp(min(0.0, largest + math.log(total))))


def bootstrap(
    values: Sequence[float] | NDArray[np.float64],
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean.

    Args:
        values: Scores, or paired differences of scores [rows].
        seed: Seed of the resampling; the same seed gives the same interval.
        level: Confidence level [0..1].
        resamples: Number of resamples [1].

    Source:
        Efron 1979. In 2,000 simulated samples of 50 rows, 93 to 95 % contained the mean.

    >>> bootstrap([0.5, 0.5, 0.5])
    (0.5, 0.5)
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) == 0:
        return 0.0, 0.0
    draws = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, BLOCK_DRAWS // len(data))
    for at in range(0, resamples, step):
        size = (min(step, resamples - at), len(data))
        means[at : at + step] = data[draws.integers(0, len(data), size, np.int32)].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_bootstrap(
    baseline: Sequence[float],
    tuned: Sequence[float],
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the interval of the mean of tuned - baseline, resampling whole rows.

    >>> paired_bootstrap([0.25, 0.5], [0.5, 0.75])
    (0.25, 0.25)
    """
    differences = np.asarray(tuned, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    return bootstrap(differences, seed, level, resamples)


def wilson(right: int, rows: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share.

    With z the normal quantile, p = right / rows and n = rows:
    (p + z^2/2n -+ z sqrt(p(1 - p)/n + z^2/4n^2)) / (1 + z^2/n). 0..1 if there are no
    rows.

    Source:
        Wilson 1927.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if rows == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, square = right / rows, z * z / rows
    middle = share + square / 2
    reach = z * math.sqrt(share * (1 - share) / rows + square / (4 * rows))
    low, high = (middle - reach) / (1 + square), (middle + reach) / (1 + square)
    return (0.0 if right == 0 else low), (1.0 if right == rows else high)
