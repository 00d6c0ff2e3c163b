"""What a run is worked on with: the store, the ledger, the clock, the provider, and the limits."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advisor.catalog import Book
from advisor.plan import TrainingPlan
from trainer.clock import Clock, moment
from trainer.ledger import Ledger
from trainer.providers.job import Adapter, Job
from trainer.registry import Registry
from trainer.states import Run
from trainer.store import Lease, Store

RENEW_AFTER_SECONDS = 20.0


@dataclass(frozen=True)
class Limits:
    """How long we wait for what, and how far figures may lie apart."""

    quarantine_seconds: float = 900.0
    """After an unknown outcome: longer than any provider's slowest late job."""
    poll_seconds: float = 20.0
    """Between two looks at a job."""
    most_poll_seconds: float = 600.0
    """The same where nobody answers."""
    jitter_share: float = 0.25
    """How much a wait may differ, so that many runs do not ask at once."""
    quote_gap_share: float = 0.10
    """How far the provider's own estimate may lie from ours."""
    smoke_tries: int = 5
    """How often a tuned model is asked before it is taken to be silent."""
    upload_tries: int = 5
    """How often a file is sent before a person is asked."""


@dataclass(frozen=True)
class Office:
    """Everything outside a run that working on it needs."""

    store: Store
    ledger: Ledger
    registry: Registry
    clock: Clock
    book: Book
    files: Callable[[str], Path]
    """Hash of the bytes -> the file that holds them."""
    adapter: Callable[[str], Adapter]
    limits: Limits = field(default_factory=Limits)
    keep_remote: bool = False
    """Whether files stay at the provider after the job."""


@dataclass(frozen=True)
class Pause:
    """Nothing more can be done now: look again in so many seconds."""

    seconds: float
    says: str


@dataclass
class Work:
    """One run under its lease."""

    office: Office
    adapter: Adapter
    plan: TrainingPlan
    lease: Lease
    seen: Mapping[str, Job] | None = None
    """Jobs that a list has just told of."""

    def append(self, kind: str, **body: Any) -> Run:
        """Write an event down, under the lease."""
        return self.office.store.append(self.lease, kind, **body)

    def stay(self) -> None:
        """Make sure that the run is still ours for a while."""
        if self.office.clock.ticks() - self.lease.taken_ticks > RENEW_AFTER_SECONDS:
            self.lease = self.office.store.renew(self.lease)

    def mark(self) -> dict[str, Any]:
        """Return a point in time from which waiting can be counted, whatever the clock does."""
        clock = self.office.clock
        return {"boot": clock.boot, "ticks": clock.ticks()}

    def left(self, body: Mapping[str, Any], seconds: float) -> float | None:
        """Return the seconds left of a wait; nothing where it cannot be told on this machine."""
        clock = self.office.clock
        if body.get("boot") != clock.boot:
            return None
        return float(body["ticks"]) + seconds - clock.ticks()

    def wait(self, seconds: float, says: str) -> Pause:
        """Return a pause, a little longer or shorter each time."""
        share = self.office.limits.jitter_share
        return Pause(seconds * (1 + random.uniform(-share, share)), says)

    @property
    def day(self) -> str:
        """The day in UTC, as the ledger knows it."""
        return moment(self.office.clock.now()).date().isoformat()
