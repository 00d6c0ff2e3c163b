"""Trainer context: stores, ledger, clock, prices, providers, limits; built from the environment."""

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
    """Waiting times, retry counts and tolerances."""

    quarantine_seconds: float = 900.0
    """Wait after an unknown outcome: longer than any provider's slowest late job."""
    poll_seconds: float = 20.0
    """Between two polls of a job."""
    max_poll_seconds: float = 600.0
    """The same for an unreachable provider."""
    jitter_share: float = 0.25
    """Random variation of a wait, so that many runs do not poll at once."""
    quote_gap_share: float = 0.10
    """Maximum deviation of the provider's estimate from ours."""
    smoke_tries: int = 5
    """Attempts before a smoke test counts as failed."""
    upload_tries: int = 5
    """Attempts before a failed upload needs the user's decision."""


@dataclass(frozen=True)
class TrainerContext:
    """Everything that a run needs from outside."""

    store: RunStore
    ledger: Ledger
    registry: Registry
    clock: Clock
    book: PriceBook
    files: Callable[[str], Path]
    """Hash of the bytes -> the file with them."""
    adapter: Callable[[str], Adapter]
    limits: RunLimits = field(default_factory=RunLimits)
    keep_remote: bool = False
    """Whether uploaded files stay at the provider after the job."""


@dataclass(frozen=True)
class RetryLater:
    """The run cannot advance now: poll again after some seconds."""

    seconds: float
    says: str


@dataclass
class RunSession:
    """One run under its lease, with its plan and provider."""

    context: TrainerContext
    adapter: Adapter
    plan: TrainingPlan
    lease: Lease
    seen: Mapping[str, Job] | None = None
    """Jobs that were just listed."""

    def append(self, kind: str, **body: Any) -> Run:
        """Append an event, under the lease."""
        return self.context.store.append(self.lease, kind, **body)

    def renew_lease(self) -> None:
        """Renew the lease if it is due."""
        if self.context.clock.ticks() - self.lease.taken_ticks > RENEW_AFTER_SECONDS:
            self.lease = self.context.store.renew(self.lease)

    def mark(self) -> dict[str, Any]:
        """Return a point in time to count a wait from, independent of wall-clock changes."""
        clock = self.context.clock
        return {"boot": clock.boot, "ticks": clock.ticks()}

    def left(self, body: Mapping[str, Any], seconds: float) -> float | None:
        """Return the seconds left of a wait; None on another machine or boot."""
        clock = self.context.clock
        if body.get("boot") != clock.boot:
            return None
        return float(body["ticks"]) + seconds - clock.ticks()

    def wait(self, seconds: float, reason: str) -> RetryLater:
        """Return a wait with random jitter."""
        share = self.context.limits.jitter_share
        return RetryLater(seconds * (1 + random.uniform(-share, share)), reason)

    @property
    def day(self) -> str:
        """Today in UTC, as the ledger stores it."""
        return utc_datetime(self.context.clock.now()).date().isoformat()


LIMIT_VARIABLES = {
    "TUNE_OR_NOT_QUARANTINE_SECONDS": "quarantine_seconds",
    "TUNE_OR_NOT_POLL_SECONDS": "poll_seconds",
}


_opened: list[Engine] = []


def read_price_book(prices: Path | None = None) -> PriceBook:
    """Read the price book, with the user's own prices over it if there are any."""
    own = home_folder() / "prices.yaml"
    return load_prices(overlay=prices or (own if own.is_file() else None))


def open_context(prices: Path | None = None, keep_remote: bool = False) -> TrainerContext:
    """Open the database and the price book; waiting times come from the environment."""
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
    """Close every database that was opened here."""
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
            raise UsageError(name, f"found '{text}'.", "Set a number of seconds.") from error
    return limits
