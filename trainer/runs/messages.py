"""Sentences for the states and events of a run: CLI lines, page and `/v1` events share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.clock import utc_datetime
from trainer.run_states import Event, Run, State
from trainer.storage.run_store import TimelineEvent

STATE_LABELS: Mapping[State, str] = {
    "intent": "Created",
    "validated": "Validated",
    "reserved": "Budget reserved",
    "uploading": "Uploading rows",
    "uploaded": "Rows ready",
    "creating": "Requesting the job",
    "created": "Job created",
    "queued": "Queued",
    "running": "Training",
    "paused": "Paused",
    "succeeded": "Trained",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "verified": "Smoke-tested",
    "settled": "Settled",
    "unknown_outcome": "Checking for the job",
    "needs_human": "Needs you",
}
EVENT_SENTENCES: Mapping[str, str] = {
    "intent": "Run created with a cap of ${cap_usd}",
    "refused": "Waiting: {why}",
    "held": "Waiting: {why}",
    "consented": "{rows} rows ({bytes} bytes) may be sent to {provider} at {host}",
    "validated": "Validated: {checked}",
    "reserved": "${usd} reserved",
    "uploading": "Uploading rows",
    "uploaded": "Rows ready: {why}",
    "estimated": "Provider estimate: ${usd} for {tokens} tokens; "
    "ours: ${ours_usd} for {ours_tokens} tokens",
    "creating": "Requesting the job once, under the key {key:.28}",
    "created": "Job {job_id} created ({how})",
    "unknown_outcome": "Checking whether a job was created: {why}",
    "cancel_asked": "Cancellation requested",
    "pause_asked": "Pause requested",
    "resume_asked": "Resume requested",
    "asked_provider": "Request to {what} sent to the provider: {heard}",
    "unreachable": "Provider unreachable: {why}",
    "queued": "Queued ({word})",
    "running": "Training ({word})",
    "paused": "Paused ({word})",
    "succeeded": "Training finished ({word}): {model}",
    "failed": "Training failed: {why}",
    "cancelled": "Cancelled: {why}",
    "verified": "Smoke test passed: {model} answered with {characters} characters",
    "smoke_failed": "Smoke test failed: {why}",
    "smoke_skipped": "Smoke test skipped: {why}",
    "registered": "Version {version} registered: {says}",
    "settled": "Settled at ${usd} ({how}); likely ${likely_usd}, cap ${cap_usd}",
    "needs_human": "Needs your decision: {why} {remedy}",
}
"""Kind of an event -> its sentence; a list of fields is shown for any other kind."""
HIDDEN_FIELDS = frozenset({"boot", "ticks", "request_sha256", "sha256", "plan_id", "level", "seq"})
UNNAMED_FIELDS = frozenset({"why", "checked", "heard", "word"})
EARLIEST_UNIX_TIME = 1e9
"""Seconds since 1970; a smaller time is the step count of a provider's clock."""


def state_label(run: Run) -> str:
    """Return the label of a run's state; of a settled run, how its job ended.

    >>> state_label(Run("r", "p", "local", "running", (Event(1, "intent", 0.0, {}),)))
    'Training'
    """
    if run.state == "settled" and run.outcome:
        return "Done" if run.outcome == "succeeded" else STATE_LABELS[run.outcome]
    return STATE_LABELS[run.state]


def event_sentence(event: Event | TimelineEvent) -> str:
    """Return one event of a run as a sentence; a provider's own message stays as it came.

    >>> event_sentence(Event(1, "reserved", 0.0, {"usd": "0.10"}))
    '$0.10 reserved'
    """
    if event.body.get("message"):
        return str(event.body["message"])
    texts = {name: _text(value) for name, value in event.body.items()}
    template = EVENT_SENTENCES.get(event.kind)
    if template is not None:
        try:
            return template.format(**texts).strip().removesuffix(":").removesuffix(" ()")
        except KeyError:
            pass  # an event of an older release lacks fields: list those it has
    shown = [(name, text) for name, text in texts.items() if text and name not in HIDDEN_FIELDS]
    parts = (text if name in UNNAMED_FIELDS else f"{name} {text}" for name, text in shown)
    return "; ".join(parts) or event.kind.replace("_", " ").capitalize()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value in (None, {}) else str(value)


def event_time(event: Event | TimelineEvent) -> str:
    """Return the time of day of an event in UTC; empty if its clock counts steps.

    >>> event_time(Event(1, "x", 1_795_000_000.0, {})), event_time(Event(1, "x", 7.0, {}))
    ('11:06:40', '')
    """
    return utc_datetime(event.at).strftime("%H:%M:%S") if event.at > EARLIEST_UNIX_TIME else ""


def event_line(run: Run, text: str = "", event: Event | None = None) -> str:
    """Return one event of a run, by default its last, as a line for a terminal."""
    shown = event or run.events[-1]
    time = utc_datetime(shown.at).strftime("%H:%M:%S")
    return f"{time}  {shown.kind:<15}  {text or event_sentence(shown)}".rstrip()
