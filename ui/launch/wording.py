"""Runs and their events -> the words that the page says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.clock import utc_datetime
from trainer.run_states import Run, State
from trainer.storage.run_store import TimelineEvent

STATE_LABELS: Mapping[State, str] = {
    "intent": "Put on record",
    "validated": "Checked",
    "reserved": "Money set aside",
    "uploading": "Sending rows",
    "uploaded": "Rows are there",
    "creating": "Asking for the job",
    "created": "Job made",
    "queued": "Waiting its turn",
    "running": "Training",
    "paused": "Held",
    "succeeded": "Trained",
    "failed": "Failed",
    "cancelled": "Ended early",
    "verified": "Tried out",
    "settled": "Settled",
    "unknown_outcome": "Looking for the job",
    "needs_human": "Needs you",
}
"""What each state is called."""
EVENT_TEXTS: Mapping[str, str] = {
    "intent": "Put on record; it may cost up to {cap_usd} USD.",
    "consented": "{rows} rows may go to {provider} ({host}).",
    "reserved": "{usd} USD set aside.",
    "uploading": "Rows are on their way.",
    "validated": "Checked before anything is sent.",
    "uploaded": "Rows: {why}.",
    "estimated": "The provider reckons with {usd} USD, we with {ours_usd}.",
    "creating": "Asking for the job, once.",
    "created": "Job {job_id}.",
    "cancel_asked": "You asked to end it.",
    "pause_asked": "You asked to hold it.",
    "resume_asked": "You asked to go on.",
    "asked_provider": "Asked to {what}: {heard}.",
    "queued": "It waits its turn.",
    "running": "The training runs.",
    "paused": "It is held.",
    "refused": "It waits: {why}",
    "succeeded": "The training is done.",
    "verified": "The tuned model answered ({characters} characters).",
    "smoke_failed": "The tuned model does not answer yet: {why}",
    "smoke_skipped": "Not tried out: {why}",
    "registered": "Version {version}: {says}",
    "settled": "{usd} USD spent ({how}).",
    "needs_human": "{why} {remedy}",
    "unreachable": "No word from the provider: {why}",
}
HIDDEN_FIELDS = frozenset({"boot", "ticks", "request_sha256", "sha256", "plan_id", "level", "seq"})
EARLIEST_UNIX_TIME = 1e9
"""Seconds since 1970 under which a time is a step's number and no hour."""


def state_label(run: Run) -> str:
    """Name where a run stands; one that is settled by how its job ended.

    >>> from trainer.run_states import Event
    >>> state_label(Run("r", "p", "local", "running", (Event(1, "intent", 0.0, {}),)))
    'Training'
    """
    if run.state == "settled" and run.outcome:
        return "Done" if run.outcome == "succeeded" else STATE_LABELS[run.outcome]
    return STATE_LABELS[run.state]


def event_text(one: TimelineEvent) -> str:
    """Say what one event of a run was.

    >>> event_text(TimelineEvent(1, 0.0, "state", "reserved", {"usd": "0.10"}))
    '0.10 USD set aside.'
    """
    template = EVENT_TEXTS.get(one.kind)
    if template is not None:
        try:
            return template.format(**one.body)
        except KeyError:
            pass  # an event of an older release: all that it holds is said
    told = one.body.get("message")
    if told:
        return str(told)
    parts = (
        _field_text(name, value) for name, value in one.body.items() if name not in HIDDEN_FIELDS
    )
    return "; ".join(part for part in parts if part) or STATE_LABELS.get(one.kind, one.kind)  # type: ignore[call-overload]


def _field_text(name: str, value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if name in ("why", "checked", "heard", "word") else f"{name} {text}"


def event_time(one: TimelineEvent) -> str:
    """Write the hour of an event in UTC; nothing where its clock counts steps.

    >>> events = [TimelineEvent(1, at, "log", "x", {}) for at in (1_795_000_000.0, 7.0)]
    >>> event_time(events[0]), event_time(events[1])
    ('11:06:40', '')
    """
    return utc_datetime(one.at).strftime("%H:%M:%S") if one.at > EARLIEST_UNIX_TIME else ""
