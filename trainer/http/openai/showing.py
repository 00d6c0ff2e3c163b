"""A run, its plan and what was asked for -> the job as OpenAI shows one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.plan import TrainingPlan
from trainer.http.front import Front
from trainer.http.openai.asks import FineTuneMethod
from trainer.http.openai.events import by_step, metrics_at, moments_of, result_file
from trainer.http.openai.job_shapes import (
    Beside,
    FineTuningJob,
    FineTuningJobCheckpoint,
    JobError,
    JobHyperparameters,
    Status,
)
from trainer.http.openai.names import checkpoint_id_of, job_id_of, tuned_name
from trainer.jobs import Kept
from trainer.states import Event, Run, State

STATUS: Mapping[State, Status] = {
    "intent": "validating_files", "validated": "validating_files", "reserved": "queued",
    "uploading": "queued", "uploaded": "queued", "creating": "queued", "created": "queued",
    "queued": "queued", "paused": "queued", "unknown_outcome": "queued", "running": "running",
    "succeeded": "running", "verified": "running", "needs_human": "running",
    "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip
"""States of a run -> words of OpenAI; a job is done once its model is registered."""
DONE: Mapping[State, Status] = {
    "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip
MOST_EPOCHS, MOST_BATCH = 50, 256
HOUR_SECONDS = 3600.0


def job_of(front: Front, kept: Kept) -> FineTuningJob:
    """Show a job as it stands now."""
    run = front.office.store.run(kept.run_id)
    plan = front.office.store.plan(run.plan_id)
    status = status_of(run)
    asked, end = kept.request, run.last(run.outcome) if run.outcome else None
    has_model = status == "succeeded" and run.last("registered") is not None
    tokens = run.said("succeeded", "trained_tokens")
    return FineTuningJob(
        id=job_id_of(kept.run_id), created_at=int(kept.made_at), error=_error(run, status),
        fine_tuned_model=name_of(kept, plan) if has_model else None,
        finished_at=int(end.at) if end and status in DONE.values() else None,
        hyperparameters=_settings(plan), model=asked["model"], organization_id=kept.owner,
        result_files=[result_file(front, kept)] if status == "succeeded" else [], status=status,
        trained_tokens=int(tokens) if tokens is not None and status == "succeeded" else None,
        training_file=asked["training_file"], validation_file=asked.get("validation_file"),
        seed=_recipe_of(plan)["seed"], estimated_finish=_finish(run, plan, status),
        method=FineTuneMethod.model_validate(_method(asked)), metadata=asked.get("metadata"),
        x_tune_or_not=_beside(run, plan),
    )  # fmt: skip


def name_of(kept: Kept, plan: TrainingPlan) -> str:
    """Name the model that a job makes."""
    return tuned_name(kept.request["model"], kept.owner, plan.suffix, kept.run_id)


def status_of(run: Run) -> Status:
    """Say in OpenAI's words where a run stands."""
    if run.state == "settled":
        return DONE[run.outcome or "cancelled"]
    return STATUS[run.state]


def _error(run: Run, status: Status) -> JobError | None:
    if status != "failed":
        return None
    why = run.said("failed", "why") or "the training ended without a word"
    return JobError(code="training_failed", message=str(why), param=None)


def _recipe_of(plan: TrainingPlan) -> dict[str, Any]:
    assert plan.local is not None
    return {"rows_per_step": plan.local.recipe.rows_per_step, **plan.local.recipe.model_dump()}


def _settings(plan: TrainingPlan) -> JobHyperparameters:
    recipe, asked = _recipe_of(plan), plan.hyperparameters
    epochs, rows = recipe["epochs"], recipe["rows_per_step"]
    is_whole = epochs == int(epochs) and 1 <= epochs <= MOST_EPOCHS
    return JobHyperparameters(
        n_epochs=int(epochs) if is_whole else "auto",
        batch_size=rows if rows <= MOST_BATCH else "auto",
        learning_rate_multiplier=asked.learning_rate_multiplier or "auto",
    )


def _method(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the method as it was asked for; older requests have their settings elsewhere."""
    if asked.get("method"):
        return dict(asked["method"])
    older = asked.get("hyperparameters")
    return {"type": "supervised", "supervised": {"hyperparameters": older or {}}}


def _finish(run: Run, plan: TrainingPlan, status: Status) -> int | None:
    began: Event | None = run.last("running")
    if status != "running" or run.outcome or began is None or plan.local is None:
        return None
    return int(began.at + plan.local.hours[1] * HOUR_SECONDS)


def _beside(run: Run, plan: TrainingPlan) -> Beside:
    return Beside(
        run_id=run.run_id, state=run.state, cap_usd=plan.cap_usd,
        at_most_usd=plan.figure.at_most, usd=run.said("settled", "usd"),
        version=run.said("registered", "version"),
    )  # fmt: skip


def checkpoints_of(front: Front, kept: Kept) -> list[FineTuningJobCheckpoint]:
    """Show the checkpoints that are whole, the newest first."""
    run = front.office.store.run(kept.run_id)
    if run.job_id is None:
        return []
    model = name_of(kept, front.office.store.plan(run.plan_id))
    adapter = front.office.adapter(run.provider)
    try:
        there = adapter.checkpoints(run.job_id)
    finally:
        adapter.close()
    moments = moments_of(front, kept.run_id)
    steps = by_step(moments)
    saved = {one.body.get("step"): one.at for one in moments if one.kind == "checkpoint"}
    return [FineTuningJobCheckpoint(
        id=checkpoint_id_of(kept.run_id, one.step), step_number=one.step,
        created_at=int(saved.get(one.step, run.events[-1].at)),
        fine_tuned_model_checkpoint=f"{model}:ckpt-step-{one.step}",
        metrics=metrics_at(steps, one.step), fine_tuning_job_id=job_id_of(kept.run_id),
    ) for one in sorted(there, key=lambda one: -one.step)]  # fmt: skip
