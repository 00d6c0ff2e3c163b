"""A run, its plan and what was asked for -> the job as OpenAI shows one.

What happened to a run -> the events of its job as OpenAI tells them, its numbers, its file.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy.exc import IntegrityError

from advisor.plan.training_plan import TrainingPlan
from trainer.plan.jobs import Kept
from trainer.run_states import Event, Run, State
from trainer.server.context import Front
from trainer.server.openai.ids import (
    checkpoint_id_of,
    event_id_of,
    job_id_of,
    result_file_of,
    tuned_name,
)
from trainer.server.openai.job_schemas import (
    Beside,
    CheckpointMetrics,
    FineTuneMethod,
    FineTuningJob,
    FineTuningJobCheckpoint,
    FineTuningJobEvent,
    JobError,
    JobHyperparameters,
    Status,
)
from trainer.storage.files import NoSuchFile, Sent, files_folder
from trainer.storage.run_store import Moment, timeline

MOST = 1_000_000
"""Events of a run that are read at once; one of a million steps tells of 200,000."""
NUMBERS: Mapping[str, str] = {
    "step": "step",
    "of_steps": "total_steps",
    "train_loss": "train_loss",
    "eval_loss": "valid_loss",
    "learning_rate": "learning_rate",
    "tokens_per_second": "tokens_per_second",
}
"""Our words for the numbers of a step -> those of OpenAI, or our own."""
COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
SAYS: Mapping[str, str] = {
    "intent": "Created fine-tuning job: {job}",
    "validated": "Files and plan are validated",
    "reserved": "{usd} USD set aside",
    "uploaded": "Rows are read where they lie",
    "creating": "Fine-tuning job is set up",
    "created": "Fine-tuning job has a place on this machine",
    "queued": "Fine-tuning job waits for its turn",
    "running": "Fine-tuning job started",
    "paused": "Fine-tuning job is held: {why}",
    "refused": "Fine-tuning job waits: {why}",
    "succeeded": "The job has successfully completed",
    "verified": "The tuned model answers",
    "registered": "New fine-tuned model created: version {version}, {says}",
    "settled": "It cost {usd} USD ({how})",
    "failed": "Fine-tuning job failed: {why}",
    "cancelled": "Fine-tuning job was cancelled",
    "needs_human": "A person has to decide: {why} {remedy}",
    "cancel_asked": "Asked to cancel",
    "pause_asked": "Asked to pause",
    "resume_asked": "Asked to resume",
    "asked_provider": "Told the training to {what}: {heard}",
}
LEVELS: Mapping[str, Literal["warn", "error"]] = {
    "failed": "error",
    "needs_human": "warn",
    "held": "warn",
    "refused": "warn",
    "unreachable": "warn",
    "smoke_failed": "warn",
}


class _Blank(dict[str, Any]):
    """Words of an event; what was not said is left empty."""

    def __missing__(self, key: str) -> str:
        return ""


def moments_of(front: Front, run_id: str) -> list[Moment]:
    """Return what happened to a run, in order."""
    return timeline(front.office.store.engine, run_id, most=MOST)


def event_of(run_id: str, moment: Moment) -> FineTuningJobEvent:
    """Tell of one thing that happened."""
    is_metric = moment.what == "metric"
    level = LEVELS.get(moment.kind) or moment.body.get("level")
    return FineTuningJobEvent(
        id=event_id_of(run_id, moment.seq),
        created_at=int(moment.at),
        level=level if level in ("warn", "error") else "info",
        message=_message(run_id, moment),
        type="metrics" if is_metric else "message",
        data=numbers_of(moment) if is_metric else {},
    )


def _message(run_id: str, moment: Moment) -> str:
    told = moment.body.get("message")
    if moment.what == "metric":
        losses = {k: v for k, v in numbers_of(moment).items() if k.endswith("_loss")}
        words = ", ".join(f"{name.replace('_', ' ')}={loss:.4f}" for name, loss in losses.items())
        steps = moment.body.get("of_steps")
        return f"Step {moment.body.get('step')}{f'/{steps}' if steps else ''}: {words}"
    if told:
        return str(told)
    template = SAYS.get(moment.kind, moment.kind.replace("_", " ") + ": {why}")
    words = template.format_map(_Blank(moment.body, job=job_id_of(run_id)))
    return words.strip().rstrip(": ")


def numbers_of(moment: Moment) -> dict[str, Any]:
    """Return the numbers of a step, under the names of OpenAI."""
    found = {NUMBERS[name]: moment.body[name] for name in NUMBERS if name in moment.body}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def by_step(moments: Sequence[Moment]) -> dict[int, dict[str, Any]]:
    """Put the numbers of each step together."""
    steps: dict[int, dict[str, Any]] = {}
    for moment in moments:
        numbers = numbers_of(moment) if moment.what == "metric" else {}
        if "step" in numbers:
            steps.setdefault(int(numbers["step"]), {}).update(numbers)
    return dict(sorted(steps.items()))


def metrics_at(steps: Mapping[int, Mapping[str, Any]], step: int) -> CheckpointMetrics:
    """Return what was last measured by a step."""
    known: dict[str, Any] = {}
    for at, numbers in steps.items():
        if at <= step:
            known |= {
                name: numbers[name] for name in ("train_loss", "valid_loss") if name in numbers
            }
    return CheckpointMetrics(step=step, **known)


def result_file(front: Front, kept: Kept) -> str:
    """Keep the numbers of a job that succeeded as a file, once; return its name."""
    file_id = result_file_of(kept.run_id)
    try:
        return front.filing.file(file_id, None).file_id
    except NoSuchFile:
        pass
    part = files_folder() / f"{uuid4().hex}.part"
    with part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(by_step(moments_of(front, kept.run_id)).values())
    sent = Sent(kept.owner, "step_metrics.csv", "fine-tune-results")
    with suppress(IntegrityError):  # somebody else kept the same numbers just now
        front.filing.keep(part, sent, file_id)
    return file_id


STATUS: Mapping[State, Status] = {
    "intent": "validating_files",
    "validated": "validating_files",
    "reserved": "queued",
    "uploading": "queued",
    "uploaded": "queued",
    "creating": "queued",
    "created": "queued",
    "queued": "queued",
    "paused": "queued",
    "unknown_outcome": "queued",
    "running": "running",
    "succeeded": "running",
    "verified": "running",
    "needs_human": "running",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""States of a run -> words of OpenAI; a job is done once its model is registered."""
DONE: Mapping[State, Status] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}
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
        id=job_id_of(kept.run_id),
        created_at=int(kept.made_at),
        error=_error(run, status),
        fine_tuned_model=name_of(kept, plan) if has_model else None,
        finished_at=int(end.at) if end and status in DONE.values() else None,
        hyperparameters=_settings(plan),
        model=asked["model"],
        organization_id=kept.owner,
        result_files=[result_file(front, kept)] if status == "succeeded" else [],
        status=status,
        trained_tokens=int(tokens) if tokens is not None and status == "succeeded" else None,
        training_file=asked["training_file"],
        validation_file=asked.get("validation_file"),
        seed=_recipe_of(plan)["seed"],
        estimated_finish=_finish(run, plan, status),
        method=FineTuneMethod.model_validate(_method(asked)),
        metadata=asked.get("metadata"),
        x_tune_or_not=_beside(run, plan),
    )


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
        run_id=run.run_id,
        state=run.state,
        cap_usd=plan.cap_usd,
        at_most_usd=plan.figure.at_most,
        usd=run.said("settled", "usd"),
        version=run.said("registered", "version"),
    )


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
    return [
        FineTuningJobCheckpoint(
            id=checkpoint_id_of(kept.run_id, one.step),
            step_number=one.step,
            created_at=int(saved.get(one.step, run.events[-1].at)),
            fine_tuned_model_checkpoint=f"{model}:ckpt-step-{one.step}",
            metrics=metrics_at(steps, one.step),
            fine_tuning_job_id=job_id_of(kept.run_id),
        )
        for one in sorted(there, key=lambda one: -one.step)
    ]
