"""Ledger: no cap is ever exceeded, also by parallel reservations."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from trainer.errors import OverBudget
from trainer.storage.ledger import Ledger, LedgerEntry, committed, micro_usd, usd_text


def entry(name: str, usd: str = "3.00", day: str = "2026-11-20") -> LedgerEntry:
    return LedgerEntry(name, "training", "own", day, micro_usd(usd), None, "")


@pytest.mark.parametrize("span", ["per_day", "total"])
def test_parallel_launches_never_pass_a_cap_together(engine: Engine, span: str) -> None:
    ledger = Ledger(engine)
    cap = Decimal("10.00")
    ledger.set_caps(cap if span == "per_day" else None, cap if span == "total" else None)
    refused: list[str] = []
    gate = threading.Barrier(10)

    def reserve(number: int) -> None:
        gate.wait()
        try:
            Ledger(engine).reserve(entry(f"run-{number}"))
        except OverBudget as error:
            refused.append(str(error))

    threads = [threading.Thread(target=reserve, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 7
    assert committed(ledger.entries()) == micro_usd("9.00")
    assert all("cap $10.00" in says for says in refused)


def test_settling_a_smaller_amount_frees_the_difference(engine: Engine) -> None:
    ledger = Ledger(engine)
    ledger.set_caps(None, Decimal(5))
    ledger.reserve(entry("a", "5.00"))
    with pytest.raises(OverBudget):
        ledger.reserve(entry("b", "1.00"))

    ledger.settle("a", micro_usd("4.00"), "bill")
    ledger.settle("a", micro_usd("1.00"), "a second time changes nothing")
    ledger.reserve(entry("b", "1.00"))

    assert committed(ledger.entries()) == micro_usd("5.00")


def test_the_same_subject_is_reserved_once(engine: Engine) -> None:
    ledger = Ledger(engine)
    for _ in range(3):
        ledger.reserve(entry("a"))
    assert committed(ledger.entries()) == micro_usd("3.00")


def test_a_new_day_has_its_own_cap(engine: Engine) -> None:
    ledger = Ledger(engine)
    ledger.set_caps(Decimal(3), None)
    ledger.reserve(entry("a", day="2026-11-20"))
    ledger.reserve(entry("b", day="2026-11-21"))
    with pytest.raises(OverBudget, match="daily cap"):
        ledger.reserve(entry("c", "0.01", day="2026-11-21"))


def test_amounts_are_exact() -> None:
    assert micro_usd("0.0000001") == 1
    assert usd_text(micro_usd("123456.78")) == "123456.78"
    assert usd_text(1) == "0.000001"
