"""What is advised follows from what is said: prompting, retrieval, labels, latency, privacy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from advisor.decision.answer import Answer, Question, recommend
from advisor.decision.sweep import sweep
from advisor.evidence import Evidence
from advisor.prices.book import PriceBook
from advisor.quality.measurements import quality_shifts
from advisor.scenario.scenario import scenario_from

LABELS: dict[str, Any] = {
    "task": "classification", "needs": {"narrow_label_task": True},
    "dataset": {"examples": 2000, "classes": 12}, "traffic": {"requests_per_month": 150_000},
    "quality": {"has_eval": True, "prompt_effort": "systematic"},
}  # fmt: skip
FACTS: dict[str, Any] = {
    "task": "knowledge_qa", "needs": {"needs_private_knowledge": True},
    "dataset": {"examples": 5000}, "traffic": {"requests_per_month": 100_000},
    "knowledge": {"corpus_tokens": 20_000_000}, "quality": {"has_eval": True},
}  # fmt: skip
TRAINED = {"encoder", "lora", "qlora", "managed_lora", "ft_api", "full_ft", "dpo", "distill"}
PROMPTED = {"prompt", "few_shot", "long_context"}


def question(
    book: PriceBook, evidence: Evidence, base: dict[str, Any], *changes: dict[str, Any]
) -> Question:
    mapping: dict[str, Any] = {"asked_on": "2026-11-20", **base}
    for change in changes:
        for section, values in change.items():
            is_section = isinstance(values, dict)
            mapping[section] = {**mapping.get(section, {}), **values} if is_section else values
    return Question(scenario_from(mapping), book, evidence, with_sensitivity=False)


def recommended_approach(found: Answer) -> str:
    return found.decision.recommended.split(":")[0]


@pytest.mark.parametrize(("base", "change", "wanted"), [
    # a serious prompt that falls short: there is nothing left but to train
    (LABELS, {"quality": {"prompting": "gap"}}, TRAINED),
    (LABELS, {"quality": {"prompting": "gap"}, "dataset": {"examples": 60, "classes": 5}}, TRAINED),
    # a first prompt that falls short is worked on before
    (LABELS, {"quality": {"prompting": "gap", "prompt_effort": "naive"}}, PROMPTED),
    # nothing to learn from, or mistakes to learn, or nothing to measure with
    (LABELS, {"quality": {"prompting": "gap"}, "dataset": {"examples": 0}}, {"not_yet"}),
    (LABELS, {"quality": {"prompting": "gap"}, "dataset": {"label_quality": "noisy"}}, {"not_yet"}),
    (LABELS, {"quality": {"prompting": "gap", "has_eval": False}}, {"not_yet"}),
    (LABELS, {"quality": {"prompting": "gap", "has_eval": None, "error_cost": "high"}}, {"not_yet"}),
    (LABELS, {"quality": {"prompting": "gap", "has_eval": None, "error_cost": "low"}}, TRAINED),
    # a prompt that does: a cheaper model with the same prompt is tried before anything is trained
    (LABELS, {"quality": {"prompting": "meets"}, "traffic": {"requests_per_month": 3000}}, PROMPTED),
    # but large models are slow, and at home there are none
    (LABELS, {"quality": {"prompting": "meets"}, "needs": {"low_latency": True}}, TRAINED),
    (LABELS, {"quality": {"prompting": "meets"}, "needs": {"privacy_self_host": True}}, TRAINED),
    # facts are looked up, at home too; both together once retrieval alone was tried
    (FACTS, {}, {"rag"}),
    (FACTS, {"needs": {"privacy_self_host": True}}, {"rag"}),
    (FACTS, {"quality": {"prompting": "gap"}}, {"rag"}),
    (FACTS, {"quality": {"prompting": "gap"}, "knowledge": {"retrieval_tried": True}}, {"combo"}),
    (FACTS, {"knowledge": {"corpus_tokens": 5_000}}, {"long_context"}),
    (FACTS, {"knowledge": {"corpus_tokens": None}}, {"rag"}),
])  # fmt: skip
def test_the_way_follows_from_what_is_said(
    book: PriceBook,
    evidence: Evidence,
    base: dict[str, Any],
    change: dict[str, Any],
    wanted: set[str],
) -> None:
    assert recommended_approach(recommend(question(book, evidence, base, change))) in wanted


def test_an_encoder_neither_judges_nor_keeps_a_form(book: PriceBook, evidence: Evidence) -> None:
    pairs = {"needs": {"preference_hard_to_specify": True}, "quality": {"prompting": "gap"}}
    found = recommend(question(book, evidence, LABELS, pairs))

    assert recommended_approach(found) not in {"encoder", "not_yet"}
    assert {one.rule for one in found.ruled_out if one.id.startswith("encoder:")} == {"not-a-label"}


def test_a_new_skill_from_very_many_rows_takes_all_weights(
    book: PriceBook, evidence: Evidence
) -> None:
    skill = {"task": "structured_output", "needs": {"new_skill_or_language": True,
             "narrow_label_task": False}, "dataset": {"examples": 200_000},
             "quality": {"prompting": "gap"}}  # fmt: skip
    found = recommend(question(book, evidence, LABELS, skill))

    assert "adapter-too-small" in {one.rule for one in found.ruled_out}
    assert recommended_approach(found) in {"full_ft", "ft_api"}


def test_what_was_measured_speaks_for_the_ways_beside_it(
    book: PriceBook, evidence: Evidence
) -> None:
    measured = {"quality": {"target": 0.93, "measured": [
        {"approach": "prompt", "value": 0.70, "n": 200},
        {"approach": "few_shot", "value": 0.72, "n": 200}]}}  # fmt: skip
    found = recommend(question(book, evidence, LABELS, measured))

    many = [one for one in found.options if one.approach == "long_context"]
    assert many
    assert all(float(one.quality.likely) < 0.8 for one in many if one.quality)
    assert recommended_approach(found) in TRAINED


def test_an_answer_for_many_tenants_says_what_is_counted_per_tenant(
    book: PriceBook, evidence: Evidence
) -> None:
    found = recommend(question(book, evidence, LABELS, {"dataset": {"tenants": 60}}))

    assert "tenants-costed" in {caveat.code for caveat in found.caveats}


def test_of_two_trainings_that_evidence_cannot_tell_apart_the_cheaper_wins(
    book: PriceBook, evidence: Evidence
) -> None:
    voice = {"task": "generation", "needs": {"style_or_format": True, "narrow_label_task": False},
             "dataset": {"examples": 800, "classes": None, "label_quality": "expert"},
             "traffic": {"requests_per_month": 100_000},
             "quality": {"target": 0.85, "measured": [{"approach": "prompt", "value": 0.7}]}}  # fmt: skip
    found = recommend(question(book, evidence, LABELS, voice))

    best = next(one for one in found.options if one.id == found.decision.recommended)
    assert float(best.monthly.likely) < 100


def test_baselines_of_earlier_years_are_weaker(evidence: Evidence) -> None:
    def taken_off(year: int) -> float:
        asked = scenario_from({"asked_on": f"{year}-07-01"})
        return sum(
            float(np.asarray(need[1])) for need in quality_shifts([asked], evidence).needs_prompt
        )

    assert taken_off(2021) == taken_off(2022) < taken_off(2023) < taken_off(2024) < taken_off(2026)
    assert taken_off(2026) == 0


@pytest.mark.parametrize("path", ["quality.prompting", "knowledge.retrieval_tried"])
def test_a_sweep_over_what_is_said_gives_each_its_own_answer(
    book: PriceBook, evidence: Evidence, path: str
) -> None:
    values = {"quality.prompting": ["gap", "meets", "unknown"],
              "knowledge.retrieval_tried": [True, False, None]}[path]  # fmt: skip
    asked = question(book, evidence, FACTS, {"quality": {"prompting": "gap"}})

    columns = sweep(asked, [{path: value} for value in values], ranges=False)

    section, name = path.split(".")
    alone = [recommend(question(book, evidence, FACTS, {"quality": {"prompting": "gap"}},
                             {section: {name: value}})).decision.recommended
             for value in values]  # fmt: skip
    assert list(columns.recommended) == alone
