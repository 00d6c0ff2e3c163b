"""Idempotency keys, in either database."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import Engine

from tests.support.runs import FakeClock
from trainer.storage.idempotency import (
    RETENTION_SECONDS,
    IdempotencyKeyReused,
    IdempotencyStore,
    RequestInProgress,
)


def test_the_first_response_is_returned_again(engine: Engine, clock: FakeClock) -> None:
    answered = IdempotencyStore(engine, clock)

    assert answered.begin("a", "key", "1" * 64).status is None
    answered.answer("a", "key", 202, "body")

    again = answered.begin("a", "key", "1" * 64)
    assert (again.status, again.body) == (202, "body")
    assert answered.begin("b", "key", "2" * 64).status is None  # another owner's key is another
    with pytest.raises(IdempotencyKeyReused, match="another request"):
        answered.begin("a", "key", "2" * 64)


def test_a_second_request_with_the_same_key_waits_for_the_first(
    engine: Engine, clock: FakeClock
) -> None:
    answered = IdempotencyStore(engine, clock)
    answered.begin("a", "key", "1" * 64)

    with pytest.raises(RequestInProgress):
        answered.begin("a", "key", "1" * 64)
    answered.forget("a", "key")
    assert answered.begin("a", "key", "1" * 64).status is None


def test_a_retry_continues_the_request_of_a_process_that_exited(
    engine: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = IdempotencyStore(engine, clock)
    dead.holder = dead.holder.replace(f":{os.getpid()}:", ":4000000:")
    dead.begin("a", "key", "1" * 64)
    dead.record_plan("a", "key", "plan1")

    stored = IdempotencyStore(engine, clock).begin("a", "key", "1" * 64)

    assert (stored.plan_id, stored.status) == ("plan1", None)


def test_a_retry_continues_a_failed_request_of_the_same_process(
    engine: Engine, clock: FakeClock
) -> None:
    answered = IdempotencyStore(engine, clock)
    answered.begin("a", "key", "1" * 64)
    answered.record_plan("a", "key", "plan1")
    answered.release_key("a", "key")

    assert answered.begin("a", "key", "1" * 64).plan_id == "plan1"
    with pytest.raises(RequestInProgress):
        answered.begin("a", "key", "1" * 64)


def test_a_key_expires_after_a_day(engine: Engine, clock: FakeClock) -> None:
    answered = IdempotencyStore(engine, clock)
    answered.begin("a", "key", "1" * 64)
    answered.answer("a", "key", 200, "old")

    clock.sleep(RETENTION_SECONDS + 1)

    assert answered.begin("a", "key", "2" * 64).status is None


@pytest.mark.parametrize("key", ["", "k" * 256, "a\x00b"])
def test_an_invalid_key_is_refused(engine: Engine, clock: FakeClock, key: str) -> None:
    with pytest.raises(IdempotencyKeyReused, match="1 to 255"):
        IdempotencyStore(engine, clock).begin("a", key, "1" * 64)
