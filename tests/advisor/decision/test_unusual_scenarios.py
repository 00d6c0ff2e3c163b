"""Odd but allowed questions get an answer, without a warning."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from advisor.decision.answer import Question, recommend
from advisor.evidence import Evidence
from advisor.prices.book import PriceBook
from advisor.scenario.scenario import scenario_from
from advisor.units import Tasks

ODD: list[dict[str, Any]] = [
    {},
    {"traffic": {"requests_per_month": 0}},
    {"traffic": {"requests_per_month": 1e12, "user_tokens": 0, "completion_tokens": 0}},
    {"dataset": {"examples": 1e9}},
    {"traffic": {"prefix_tokens": 5_000_000}},
    {"task": "knowledge_qa", "knowledge": {"corpus_tokens": 0}},
    {"task": "knowledge_qa", "knowledge": {"corpus_tokens": 1e12, "change": "hourly"}},
    {"limits": {"data_may_leave": False}},
    {"limits": {"budget_monthly_usd": 0, "budget_one_off_usd": 0}},
    {"limits": {"providers": ["nobody"]}},
    {"limits": {"licences": ["apache-2.0"], "latency_p95_ms": 1}},
    {"quality": {"target": 1.0}},
    {"quality": {"target": 0.0, "has_eval": False}},
    {"horizon_months": 120, "retrain_every_months": 0.1},
    {"hardware": [{"gpu": "T4", "usd_per_hour": 0}], "limits": {"data_may_leave": False}},
    {"hardware": [{"gpu": "RTX_4090", "usd_per_hour": 0.1}], "dataset": {"examples": 5000}},
    {"team": {"usd_per_hour": 100}, "traffic": {"turns": 40, "tool_tokens": 900}},
    {"current": {"approach": "encoder", "monthly_cost_usd": 0}},
    {"asked_on": "2027-06-01"},
]


@pytest.mark.parametrize("change", ODD, ids=str)
def test_an_odd_question_gets_an_answer(
    change: dict[str, Any], book: PriceBook, evidence: Evidence
) -> None:
    scenario = scenario_from({"asked_on": "2026-11-20", **change})

    found = recommend(Question(scenario, book, evidence))

    ids = [option.id for option in found.options]
    assert found.decision.recommended in ids
    amounts = [line.amount for option in found.options for line in option.bill]
    assert all(math.isfinite(float(amount)) for amount in amounts)


def test_more_tokens_never_cost_less(book: PriceBook, evidence: Evidence) -> None:
    draw = random.Random(3)
    for _ in range(12):
        task = draw.choice(Tasks)
        base = {"requests_per_month": draw.randint(1, 10**7), "prefix_tokens": draw.randint(0, 900),
                "user_tokens": draw.randint(1, 500), "completion_tokens": draw.randint(1, 500)}  # fmt: skip
        grown = base | {"user_tokens": base["user_tokens"] * 2}
        bills = []
        for traffic in (base, grown):
            scenario = scenario_from({"asked_on": "2026-11-20", "task": task, "traffic": traffic})
            found = recommend(Question(scenario, book, evidence, with_sensitivity=False))
            bills.append({option.id: float(option.monthly.likely) for option in found.options})
        shared = (bills[0].keys() & bills[1].keys()) - {"not_yet"}
        assert shared
        assert all(bills[1][name] >= bills[0][name] for name in shared)
