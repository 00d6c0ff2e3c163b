"""The OpenAI surface with the official SDK, from a file to a chat, responses validated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support import tiny_models
from tests.support.openai_api import BASELINE_MODEL, OpenAIHarness, expect_error, serve_openai_api
from trainer.local.model_process import AnswerChunk, ModelProcessFailed

ENDED = ("succeeded", "failed", "cancelled")


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIHarness]:
    folder = tmp_path_factory.mktemp("surface")
    base = tiny_models.make_causal(folder / "base")
    with serve_openai_api(folder, bases={"tiny": base}, max_file_bytes=2_000_000) as found:
        yield found


def ended(sdk: openai.OpenAI, job_id: str, seconds: float = 120.0) -> Any:
    """Wait until a job has ended."""
    until = time.monotonic() + seconds
    while (job := sdk.fine_tuning.jobs.retrieve(job_id)).status not in ENDED:
        assert time.monotonic() < until, job
        time.sleep(0.2)
    return job


@pytest.fixture(scope="module")
def plain_job(surface: OpenAIHarness) -> Any:
    """A job of the TF-IDF baseline that has succeeded."""
    sdk = surface.sdk()
    made = sdk.fine_tuning.jobs.create(
        model=BASELINE_MODEL, training_file=surface.rows(), suffix="plain"
    )
    job = ended(sdk, made.id)
    assert job.status == "succeeded", job
    return job


def test_the_sdk_goes_from_a_file_to_a_chat(surface: OpenAIHarness) -> None:
    sdk, rows = surface.sdk(), tiny_models.task_rows(48)
    held_out = surface.rows(tiny_models.task_rows(12, seed=9))

    job = sdk.fine_tuning.jobs.create(
        model="tiny", training_file=surface.rows(rows), validation_file=held_out, suffix="triage",
        seed=7, method={"type": "supervised", "supervised": {"hyperparameters": {
            "n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 5.0}}},
        metadata={"team": "t", "ton_lora_rank": "4", "ton_log_steps": "2", "ton_cap_usd": "2"},
    )  # fmt: skip
    assert job.status in ("validating_files", "queued", "running")
    assert (job.model, job.seed, job.organization_id) == ("tiny", 7, "ann")
    assert job.hyperparameters.model_dump() == {
        "n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 5.0}  # fmt: skip
    job = ended(sdk, job.id)

    assert job.status == "succeeded", job
    assert job.fine_tuned_model.startswith("ft:tiny:ann:triage:")
    assert job.error is None
    assert job.trained_tokens > 0
    assert job.created_at <= job.finished_at <= time.time()
    beside = job.model_extra["x_tune_or_not"]
    assert (beside["state"], beside["cap_usd"]) == ("settled", "2.00")
    assert 0 < float(beside["usd"]) <= float(beside["at_most_usd"])
    plan = surface.server.context.store.plan(
        surface.server.context.store.run(beside["run_id"]).plan_id
    )
    assert plan.local is not None
    assert (plan.local.recipe.lora_rank, plan.held_out.rows, plan.owner) == (4, 12, "ann")

    events = list(sdk.fine_tuning.jobs.list_events(job.id, limit=3))
    seen = [event.created_at for event in events]
    assert seen == sorted(seen, reverse=True)
    told = [event.data for event in events if event.type == "metrics"]
    assert told[-1]["step"] == 2
    assert told[-1]["train_loss"] > 0
    assert events[-1].message.startswith("Run created with a cap of ")
    points = list(sdk.fine_tuning.jobs.checkpoints.list(job.id))
    assert [one.step_number for one in points] == [12]
    assert points[0].metrics.train_loss > 0
    lines = sdk.files.content(job.result_files[0]).text.splitlines()
    assert lines[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert [int(line.split(",")[0]) for line in lines[1:]] == [2, 4, 6, 8, 10, 12]

    model, asked = job.fine_tuned_model, rows[0]["messages"][:1]
    shown = sdk.models.retrieve(model)
    assert (shown.owned_by, shown.shutdown_date) == ("ann", None)
    one = sdk.chat.completions.create(model=model, messages=asked, max_tokens=6, temperature=0)
    assert one.choices[0].finish_reason in ("stop", "length")
    assert one.usage.total_tokens == one.usage.prompt_tokens + one.usage.completion_tokens > 2
    chunks = list(sdk.chat.completions.create(
        model=model, messages=asked, max_tokens=6, temperature=0, stream=True,
        stream_options={"include_usage": True}))  # fmt: skip
    text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert text == one.choices[0].message.content
    assert chunks[-1].usage == one.usage
    from_base = sdk.chat.completions.create(model="tiny", messages=asked, max_tokens=6,
                                            temperature=0)  # fmt: skip
    assert from_base.choices[0].message.content != text

    with pytest.raises(openai.BadRequestError, match="tokens") as refused:
        sdk.chat.completions.create(model=model, stream=True, messages=[
            {"role": "user", "content": "the box " * 400}])  # fmt: skip
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="only a fully tuned model") as refused:
        sdk.fine_tuning.jobs.create(model=model, training_file=surface.rows())
    assert refused.value.param == "model"
    with pytest.raises(openai.NotFoundError):
        surface.sdk("bob").chat.completions.create(model=model, messages=asked)


def test_what_openai_has_no_place_for_is_said_beside_a_job(
    surface: OpenAIHarness, plain_job: Any
) -> None:
    assert plain_job.fine_tuned_model.startswith(f"ft:{BASELINE_MODEL}:ann:plain:")
    assert plain_job.model_extra["x_tune_or_not"]["version"] == "plain-v1"

    told = surface.sdk().chat.completions.create(
        model=plain_job.fine_tuned_model, n=2,
        messages=[{"role": "developer", "content": "one word"},
                  {"role": "user", "content": [{"type": "text", "text": "my parcel and courier"}]}],
    )  # fmt: skip
    assert {choice.message.content for choice in told.choices} <= set(tiny_models.TOPICS)
    assert [choice.index for choice in told.choices] == [0, 1]


def test_a_training_that_fails_says_why(surface: OpenAIHarness) -> None:
    one_label = [{"messages": [{"role": "user", "content": f"question {n}"},
                               {"role": "assistant", "content": "yes"}]} for n in range(12)]  # fmt: skip
    sdk = surface.sdk()

    job = ended(sdk, sdk.fine_tuning.jobs.create(
        model=BASELINE_MODEL, training_file=surface.rows(one_label)).id)  # fmt: skip

    assert (job.status, job.result_files, job.trained_tokens) == ("failed", [], None)
    assert "Add rows with another label" in job.error.message
    levels = [one.level for one in sdk.fine_tuning.jobs.list_events(job.id)]
    assert "error" in levels


def test_owners_do_not_see_each_others_things(surface: OpenAIHarness, plain_job: Any) -> None:
    paths = [f"/files/{plain_job.training_file}", f"/files/{plain_job.result_files[0]}/content",
             f"/fine_tuning/jobs/{plain_job.id}", f"/fine_tuning/jobs/{plain_job.id}/events",
             f"/fine_tuning/jobs/{plain_job.id}/checkpoints",
             f"/models/{plain_job.fine_tuned_model}"]  # fmt: skip

    for path in paths:
        assert surface.call("GET", path).status_code == 200, path
        assert (
            expect_error(surface, 404, "GET", path, owner="eve")["type"] == "invalid_request_error"
        )
        assert surface.call("GET", path, owner="root", role="admin").status_code == 200
    eve = surface.sdk("eve")
    assert list(eve.files.list()) == list(eve.fine_tuning.jobs.list()) == []
    assert [one.id for one in eve.models.list()] == ["tiny"]
    for what in ("cancel", "pause", "resume"):
        expect_error(surface, 404, "POST", f"/fine_tuning/jobs/{plain_job.id}/{what}", owner="eve")
    expect_error(surface, 404, "DELETE", f"/models/{plain_job.fine_tuned_model}", owner="eve")
    expect_error(surface, 404, "DELETE", f"/files/{plain_job.training_file}", owner="eve")
    with pytest.raises(openai.BadRequestError) as said:
        eve.fine_tuning.jobs.create(model=BASELINE_MODEL, training_file=plain_job.training_file)
    assert said.value.param == "training_file"


def test_a_tuned_model_is_deleted_with_its_weights(surface: OpenAIHarness) -> None:
    sdk = surface.sdk("dora")
    made = sdk.fine_tuning.jobs.create(
        model=BASELINE_MODEL, training_file=surface.rows(owner="dora")
    )
    job = ended(sdk, made.id)
    beside = job.model_extra["x_tune_or_not"]
    registry = surface.server.context.registry
    weights = registry.version(beside["version"]).folder
    assert weights is not None
    registry.evaluated(beside["version"], {"verdict": {"word": "better"}, "score": 1.0})
    registry.promote(beside["version"], "dora")

    error = expect_error(surface, 409, "DELETE", f"/models/{job.fine_tuned_model}", owner="dora")
    assert "it is the champion" in error["message"]
    registry.retire(beside["version"], "dora")
    assert sdk.models.delete(job.fine_tuned_model).deleted

    assert not weights.exists()
    assert sdk.fine_tuning.jobs.retrieve(job.id).fine_tuned_model == job.fine_tuned_model
    with pytest.raises(openai.NotFoundError) as said:
        sdk.chat.completions.create(model=job.fine_tuned_model,
                                    messages=[{"role": "user", "content": "hello"}])  # fmt: skip
    assert said.value.code == "model_not_found"
    assert expect_error(surface, 400, "DELETE", "/models/tiny")["param"] == "model"


def test_a_failure_in_the_middle_of_a_stream_is_told(
    surface: OpenAIHarness, plain_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Iterator[AnswerChunk]:
        yield AnswerChunk(0, "deliv")
        raise ModelProcessFailed("its process ended by SIGKILL")

    monkeypatch.setattr(surface.server.model_pool, "ask", broken)

    stream = surface.sdk().chat.completions.create(
        model=plain_job.fine_tuned_model, stream=True, messages=[{"role": "user", "content": "x"}])  # fmt: skip

    seen = []
    with pytest.raises(openai.APIError, match="SIGKILL"):
        seen.extend(stream)
    assert [one.choices[0].delta.content for one in seen] == ["", "deliv"]


def test_a_client_that_goes_away_ends_the_work(
    surface: OpenAIHarness, plain_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    def endless(*_: Any) -> Iterator[AnswerChunk]:
        try:
            while True:
                time.sleep(0.01)
                yield AnswerChunk(0, "more ")
        finally:
            closed.append(True)

    monkeypatch.setattr(surface.server.model_pool, "ask", endless)

    with surface.sdk().chat.completions.create(
        model=plain_job.fine_tuned_model, stream=True, messages=[{"role": "user", "content": "x"}]
    ) as stream:
        assert next(stream).choices[0].delta.role == "assistant"

    surface.until(lambda: bool(closed), 10)
