"""Put an office together from the environment: the one place that knows them all."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine

from advisor.book_file import load_book
from advisor.catalog import Book
from advisor.errors import UsageError
from trainer.clock import SystemClock
from trainer.database import home_folder, open_database
from trainer.ledger import Ledger
from trainer.local.adapter import LocalAdapter
from trainer.office import Limits, Office
from trainer.planning import file_of
from trainer.providers import LOCAL, adapter_for
from trainer.providers.job import Adapter
from trainer.registry import Registry
from trainer.store import Store

SETTINGS = {"TUNE_OR_NOT_QUARANTINE_SECONDS": "quarantine_seconds",
            "TUNE_OR_NOT_POLL_SECONDS": "poll_seconds"}  # fmt: skip


_opened: list[Engine] = []


def the_book(prices: Path | None = None) -> Book:
    """Read the price book, with the buyer's own prices over it if there are some."""
    own = home_folder() / "prices.yaml"
    return load_book(overlay=prices or (own if own.is_file() else None))


def open_office(prices: Path | None = None, keep_remote: bool = False) -> Office:
    """Open the database and the price book, and set waits as the environment says."""
    engine, clock, book = open_database(), SystemClock(), the_book(prices)
    _opened.append(engine)
    store = Store(engine, clock)
    return Office(
        store=store, ledger=Ledger(engine), registry=Registry(engine, clock), clock=clock,
        book=book, files=file_of, adapter=lambda name: _adapter(name, book, store),
        limits=_limits(), keep_remote=keep_remote,
    )  # fmt: skip


def _adapter(provider: str, book: Book, store: Store) -> Adapter:
    if provider == LOCAL:
        return LocalAdapter(home_folder(), store.run_of, file_of)
    return adapter_for(provider, book)


def close_offices() -> None:
    """Let go of every database that was opened here."""
    while _opened:
        _opened.pop().dispose()


def _limits() -> Limits:
    limits = Limits()
    for name, field in SETTINGS.items():
        text = os.environ.get(name)
        if text is None:
            continue
        try:
            limits = replace(limits, **{field: float(text)})  # type: ignore[arg-type]
        except ValueError as error:
            raise UsageError(name, f"found '{text}'.", "Give seconds as a number.") from error
    return limits
