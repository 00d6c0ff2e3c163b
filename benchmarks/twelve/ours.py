"""A dataset with what is told of it -> what our advice says."""

from __future__ import annotations

from pathlib import Path

from advisor.decision.answer import Answer, answer
from advisor.loading import ask
from benchmarks.decision_labels import act_of, label_of
from benchmarks.twelve.told import Said, Told

ASKED_ON = "2026-11-20"
UNSURE = frozenset({"may-reach-target"})
"""Reasons that tell the reader to try it on a part first."""


def our_answer(told: Told, path: Path) -> Answer:
    """Answer with the profile of the file and the scenario."""
    scenario = {"name": told.name, "asked_on": ASKED_ON, **told.scenario}
    return answer(ask(scenario, told.name, dataset=path))


def said_of(found: Answer) -> Said:
    """Put an answer of ours into the words of the comparison."""
    decision = found.decision
    codes = {reason.code for reason in decision.reasons}
    return Said(
        act=act_of(label_of(found)), words=decision.recommended, sure=f"wins {decision.win_share}",
        has_caveat=bool(codes & UNSURE),
    )  # fmt: skip
