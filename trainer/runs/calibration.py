"""What a run really took, beside what was reckoned -> dated lines for `calibration.yaml`.

The file stands in the home folder; `past_runs.py` reads it, and later plans take it up.

Lines of `calibration.yaml` in the home folder -> what a training took over what was reckoned.
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

FILE = "calibration.yaml"
RATIO = "train_ratio"
"""First part of the factor's name: seconds of training, measured over reckoned."""
NEWEST = 5
"""So many of the newest runs are looked at."""


class Past(NamedTuple):
    """What past runs of a machine and a method taught."""

    runs: int
    low: float
    likely: float
    high: float


def factor_of(machine: str, method: str) -> str:
    """Name the factor.

    >>> factor_of("T4", "qlora")
    'train_ratio/T4/qlora'
    """
    return f"{RATIO}/{machine}/{method}"


def past_of(home: Path, machine: str, method: str) -> Past | None:
    """Read what past runs taught: the middle of the newest, and how far they lie apart.

    Raises:
        Refused: the file cannot be read.
    """
    path = home / FILE
    if not path.is_file():
        return None
    wanted = factor_of(machine, method)
    try:
        found = [step for name, step in _steps(path) if name == wanted]
        found = sorted(found, key=lambda step: str(step["since"]))[-NEWEST:]
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
    return Past(len(likely), likely[0], likely[len(likely) // 2], likely[-1])


def _steps(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every step; a factor that was appended twice has the steps of both."""
    tree = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if tree is None:
        return
    reader = yaml.SafeLoader("")
    for key, value in tree.value:
        for step in reader.construct_object(value, deep=True)["steps"]:
            yield str(key.value), step


MEASURED_SHARE = 0.10
"""How far one more run of the same kind lies from this one, either way; own judgement."""
HOUR_SECONDS = 3600.0
MEASURED = (
    ("train_speed", "tokens/second", "tokens_per_second"),
    ("train_memory", "bytes", "peak_reserved_bytes"),
    ("train_energy", "kWh of the GPU", "gpu_energy_kwh"),
)
"""Factors that are measured and not reckoned, and what the script calls them."""


class _Plain(yaml.SafeDumper):
    """Writes each value where it stands, never a reference to another."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat what is the same."""
        return True


@dataclass(frozen=True)
class Actual:
    """One thing that was reckoned, and what it was."""

    factor: str
    unit: str
    estimated: float | None
    actual: float

    @property
    def ratio(self) -> float | None:
        """Actual over estimated."""
        return self.actual / self.estimated if self.estimated else None


def actuals(plan: TrainingPlan, result: Mapping[str, Any], usd: Decimal) -> list[Actual]:
    """Lay hours, money, speed and memory of a run beside what its plan said.

    Args:
        plan: With its figure.
        result: What the training script left, units in its keys.
        usd: What it cost.
    """
    assert plan.local is not None
    name = f"{plan.local.gpu}/{plan.local.recipe.method}"
    found = [
        Actual(f"train_cost/{name}", "USD", float(plan.figure.likely), float(usd)),
        Actual(
            f"train_time/{name}",
            "hours",
            plan.local.hours[1],
            result["total_seconds"] / HOUR_SECONDS,
        ),
    ]
    if plan.local.expected is not None and not result.get("resumed"):
        ratio = result["train_seconds"] / plan.local.expected.train_seconds
        found.append(Actual(factor_of(plan.local.gpu, plan.local.recipe.method), "1", 1.0, ratio))
    found += [
        Actual(f"{factor}/{name}", unit, None, result[key])
        for factor, unit, key in MEASURED
        if result.get(key)
    ]
    return found


def calibration(found: list[Actual], run_id: str, result: Mapping[str, Any], day: date) -> str:
    """Write the lines as `calibration.yaml` holds them: appended by a person, never by us."""
    versions = {name: result["packages"][name] for name in ("torch", "transformers", "trl", "peft")}
    body = {
        one.factor: {
            "unit": one.unit,
            "steps": [
                {
                    "since": day,
                    "low": round(one.actual * (1 - MEASURED_SHARE), 6),
                    "likely": round(one.actual, 6),
                    "high": round(one.actual * (1 + MEASURED_SHARE), 6),
                    "run": run_id,
                    "gpu": result["device"],
                    "versions": versions,
                }
            ],
        }
        for one in found
    }
    return str(yaml.dump(body, Dumper=_Plain, sort_keys=False))
