"""The tuned arm of a pilot at a provider: an ordinary run, whose model then answers the same rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support import tiny_models
from tests.support.fakes.http_server import Reply, Request
from tests.support.fakes.openai import FakeOpenAI
from tests.support.runs import RunHarness, open_run_harness
from trainer.errors import Refused
from trainer.paid_calls.cost import Bill, BillPart
from trainer.pilot.cost import egress_notice, external_endpoints
from trainer.pilot.result import pilot_result
from trainer.pilot.run import run_pilot
from trainer.pilot.setup import PilotRequest, PilotSetup, prepare_pilot
from trainer.plan.request import PlanRequest

TUNED = "ft_api:openai:gpt-4.1-mini"
SCENARIO = {
    "name": "topics", "asked_on": "2026-11-18", "task": "classification",
    "needs": {"narrow_label_task": True}, "traffic": {"requests_per_month": 3_000_000},
    "quality": {"target": 0.8}, "organisation": {"openai": "active"},
}  # fmt: skip
BY_WORD = {word: topic for topic, words in tiny_models.TOPICS.items() for word in words}


class TunedHelper(FakeOpenAI):
    """Guesses as it is; once it was tuned it knows every topic."""

    def chat(self, request: Request) -> Reply:
        body = request.json()
        said = body["messages"][-1]["content"]
        tuned = body["model"] in {job["fine_tuned_model"] for job in self.jobs.values()}
        topic = next(BY_WORD[word] for word in re.findall(r"\w+", said) if word in BY_WORD)
        message = {"role": "assistant", "content": topic if tuned else "none of them"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return Reply({"id": "chat-1", "object": "chat.completion", "created": 1,
                      "model": body["model"], "choices": [choice],
                      "usage": {"prompt_tokens": 20, "completion_tokens": 2,
                                "total_tokens": 22}})  # fmt: skip


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TunedHelper]:
    made = TunedHelper()
    made.start()
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_BASE_URL", f"{made.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-a-test")
    yield made
    made.stop()


@pytest.fixture
def desk(tmp_path: Path, fake: TunedHelper) -> RunHarness:
    found = open_run_harness(tmp_path)
    uploads = tmp_path / "home" / "uploads"
    return replace(
        found, context=replace(found.context, files=lambda sha: uploads / f"{sha}.jsonl")
    )


def wanted(folder: Path, option: str = TUNED, **more: Any) -> PilotRequest:
    path = tiny_models.write_rows(folder / "rows.jsonl", tiny_models.task_rows(200))
    plan = PlanRequest(scenario=SCENARIO, where=str(folder / "s.yaml"), dataset=path, option=option,
                       suffix="pilot")  # fmt: skip
    return PilotRequest(plan, Decimal(50), model="openai/gpt-4.1-mini", **more)


def test_a_model_tuned_at_a_provider_answers_the_rows_that_it_never_saw(
    desk: RunHarness, fake: TunedHelper, tmp_path: Path
) -> None:
    told: list[Bill] = []

    def agree(setup: PilotSetup, bill: Bill) -> None:
        told.append(bill)

    done = run_pilot(prepare_pilot(wanted(tmp_path), desk.context), desk.context, agree)
    found = pilot_result(done)

    by_arm = {line.arm: line for line in found.lines}
    assert (by_arm["tuned"].approach, by_arm["tuned"].model) == ("ft_api", "gpt-4.1-mini")
    assert (by_arm["tuned"].score, by_arm["zero_shot"].score) == (1.0, 0.0)
    assert by_arm["tuned"].standing == "reaches"
    assert by_arm["tuned"].rows < 60
    assert len(fake.jobs) == 1
    learnt = [line for content in fake.contents.values() for line in content.splitlines()]
    assert len(learnt) == 200 - 60
    assert {part.what: part.at_most > 0 for part in told[0].parts}["training"]
    entries = desk.context.ledger.entries()
    assert sorted(entry.purpose for entry in entries) == ["pilot", "pilot", "training"]
    assert all(entry.settled is not None for entry in entries)
    assert sum(entry.reserved for entry in entries) <= told[0].at_most * 1_000_000

    asked = fake.count("POST", "/v1/chat/completions")
    again = pilot_result(
        run_pilot(prepare_pilot(wanted(tmp_path), desk.context), desk.context, agree)
    )

    assert len(told) == 1  # nobody is asked to agree
    assert fake.count("POST", "/v1/chat/completions") == asked
    assert len(fake.jobs) == 1
    assert [line.score for line in again.lines] == [line.score for line in found.lines]


def test_a_training_is_in_what_the_cap_is_held_against(desk: RunHarness, tmp_path: Path) -> None:
    asked = wanted(tmp_path)
    setup = prepare_pilot(replace(asked, cap=Decimal("0.10")), desk.context)

    with pytest.raises(Refused, match=r"the cap is 0\.10"):
        run_pilot(setup, desk.context, lambda setup, bill: None)

    assert desk.context.ledger.entries() == ()


def test_what_is_served_by_the_hour_is_refused(desk: RunHarness, tmp_path: Path) -> None:
    option = "managed_lora:together:meta-llama/Llama-3.1-8B-Instruct:H100_SXM"

    with pytest.raises(Refused, match="bills tuned models by the hour"):
        prepare_pilot(wanted(tmp_path, option), desk.context)


def test_a_tuned_model_with_rows_left_to_answer_needs_consent(
    desk: RunHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.example.org/v1")
    setup = prepare_pilot(wanted(tmp_path, arms=("tuned",)), desk.context)
    left = Bill((BillPart("tuned", "openai", 5, 100, Decimal("0.01"), Decimal("0.02")),))

    (endpoint,) = external_endpoints(setup, left, desk.context.book)

    assert "140 training rows, to openai (api.example.org)" in egress_notice(setup, endpoint)
    assert external_endpoints(setup, Bill(()), desk.context.book) == []
