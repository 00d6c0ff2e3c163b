"""Requests to the OpenAI surface: files, uploads, jobs, idempotency, errors, ownership."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from sqlalchemy import select

from tests.support import tiny_models
from tests.support.openai_api import (
    BASELINE_MODEL,
    OpenAIHarness,
    expect_error,
    job_body,
    serve_openai_api,
)
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.model_version import ModelVersionInput
from trainer.storage.schema import answered


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIHarness]:
    """A server that does not advance its runs."""
    folder = tmp_path_factory.mktemp("still")
    base = tiny_models.make_causal(folder / "base")
    with serve_openai_api(folder, False, bases={"tiny": base}, max_file_bytes=2_000_000) as found:
        yield found


def test_jobs_are_listed_by_pages_and_by_their_words(still: OpenAIHarness) -> None:
    sdk = still.sdk("paul")
    file_id = still.rows(owner="paul")
    made = [sdk.fine_tuning.jobs.create(model=BASELINE_MODEL, training_file=file_id, metadata=words).id
            for words in ({"team": "a"}, {"team": "b"}, {"team": "a", "stage": "2"}, None)]  # fmt: skip

    jobs = sdk.fine_tuning.jobs
    assert [one.id for one in jobs.list(limit=2)] == made[::-1]
    assert jobs.list(limit=2).has_more
    assert [one.id for one in jobs.list(metadata={"team": "a"})] == [made[2], made[0]]
    assert [one.id for one in jobs.list(metadata={"team": "a", "stage": "2"})] == [made[2]]
    assert [one.id for one in jobs.list(extra_query={"metadata": "null"})] == [made[3]]
    assert jobs.list(after=made[0]).data == []
    expect_error(still, 400, "GET", "/fine_tuning/jobs?metadata=a", owner="paul")
    expect_error(still, 400, "GET", "/fine_tuning/jobs?metadata[team=a", owner="paul")
    assert (
        expect_error(still, 400, "GET", "/fine_tuning/jobs?after=ftjob-1", owner="paul")["param"]
        == "after"
    )


CHAT = tiny_models.task_rows(30)
PAIRS = [{"input": {"messages": row["messages"][:1]}, "preferred_output": row["messages"][1:],
          "non_preferred_output": [{"role": "assistant", "content": "other"}]} for row in CHAT]  # fmt: skip
REWARDED = {"type": "reinforcement", "reinforcement": {"grader": {
    "type": "string_check", "name": "x", "operation": "ilike", "input": "{{sample.output_text}}",
    "reference": "{{item.label}}"}}}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "method", "words", "wanted"),
    [
        (CHAT, None, {}, {"objective": "sft", "method": "lora"}),
        (CHAT, None, {"ton_method": "full", "ton_epochs": "2.5"}, {"method": "full", "epochs": 2.5}),
        (CHAT, None, {"ton_method": "qlora"}, {"method": "qlora"}),
        (CHAT, None, {"ton_method": "prefix"}, {"objective": "sft", "method": "prefix"}),
        (CHAT, None, {"ton_method": "encoder"}, {"objective": "classification", "method": "full"}),
        (CHAT, None, {"ton_use_dora": "true", "ton_lora_alpha": "64"},
         {"use_dora": True, "lora_alpha": 64}),
        (PAIRS, {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3}}}, {},
         {"objective": "dpo", "method": "lora", "beta": 0.3}),
        (CHAT, REWARDED, {"ton_samples_per_prompt": "2"}, {"objective": "grpo", "samples_per_prompt": 2}),
    ],
)  # fmt: skip
def test_methods_and_settings_reach_the_recipe(
    still: OpenAIHarness, rows: Any, method: Any, words: dict[str, str], wanted: dict[str, Any]
) -> None:
    body = {"model": "tiny", "training_file": still.rows(rows), "metadata": words, "seed": 11}

    job = still.sdk().fine_tuning.jobs.create(**body, **({"method": method} if method else {}))

    context = still.server.context
    plan = context.store.plan(context.store.run(job.model_extra["x_tune_or_not"]["run_id"]).plan_id)
    recipe = plan.local.recipe.model_dump()
    assert {name: recipe[name] for name in wanted} == wanted
    assert (job.seed, recipe["seed"], job.metadata) == (11, 11, words)
    assert job.method.type == (method or {"type": "supervised"})["type"]
    assert plan.grader is None or json.loads(plan.grader)["operation"] == "ilike"


def test_a_fully_tuned_model_is_tuned_further_and_an_adapter_is_not(still: OpenAIHarness) -> None:
    sdk, file_id = still.sdk(), still.rows()
    base = still.server.base("tiny")
    names = {}
    for kind in ("full", "adapter"):
        job = sdk.fine_tuning.jobs.create(model="tiny", training_file=file_id, suffix=kind)
        run = still.server.context.store.run(job.model_extra["x_tune_or_not"]["run_id"])
        still.server.context.registry.register(run.run_id, kind, ModelVersionInput(
            run.plan_id, "local", "base", "d", "s", str(base), kind))  # fmt: skip
        names[kind] = f"ft:tiny:ann:{kind}:{run.run_id[4:12]}"

    again = sdk.fine_tuning.jobs.create(model=names["full"], training_file=file_id)
    with pytest.raises(openai.BadRequestError, match="it is an adapter"):
        sdk.fine_tuning.jobs.create(model=names["adapter"], training_file=file_id)

    assert again.model == names["full"]
    assert set(names.values()) < {one.id for one in sdk.models.list()}
    plan = still.server.context.store.plan(
        still.server.context.store.run(again.model_extra["x_tune_or_not"]["run_id"]).plan_id
    )
    assert plan.local.base == str(base.resolve())


def test_each_create_is_a_job_of_its_own(still: OpenAIHarness) -> None:
    body = job_body(still)

    first, second = (still.call("POST", "/fine_tuning/jobs", json=body).json() for _ in range(2))

    assert first["id"] != second["id"]
    context = still.server.context
    runs = [context.store.run(one["x_tune_or_not"]["run_id"]) for one in (first, second)]
    plans = [context.store.plan(run.plan_id) for run in runs]
    assert [plan.attempt for plan in plans] == [1, 2]
    lines = [one for one in still.server.audit.lines() if one.action == "launch"][-2:]
    assert [(one.owner, one.usd, one.subject) for one in lines] == [
        ("ann", plan.figure.at_most, f"plan {plan.plan_id}") for plan in plans]  # fmt: skip


def test_a_job_that_waits_is_held_gone_on_with_and_ended(still: OpenAIHarness) -> None:
    sdk = still.sdk()
    job = sdk.fine_tuning.jobs.create(**job_body(still))
    run_id = job.model_extra["x_tune_or_not"]["run_id"]

    assert job.status == "validating_files"
    assert sdk.fine_tuning.jobs.pause(job.id).id == job.id
    assert sdk.fine_tuning.jobs.resume(job.id).id == job.id
    assert sdk.fine_tuning.jobs.cancel(job.id).finished_at is None
    still.driver.look()

    job = sdk.fine_tuning.jobs.retrieve(job.id)
    assert (job.status, job.fine_tuned_model, job.error) == ("cancelled", None, None)
    assert job.finished_at is not None
    messages = [one.message for one in sdk.fine_tuning.jobs.list_events(job.id)]
    assert {"Pause requested", "Resume requested", "Cancellation requested"} < set(messages)
    assert messages[0].startswith("Settled at 0")
    assert list(sdk.fine_tuning.jobs.checkpoints.list(job.id)) == []
    again = expect_error(still, 409, "POST", f"/fine_tuning/jobs/{job.id}/cancel")
    assert "it has ended (cancelled)" in again["message"]
    assert run_id in {one.subject for one in still.server.audit.lines() if one.action == "cancel"}


def test_tokens_and_their_roles_are_asked_for(still: OpenAIHarness) -> None:
    found = still.call("GET", "/files", headers={"Authorization": "Bearer nobody"})
    assert (found.status_code, found.json()["error"]["code"]) == (401, "invalid_api_key")
    assert found.json()["error"]["type"] == "authentication_error"
    error = expect_error(
        still, 403, "POST", "/fine_tuning/jobs", role="propose", json=job_body(still)
    )
    assert (error["type"], error["code"]) == ("permission_error", "insufficient_permissions")
    expect_error(still, 403, "POST", "/files", role="view", files={"file": ("a.jsonl", b"{}")})
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=still.url, api_key="sk-none").models.list()


def test_a_file_comes_by_parts(still: OpenAIHarness) -> None:
    sdk = still.sdk()
    rows = "".join(json.dumps(row) + "\n" for row in tiny_models.task_rows(30)).encode()
    halves = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    upload = sdk.uploads.create(filename="big.jsonl", purpose="fine-tune", bytes=len(rows),
                                mime_type="application/jsonl")  # fmt: skip
    parts = [sdk.uploads.parts.create(upload.id, data=half).id for half in halves]
    error = expect_error(
        still, 400, "POST", f"/uploads/{upload.id}/complete", json={"part_ids": parts[:1]}
    )
    assert f"{len(rows)} were announced" in error["message"]

    done = sdk.uploads.complete(upload.id, part_ids=parts)

    assert (done.status, done.file.bytes) == ("completed", len(rows))
    assert sdk.files.content(done.file.id).read() == rows
    other = sdk.uploads.create(filename="x.jsonl", purpose="fine-tune", bytes=9, mime_type="text/x")
    assert sdk.uploads.cancel(other.id).status == "cancelled"
    expect_error(still, 400, "POST", f"/uploads/{other.id}/cancel")
    expect_error(still, 404, "POST", f"/uploads/{other.id}/cancel", owner="eve")
    expect_error(still, 413, "POST", "/uploads", json={
        "filename": "x.jsonl", "purpose": "fine-tune", "bytes": 3_000_000, "mime_type": "x"})  # fmt: skip


def test_files_are_listed_sent_back_and_deleted(still: OpenAIHarness) -> None:
    sdk = still.sdk("fay")
    made = [still.rows(owner="fay") for _ in range(3)]
    expiring = sdk.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune",
                                expires_after={"anchor": "created_at", "seconds": 3600})  # fmt: skip
    assert expiring.expires_at - expiring.created_at == 3600

    assert [one.id for one in sdk.files.list(order="asc", limit=2)] == [*made, expiring.id]
    assert [one.id for one in sdk.files.list(after=made[1])] == [made[0]]
    assert list(sdk.files.list(purpose="fine-tune-results")) == []
    assert sdk.files.delete(made[0]).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(made[0])


@pytest.mark.parametrize(
    ("form", "content", "says"),
    [
        ({"purpose": "assistants"}, b"{}\n", "purpose: found 'assistants'"),
        ({}, b"{}\n", "purpose: found ''"),
        ({"purpose": "fine-tune"}, b'{"a": 1}\n{"a": \n', "line 2 is not valid JSON"),
        ({"purpose": "fine-tune"}, b"[1]\n", "line 1 is not a JSON object"),
        ({"purpose": "fine-tune"}, b" \n", "it has no rows"),
        ({"purpose": "fine-tune", "porpose": "x"}, b"{}\n", "porpose: unknown parameter"),
        ({"purpose": "fine-tune", "expires_after[seconds]": "5"}, b"{}\n", "give anchor"),
    ],
)
def test_a_file_that_cannot_be_learned_from_is_refused(
    still: OpenAIHarness, form: dict[str, str], content: bytes, says: str
) -> None:
    left = set((still.folder / "home" / "files").glob("*"))

    error = expect_error(
        still, 400, "POST", "/files", data=form, files={"file": ("a.jsonl", content)}
    )

    assert says in error["message"]
    assert set((still.folder / "home" / "files").glob("*")) == left


def test_a_file_that_is_too_large_leaves_nothing(still: OpenAIHarness) -> None:
    left = set((still.folder / "home" / "files").glob("*"))

    error = expect_error(still, 413, "POST", "/files", data={"purpose": "fine-tune"},
                    files={"file": ("a.jsonl", b"x" * 2_200_000)})  # fmt: skip

    assert error["code"] == "too_large"
    assert set((still.folder / "home" / "files").glob("*")) == left
    expect_error(
        still, 400, "POST", "/files", content=b"{}\n", headers={"content-type": "text/plain"}
    )


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


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"modle": "x"}, 400, "modle"),
        ({"model": "tyni"}, 404, "model"),
        ({"model": "ft:tiny:ann::12345678"}, 404, "model"),
        ({"training_file": "file-none"}, 400, "training_file"),
        ({"validation_file": "file-none"}, 400, "validation_file"),
        ({"suffix": "s" * 65}, 400, "suffix"),
        ({"suffix": "two words"}, 400, "suffix"),
        ({"seed": -1}, 400, "seed"),
        ({"seed": "7"}, 400, "seed"),
        ({"metadata": {"k": "v" * 513}}, 400, "metadata.k"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, 400, "metadata"),
        ({"metadata": {"ton_lora_rnak": "8"}}, 400, "metadata.ton_lora_rnak"),
        ({"metadata": {"ton_lora_rank": "many"}}, 400, "metadata.ton_lora_rank"),
        ({"metadata": {"ton_method": "rlhf"}}, 400, "metadata.ton_method"),
        ({"metadata": {"ton_cap_usd": "much"}}, 400, "metadata.ton_cap_usd"),
        ({"metadata": {"ton_cap_usd": "0.001"}}, 409, "metadata.ton_cap_usd"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, 400, "integrations"),
        ({"hyperparameters": {"n_epochs": 51}}, 400, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": 2.5}}, 400, "hyperparameters.n_epochs"),
        ({"method": {"type": "dpo", "supervised": {}}}, 400, "method.supervised"),
        ({"method": {"type": "sft"}}, 400, "method.type"),
        ({"method": {"type": "reinforcement"}}, 400, "method.reinforcement"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 3}}}}, 400,
         "method.dpo.hyperparameters.beta"),
        ({"method": {"type": "supervised"}, "metadata": {"ton_cap_usd": "1e30"}}, 400,
         "metadata.ton_cap_usd"),
        ({"method": {"type": "reinforcement", "reinforcement": {"grader": {
            "type": "string_check", "name": "x", "operation": "eq", "input": "fixed",
            "reference": "{{item.a}}"}}}}, 400, "method.reinforcement.grader.input"),
        ({"method": {"type": "dpo"}, "metadata": {"ton_method": "lora"}}, 400, "training_file"),
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_named(
    still: OpenAIHarness, more: dict[str, Any], status: int, param: str
) -> None:
    body = {**job_body(still), "model": "tiny", **more}

    error = expect_error(still, status, "POST", "/fine_tuning/jobs", json=body)

    assert error["param"] == param
    assert str(still.folder) not in error["message"]


def test_a_job_over_its_cap_is_refused_with_both_numbers(still: OpenAIHarness) -> None:
    body = job_body(still, metadata={"ton_cap_usd": "0.001"})

    error = expect_error(still, 409, "POST", "/fine_tuning/jobs", json=body)

    assert error["code"] == "over_budget"
    assert "may cost up to 0.02 USD, and its cap is 0.001 USD" in error["message"]


def test_near_names_are_offered(still: OpenAIHarness) -> None:
    body = job_body(still, metadata={"ton_lora_rnak": "8"})

    error = expect_error(still, 400, "POST", "/fine_tuning/jobs", json=body)
    assert "Did you mean 'ton_lora_rank'" in error["message"]
    error = expect_error(still, 400, "POST", "/fine_tuning/jobs", json=job_body(still, sufix="x"))
    assert "Did you mean 'suffix'" in error["message"]
    error = expect_error(still, 400, "GET", "/files?porpose=fine-tune")
    assert "Did you mean 'purpose'" in error["message"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"model": "a\\u0000b", "training_file": "x"}', "NUL character"),
        (b'{"model": "\\ud800", "training_file": "x"}', "line 1"),
        (b'{"model": ', "line 1"),
        (b"[]", "Input should be a valid"),
        (b"", "Field required"),
        (b"\xff", "line 1"),
        (b'{"seed": NaN}', "line 1"),
        (b"[" * 80 + b"]" * 80, "levels"),
    ],
)
def test_a_body_that_is_no_request_is_refused(still: OpenAIHarness, body: bytes, says: str) -> None:
    error = expect_error(still, 400, "POST", "/fine_tuning/jobs", content=body,
                    headers={"content-type": "application/json"})  # fmt: skip

    assert says in error["message"]


def test_paths_that_are_not_here_answer_in_the_same_shape(still: OpenAIHarness) -> None:
    assert expect_error(still, 404, "GET", "/assistants")["code"] == "unknown_url"
    assert expect_error(still, 405, "PUT", "/files")["code"] == "wrong_method"
    assert (
        expect_error(still, 404, "GET", "/fine_tuning/jobs/ftjob-%25")["param"]
        == "fine_tuning_job_id"
    )
    assert expect_error(still, 400, "GET", "/files/a%00b")["param"] == "path"
    assert expect_error(still, 404, "GET", "/files/a%0Ab")["code"] == "no_such_file"
    assert expect_error(still, 404, "GET", "/models/a%0Ab")["code"] == "unknown_url"
    assert expect_error(still, 404, "GET", "/files/")["code"] == "unknown_url"
    says = expect_error(still, 404, "GET", "/fine_tuning/checkpoints/ft:a:b::12345678/permissions")
    assert "not served here" in says["message"]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"n": 0}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"audio": {}}, "audio"),
    ],
)
def test_what_a_chat_cannot_do_is_refused(
    still: OpenAIHarness, more: dict[str, Any], param: str
) -> None:
    body = {"model": "ft:x:y::12345678", "messages": [{"role": "user", "content": "x"}], **more}

    assert expect_error(still, 400, "POST", "/chat/completions", json=body)["param"] == param


def test_graders_score_as_a_training_does(still: OpenAIHarness) -> None:
    grader = {"type": "string_check", "name": "label", "operation": "eq",
              "input": "{{sample.output_text}}", "reference": "{{ item.label }}"}  # fmt: skip
    sdk = still.sdk()
    graders = sdk.fine_tuning.alpha.graders

    assert graders.validate(grader=grader).grader.model_dump() == grader
    cases = [("eq", "red", "red"), ("eq", "red", "Red"), ("ne", "a", "b"), ("like", "a red box", "red"),
             ("like", "a box", "red"), ("ilike", "A RED box", "red"), ("ilike", "x", "red")]  # fmt: skip
    said = [graders.run(grader={**grader, "operation": word}, model_sample=sample, item={"label": label}).reward
            for word, sample, label in cases]  # fmt: skip
    code = ("import json, sys; from rewards import reward_of; print(json.dumps([reward_of(json.dumps("
            "{'type': 'string_check', 'operation': w}))([s], [l])[0] for w, s, l in json.loads(sys.argv[1])]))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, json.dumps(cases)], cwd=tiny_models.SCRIPTS,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert said == json.loads(done.stdout) == [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    odd = {**grader, "type": "python", "source": "def grade(): ..."}
    error = expect_error(
        still, 400, "POST", "/fine_tuning/alpha/graders/validate", json={"grader": odd}
    )
    assert error["param"].startswith("grader.")
    error = expect_error(still, 400, "POST", "/fine_tuning/alpha/graders/run",
                    json={"grader": grader, "model_sample": "x", "item": {}})  # fmt: skip
    assert "'item.label' not found" in error["message"]


def test_every_operation_is_documented_with_what_it_can_answer(still: OpenAIHarness) -> None:
    document = still.call("GET", "/openapi.json").json()
    operations = [one for path in document["paths"].values() for one in path.values()]

    assert len(operations) >= 23
    for one in operations:
        assert {"200", "400", "401", "403", "404", "413", "429", "500"} <= set(one["responses"])
        assert one["summary"]
        assert one["description"]
        assert all(parameter.get("description") for parameter in one["parameters"]
                   if parameter["in"] != "path") if "parameters" in one else True  # fmt: skip
    lacking = [f"{name}.{field}" for name, schema in document["components"]["schemas"].items()
               for field, body in schema.get("properties", {}).items()
               if not body.get("description") or "examples" not in body]  # fmt: skip
    assert lacking == []
