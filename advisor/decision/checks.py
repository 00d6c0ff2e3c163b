"""Every check that can rule an option out, in order, and the masks and refusals they result in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from advisor.decision.check_context import Check, CheckContext, Mask, first_at
from advisor.gpu.memory import fits_in_memory
from advisor.inputs import needs_knowledge
from advisor.scenario.scenario import Scenario
from advisor.units import GIB, money_text

MIN_MONTHS = 6.0
"""A new prompt is not started on a model that is shut down sooner; own judgement."""
REASONING_NEEDS_MS = 2000.0
"""A model that always reasons rarely answers sooner; own judgement."""


def _is_available_long_enough(case: CheckContext) -> Mask:
    if case.batch.trains:
        return np.array(True)
    lasts = np.asarray(case.costs.months) >= np.minimum(case.inputs.horizon_months, MIN_MONTHS)
    return lasts | case.batch.is_current


def _corpus_fits_prompt(case: CheckContext) -> Mask:
    is_small = case.inputs.corpus_tokens <= case.evidence.full_context_tokens.value
    return is_small | ~case.batch.approach_is("long_context")


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


def _fits_gpu(case: CheckContext) -> Mask:
    if case.memory_bytes is None:
        return np.array(True)
    fits = fits_in_memory(case.memory_bytes, case.batch.gpus.memory_bytes)
    return fits | ~case.batch.on_known_gpu


def _explain_memory(case: CheckContext, row: int) -> str:
    gpu = case.batch.options[row].gpu
    if case.memory_bytes is None or gpu is None:
        return ""
    return (
        f"Training needs {first_at(case.memory_bytes, row) / GIB:.1f} GiB, and a {gpu.name} has "
        f"{gpu.memory_bytes / GIB:.0f} GiB."
    )


def _budget_check(code: str, amount: str, unit: str, period: str) -> Check:
    """Return the check of a budget; `code` and `amount` name the cost and its limit."""
    name = f"budget_{amount}_usd"

    def cost_and_limit(case: CheckContext) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.asarray(getattr(case.costs, amount)), getattr(case.inputs, name)

    def is_within(case: CheckContext) -> Mask:
        cost, limit = cost_and_limit(case)
        if np.isnan(limit).all():
            return np.array(True)
        return ~(cost > np.where(np.isnan(limit), np.inf, limit))

    def explain(case: CheckContext, row: int) -> str:
        amounts = (first_at(value, row) for value in cost_and_limit(case))
        cost, limit = (money_text(amount, case.currency) for amount in amounts)
        return f"It costs {cost} {period}, and the budget is {limit}."

    return Check(
        code,
        is_within,
        lambda c: tuple(zip((unit, f"limits.{name}"), cost_and_limit(c), strict=True)),
        explain,
    )


def _meets_latency(case: CheckContext) -> Mask:
    low_latency = case.resolved.mask(lambda scenario: scenario.needs.low_latency)
    must_be_fast = low_latency & ~case.batch.is_current
    hurried = (case.inputs.latency_p95_ms < REASONING_NEEDS_MS) | must_be_fast
    return np.asarray(~(case.batch.reasons & hurried | case.batch.is_large & must_be_fast))


def _explain_latency(case: CheckContext, row: int) -> str:
    why = "is a large model: half of its answers take more than a second"
    if case.batch.reasons[row]:
        why = "always reasons before it answers"
    return f"A fast answer is required, and {case.batch.options[row].model} {why}."


_AVAILABILITY = (
    Check(
        "model-ends",
        lambda c: np.asarray(c.costs.months) > 0,
        lambda c: (("months of use", c.costs.months),),
        lambda c, row: f"The model is shut down on {c.batch.options[row].ends_on}.",
    ),
    Check(
        "ends-too-soon",
        _is_available_long_enough,
        lambda c: (("months of use", c.costs.months), ("horizon_months", c.inputs.horizon_months)),
        lambda c, row: (
            f"{c.batch.options[row].model} is shut down on {c.batch.options[row].ends_on}: "
            "anything built on it would have to move within six months."
        ),
        lambda c, option: "price book, models",
    ),
)
_SUITABILITY = (
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
_LIMITS = (
    Check(
        "window",
        lambda c: c.prompt_tokens <= c.batch.window_tokens,
        lambda c: (("prompt tokens", c.prompt_tokens), ("window", c.batch.window_tokens)),
        lambda c, row: (
            f"A prompt of {first_at(c.prompt_tokens, row):,.0f} tokens does not fit the context "
            f"window of {first_at(c.batch.window_tokens, row):,.0f} tokens."
        ),
        lambda c, option: "price book, models",
    ),
    Check(
        "corpus-too-large",
        _corpus_fits_prompt,
        lambda c: (
            ("knowledge.corpus_tokens", c.inputs.corpus_tokens),
            ("fits below", c.evidence.full_context_tokens.value),
        ),
        lambda c, row: (
            f"The documents have {first_at(c.inputs.corpus_tokens, row):,.0f} tokens. "
            f"{c.evidence.full_context_tokens.says}"
        ),
        lambda c, option: c.evidence.full_context_tokens.source,
    ),
    Check(
        "gpu-memory",
        _fits_gpu,
        lambda c: (
            ("bytes needed", c.memory_bytes),
            ("bytes of the GPU", c.batch.gpus.memory_bytes),
        ),
        _explain_memory,
        lambda c, option: option.gpu.source if option.gpu else "",
    ),
    Check(
        "latency",
        _meets_latency,
        lambda c: (
            ("limits.latency_p95_ms", c.inputs.latency_p95_ms),
            ("needs.low_latency", c.scenario.needs.low_latency),
            ("always reasons", c.batch.reasons),
            ("large", c.batch.is_large),
        ),
        _explain_latency,
        lambda c, option: "https://arxiv.org/abs/2602.06370",
    ),
    _budget_check("budget-one-off", "one_off", "USD once", "one-off"),
    _budget_check("budget-monthly", "monthly", "USD a month", "per month"),
)
CHECKS = (*_AVAILABILITY, *_SUITABILITY, *_LIMITS)
"""In the order in which they are applied: the first that an option fails is reported."""
