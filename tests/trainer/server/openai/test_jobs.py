"""Jobs of the OpenAI surface: pages, recipes, attempts, cancel and pause."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.support import tiny_models
from tests.support.openai_api import (
    BASELINE_MODEL,
    OpenAIHarness,
    expect_error,
    job_body,
)
from trainer.storage.model_version import ModelVersionInput


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
    assert messages[0].startswith("Settled at $0")
    assert list(sdk.fine_tuning.jobs.checkpoints.list(job.id)) == []
    again = expect_error(still, 409, "POST", f"/fine_tuning/jobs/{job.id}/cancel")
    assert "it has ended (cancelled)" in again["message"]
    assert run_id in {one.subject for one in still.server.audit.lines() if one.action == "cancel"}


def test_a_job_over_its_cap_is_refused_with_both_numbers(still: OpenAIHarness) -> None:
    body = job_body(still, metadata={"ton_cap_usd": "0.001"})

    error = expect_error(still, 409, "POST", "/fine_tuning/jobs", json=body)

    assert error["code"] == "over_budget"
    assert "may cost up to $0.02, and its cap is $0.001" in error["message"]
