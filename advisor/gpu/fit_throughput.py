"""Fits the training speeds of a machine to a few short trainings that were timed on it."""

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
"""What a probe measures; the other speeds stay as estimated."""
PRIOR_WEIGHT = 0.05
"""Weight of the start value, for a speed that none of the trainings depends on."""
ROUNDS = 40
MAX_LOG_STEP = 1.0
"""Largest step of a round, as a logarithm."""
DERIVATIVE_STEP = 1e-4
MIN_SPEED = 1e-15
"""Replaces a speed of 0 before the logarithm."""


class TimedTraining(NamedTuple):
    """One short training."""

    shape: ModelShape
    setup: TrainingSetup
    micro_batches: float
    seconds: float
    """Duration of a step."""


def fit_speeds(timed: Sequence[TimedTraining], start: Speeds) -> Speeds:
    """Find the speeds whose estimated step times are closest to the measured, as logarithms.

    Gauss-Newton from the start values; every speed stays above 0.
    """
    began = np.log([max(float(getattr(start, name)), MIN_SPEED) for name in FITTED_SPEEDS])
    at = began.copy()
    for _ in range(ROUNDS):
        errors = _log_errors(at, timed, start)
        slopes = np.column_stack(
            [
                (_log_errors(at + DERIVATIVE_STEP * axis, timed, start) - errors) / DERIVATIVE_STEP
                for axis in np.eye(len(at))
            ]
        )
        left = slopes.T @ slopes + PRIOR_WEIGHT**2 * np.eye(len(at))
        move = np.linalg.solve(left, -slopes.T @ errors - PRIOR_WEIGHT**2 * (at - began))
        at = at + np.clip(move, -MAX_LOG_STEP, MAX_LOG_STEP)
    return _with(at, start)


def relative_errors(timed: Sequence[TimedTraining], speeds: Speeds) -> NDArray[np.float64]:
    """Estimated over measured time of each training, minus one."""
    return np.array(
        [
            float(step_seconds(run.shape, run.setup, speeds, run.micro_batches)) / run.seconds - 1.0
            for run in timed
        ],
        np.float64,
    )


def _log_errors(
    logs: NDArray[np.float64], timed: Sequence[TimedTraining], start: Speeds
) -> NDArray[np.float64]:
    return np.asarray(np.log1p(relative_errors(timed, _with(logs, start))))


def _with(logs: NDArray[np.float64], start: Speeds) -> Speeds:
    return start._replace(**dict(zip(FITTED_SPEEDS, np.exp(logs).tolist(), strict=True)))
