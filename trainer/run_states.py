"""State machine of a run: events, allowed transitions, and the state they fold into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

State = Literal[
    "intent",
    "validated",
    "reserved",
    "uploading",
    "uploaded",
    "creating",
    "created",
    "queued",
    "running",
    "paused",
    "succeeded",
    "failed",
    "cancelled",
    "verified",
    "settled",
    "unknown_outcome",
    "needs_human",
]
Note = Literal[
    "consented",
    "estimated",
    "held",
    "echo_differs",
    "cancel_asked",
    "pause_asked",
    "resume_asked",
    "asked_provider",
    "smoke_failed",
    "smoke_skipped",
    "remote_deleted",
    "remote_kept",
    "answered_by_human",
    "unreachable",
    "unknown_word",
    "evaluated",
    "registered",
    "refused",
]
STATES: tuple[State, ...] = get_args(State)
NOTES: tuple[Note, ...] = get_args(Note)

WORKING = frozenset({"created", "queued", "running", "paused"})
"""States in which a job exists at the provider and has not ended."""
ENDED = frozenset({"succeeded", "failed", "cancelled"})
"""States that end a job."""
_AT_WORK: tuple[State, ...] = ("queued", "running", "paused", "succeeded", "failed", "cancelled")
_UNSENT: tuple[State, ...] = ("failed", "cancelled", "needs_human")

NEXT: Mapping[State, tuple[State, ...]] = {
    "intent": ("validated", *_UNSENT),
    "validated": ("reserved", *_UNSENT),
    "reserved": ("uploading", "uploaded", *_UNSENT),
    "uploading": ("uploading", "uploaded", *_UNSENT),
    "uploaded": ("uploading", "creating", *_UNSENT),
    "creating": ("created", "uploaded", "unknown_outcome", "failed", "needs_human"),
    "unknown_outcome": ("created", "uploaded", "cancelled", "needs_human"),
    "created": _AT_WORK,
    "queued": _AT_WORK,
    "running": _AT_WORK,
    "paused": _AT_WORK,
    "succeeded": ("verified", "settled"),
    "verified": ("settled",),
    "failed": ("settled",),
    "cancelled": ("settled",),
    "settled": (),
    "needs_human": ("created", "uploaded", "cancelled", "failed"),
}


class InvalidTransition(Exception):
    """An event is not allowed in the state of the run: an internal error."""


@dataclass(frozen=True)
class Event:
    """One event of a run; never changed afterwards."""

    seq: int
    kind: str
    at: float
    body: Mapping[str, Any]


@dataclass(frozen=True)
class JobEvent:
    """One event of a job, reported by the provider."""

    event_id: str
    at: float
    kind: str
    level: str
    message: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A run, folded from its events."""

    run_id: str
    plan_id: str
    provider: str
    state: State
    events: tuple[Event, ...] = field(repr=False)

    def last(self, kind: str) -> Event | None:
        """Return the latest event of a kind."""
        return next((event for event in reversed(self.events) if event.kind == kind), None)

    def count(self, kind: str) -> int:
        """Count the events of a kind."""
        return sum(event.kind == kind for event in self.events)

    def said(self, kind: str, key: str) -> Any:
        """Return one value of the latest event of a kind, or None."""
        event = self.last(kind)
        return event.body.get(key) if event else None

    @property
    def job_id(self) -> str | None:
        """The provider's id of the job."""
        return cast("str | None", self.said("created", "job_id"))

    @property
    def outcome(self) -> State | None:
        """How the job ended, if it has."""
        ends = (event.kind for event in reversed(self.events) if event.kind in ENDED)
        return next(ends, None)  # type: ignore[arg-type]

    @property
    def tuned_model(self) -> str | None:
        """The provider's name of the tuned model."""
        return cast("str | None", self.said("succeeded", "model"))


def next_state(state: State | None, kind: str) -> State | None:
    """Return the state after an event of this kind.

    Raises:
        InvalidTransition: the event is not allowed in this state.
    """
    if kind in NOTES:
        return state
    if state is None:
        if kind != "intent":
            raise InvalidTransition(f"a run starts with its intent, not with {kind}")
    elif kind not in NEXT[state]:
        raise InvalidTransition(f"{kind} is not allowed after {state}")
    return kind  # type: ignore[return-value]


def fold(run_id: str, plan_id: str, provider: str, events: Iterable[Event]) -> Run:
    """Compute the state of a run from its events."""
    state: State | None = None
    kept = tuple(events)
    for event in kept:
        state = next_state(state, event.kind)
    assert state is not None
    return Run(run_id, plan_id, provider, state, kept)
