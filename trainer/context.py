"""What a run is worked on with: the store, the ledger, the clock, the provider, and the limits.

Put an office together from the environment: the one place that knows them all.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from trainer.clock import Clock, SystemClock, utc_datetime
from trainer.home import file_of, home_folder
from trainer.local.provider import LocalAdapter
from trainer.providers import LOCAL, adapter_for
from trainer.providers.base import Adapter, Job
from trainer.run_states import Run
from trainer.storage.database import open_database
from trainer.storage.ledger import Ledger
from trainer.storage.model_registry import Registry
from trainer.storage.run_store import Lease, RunStore

RENEW_AFTER_SECONDS = 20.0


@dataclass(frozen=True)
class RunLimits:
    """How long we wait for what, and how far figures may lie apart."""

    quarantine_seconds: float = 900.0
    """After an unknown outcome: longer than any provider's slowest late job."""
    poll_seconds: float = 20.0
    """Between two looks at a job."""
    max_poll_seconds: float = 600.0
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
class TrainerContext:
    """Everything outside a run that working on it needs."""

    store: RunStore
    ledger: Ledger
    registry: Registry
    clock: Clock
    book: PriceBook
    files: Callable[[str], Path]
    """Hash of the bytes -> the file that holds them."""
    adapter: Callable[[str], Adapter]
    limits: RunLimits = field(default_factory=RunLimits)
    keep_remote: bool = False
    """Whether files stay at the provider after the job."""


@dataclass(frozen=True)
class RetryLater:
    """Nothing more can be done now: look again in so many seconds."""

    seconds: float
    says: str


@dataclass
class RunSession:
    """One run under its lease."""

    context: TrainerContext
    adapter: Adapter
    plan: TrainingPlan
    lease: Lease
    seen: Mapping[str, Job] | None = None
    """Jobs that a list has just told of."""

    def append(self, kind: str, **body: Any) -> Run:
        """Write an event down, under the lease."""
        return self.context.store.append(self.lease, kind, **body)

    def renew_lease(self) -> None:
        """Make sure that the run is still ours for a while."""
        if self.context.clock.ticks() - self.lease.taken_ticks > RENEW_AFTER_SECONDS:
            self.lease = self.context.store.renew(self.lease)

    def mark(self) -> dict[str, Any]:
        """Return a point in time from which waiting can be counted, whatever the clock does."""
        clock = self.context.clock
        return {"boot": clock.boot, "ticks": clock.ticks()}

    def left(self, body: Mapping[str, Any], seconds: float) -> float | None:
        """Return the seconds left of a wait; nothing where it cannot be told on this machine."""
        clock = self.context.clock
        if body.get("boot") != clock.boot:
            return None
        return float(body["ticks"]) + seconds - clock.ticks()

    def wait(self, seconds: float, says: str) -> RetryLater:
        """Return a pause, a little longer or shorter each time."""
        share = self.context.limits.jitter_share
        return RetryLater(seconds * (1 + random.uniform(-share, share)), says)

    @property
    def day(self) -> str:
        """The day in UTC, as the ledger knows it."""
        return utc_datetime(self.context.clock.now()).date().isoformat()


LIMIT_VARIABLES = {
    "TUNE_OR_NOT_QUARANTINE_SECONDS": "quarantine_seconds",
    "TUNE_OR_NOT_POLL_SECONDS": "poll_seconds",
}


_opened: list[Engine] = []


def read_price_book(prices: Path | None = None) -> PriceBook:
    """Read the price book, with the buyer's own prices over it if there are some."""
    own = home_folder() / "prices.yaml"
    return load_prices(overlay=prices or (own if own.is_file() else None))


def open_context(prices: Path | None = None, keep_remote: bool = False) -> TrainerContext:
    """Open the database and the price book, and set waits as the environment says."""
    engine, clock, book = open_database(), SystemClock(), read_price_book(prices)
    _opened.append(engine)
    store = RunStore(engine, clock)
    return TrainerContext(
        store=store,
        ledger=Ledger(engine),
        registry=Registry(engine, clock),
        clock=clock,
        book=book,
        files=file_of,
        adapter=lambda name: _adapter(name, book, store),
        limits=_limits(),
        keep_remote=keep_remote,
    )


def _adapter(provider: str, book: PriceBook, store: RunStore) -> Adapter:
    if provider == LOCAL:
        return LocalAdapter(home_folder(), store.run_of, file_of)
    return adapter_for(provider, book)


def close_contexts() -> None:
    """Let go of every database that was opened here."""
    while _opened:
        _opened.pop().dispose()


def _limits() -> RunLimits:
    limits = RunLimits()
    for name, setting in LIMIT_VARIABLES.items():
        text = os.environ.get(name)
        if text is None:
            continue
        try:
            limits = replace(limits, **{setting: float(text)})  # type: ignore[arg-type]
        except ValueError as error:
            raise UsageError(name, f"found '{text}'.", "Give seconds as a number.") from error
    return limits
