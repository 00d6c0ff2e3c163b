"""Idempotency keys on the OpenAI surface: repeats, races, and a process that died."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from sqlalchemy import select

from tests.support.openai_api import (
    OpenAIHarness,
    expect_error,
    job_body,
)
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.schema import answered


def test_a_key_gives_the_first_answer_again_and_no_second_job(still: OpenAIHarness) -> None:
    body, key = job_body(still, suffix="once"), {"Idempotency-Key": "key-1"}
    first = still.call("POST", "/fine_tuning/jobs", json=body, headers=key)
    other_order = dict(reversed(body.items()))

    again = still.call("POST", "/fine_tuning/jobs", json=other_order, headers=key)

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    error = expect_error(
        still, 400, "POST", "/fine_tuning/jobs", json={**body, "suffix": "x"}, headers=key
    )
    assert error["code"] == "idempotency_key_reused"
    mine = still.call("POST", "/fine_tuning/jobs", owner="ida", headers=key,
                      json={**body, "training_file": still.rows(owner="ida")})  # fmt: skip
    assert mine.json()["id"] != first.json()["id"]
    cancelled = [still.call("POST", f"/fine_tuning/jobs/{first.json()['id']}/cancel",
                            headers={"Idempotency-Key": "key-2"}) for _ in range(2)]  # fmt: skip
    assert cancelled[0].content == cancelled[1].content
    asked = still.server.context.store.run(first.json()["x_tune_or_not"]["run_id"])
    assert asked.count("cancel_asked") == 1


def test_a_key_that_comes_many_times_at_once_starts_one_job(still: OpenAIHarness) -> None:
    body, before = job_body(still, suffix="many"), len(still.server.context.store.listed())

    def create(key: str | None) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return still.call("POST", "/fine_tuning/jobs", json=body, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        same = list(pool.map(create, ["crowd"] * 8))
        others = list(pool.map(create, [None] * 4))

    assert {one.status_code for one in same} <= {200, 409}
    assert len({one.json()["id"] for one in same if one.status_code == 200}) == 1
    assert create("crowd").status_code == 200
    assert len({one.json()["id"] for one in others}) == 4
    assert len(still.server.context.store.listed()) == before + 5


def test_a_file_under_a_key_is_kept_once(still: OpenAIHarness) -> None:
    def send(content: bytes) -> Any:
        return still.call("POST", "/files", data={"purpose": "fine-tune"}, owner="kim",
                          files={"file": ("a.jsonl", content)},
                          headers={"Idempotency-Key": "file-key"})  # fmt: skip

    first, again, other = send(b'{"a": 1}\n'), send(b'{"a": 1}\n'), send(b'{"a": 2}\n')

    assert first.json() == again.json()
    assert other.status_code == 400
    assert len(list(still.sdk("kim").files.list())) == 1


def test_what_was_refused_leaves_its_key_free(still: OpenAIHarness) -> None:
    key = {"Idempotency-Key": "key-3"}
    expect_error(
        still,
        404,
        "POST",
        "/fine_tuning/jobs",
        headers=key,
        json={**job_body(still), "model": "gpt"},
    )

    assert (
        still.call("POST", "/fine_tuning/jobs", headers=key, json=job_body(still)).status_code
        == 200
    )


def test_a_request_that_is_still_answered_is_not_begun_again(still: OpenAIHarness) -> None:
    body = job_body(still)
    sdk = still.sdk()
    seen = still.call("POST", "/fine_tuning/jobs", json=body, headers={"Idempotency-Key": "probe"})
    digest = _digest_of(still, "probe")
    still.server.idempotency.begin("ann", "key-4", digest)

    error = expect_error(
        still, 409, "POST", "/fine_tuning/jobs", json=body, headers={"Idempotency-Key": "key-4"}
    )

    assert seen.status_code == 200
    assert error["code"] == "in_progress"
    with pytest.raises(openai.ConflictError):
        sdk.fine_tuning.jobs.create(**body, extra_headers={"Idempotency-Key": "key-4"})


def _digest_of(surface: OpenAIHarness, key: str) -> str:
    with read_connection(surface.server.context.store.engine) as connection:
        asked = select(answered.c.request_sha256).where(answered.c.key == key)
        return str(connection.execute(asked).scalar_one())


@pytest.mark.parametrize("was_started", [True, False])
def test_a_process_that_died_left_one_job_and_no_second_comes(
    still: OpenAIHarness, was_started: bool
) -> None:
    body, store = job_body(still, suffix=f"dead-{was_started}"), still.server.context.store
    probe = still.call("POST", "/fine_tuning/jobs", json=body, headers={"Idempotency-Key": "old"})
    plan = store.plan(store.run(probe.json()["x_tune_or_not"]["run_id"]).plan_id)
    plan = plan.model_validate({**plan.model_dump(), "attempt": 7})
    digest, key = _digest_of(still, "old"), f"key-dead-{was_started}"
    store.keep_plan(plan)
    run_id = store.start(plan)[0] if was_started else None
    with write_transaction(store.engine) as connection:
        gone = still.server.idempotency.holder.rsplit(":", 1)[0] + ":gone"
        connection.execute(answered.insert().values(
            owner="ann", key=key, request_sha256=digest, plan_id=plan.plan_id, holder=gone,
            made_at=time.time()))  # fmt: skip
        connection.execute(answered.delete().where(answered.c.key == "old"))

    made = still.call("POST", "/fine_tuning/jobs", json=body, headers={"Idempotency-Key": key})
    again = still.call("POST", "/fine_tuning/jobs", json=body, headers={"Idempotency-Key": key})

    assert made.status_code == 200, made.text
    assert made.content == again.content
    run = made.json()["x_tune_or_not"]["run_id"]
    assert run == (run_id or store.run_of(plan))
    assert sum(one.plan_id == plan.plan_id for one in store.listed()) == 1
