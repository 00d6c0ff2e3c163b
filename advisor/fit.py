"""What the work needs and the ways of a panel -> masks: which ways fit it, whatever they cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from advisor.facts import Facts, Resolved
from advisor.options.panel import Panel
from advisor.quality import Evidence, fell_short, needs_knowledge

Mask = NDArray[np.bool_]


def words_of(resolved: Resolved) -> tuple[object, ...]:
    """Name all that gates read of a question beside its numbers and its menu."""
    scenario, needs = resolved.scenario, resolved.scenario.needs
    return (
        needs.low_latency, needs.new_skill_or_language, is_more_than_label(resolved),
        bool(scenario.knowledge.retrieval_tried), scenario.quality.prompting, fell_short(scenario),
    )  # fmt: skip


def is_more_than_label(resolved: Resolved) -> bool:
    """Whether what is wanted is better by judgement, or a form, or done in steps."""
    needs = resolved.scenario.needs
    form = needs.style_or_format and not needs.narrow_label_task and not resolved.labels
    return form or needs.preference_hard_to_specify or needs.agentic_tools


def learns_skill(panel: Panel, resolved: Resolved, facts: Facts, evidence: Evidence) -> Mask:
    """A new skill from very many rows takes all weights."""
    if not resolved.scenario.needs.new_skill_or_language:
        return np.array(True)
    few = facts.examples < evidence.adapter_most_examples.value
    return np.asarray(few | ~panel.approach_is("managed_lora", "lora", "qlora"))


def labels_suffice(panel: Panel, resolved: Resolved) -> Mask:
    """An encoder picks a label, and does no more."""
    return np.asarray(~panel.does("encoder") | (not is_more_than_label(resolved)))


def both_earn(panel: Panel, resolved: Resolved, facts: Facts) -> Mask:
    """Retrieval and tuning together, only where retrieval alone was tried or falls short."""
    scenario = resolved.scenario
    measured = [m.value for m in scenario.quality.measured if m.approach == "rag"]
    short = np.asarray(facts.target) > max(measured, default=np.inf)
    combines = panel.does("combo") & needs_knowledge(scenario, resolved.task)
    return np.asarray(~combines | bool(scenario.knowledge.retrieval_tried) | short)


def knows_documents(panel: Panel, resolved: Resolved, facts: Facts) -> Mask:
    """What looks documents up needs some."""
    knows = needs_knowledge(resolved.scenario, resolved.task)
    looks_up = ("rag", "combo", "long_context") if knows else ("rag", "combo")
    return np.asarray((facts.corpus_tokens > 0) | ~panel.approach_is(*looks_up))
