"""What happened to a run -> the events of its job as OpenAI tells them, its numbers, its file."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy.exc import IntegrityError

from trainer.filing import NoSuchFile, Sent, files_folder
from trainer.http.front import Front
from trainer.http.openai.job_shapes import CheckpointMetrics, FineTuningJobEvent
from trainer.http.openai.names import event_id_of, job_id_of, result_file_of
from trainer.jobs import Kept
from trainer.timeline import Moment, timeline

MOST = 1_000_000
"""Events of a run that are read at once; one of a million steps tells of 200,000."""
NUMBERS: Mapping[str, str] = {
    "step": "step", "of_steps": "total_steps", "train_loss": "train_loss",
    "eval_loss": "valid_loss", "learning_rate": "learning_rate",
    "tokens_per_second": "tokens_per_second",
}  # fmt: skip
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
    "failed": "error", "needs_human": "warn", "held": "warn", "refused": "warn",
    "unreachable": "warn", "smoke_failed": "warn",
}  # fmt: skip


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
        id=event_id_of(run_id, moment.seq), created_at=int(moment.at),
        level=level if level in ("warn", "error") else "info",
        message=_message(run_id, moment), type="metrics" if is_metric else "message",
        data=numbers_of(moment) if is_metric else {},
    )  # fmt: skip


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
    return {name: value for name, value in found.items()
            if isinstance(value, int | float) and math.isfinite(value)}  # fmt: skip


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
            known |= {name: numbers[name] for name in ("train_loss", "valid_loss")
                      if name in numbers}  # fmt: skip
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
