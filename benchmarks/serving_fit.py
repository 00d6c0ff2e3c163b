"""Fit of the serving engine constants in advisor/gpu/serving_engines.py, on T4 and A100 rows.

python -m benchmarks.serving_fit [FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from advisor.gpu.serving import first_token_seconds
from advisor.gpu.serving_engines import ENGINES, PRECISIONS, ServingEngine
from benchmarks.rows import row_number
from benchmarks.serving_rows import ONE_STREAM, ServingCase, cases_of

Constant = tuple[str, ...]
"""Name of a constant, and the engines or precisions that share it."""

SERVERS = ("servers-2024", "vllm-2025", "vllm-2026", "sglang-2026")
SHARED: tuple[Constant, ...] = (
    ("bandwidth_share", *SERVERS),
    ("compute_share", *SERVERS),
    ("hop_seconds", *SERVERS),
    ("step_seconds", "servers-2024"),
    ("step_seconds", "vllm-2025"),
    ("step_seconds", "vllm-2026"),
    ("step_seconds", "sglang-2026"),
    ("sequence_seconds", "servers-2024"),
    ("sequence_seconds", "vllm-2025"),
    ("sequence_seconds", "vllm-2026"),
    ("sequence_seconds", "sglang-2026"),
    ("stream_seconds", "servers-2024", "vllm-2025"),
    ("stream_seconds", "vllm-2026"),
    ("stream_seconds", "sglang-2026"),
    ("packed_layer_seconds", "vllm-2026"),
    ("compute_share", "w8a8", "w8a16", "fp8", "fp4"),
    ("compute_share", "w4a16", "awq"),
    ("bandwidth_share", "awq"),
)
"""Kernels and links are by the hardware vendor: one share for all servers."""
LLAMA: tuple[Constant, ...] = (
    ("step_seconds", "llama.cpp-2024"),
    ("bandwidth_share", "llama.cpp-2024"),
)
EAGER: tuple[Constant, ...] = (
    ("layer_seconds", "eager-2024"),
    ("packed_layer_seconds", "eager-2024"),
    ("launches", "nf4-dq"),
    ("launches", "int8-mixed"),
)


def fit_constants(
    cases: list[ServingCase], constants: Sequence[Constant]
) -> tuple[list[ServingCase], list[float]]:
    """Fit constants to the logarithm of measured speeds; outliers count less."""
    start = [_value(constant) for constant in constants]

    def off(logs: NDArray[np.float64]) -> list[float]:
        tried = [_with(case, constants, np.exp(logs).tolist()) for case in cases]
        return [float(np.log(case.estimated / case.measured)) for case in tried]

    found = least_squares(off, np.log(start), loss="soft_l1", f_scale=0.1)
    values = [float(value) for value in np.exp(found.x)]
    return [_with(case, constants, values) for case in cases], values


def _value(constant: Constant) -> float:
    name, owner = constant[0], constant[1]
    return float(getattr(ENGINES.get(owner) or PRECISIONS[owner], name))


def _with(case: ServingCase, constants: Sequence[Constant], values: Sequence[float]) -> ServingCase:
    engine, precision = case.serving.engine, case.serving.precision
    precision_name = next(name for name, one in PRECISIONS.items() if one is precision)
    for (name, *owners), value in zip(constants, values, strict=True):
        if engine.name in owners:
            engine = _set(engine, name, value)
        if precision_name in owners:
            precision = precision._replace(**{name: value})
    return case.on(case.serving._replace(engine=engine, precision=precision))


def _set(engine: ServingEngine, name: str, value: float) -> ServingEngine:
    return replace(engine, **{name: value})  # type: ignore[arg-type]


def first_seconds(cases: list[ServingCase], engine: ServingEngine) -> tuple[float, int]:
    """Median time to first token not explained by the formula [s], and the number of rows."""
    left = []
    for case in cases:
        measured = row_number(case.row, "ttft_ms")
        if (
            case.engine.name == engine.name
            and measured
            and case.load == ONE_STREAM
            and case.prompt < 1e4
        ):
            bare = case.serving._replace(engine=replace(case.engine, first_seconds=0.0))
            left.append(measured / 1e3 - float(first_token_seconds(bare, case.prompt)))
    return (median(left), len(left)) if left else (float("nan"), 0)


def main() -> None:
    """Print every constant with the rows it was fitted on."""
    cases, _ = cases_of(sys.argv[1] if len(sys.argv) > 1 else None)
    cases = [case for case in cases if case.part == "fit"]
    for constants in (SHARED, LLAMA, EAGER):
        owners = {owner for _, *names in constants for owner in names}
        mine = [case for case in cases if case.engine.name in owners]
        after, values = fit_constants(mine, constants)
        error = np.mean([abs(case.estimated / case.measured - 1) for case in after])
        print(
            f"{len(mine)} rows of {', '.join(sorted(owners & set(ENGINES)))}: "
            f"mean error {error:.1%}"
        )
        for (name, *names), value in zip(constants, values, strict=True):
            print(f"  {name:22} {value:10.4g}  {', '.join(names)}")
    for engine in ENGINES.values():
        seconds, count = first_seconds(cases, engine)
        print(f"first_seconds {engine.name:18} {seconds:8.4f}  {count} rows")


if __name__ == "__main__":
    main()
