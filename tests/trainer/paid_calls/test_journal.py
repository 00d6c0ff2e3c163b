"""Budgets are reserved and settled; journals of older versions are read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.runs import RunHarness
from trainer.errors import OverBudget
from trainer.paid_calls.journal import (
    ArmAnswer,
    BudgetExhausted,
    PaidCallJournal,
    ReservedBudget,
    reserve_budgets,
)
from trainer.providers.base import NotSent, UnknownOutcome
from trainer.storage.ledger import LedgerEntry


def test_where_one_of_two_amounts_passes_a_cap_nothing_stays_set_aside(
    harness: RunHarness, tmp_path: Path
) -> None:
    harness.context.ledger.set_caps(Decimal(1), None)
    journal = PaidCallJournal(tmp_path / "rows.jsonl")
    amounts = {"own": Decimal("0.60"), "other": Decimal("0.60")}

    for order in (amounts, {"other": Decimal(2), **amounts}):
        with (
            journal.file,
            pytest.raises(OverBudget, match="daily cap"),
            reserve_budgets(harness.context, journal, "pilot", order),
        ):
            raise AssertionError

    assert {entry.settled for entry in harness.context.ledger.entries()} == {0}


OLD_DISTILLATION = [
    {"subject": "distil_1", "input": "2", "output": "8", "model": "big"},
    {"subject": "distil_1", "key": "a", "prompt_tokens": 1000, "completion_tokens": 100},
    {"subject": "distil_1", "key": "b", "prompt_tokens": 10, "completion_tokens": 5,
     "code": "empty", "found": "question b"},
]  # fmt: skip
OLD_PILOT = [
    {"subject": "pilot_1", "provider": "own", "limit": "0.50"},
    {"subject": "pilot_1", "embedded": 64, "usd": "0.001"},
    {"subject": "pilot_1", "arm": "rag", "key": "a", "answer": "yes", "flaw": None,
     "prompt_tokens": 90, "completion_tokens": 2, "usd": "0.0002", "seconds": 0.5},
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "subject", "usd"),
    [(OLD_DISTILLATION, "distil_1", "0.00286"), (OLD_PILOT, "pilot_1", "0.0012")],
)
def test_a_session_killed_under_the_older_version_is_settled_from_its_journal(
    harness: RunHarness, tmp_path: Path, lines: list[dict[str, Any]], subject: str, usd: str
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines) + b'{"subject": "x')
    harness.context.ledger.reserve(
        LedgerEntry(subject, "pilot", "own", "2026-11-20", 500_000, None, "")
    )
    journal = PaidCallJournal.read(path)

    with journal.file, reserve_budgets(harness.context, journal, "pilot", {"own": Decimal(1)}):
        pass

    entry = harness.context.ledger.entry(subject)
    assert entry is not None
    assert entry.settled == Decimal(usd) * 1_000_000
    assert entry.how == "killed; usage of 2 answers"
    again = PaidCallJournal.read(path)
    assert again.usd() == Decimal(usd)
    assert set(again.rejected) == ({"b"} if lines is OLD_DISTILLATION else set())
    known = ArmAnswer("rag", "a", "yes", None, 90, 2, "0.0002", 0.5)
    assert again.answers == ({} if lines is OLD_DISTILLATION else {("rag", "a"): known})


@pytest.mark.parametrize(
    ("error", "lost"),
    [(NotSent("no connection"), 0), (UnknownOutcome("no response"), 1), (KeyboardInterrupt(), 1)],
)
def test_a_request_without_a_known_outcome_counts_as_paid(
    tmp_path: Path, error: BaseException, lost: int
) -> None:
    journal = PaidCallJournal(tmp_path / "journal.jsonl")
    budget = ReservedBudget(journal, "pilot_1", Decimal(3))

    with pytest.raises(type(error)), budget.request(Decimal(2)):
        raise error

    assert (budget.lost, budget.at_risk) == (lost, Decimal(2 * lost))
    budget.compare(Decimal(1), Decimal(2))  # billed twice the worst case: so may the next be
    with pytest.raises(BudgetExhausted), budget.request(Decimal(2)):
        raise AssertionError
