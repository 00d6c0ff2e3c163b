"""What is said to flip the answer, does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.decision.answer import Decision, recommend
from advisor.loading import example_question
from advisor.scenario.paths import with_paths

NAMES = ["email-triage", "email-triage-monthly", "brand-voice", "policy-faq",
         "nightly-extraction", "too-little"]  # fmt: skip


def _verdict(decision: Decision) -> str:
    return decision.recommended.split(":")[0]


@pytest.mark.parametrize("name", NAMES)
def test_each_flip_applied_with_set_really_changes_the_answer(name: str) -> None:
    from advisor.loading import apply_set_flags
    from advisor.scenario.scenario import scenario_from

    question = replace(example_question(name), with_sensitivity=True)
    found = recommend(question)

    assert len(found.decision.flips) <= 5
    for flip in found.decision.flips:
        mapping = apply_set_flags(
            question.scenario.model_dump(mode="json", exclude_unset=True),
            [f"{flip.path}={flip.after}"],
        )
        changed = recommend(
            replace(question, scenario=scenario_from(mapping), with_sensitivity=False)
        )
        assert changed.decision.recommended == flip.becomes
        assert _verdict(changed.decision) != _verdict(found.decision)


def test_the_examples_come_out_as_their_numbers_say() -> None:
    verdicts = {name: _verdict(recommend(example_question(name)).decision) for name in NAMES}

    assert verdicts == {
        "email-triage": "encoder",
        "email-triage-monthly": "encoder",
        "brand-voice": "ft_api",
        "policy-faq": "rag",
        "nightly-extraction": "prompt",
        "too-little": "not_yet",
    }


def test_setting_a_path_leaves_the_rest_of_the_scenario_alone() -> None:
    scenario = example_question("policy-faq").scenario

    changed = with_paths(scenario, {"traffic.requests_per_month": 5.0})

    assert changed.traffic.requests_per_month == 5.0
    assert changed.knowledge == scenario.knowledge
