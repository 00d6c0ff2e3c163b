"""Short trainings that were timed -> the speeds of the machine they ran on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.gpu.parameters import ModelShape
from advisor.gpu.throughput import Speeds
from advisor.gpu.training_setup import TrainingSetup
from advisor.gpu.training_time import step_seconds

FITTED_SPEEDS = (
    "matmul",
    "attention",
    "bandwidth",
    "launch_seconds",
    "step_seconds",
    "logit_seconds",
)
"""What a probe finds out; the rest stays as reckoned."""
PRIOR_WEIGHT = 0.05
"""Weight of where it began, for a speed that none of the trainings depends on."""
ROUNDS = 40
MAX_LOG_STEP = 1.0
"""Longest move of a round, as a logarithm."""
DERIVATIVE_STEP = 1e-4
MIN_SPEED = 1e-15
"""Stands for a speed of 0 where logarithms are taken."""


class TimedTraining(NamedTuple):
    """One short training."""

    shape: ModelShape
    setup: TrainingSetup
    micro_batches: float
    seconds: float
    """Of a step."""


def fit_speeds(timed: Sequence[TimedTraining], start: Speeds) -> Speeds:
    """Find the speeds whose reckoned steps lie closest to the measured ones, by their logarithms.

    Gauss-Newton from where it begins, every speed above 0.

    Args:
        timed: Trainings of unlike size; more of them than speeds is better.
        start: Speeds of such a machine that nobody probed.
    """
    began = np.log([max(float(getattr(start, name)), MIN_SPEED) for name in FITTED_SPEEDS])
    at = began.copy()
    for _ in range(ROUNDS):
        off = _log_errors(at, timed, start)
        slopes = np.column_stack(
            [
                (_log_errors(at + DERIVATIVE_STEP * axis, timed, start) - off) / DERIVATIVE_STEP
                for axis in np.eye(len(at))
            ]
        )
        left = slopes.T @ slopes + PRIOR_WEIGHT**2 * np.eye(len(at))
        move = np.linalg.solve(left, -slopes.T @ off - PRIOR_WEIGHT**2 * (at - began))
        at = at + np.clip(move, -MAX_LOG_STEP, MAX_LOG_STEP)
    return _with(at, start)


def relative_errors(timed: Sequence[TimedTraining], speeds: Speeds) -> NDArray[np.float64]:
    """Reckoned over measured time of each training, less one."""
    return np.array(
        [
            float(step_seconds(one.shape, one.setup, speeds, one.micro_batches)) / one.seconds - 1.0
            for one in timed
        ],
        np.float64,
    )


def _log_errors(
    logs: NDArray[np.float64], timed: Sequence[TimedTraining], start: Speeds
) -> NDArray[np.float64]:
    return np.asarray(np.log1p(relative_errors(timed, _with(logs, start))))


def _with(logs: NDArray[np.float64], start: Speeds) -> Speeds:
    return start._replace(**dict(zip(FITTED_SPEEDS, np.exp(logs).tolist(), strict=True)))
