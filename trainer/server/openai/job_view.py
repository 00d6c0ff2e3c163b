"""A run as an OpenAI fine-tuning job: the job, its events, metrics, checkpoints and result file."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy.exc import IntegrityError

from advisor.gpu.recipe import Recipe
from advisor.plan.training_plan import Hyperparameters, LocalJob, TrainingPlan
from trainer.run_states import Run, State
from trainer.runs.messages import event_sentence
from trainer.server.context import ServerContext
from trainer.server.openai.ids import event_id_of, job_id_of, run_hex, tuned_name
from trainer.server.openai.job_schemas import (
    CheckpointMetrics,
    FineTuneMethod,
    FineTuningJob,
    FineTuningJobCheckpoint,
    FineTuningJobEvent,
    JobError,
    JobHyperparameters,
    RunDetails,
    Status,
)
from trainer.storage.files import FileUpload, NoSuchFile, files_folder
from trainer.storage.job_store import StoredJob
from trainer.storage.run_store import TimelineEvent, read_timeline

MAX_EVENTS = 1_000_000
"""Events of a run that are read at once; a run of a million steps has 200,000."""
METRIC_NAMES: Mapping[str, str] = {
    "step": "step",
    "of_steps": "total_steps",
    "train_loss": "train_loss",
    "eval_loss": "valid_loss",
    "learning_rate": "learning_rate",
    "tokens_per_second": "tokens_per_second",
}
"""Our names of step metrics -> OpenAI's, or our own."""
COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
LEVELS: Mapping[str, Literal["warn", "error"]] = {
    "failed": "error",
    "needs_human": "warn",
    "held": "warn",
    "refused": "warn",
    "unreachable": "warn",
    "smoke_failed": "warn",
}


def run_timeline(server: ServerContext, run_id: str) -> list[TimelineEvent]:
    """Return the events of a run, in order."""
    return read_timeline(server.context.store.engine, run_id, most=MAX_EVENTS)


def job_event(run_id: str, event: TimelineEvent) -> FineTuningJobEvent:
    """Return one event of a run in OpenAI's form."""
    is_metric = event.what == "metric"
    level = LEVELS.get(event.kind) or event.body.get("level")
    return FineTuningJobEvent(
        id=event_id_of(run_id, event.seq),
        created_at=int(event.at),
        level=level if level in ("warn", "error") else "info",
        message=_metric_message(event) if is_metric else event_sentence(event),
        type="metrics" if is_metric else "message",
        data=step_metrics(event) if is_metric else {},
    )


def _metric_message(event: TimelineEvent) -> str:
    losses = {k: v for k, v in step_metrics(event).items() if k.endswith("_loss")}
    values = ", ".join(f"{name.replace('_', ' ')}={loss:.4f}" for name, loss in losses.items())
    steps = event.body.get("of_steps")
    return f"Step {event.body.get('step')}{f'/{steps}' if steps else ''}: {values}"


def step_metrics(event: TimelineEvent) -> dict[str, Any]:
    """Return the metrics of a step under OpenAI's names."""
    found = {METRIC_NAMES[name]: event.body[name] for name in METRIC_NAMES if name in event.body}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def metrics_by_step(events: Sequence[TimelineEvent]) -> dict[int, dict[str, Any]]:
    """Merge the metrics of each step."""
    steps: dict[int, dict[str, Any]] = {}
    for event in events:
        numbers = step_metrics(event) if event.what == "metric" else {}
        if "step" in numbers:
            steps.setdefault(int(numbers["step"]), {}).update(numbers)
    return dict(sorted(steps.items()))


def metrics_at(steps: Mapping[int, Mapping[str, Any]], step: int) -> CheckpointMetrics:
    """Return the latest losses measured up to a step."""
    known: dict[str, Any] = {}
    for at, numbers in steps.items():
        if at <= step:
            known |= {
                name: numbers[name] for name in ("train_loss", "valid_loss") if name in numbers
            }
    return CheckpointMetrics(step=step, **known)


def result_file(server: ServerContext, job: StoredJob) -> str:
    """Store the metrics of a succeeded job as a file, once; return its id."""
    file_id = f"file-result-{run_hex(job.run_id)}"
    with suppress(NoSuchFile):
        return server.file_store.file(file_id, None).file_id
    part = files_folder() / f"{uuid4().hex}.part"
    with part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(metrics_by_step(run_timeline(server, job.run_id)).values())
    sent = FileUpload(job.owner, "step_metrics.csv", "fine-tune-results")
    with suppress(IntegrityError):  # another request just stored the same file
        server.file_store.keep(part, sent, file_id)
    return file_id


STATE_STATUS: Mapping[State, Status] = {
    "intent": "validating_files",
    "validated": "validating_files",
    "running": "running",
    "succeeded": "running",
    "verified": "running",
    "needs_human": "running",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""States of a run -> OpenAI's statuses, `queued` for all others; a job has succeeded once its
model is registered."""
OUTCOME_STATUS: Mapping[State, Status] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}
MAX_EPOCHS, MAX_BATCH = 50, 256
HOUR_SECONDS = 3600.0


def job_view(server: ServerContext, job: StoredJob) -> FineTuningJob:
    """Return a job with its current status."""
    run = server.context.store.run(job.run_id)
    plan = server.context.store.plan(run.plan_id)
    assert plan.local is not None
    status, request = status_of(run), job.request
    is_done, end = status == "succeeded", run.last(run.outcome) if run.outcome else None
    tokens = run.said("succeeded", "trained_tokens")
    return FineTuningJob(
        id=job_id_of(job.run_id),
        created_at=int(job.made_at),
        error=_error(run) if status == "failed" else None,
        fine_tuned_model=job_model_name(job, plan) if is_done and run.last("registered") else None,
        finished_at=int(end.at) if end and status in OUTCOME_STATUS.values() else None,
        hyperparameters=_settings(plan.local.recipe, plan.hyperparameters),
        model=request["model"],
        organization_id=job.owner,
        result_files=[result_file(server, job)] if is_done else [],
        status=status,
        trained_tokens=int(tokens) if tokens is not None and is_done else None,
        training_file=request["training_file"],
        validation_file=request.get("validation_file"),
        seed=plan.local.recipe.seed,
        estimated_finish=_finish(run, plan.local, status),
        method=FineTuneMethod.model_validate(_method(request)),
        metadata=request.get("metadata"),
        x_tune_or_not=RunDetails(
            run_id=run.run_id,
            state=run.state,
            cap_usd=plan.cap_usd,
            at_most_usd=plan.figure.at_most,
            usd=run.said("settled", "usd"),
            version=run.said("registered", "version"),
        ),
    )


def job_model_name(job: StoredJob, plan: TrainingPlan) -> str:
    """Return the name of the model that a job produces."""
    return tuned_name(job.request["model"], job.owner, plan.suffix, job.run_id)


def status_of(run: Run) -> Status:
    """Return the OpenAI status of a run."""
    if run.state == "settled":
        return OUTCOME_STATUS[run.outcome or "cancelled"]
    return STATE_STATUS.get(run.state, "queued")


def _error(run: Run) -> JobError:
    why = run.said("failed", "why") or "the training ended without an error message"
    return JobError(code="training_failed", message=str(why), param=None)


def _settings(recipe: Recipe, requested: Hyperparameters) -> JobHyperparameters:
    is_integer = recipe.epochs == int(recipe.epochs) and 1 <= recipe.epochs <= MAX_EPOCHS
    return JobHyperparameters(
        n_epochs=int(recipe.epochs) if is_integer else "auto",
        batch_size=recipe.rows_per_step if recipe.rows_per_step <= MAX_BATCH else "auto",
        learning_rate_multiplier=requested.learning_rate_multiplier or "auto",
    )


def _method(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the requested method; deprecated requests have their hyperparameters elsewhere."""
    older = {"hyperparameters": request.get("hyperparameters") or {}}
    return request.get("method") or {"type": "supervised", "supervised": older}


def _finish(run: Run, local: LocalJob, status: Status) -> int | None:
    started = run.last("running")
    if status != "running" or run.outcome or started is None:
        return None
    return int(started.at + local.hours[1] * HOUR_SECONDS)


def checkpoints_of(server: ServerContext, job: StoredJob) -> list[FineTuningJobCheckpoint]:
    """Return the complete checkpoints, the newest first."""
    run = server.context.store.run(job.run_id)
    if run.job_id is None:
        return []
    model = job_model_name(job, server.context.store.plan(run.plan_id))
    with closing(server.context.adapter(run.provider)) as adapter:
        checkpoints = adapter.checkpoints(run.job_id)
    events = run_timeline(server, job.run_id)
    steps = metrics_by_step(events)
    saved = {event.body.get("step"): event.at for event in events if event.kind == "checkpoint"}
    return [
        FineTuningJobCheckpoint(
            id=f"ftckpt_{run_hex(job.run_id)}_{checkpoint.step}",
            step_number=checkpoint.step,
            created_at=int(saved.get(checkpoint.step, run.events[-1].at)),
            fine_tuned_model_checkpoint=f"{model}:ckpt-step-{checkpoint.step}",
            metrics=metrics_at(steps, checkpoint.step),
            fine_tuning_job_id=job_id_of(job.run_id),
        )
        for checkpoint in sorted(checkpoints, key=lambda checkpoint: -checkpoint.step)
    ]
