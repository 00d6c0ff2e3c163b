"""How uncertain inputs are evaluated: at the most likely value, the worst case, or sampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from advisor.evidence import Evidence, Percentiles, TaskEvidence
from advisor.inputs import Inputs, ResolvedScenario
from advisor.prices.contract import NO_CONTRACT, Contract
from advisor.units import Currency, Number

Array = NDArray[np.float64]
WorstEnd = Literal["low", "high"]

DRAWS = 256
NORMAL_P90, NORMAL_P99 = NormalDist().inv_cdf(0.9), NormalDist().inv_cdf(0.99)
DIMENSIONS = (
    "peak",
    "cache",
    "tokens",
    "reasoning",
    "setup",
    "training speed",
    "serving speed",
    "uptime",
    "labour",
    "cold start",
    "interruptions",
    "adapters",
    "cpu speed",
    "judge",
    "quality prompt",
    "quality few_shot",
    "quality tuned",
    "quality encoder",
    "quality baseline",
    "quality retrieval",
    "quality knowledge",
    "quality effort",
    "quality labels",
    "quality base",
    "quality need",
    "quality measured",
)
"""Every uncertain input; equal causes share their draws across options."""
_FIRST_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
PRIMES = (*_FIRST_PRIMES, 73, 79, 83, 89, 97, 101)


@dataclass(frozen=True)
class Sampling:
    """One way to evaluate a range (low, likely, high)."""

    kind: Literal["likely", "at_most", "draws"]
    seed: int = 0

    def value(
        self, name: str, low: Number, likely: Number, high: Number, worst: WorstEnd = "high"
    ) -> Number:
        """Return the value of a range.

        Args:
            name: Which uncertain input it is, one of `DIMENSIONS`.
            low: Fifth percentile or so, of shape [variants, 1] or a number.
            likely: Mode.
            high: Ninety-fifth percentile or so.
            worst: Which end costs more.

        Returns:
            A value that broadcasts to [variants, 1], or to [variants, draws] when drawing, with
            the options before these where the bounds have them.
        """
        if self.kind == "likely":
            return likely
        if self.kind == "at_most":
            return high if worst == "high" else low
        return triangular_quantile(uniform_draws(name, self.seed), low, likely, high)

    def of_percentiles(self, name: str, known: Percentiles) -> Number:
        """Return the value of a distribution that is known by its 10th, 50th and 90th percentile.

        Log-normal, with a width of its own on each side of the median. The most likely value is the
        median, the worst case the 99th percentile: above the upper end of every printed range.
        """
        if self.kind == "likely":
            return known.p50
        if self.kind == "at_most":
            return float(known.p50 * (known.p90 / known.p50) ** (NORMAL_P99 / NORMAL_P90))
        normal = _normal_quantiles(name, self.seed)
        widths = np.where(normal < 0, known.p50 / known.p10, known.p90 / known.p50)
        return np.asarray(known.p50 * widths ** (normal / NORMAL_P90))


@dataclass(frozen=True)
class EstimateContext:
    """What estimates read besides the options: one scenario, for all of its variants at once."""

    resolved: ResolvedScenario
    inputs: Inputs
    """Numbers of each variant, arrays of shape [variants, 1]."""
    evidence: Evidence
    sampling: Sampling
    """How uncertain inputs are evaluated."""
    contract: Contract = field(default=NO_CONTRACT, kw_only=True)
    """What was agreed with providers."""

    @property
    def currency(self) -> Currency:
        """Currency in which amounts are printed."""
        return self.contract.currency(self.resolved.scenario.currency)

    @property
    def task_evidence(self) -> TaskEvidence:
        """What is known about this kind of task."""
        return self.evidence.of(self.resolved.task)


LIKELY = Sampling("likely")
WORST_CASE = Sampling("at_most")


@lru_cache(maxsize=256)
def uniform_draws(name: str, seed: int) -> Array:
    """Return evenly spread numbers in 0..1: an additive recurrence with the root of a prime.

    No generator and no state: the same name and seed give the same numbers on every machine.

    Source: additive (Kronecker) low-discrepancy sequences, https://en.wikipedia.org/wiki/Low-discrepancy_sequence
    """
    step = np.sqrt(PRIMES[DIMENSIONS.index(name)])
    spread = np.asarray((0.5 + step * (np.arange(1, DRAWS + 1) + 7919 * seed)) % 1.0)
    spread.flags.writeable = False  # the cached array is shared
    return spread


@lru_cache(maxsize=256)
def _normal_quantiles(name: str, seed: int) -> Array:
    normal = NormalDist()
    return np.array(
        [normal.inv_cdf(min(max(u, 1e-9), 1 - 1e-9)) for u in uniform_draws(name, seed)]
    )


def triangular_quantile(share: Array, low: Number, likely: Number, high: Number) -> Array:
    """Return the quantile *share* of a triangular distribution; where low is high, that value.

    >>> float(triangular_quantile(np.array(0.5), 0.0, 1.0, 2.0))
    1.0
    """
    width = np.maximum(np.asarray(high) - low, 1e-300)
    turn = (np.asarray(likely) - low) / width
    left = low + np.sqrt(np.maximum(share * width * (likely - np.asarray(low)), 0.0))
    right = high - np.sqrt(np.maximum((1 - share) * width * (high - np.asarray(likely)), 0.0))
    return np.where(share < turn, left, right)
