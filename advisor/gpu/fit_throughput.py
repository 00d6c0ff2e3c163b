"""Short trainings that were timed -> the speeds of the machine they ran on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.gpu.parameters import Shape
from advisor.gpu.throughput import Speeds
from advisor.gpu.training_setup import Setup
from advisor.gpu.training_time import step_seconds

FITTED = ("matmul", "attention", "bandwidth", "launch_seconds", "step_seconds", "logit_seconds")
"""What a probe finds out; the rest stays as reckoned."""
PULL = 0.05
"""Weight of where it began, for a speed that none of the trainings depends on."""
ROUNDS = 40
FARTHEST = 1.0
"""Longest move of a round, as a logarithm."""
NUDGE = 1e-4
LEAST = 1e-15
"""Stands for a speed of 0 where logarithms are taken."""


class Timed(NamedTuple):
    """One short training."""

    shape: Shape
    setup: Setup
    micro_batches: float
    seconds: float
    """Of a step."""


def fit_speeds(timed: Sequence[Timed], start: Speeds) -> Speeds:
    """Find the speeds whose reckoned steps lie closest to the measured ones, by their logarithms.

    Gauss-Newton from where it begins, every speed above 0.

    Args:
        timed: Trainings of unlike size; more of them than speeds is better.
        start: Speeds of such a machine that nobody probed.
    """
    began = np.log([max(float(getattr(start, name)), LEAST) for name in FITTED])
    at = began.copy()
    for _ in range(ROUNDS):
        off = _off(at, timed, start)
        slopes = np.column_stack(
            [(_off(at + NUDGE * axis, timed, start) - off) / NUDGE for axis in np.eye(len(at))]
        )
        left = slopes.T @ slopes + PULL**2 * np.eye(len(at))
        move = np.linalg.solve(left, -slopes.T @ off - PULL**2 * (at - began))
        at = at + np.clip(move, -FARTHEST, FARTHEST)
    return _with(at, start)


def misses(timed: Sequence[Timed], speeds: Speeds) -> NDArray[np.float64]:
    """Reckoned over measured time of each training, less one."""
    return np.array(
        [
            float(step_seconds(one.shape, one.setup, speeds, one.micro_batches)) / one.seconds - 1.0
            for one in timed
        ],
        np.float64,
    )


def _off(logs: NDArray[np.float64], timed: Sequence[Timed], start: Speeds) -> NDArray[np.float64]:
    return np.asarray(np.log1p(misses(timed, _with(logs, start))))


def _with(logs: NDArray[np.float64], start: Speeds) -> Speeds:
    return start._replace(**dict(zip(FITTED, np.exp(logs).tolist(), strict=True)))
