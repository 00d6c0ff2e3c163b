"""Checks of whether an approach suits the task: examples, labels, skills, documents."""

from __future__ import annotations

import numpy as np

from advisor.decision.check_context import Check, CheckContext, Mask, first_at
from advisor.inputs import needs_knowledge
from advisor.scenario.scenario import Scenario


def _has_enough_examples(case: CheckContext) -> Mask:
    enough = case.inputs.examples >= case.minimum_examples
    documents = case.inputs.corpus_tokens
    are_worth_training_on = documents >= case.evidence.pretraining_tokens.value
    return (
        enough
        | (case.batch.uses("long_context") & (documents > 0))
        | (case.batch.uses("combo") & are_worth_training_on)
    )


def _can_learn_skill(case: CheckContext) -> Mask:
    new_skill = case.resolved.mask(lambda scenario: scenario.needs.new_skill_or_language)
    few = case.inputs.examples < case.evidence.adapter_most_examples.value
    return np.asarray(~new_skill | few | ~case.batch.approach_is("managed_lora", "lora", "qlora"))


def _label_suffices(case: CheckContext) -> Mask:
    has_labels = case.resolved.labels > 0
    needs_more = case.resolved.mask(lambda scenario: needs_more_than_label(scenario, has_labels))
    return np.asarray(~case.batch.uses("encoder") | ~needs_more)


def needs_more_than_label(scenario: Scenario, has_labels: bool) -> bool:
    """Whether the output is judged by degrees, has a form, or is produced in several steps."""
    needs = scenario.needs
    form = needs.style_or_format and not needs.narrow_label_task and not has_labels
    return form or needs.preference_hard_to_specify or needs.agentic_tools


def _combination_is_justified(case: CheckContext) -> Mask:
    """Retrieval with tuning, only where retrieval alone was tried or is measured to fall short."""
    measured = [m.value for m in case.scenario.quality.measured if m.approach == "rag"]
    short = np.asarray(case.inputs.target) > max(measured, default=np.inf)
    combines = case.batch.uses("combo") & needs_knowledge(case.scenario, case.resolved.task)
    tried = case.resolved.mask(lambda scenario: bool(scenario.knowledge.retrieval_tried))
    return np.asarray(~combines | tried | short)


def _needs_teacher(case: CheckContext) -> Mask:
    enough = case.inputs.examples >= case.task_evidence.comfortable_examples
    return np.asarray(~(enough & case.batch.approach_is("distill")))


def _has_documents(case: CheckContext) -> Mask:
    retrieves = ["rag", "combo"]
    if needs_knowledge(case.scenario, case.resolved.task):
        retrieves.append("long_context")
    return np.asarray((case.inputs.corpus_tokens > 0) | ~case.batch.approach_is(*retrieves))


SUITABILITY_CHECKS = (
    Check(
        "too-few-examples",
        _has_enough_examples,
        lambda c: (("dataset.examples", c.inputs.examples), ("minimum", c.minimum_examples)),
        lambda c, row: (
            f"There are {first_at(c.inputs.examples, row):g} examples; "
            f"{c.batch.options[row].approach} for {c.resolved.task} needs at least "
            f"{first_at(c.minimum_examples, row):g}."
        ),
        lambda c, option: c.task_evidence.source,
    ),
    Check(
        "adapter-too-small",
        _can_learn_skill,
        lambda c: (
            ("needs.new_skill_or_language", c.scenario.needs.new_skill_or_language),
            ("dataset.examples", c.inputs.examples),
            ("adapters below", c.evidence.adapter_most_examples.value),
        ),
        lambda c, row: (
            f"A new skill has to be learned from {first_at(c.inputs.examples, row):g} examples. "
            f"{c.evidence.adapter_most_examples.says}"
        ),
        lambda c, option: c.evidence.adapter_most_examples.source,
    ),
    Check(
        "not-a-label",
        _label_suffices,
        lambda c: (
            ("needs.preference_hard_to_specify", c.scenario.needs.preference_hard_to_specify),
            ("needs.agentic_tools", c.scenario.needs.agentic_tools),
        ),
        lambda c, row: (
            "The output is judged by degrees, has a fixed form, or needs tool calls; an encoder "
            "only picks a label."
        ),
        lambda c, option: "https://doi.org/10.2196/76048",
    ),
    Check(
        "both-parts-earn-their-place",
        _combination_is_justified,
        lambda c: (("knowledge.retrieval_tried", c.scenario.knowledge.retrieval_tried),),
        lambda c, row: (
            "Retrieval alone has not been tried: tuning in addition to it has to be justified."
        ),
        lambda c, option: "https://arxiv.org/abs/2312.05934",
    ),
    Check(
        "examples-at-hand",
        _needs_teacher,
        lambda c: (
            ("dataset.examples", c.inputs.examples),
            ("enough from", c.task_evidence.comfortable_examples),
        ),
        lambda c, row: "There are enough examples: a teacher model does not have to write more.",
    ),
    Check(
        "no-documents",
        _has_documents,
        lambda c: (("knowledge.corpus_tokens", c.inputs.corpus_tokens),),
        lambda c, row: "There are no documents to retrieve from.",
    ),
)
"""Checks that depend on the task and its data, not on cost or size."""
