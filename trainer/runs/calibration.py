"""Calibration: measured against estimated time, memory and cost, as lines of `calibration.yaml`.

Later plans read the file in the home folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from advisor.plan.training_plan import TrainingPlan
from trainer.errors import Refused

CALIBRATION_FILE = "calibration.yaml"
RATIO_PREFIX = "train_ratio"
"""First part of the factor's name: training time, measured over estimated."""
MAX_PAST_RUNS = 5
"""Number of the newest runs that count."""


class PastRuns(NamedTuple):
    """Measured over estimated time in past runs of a machine and a method."""

    runs: int
    low: float
    likely: float
    high: float


def read_past_runs(home: Path, machine: str, method: str) -> PastRuns | None:
    """Return the median and the spread of the newest past runs.

    Raises:
        Refused: the file cannot be read.
    """
    path = home / CALIBRATION_FILE
    if not path.is_file():
        return None
    wanted = f"{RATIO_PREFIX}/{machine}/{method}"
    try:
        found = [step for name, step in _steps(path) if name == wanted]
        found = sorted(found, key=lambda step: str(step["since"]))[-MAX_PAST_RUNS:]
        likely = sorted(float(step["likely"]) for step in found)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(
            f"{path}: {wanted} cannot be read ({error}). Write it as `trainer show RUN "
            "--calibration` prints it."
        ) from error
    if not likely:
        return None
    if likely[0] <= 0:
        raise Refused(
            f"{path}: {wanted} cannot be read: {likely[0]:g} is not above 0. Remove the line."
        )
    return PastRuns(len(likely), likely[0], likely[len(likely) // 2], likely[-1])


def _steps(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every step; a factor that was appended twice has the steps of both."""
    tree = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if tree is None:
        return
    reader = yaml.SafeLoader("")
    for key, value in tree.value:
        for step in reader.construct_object(value, deep=True)["steps"]:
            yield str(key.value), step


RANGE_SHARE = 0.10
"""Spread of a repeated run around this one, either way; own judgement."""
HOUR_SECONDS = 3600.0
MEASURED_FACTORS = (
    ("train_speed", "tokens/second", "tokens_per_second"),
    ("train_memory", "bytes", "peak_reserved_bytes"),
    ("train_energy", "kWh of the GPU", "gpu_energy_kwh"),
)
"""Factors that are measured only, and their keys in the script's result."""


class _NoAliasDumper(yaml.SafeDumper):
    """Writes each value in full, never a reference to another."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat equal values."""
        return True


@dataclass(frozen=True)
class MeasuredFactor:
    """One quantity, estimated and measured."""

    factor: str
    unit: str
    estimated: float | None
    actual: float

    @property
    def ratio(self) -> float | None:
        """Actual over estimated."""
        return self.actual / self.estimated if self.estimated else None


def measured_factors(
    plan: TrainingPlan, result: Mapping[str, Any], usd: Decimal
) -> list[MeasuredFactor]:
    """Compare hours, cost, speed and memory of a run with its plan; result keys have the units."""
    assert plan.local is not None
    name = f"{plan.local.gpu}/{plan.local.recipe.method}"
    hours = result["total_seconds"] / HOUR_SECONDS
    factors = [
        MeasuredFactor(f"train_cost/{name}", "USD", float(plan.figure.likely), float(usd)),
        MeasuredFactor(f"train_time/{name}", "hours", plan.local.hours[1], hours),
    ]
    if plan.local.expected is not None and not result.get("resumed"):
        ratio = result["train_seconds"] / plan.local.expected.train_seconds
        factors.append(MeasuredFactor(f"{RATIO_PREFIX}/{name}", "1", 1.0, ratio))
    return factors + [
        MeasuredFactor(f"{factor}/{name}", unit, None, result[key])
        for factor, unit, key in MEASURED_FACTORS
        if result.get(key)
    ]


def calibration_yaml(
    factors: list[MeasuredFactor], run_id: str, result: Mapping[str, Any], day: date
) -> str:
    """Return the lines for `calibration.yaml`; the user appends them, the program never does."""
    versions = {name: result["packages"][name] for name in ("torch", "transformers", "trl", "peft")}
    source = {"run": run_id, "gpu": result["device"], "versions": versions}
    shares = {"low": 1 - RANGE_SHARE, "likely": 1.0, "high": 1 + RANGE_SHARE}
    body = {}
    for factor in factors:
        values = {name: round(factor.actual * share, 6) for name, share in shares.items()}
        step = {"since": day, **values, **source}
        body[factor.factor] = {"unit": factor.unit, "steps": [step]}
    return str(yaml.dump(body, Dumper=_NoAliasDumper, sort_keys=False))
