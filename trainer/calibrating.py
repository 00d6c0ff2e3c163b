"""What a run really took, beside what was reckoned -> dated lines for `calibration.yaml`.

The file stands in the home folder; `past_runs.py` reads it, and later plans take it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import yaml

from advisor.plan import TrainingPlan
from trainer.past_runs import factor_of

MEASURED_SHARE = 0.10
"""How far one more run of the same kind lies from this one, either way; own judgement."""
HOUR_SECONDS = 3600.0
MEASURED = (("train_speed", "tokens/second", "tokens_per_second"),
            ("train_memory", "bytes", "peak_reserved_bytes"),
            ("train_energy", "kWh of the GPU", "gpu_energy_kwh"))  # fmt: skip
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
    found += [Actual(f"{factor}/{name}", unit, None, result[key])
              for factor, unit, key in MEASURED if result.get(key)]  # fmt: skip
    return found


def calibration(found: list[Actual], run_id: str, result: Mapping[str, Any], day: date) -> str:
    """Write the lines as `calibration.yaml` holds them: appended by a person, never by us."""
    versions = {name: result["packages"][name] for name in ("torch", "transformers", "trl", "peft")}
    body = {
        one.factor: {"unit": one.unit, "steps": [{
            "since": day, "low": round(one.actual * (1 - MEASURED_SHARE), 6),
            "likely": round(one.actual, 6), "high": round(one.actual * (1 + MEASURED_SHARE), 6),
            "run": run_id, "gpu": result["device"], "versions": versions,
        }]} for one in found
    }  # fmt: skip
    return str(yaml.dump(body, Dumper=_Plain, sort_keys=False))
