"""Fixtures of the storage tests: a clock and a file store, in either database."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.runs import FakeClock
from trainer.storage.files import FileStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def file_store(engine: Engine, clock: FakeClock) -> FileStore:
    return FileStore(engine, clock)
