"""A dataset with what is told of it -> what our advice says."""

from __future__ import annotations

from pathlib import Path

from advisor.decision.answer import Answer, recommend
from advisor.loading import make_question
from benchmarks.decision_labels import act_of, label_of
from benchmarks.twelve.told import DatasetExpectation, ToolAnswer

ASKED_ON = "2026-11-20"
UNSURE_CODES = frozenset({"may-reach-target"})
"""Reasons that tell the reader to try it on a part first."""


def our_answer(told: DatasetExpectation, path: Path) -> Answer:
    """Answer with the profile of the file and the scenario."""
    scenario = {"name": told.name, "asked_on": ASKED_ON, **told.scenario}
    return recommend(make_question(scenario, told.name, dataset=path))


def tool_answer(found: Answer) -> ToolAnswer:
    """Put an answer of ours into the words of the comparison."""
    decision = found.decision
    codes = {reason.code for reason in decision.reasons}
    return ToolAnswer(
        act=act_of(label_of(found)),
        words=decision.recommended,
        sure=f"wins {decision.win_share}",
        has_caveat=bool(codes & UNSURE_CODES),
    )
