"""A run that succeeded -> a version in the registry, with what was measured on the way."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from advisor.plan import TrainingPlan
from trainer.database import home_folder
from trainer.local.folder import JobFolder
from trainer.office import Work
from trainer.states import Run
from trainer.versions import Kind, Made

MEASURED = (
    "train_seconds", "total_seconds", "tokens_per_second", "peak_allocated_bytes",
    "peak_reserved_bytes", "peak_process_bytes", "gpu_energy_kwh", "device", "packages", "steps",
    "trained_parameters", "chat_template_sha256",
)  # fmt: skip


def register(work: Work, run: Run, usd: str) -> None:
    """Write a version down, once; an evaluation that lies beside the model goes with it."""
    if run.outcome != "succeeded" or not run.tuned_model:
        return
    plan, folder = work.plan, JobFolder(home_folder() / "runs" / str(run.job_id))
    result: dict[str, Any] = (folder.read("result.json") or {}) if plan.local else {}
    ends = run.said("verified", "shutdown_on")
    version = work.office.registry.register(run.run_id, name_of(plan), Made(
        plan_id=plan.plan_id, provider=plan.provider, base_model=plan.base_model,
        dataset_sha256=plan.dataset_sha256, source_sha256=plan.source_sha256,
        model=run.tuned_model, kind=_kind(plan), usd=Decimal(usd),
        base_sha256=plan.local.base_sha256 if plan.local else "",
        facts={name: result[name] for name in MEASURED if name in result},
        shutdown_on=date.fromisoformat(ends) if ends else None,
    ))  # fmt: skip
    found = folder.read("evaluation.json") if plan.local else None
    if found is not None:
        work.office.registry.evaluated(version.version_id, found)
    says = found["verdict"]["says"] if found else "not evaluated yet"
    work.append("registered", version=version.version_id, says=says)


def name_of(plan: TrainingPlan) -> str:
    """Name what a plan makes: as the user calls it, else by base and data."""
    named = plan.suffix or f"{plan.base_model.rsplit('/', 1)[-1]}-{plan.dataset_sha256[:6]}"
    return re.sub(r"[^a-z0-9._-]+", "-", named.lower()).strip("-._")[:53]


def _kind(plan: TrainingPlan) -> Kind:
    if plan.local is None:
        return "remote"
    if plan.local.recipe.objective == "classification":
        return "encoder"
    return "full" if plan.local.recipe.method == "full" else "adapter"
