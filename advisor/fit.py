"""What the work needs and the ways of a panel -> masks: which ways fit it, whatever they cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from advisor.facts import Facts, Resolved
from advisor.options.panel import Panel
from advisor.quality import Evidence, fell_short, needs_knowledge
from advisor.scenario import Scenario

Mask = NDArray[np.bool_]


def words_of(scenario: Scenario) -> tuple[object, ...]:
    """Name all that gates read of a scenario beside its numbers and its menu."""
    needs, quality = scenario.needs, scenario.quality
    return (
        needs.low_latency, needs.new_skill_or_language, needs.preference_hard_to_specify,
        needs.agentic_tools, needs.style_or_format, needs.narrow_label_task,
        scenario.knowledge.retrieval_tried, quality.prompting, fell_short(scenario),
    )  # fmt: skip


def learns_skill(panel: Panel, resolved: Resolved, facts: Facts, evidence: Evidence) -> Mask:
    """A new skill from very many rows takes all weights."""
    if not resolved.scenario.needs.new_skill_or_language:
        return np.array(True)
    few = facts.examples < evidence.adapter_most_examples.value
    return np.asarray(few | ~panel.approach_is("managed_lora", "lora", "qlora"))


def labels_suffice(panel: Panel, resolved: Resolved) -> Mask:
    """What is better by judgement, or a form, or done in steps, is no label to be picked."""
    needs = resolved.scenario.needs
    form = needs.style_or_format and not needs.narrow_label_task and not resolved.labels
    if not (form or needs.preference_hard_to_specify or needs.agentic_tools):
        return np.array(True)
    return np.asarray(~panel.does("encoder"))


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
