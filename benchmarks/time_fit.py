"""Fit of the training time constants on published runs on T4 and A100.

python -m benchmarks.time_fit [FILE] prints the best fit next to the values in the code.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares  # type: ignore[import-untyped]

from advisor.gpu import training_time
from advisor.gpu.throughput import A100, T4, PeakShares
from benchmarks.time_rows import TimingCase, cases_of

FACTORS = ("MOVED_FACTOR", "UNPACKED_FACTOR")
T4_WEIGHT = 1.5
"""Weight of T4 rows, because there are fewer of them."""
PULL = 0.1
"""Regularization toward the value in the code, for constants that no row determines."""
ROBUST = 0.2
"""Error above which the loss grows linearly instead of quadratically."""


def start_values() -> NDArray[np.float64]:
    """Return the logarithms of the values in the code."""
    factors = [getattr(training_time, name) for name in FACTORS]
    return np.log(np.array([*T4, *A100, *factors], np.float64))


def residuals(values: NDArray[np.float64], cases: list[TimingCase]) -> NDArray[np.float64]:
    """Return log(estimated / measured time) for other constants."""
    found = np.exp(values).tolist()
    of = {"T4": PeakShares(*found[:4]), "A100": PeakShares(*found[4:8])}
    with _engine_factors(found[8:]):
        return np.array(
            [_residual(case, of["T4" if case.gpu == "T4" else "A100"]) for case in cases]
        )


@contextmanager
def _engine_factors(values: Sequence[float]) -> Iterator[None]:
    """Let the engine use other factors, and restore its own at the end."""
    own = [getattr(training_time, name) for name in FACTORS]
    try:
        for name, value in zip(FACTORS, values, strict=True):
            setattr(training_time, name, value)
        yield
    finally:
        for name, value in zip(FACTORS, own, strict=True):
            setattr(training_time, name, value)


def _residual(case: TimingCase, shares: PeakShares) -> float:
    was = T4 if case.gpu == "T4" else A100
    speeds = case.speeds._replace(
        matmul=case.speeds.matmul * shares.matmul / was.matmul,
        attention=case.speeds.attention * shares.attention / was.attention,
        wide=case.speeds.wide * shares.wide / was.wide,
        launch_seconds=shares.launch_seconds,
    )
    seconds = training_time.step_seconds(case.shape, case.setup, speeds, case.micro_batches)
    return float(np.log(seconds / case.measured))


def fit_constants(cases: list[TimingCase]) -> NDArray[np.float64]:
    """Return the constants that fit best."""
    began = start_values()
    weights = np.array([T4_WEIGHT if case.gpu == "T4" else 1.0 for case in cases])

    def off(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([residuals(values, cases) * weights, PULL * (values - began)])

    found: Any = least_squares(off, began, loss="soft_l1", f_scale=ROBUST)
    return np.asarray(found.x)


def main() -> None:
    """Print the constants, and the error on the rows they were fitted on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path)
    cases, _ = cases_of(parser.parse_args().file)
    rows = [case for case in cases if case.part == "fit" and not case.other_kernels]
    began, names = (
        start_values(),
        [f"{gpu} {name}" for gpu in ("T4", "A100") for name in PeakShares._fields],
    )
    before = np.abs(np.expm1(residuals(began, rows))).mean()
    found = fit_constants(rows)
    after = np.abs(np.expm1(residuals(found, rows))).mean()
    print(
        f"{len(rows)} rows of T4 and A100: mean error {before:.1%} in the code, {after:.1%} fitted"
    )
    for name, now, best in zip([*names, *FACTORS], np.exp(began), np.exp(found), strict=True):
        print(f"{name:<22} {now:>10.4g} {best:>10.4g}")


if __name__ == "__main__":
    main()
