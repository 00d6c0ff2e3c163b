"""A paid call is retried within its budget, and ends where no answer can come."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.fakes.chat_model import FakeChatModel
from tests.support.fakes.http_server import Fault, Reply
from tests.support.runs import FakeClock, RunHarness
from trainer.errors import Refused, Unreachable
from trainer.paid_calls.client import ChatClient, PaidChatModel, RetryPolicy
from trainer.paid_calls.cost import TokenPrices
from trainer.paid_calls.journal import PaidCallJournal, ReservedBudget, reserve_budgets
from trainer.security.api_keys import ApiKey, origin_of


def make_model(
    fake_model: FakeChatModel, budget: ReservedBudget, clock: FakeClock
) -> PaidChatModel:
    chat = ChatClient(fake_model.url + "/v1", ApiKey(origin_of(fake_model.url), "k"))
    return PaidChatModel(
        "m", chat, TokenPrices(Decimal(2), Decimal(8)), budget, RetryPolicy("own", clock), 50
    )


def test_a_request_without_an_answer_is_asked_again_and_counted_as_paid(
    fake_model: FakeChatModel, harness: RunHarness, tmp_path: Path
) -> None:
    fake_model.fault = lambda request: Fault("dropped") if not fake_model.asked else None
    journal = PaidCallJournal(tmp_path / "rows.jsonl")
    with (
        journal.file,
        reserve_budgets(harness.context, journal, "pilot", {"own": Decimal(1)}) as paid,
    ):
        model = make_model(fake_model, paid["own"], harness.clock)
        cell = model.answer("zero_shot", "key001", [{"role": "user", "content": "hello"}], 10)
        model.client.close()

    assert cell is not None
    assert cell.answer == "What?"
    assert len(fake_model.asked) == 2
    assert paid["own"].at_risk > 0
    assert "1 requests without a response" in harness.context.ledger.entries()[0].how
    assert PaidCallJournal.read(tmp_path / "rows.jsonl").answers[("zero_shot", "key001")] == cell


@pytest.mark.parametrize(
    ("kind", "status", "error"), [("error", None, Unreachable), ("no", 401, Refused)]
)
def test_a_model_that_is_gone_or_says_no_to_all_ends_it(
    fake_model: FakeChatModel, harness: RunHarness, tmp_path: Path, kind: str, status: int | None,
    error: type[Exception],
) -> None:  # fmt: skip
    reply = Reply({"error": {"message": "no", "code": "x"}}, status) if status else None
    fake_model.fault = lambda request: Fault("error", reply=reply)
    journal = PaidCallJournal(tmp_path / "rows.jsonl")
    with (
        journal.file,
        reserve_budgets(harness.context, journal, "pilot", {"own": Decimal(5)}) as paid,
    ):
        model = make_model(fake_model, paid["own"], harness.clock)
        asked = (model.answer("rag", f"key{n:03}", [{"role": "user", "content": "hello"}], 10)
                 for n in range(5))  # fmt: skip
        with pytest.raises(error):
            list(asked)
        model.client.close()

    assert harness.context.ledger.entries()[0].settled == 0
