"""Our advice on a dataset with its scenario."""

from __future__ import annotations

from pathlib import Path

from advisor.decision.answer import Answer, recommend
from advisor.loading import make_question
from benchmarks.decision_labels import act_of, label_of
from benchmarks.twelve.told import DatasetExpectation, ToolAnswer

ASKED_ON = "2026-11-20"
UNSURE_CODES = frozenset({"may-reach-target"})
"""Reasons that recommend a trial on a part first."""


def our_answer(told: DatasetExpectation, path: Path) -> Answer:
    """Recommend from the profile of the file and the scenario."""
    scenario = {"name": told.name, "asked_on": ASKED_ON, **told.scenario}
    return recommend(make_question(scenario, told.name, dataset=path))


def tool_answer(found: Answer) -> ToolAnswer:
    """Convert our answer to the terms of the comparison."""
    decision = found.decision
    codes = {reason.code for reason in decision.reasons}
    return ToolAnswer(
        act=act_of(label_of(found)),
        words=decision.recommended,
        sure=f"wins {decision.win_share}",
        has_caveat=bool(codes & UNSURE_CODES),
    )
