"""Facts of many variants -> masks: which option the numbers allow, and in words why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.costs import LEAST_MANY_SHOTS, Costs, extra_tokens
from advisor.estimate.hosting import shape_of
from advisor.estimate.memory import fits, peak_process_bytes
from advisor.estimate.tuning import method_of
from advisor.facts import Facts, Resolved
from advisor.options.local import BASELINE
from advisor.options.option import Option
from advisor.quality import Evidence, needs_knowledge
from advisor.recipe import RANK
from advisor.units import GIB

Mask = NDArray[np.bool_]
LEAST_SHOTS = 3
LEAST_MONTHS = 3.0
"""A new prompt on a model that ends sooner is not begun; own judgement."""
REASONING_NEEDS_MS = 2000.0
"""A model that always reasons rarely answers sooner; own judgement."""


@dataclass(frozen=True)
class Case:
    """One option with everything a gate may read."""

    option: Option
    resolved: Resolved
    facts: Facts
    costs: Costs
    evidence: Evidence


@dataclass(frozen=True)
class Gate:
    """A rule that numbers decide: which variants pass, and what is said of one that does not."""

    rule: str
    passes: Callable[[Case], Mask]
    says: Callable[[Case], str]
    source: Callable[[Case], str]


def _yours(_: Case) -> str:
    return "your scenario"


def _lives(case: Case) -> Mask:
    return np.asarray(case.costs.months) > 0


def _lives_long_enough(case: Case) -> Mask:
    months = np.asarray(case.costs.months)
    lasts = months >= np.minimum(case.facts.horizon_months, LEAST_MONTHS)
    return lasts | (case.option.trains or case.option.is_current)


def _enough_examples(case: Case) -> Mask:
    if case.option.approach == "long_context" and not case.option.is_current:
        return (case.facts.corpus_tokens > 0) | (case.facts.examples >= LEAST_MANY_SHOTS)
    return case.facts.examples >= least_examples(case)


def least_examples(case: Case) -> float:
    """Fewest examples with which this approach is tried at all."""
    option, kind = case.option, case.evidence.of(case.resolved.task)
    if option.is_current or option.approach == "distill":
        return 0.0
    if option.approach == "few_shot":
        return LEAST_SHOTS
    if option.approach == "long_context":
        return LEAST_MANY_SHOTS
    if option.approach == "dpo":
        return case.evidence.preference_pairs.value
    if option.approach == "encoder":
        labels = case.resolved.labels or 10
        per_label = 1.0 if option.model == BASELINE else kind.encoder_from_per_label
        return max(50.0, per_label * labels)
    return kind.tune_from_examples if option.trains else 0.0


def _needs_teacher(case: Case) -> Mask:
    enough = case.facts.examples >= case.evidence.of(case.resolved.task).comfortable_examples
    return ~(enough & (case.option.approach == "distill"))


def _prompt_tokens(case: Case) -> NDArray[np.float64]:
    facts = case.facts
    if case.option.approach == "encoder":
        return facts.user_tokens * 0  # it reads the beginning of a text, and no instructions
    tokens = facts.prefix_tokens + facts.context_tokens + facts.user_tokens
    tokens = tokens + facts.completion_tokens + facts.tool_tokens
    tokens = tokens + (facts.turns - 1) * (facts.user_tokens + facts.completion_tokens)
    added = extra_tokens(case.option, case.resolved, facts)
    return np.asarray(tokens + added[0] + added[1])


def _window(case: Case) -> float:
    card = case.option.card or case.option.base
    if card is None:
        return np.inf
    if card.context_tokens is None:
        limit = card.architecture.max_position_tokens if card.architecture else None
        return float(limit or np.inf)
    return float(card.context_tokens)


def _fits_window(case: Case) -> Mask:
    return _prompt_tokens(case) <= _window(case)


def _corpus_is_small(case: Case) -> Mask:
    if case.option.approach != "long_context":
        return np.full_like(case.facts.corpus_tokens, True, dtype=bool)
    return case.facts.corpus_tokens <= case.evidence.full_context_tokens.value


def memory_bytes(case: Case) -> NDArray[np.float64] | None:
    """Memory of the training process on its GPU, with one longest row at a time [bytes]."""
    option, facts = case.option, case.facts
    shape = shape_of(option)
    if option.offer or option.gpu is None or shape is None or not option.trains:
        return None
    tokens = facts.prefix_tokens + facts.user_tokens + facts.completion_tokens
    if not np.isnan(case.resolved.longest_tokens):
        tokens = tokens * 0 + case.resolved.longest_tokens
    tokens = np.minimum(tokens, 512.0) if option.approach == "encoder" else tokens
    return np.asarray(peak_process_bytes(shape, method_of(option), RANK, tokens))


def _fits_gpu(case: Case) -> Mask:
    need = memory_bytes(case)
    if need is None or case.option.gpu is None:
        return np.full_like(case.facts.examples, True, dtype=bool)
    return np.asarray(fits(need, float(case.option.gpu.memory_bytes)))


def _memory_says(case: Case) -> str:
    need, gpu = memory_bytes(case), case.option.gpu
    if need is None or gpu is None:
        return ""
    return (
        f"Training needs {float(need.flat[0]) / GIB:.1f} GiB, and a {gpu.name} has "
        f"{gpu.memory_bytes / GIB:.0f} GiB."
    )


def _within(limit: NDArray[np.float64], cost: object) -> Mask:
    return ~(np.asarray(cost) > np.where(np.isnan(limit), np.inf, limit))


def _quick_enough(case: Case) -> Mask:
    slow = case.option.card is not None and case.option.card.reasoning == "always"
    hurried = case.resolved.scenario.needs.low_latency and not case.option.is_current
    return ~(slow & (hurried | (case.facts.latency_p95_ms < REASONING_NEEDS_MS)))


def _knows_documents(case: Case) -> Mask:
    knows = needs_knowledge(case.resolved.scenario, case.resolved.task)
    approach = case.option.approach
    retrieves = approach in ("rag", "combo") or (knows and approach == "long_context")
    has = case.facts.corpus_tokens > 0
    return ~(retrieves & ~has) if knows else np.full_like(has, not retrieves) | has


GATES = (
    Gate("model-ends", _lives, lambda c: f"The model ends on {c.option.ends_on}.", _yours),
    Gate("ends-too-soon", _lives_long_enough,
         lambda c: f"{c.option.model} ends on {c.option.ends_on}: what is built on it would have "
                   "to move within three months.",
         lambda c: "price book, models"),
    Gate("too-few-examples", _enough_examples,
         lambda c: f"There are {float(c.facts.examples.flat[0]):g} examples; "
                   f"{c.option.approach} on {c.resolved.task} is tried from "
                   f"{least_examples(c):g}.",
         lambda c: c.evidence.of(c.resolved.task).source),
    Gate("examples-at-hand", _needs_teacher,
         lambda c: "There are enough examples: no teacher has to write more.", _yours),
    Gate("no-documents", _knows_documents, lambda c: "There are no documents to look up.", _yours),
    Gate("window", _fits_window,
         lambda c: f"A prompt of {float(_prompt_tokens(c).flat[0]):,.0f} tokens does not fit the "
                   f"window of {_window(c):,.0f}.",
         lambda c: "price book, models"),
    Gate("corpus-too-large", _corpus_is_small,
         lambda c: f"The documents have {float(c.facts.corpus_tokens.flat[0]):,.0f} tokens. "
                   f"{c.evidence.full_context_tokens.says}",
         lambda c: c.evidence.full_context_tokens.source),
    Gate("gpu-memory", _fits_gpu, _memory_says,
         lambda c: c.option.gpu.source if c.option.gpu else ""),
    Gate("latency", _quick_enough,
         lambda c: f"A quick answer is asked for, and {c.option.model} always reasons first.",
         _yours),
    Gate("budget-one-off",
         lambda c: _within(c.facts.budget_one_off_usd, c.costs.one_off),
         lambda c: f"It costs {_usd(c.costs.one_off)} once, and the budget is "
                   f"{_usd(c.facts.budget_one_off_usd)}.", _yours),
    Gate("budget-monthly",
         lambda c: _within(c.facts.budget_monthly_usd, c.costs.monthly),
         lambda c: f"It costs {_usd(c.costs.monthly)} a month, and the budget is "
                   f"{_usd(c.facts.budget_monthly_usd)}.", _yours),
)  # fmt: skip
"""Every gate that numbers decide, in the order in which they are tried."""


def _usd(amount: object) -> str:
    return f"{float(np.asarray(amount).flat[0]):,.2f} USD"


def allowed(case: Case) -> Mask:
    """Whether every gate lets the option pass, for each variant and draw."""
    mask = np.asarray(GATES[0].passes(case))
    for gate in GATES[1:]:
        mask = mask & gate.passes(case)
    return mask
