"""Every check rules an option out in a scenario of its own, and passes without its cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from advisor.decision.answer import evaluate
from advisor.decision.check_context import first_at
from advisor.decision.checks import CHECKS
from advisor.loading import load_rule_catalogue, make_question

PLAIN: dict[str, Any] = {
    "asked_on": "2026-11-20", "task": "generation", "traffic": {"requests_per_month": 50_000},
    "dataset": {"examples": 3_000}, "quality": {"target": 0.8, "has_eval": True},
}  # fmt: skip
KNOWLEDGE = PLAIN | {"task": "knowledge_qa", "knowledge": {"corpus_tokens": 5e6}}
LABELS = PLAIN | {"task": "classification", "dataset": {"examples": 3_000, "classes": 8}}
SCENARIOS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "ends-too-soon": (PLAIN, {}),
    "too-few-examples": (PLAIN, {"dataset": {"examples": 5}}),
    "adapter-too-small": (
        PLAIN | {"dataset": {"examples": 200_000}}, {"needs": {"new_skill_or_language": True}},
    ),
    "not-a-label": (LABELS, {"needs": {"agentic_tools": True}}),
    "both-parts-earn-their-place": (
        KNOWLEDGE | {"knowledge": {"corpus_tokens": 5e6, "retrieval_tried": True}},
        {"knowledge": {"corpus_tokens": 500_000}},
    ),
    "examples-at-hand": (PLAIN | {"dataset": {"examples": 200}}, {"dataset": {"examples": 3_000}}),
    "no-documents": (KNOWLEDGE, {"knowledge": {"corpus_tokens": 0}}),
    "window": (
        PLAIN, {"traffic": {"requests_per_month": 50_000, "context_tokens": 300_000}},
    ),
    "corpus-too-large": (
        KNOWLEDGE | {"knowledge": {"corpus_tokens": 50_000}}, {"knowledge": {"corpus_tokens": 500_000}},
    ),
    "gpu-memory": (
        PLAIN, {"hardware": [{"gpu": "RTX_3070", "count": 1, "usd_per_hour": 0.1}], "limits": {"data_may_leave": False}},
    ),
    "latency": (PLAIN, {"needs": {"low_latency": True}}),
    "budget-one-off": (PLAIN, {"limits": {"budget_one_off_usd": 0.01}}),
    "budget-monthly": (PLAIN, {"limits": {"budget_monthly_usd": 0.5}}),
}  # fmt: skip
"""For each check: a scenario, and the change that makes it rule out an option."""


def _ruled_out_by(scenario: Mapping[str, Any], code: str) -> set[str]:
    evaluated = evaluate(make_question(dict(scenario)))
    refusals = [entry.refusal for entry in evaluated.options if entry.refusal]
    return {refusal.id for refusal in refusals if refusal.rule == code}


@pytest.mark.parametrize("code", SCENARIOS)
def test_a_check_rules_out_where_its_cause_is(code: str) -> None:
    scenario, change = SCENARIOS[code]

    found = _ruled_out_by(scenario | change, code)

    assert found
    if change:
        assert found - _ruled_out_by(scenario, code)


def test_a_model_without_a_month_of_use_is_ruled_out() -> None:
    check = next(check for check in CHECKS if check.code == "model-ends")
    case = evaluate(make_question(PLAIN)).options[0].batch_result
    ended = replace(case)
    vars(ended)["costs"] = replace(case.costs, months=0.0)

    assert check.passes(case).all()
    assert not check.passes(ended).any()
    assert {check.code for check in CHECKS} == {"model-ends", *SCENARIOS}


def test_every_check_has_its_rule_and_lists_what_it_reads() -> None:
    rules = load_rule_catalogue().by_code
    evaluated = evaluate(make_question(PLAIN))

    for check in CHECKS:
        assert "numbers" in rules[check.code].by
        for entry in evaluated.options:
            read = check.reads(entry.batch_result)
            assert read
            assert all(name for name, _ in read)
            assert all(is_single_value(first_at(value, entry.row)) for _, value in read)


def is_single_value(value: object) -> bool:
    """Whether a value is one number, word or flag, or none."""
    return value is None or getattr(value, "ndim", 0) == 0
