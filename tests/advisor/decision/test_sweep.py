"""A sweep is the same answer, many times."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from advisor.decision.answer import Question, recommend
from advisor.decision.sweep import MAX_VARIANTS, SweepColumns, sweep, variant_grid
from advisor.errors import ScenarioError, UsageError
from advisor.evidence import Evidence
from advisor.loading import example_question
from advisor.prices.book import PriceBook
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import scenario_from


def alone(question: Question, variant: Mapping[str, Any]) -> tuple[str, ...]:
    """What one answer says, in the order of the columns."""
    scenario = with_paths(question.scenario, variant)
    found = recommend(replace(question, scenario=scenario, with_sensitivity=False))
    option = next(o for o in found.options if o.id == found.decision.recommended)
    return (
        option.id, option.approach, option.one_off.likely, option.monthly.likely,
        option.per_month.likely, option.per_month.low, option.per_month.high,
        found.decision.win_share,
    )  # fmt: skip


def row(columns: SweepColumns, i: int) -> tuple[str, ...]:
    assert columns.win_share is not None
    return (
        columns.recommended[i], columns.approach[i], columns.one_off[i], columns.monthly[i],
        columns.per_month[i], columns.per_month_low[i], columns.per_month_high[i],
        columns.win_share[i],
    )  # fmt: skip


def test_two_hundred_random_points_equal_two_hundred_single_answers_to_the_cent() -> None:
    draw = random.Random(7)
    question = example_question("brand-voice")
    variants = [
        {
            "traffic.requests_per_month": round(10 ** draw.uniform(3, 8)),
            "traffic.prefix_tokens": draw.randint(0, 5000),
            "quality.target": round(draw.uniform(0.5, 0.9), 3),
            "horizon_months": draw.randint(1, 36),
        }
        for _ in range(200)
    ]

    columns = sweep(question, variants, win_share=True)

    assert [row(columns, i) for i in range(200)] == [alone(question, one) for one in variants]
    assert len(set(columns.recommended)) > 3


WORDS: dict[str, list[Any]] = {
    "task": ["classification", "knowledge_qa", "code", None],
    "quality.prompt_effort": ["none", "systematic"],
    "needs.style_or_format": [False, True],
    "needs.privacy_self_host": [False, True],
    "knowledge.change": ["static", "daily"],
    "current": [None, {"approach": "prompt", "model": "openai/gpt-5.4"}],
    "limits.providers": [[], ["openai", "together"]],
    "asked_on": ["2026-11-20", "2027-03-01"],
    "hardware": [[], [{"gpu": "RTX_4090", "usd_per_hour": 0.1}]],
}
NUMBERS: dict[str, list[Any]] = {
    "traffic.requests_per_month": [None, 0, 5_000, "3e6"],
    "traffic.prefix_tokens": [None, 0, 30, 4_000],
    "traffic.user_tokens": [None, 90],
    "knowledge.corpus_tokens": [None, 0, 60_000, 9e6],
    "dataset.examples": [None, 0, 400, 20_000],
    "traffic.cache_hit_share": [None, 0.5],
    "limits.budget_monthly_usd": [None, 300],
    "team.usd_per_hour": [None, 90],
}


@pytest.mark.parametrize("name", ["email-triage", "policy-faq"])
def test_words_and_numbers_may_be_mixed_and_each_point_is_its_answer(name: str) -> None:
    """What is counted, assumed and forbidden depends on what is given: so it does in a sweep."""
    draw = random.Random(5)
    question = example_question(name)
    axes = WORDS | NUMBERS
    variants = [
        {path: draw.choice(values) for path, values in axes.items() if draw.random() < 0.4}
        for _ in range(40)
    ]

    columns = sweep(question, variants, win_share=True)

    assert [row(columns, i) for i in range(40)] == [alone(question, one) for one in variants]


def test_a_monthly_cost_of_today_can_be_swept_where_none_was_given(
    book: PriceBook, evidence: Evidence
) -> None:
    scenario = scenario_from({"asked_on": "2026-11-20", "traffic": {"requests_per_month": 20_000}})
    question = Question(scenario, book, evidence)
    variants: list[dict[str, Any]] = [{"current.monthly_cost_usd": usd} for usd in (0, 1, 90_000)]

    columns = sweep(question, variants, win_share=True)

    assert [row(columns, i) for i in range(3)] == [alone(question, one) for one in variants]
    assert columns.recommended[0] == "current" != columns.recommended[2]


def test_without_ranges_the_ends_are_the_likely_value_and_nothing_is_drawn() -> None:
    question = example_question("brand-voice")

    columns = sweep(question, [{"horizon_months": 6}, {}], ranges=False)

    assert columns.per_month_low == columns.per_month == columns.per_month_high
    assert columns.win_share is None


def test_a_grid_has_every_combination_and_its_last_axis_goes_fastest() -> None:
    axes = {"horizon_months": [6, 12], "task": ["code", "other"]}

    assert [tuple(variant.values()) for variant in variant_grid(axes)] == [
        (6, "code"), (6, "other"), (12, "code"), (12, "other")]  # fmt: skip


@pytest.mark.parametrize(
    ("variants", "error", "words"),
    [
        ([], UsageError, "found 0 variants"),
        ([{}] * (MAX_VARIANTS + 1), UsageError, "found 10,001 variants"),
        ([{"traffic.turns": "many"}], ScenarioError, "traffic.turns: found 'many'"),
        ([{"traffic.turns": [1]}], ScenarioError, r"traffic.turns: found \[1\]"),
        ([{"horizon_months": 12}, {"horizon_months": -1}], ScenarioError, "horizon_months: found -1"),
        ([{"quality.target": float("nan")}], ScenarioError, "quality.target: found nan"),
        ([{"traffic.turn": 1}], ScenarioError, "Did you mean 'turns'"),
        ([{"task": "poetry"}], ScenarioError, "task: found 'poetry'"),
        ([{"traffic": {}, "traffic.turns": 2}], UsageError, "traffic: it contains traffic.turns"),
        ([{"name": str(i)} for i in range(201)], UsageError, "found 201 combinations"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_is_refused_by_path_and_value(
    variants: list[dict[str, Any]], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        sweep(example_question("too-little"), variants)
