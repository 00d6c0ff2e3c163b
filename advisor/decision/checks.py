"""Options and facts of many variants -> masks: what the numbers allow, and in words why not.

What the work needs and the ways of a panel -> masks: which ways fit it, whatever they cost.

An option and what is known of the task -> the fewest examples with which it is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.decision.team_checks import LikelyCosts, TeamRuleResult, apply_team_rules
from advisor.estimate.costs import MIN_MANY_SHOTS, BatchCosts, batch_costs, extra_tokens
from advisor.estimate.line import option_row
from advisor.estimate.sampling import LIKELY
from advisor.estimate.tuning import training_method
from advisor.evidence import Evidence, TaskEvidence
from advisor.gpu.memory import fits_in_memory, peak_process_bytes
from advisor.gpu.parameters import ModelShape
from advisor.gpu.recipe import RANK
from advisor.inputs import Inputs, ResolvedScenario, needs_knowledge, prompting_fell_short
from advisor.options.batch import Column, OptionBatch
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.options.option import Option, RuledOutOption, rule_out
from advisor.units import GIB


def categorical_inputs(resolved: ResolvedScenario) -> tuple[object, ...]:
    """Name all that gates read of a question beside its numbers and its menu."""
    scenario, needs = resolved.scenario, resolved.scenario.needs
    return (
        needs.low_latency,
        needs.new_skill_or_language,
        needs_more_than_label(resolved),
        bool(scenario.knowledge.retrieval_tried),
        scenario.quality.prompting,
        prompting_fell_short(scenario),
    )


def needs_more_than_label(resolved: ResolvedScenario) -> bool:
    """Whether what is wanted is better by judgement, or a form, or done in steps."""
    needs = resolved.scenario.needs
    form = needs.style_or_format and not needs.narrow_label_task and not resolved.labels
    return form or needs.preference_hard_to_specify or needs.agentic_tools


def can_learn_skill(
    panel: OptionBatch, resolved: ResolvedScenario, facts: Inputs, evidence: Evidence
) -> Mask:
    """A new skill from very many rows takes all weights."""
    if not resolved.scenario.needs.new_skill_or_language:
        return np.array(True)
    few = facts.examples < evidence.adapter_most_examples.value
    return np.asarray(few | ~panel.approach_is("managed_lora", "lora", "qlora"))


def labels_suffice(panel: OptionBatch, resolved: ResolvedScenario) -> Mask:
    """An encoder picks a label, and does no more."""
    return np.asarray(~panel.does("encoder") | (not needs_more_than_label(resolved)))


def combination_is_justified(panel: OptionBatch, resolved: ResolvedScenario, facts: Inputs) -> Mask:
    """Retrieval and tuning together, only where retrieval alone was tried or falls short."""
    scenario = resolved.scenario
    measured = [m.value for m in scenario.quality.measured if m.approach == "rag"]
    short = np.asarray(facts.target) > max(measured, default=np.inf)
    combines = panel.does("combo") & needs_knowledge(scenario, resolved.task)
    return np.asarray(~combines | bool(scenario.knowledge.retrieval_tried) | short)


def has_corpus(panel: OptionBatch, resolved: ResolvedScenario, facts: Inputs) -> Mask:
    """What looks documents up needs some."""
    knows = needs_knowledge(resolved.scenario, resolved.task)
    looks_up = ("rag", "combo", "long_context") if knows else ("rag", "combo")
    return np.asarray((facts.corpus_tokens > 0) | ~panel.approach_is(*looks_up))


MIN_SHOTS = 3


def minimum_examples(option: Option, resolved: ResolvedScenario, evidence: Evidence) -> float:
    """Fewest examples with which this approach is tried at all."""
    kind = evidence.of(resolved.task)
    if option.is_current or option.approach == "distill":
        return 0.0
    if option.approach == "few_shot":
        return MIN_SHOTS
    if option.approach == "long_context":
        return MIN_MANY_SHOTS
    if option.approach == "dpo":
        return evidence.preference_pairs.value
    if option.approach == "encoder":
        per_label = 1.0 if option.model == BASELINE_MODEL else kind.encoder_from_per_label
        return max(50.0, per_label * (resolved.labels or 10))
    return _tuned_from(resolved, kind) if option.trains else 0.0


def _tuned_from(resolved: ResolvedScenario, kind: TaskEvidence) -> float:
    """Fewest examples of a tuning: sources differ, and what prompting does decides among them."""
    if resolved.scenario.quality.prompting == "meets":
        return kind.comfortable_examples  # what works already is not risked on a few rows
    return (
        kind.tune_least_examples
        if prompting_fell_short(resolved.scenario)
        else kind.tune_from_examples
    )


Mask = NDArray[np.bool_]
MIN_MONTHS = 3.0
"""A new prompt on a model that ends sooner is not begun; own judgement."""
REASONING_NEEDS_MS = 2000.0
"""A model that always reasons rarely answers sooner; own judgement."""


@dataclass(frozen=True)
class CheckContext:
    """The options of a panel with everything a gate may read."""

    panel: OptionBatch
    resolved: ResolvedScenario
    facts: Inputs
    costs: BatchCosts
    evidence: Evidence

    def under(self, resolved: ResolvedScenario, panel: OptionBatch) -> CheckContext:
        """Return the same options with the same numbers under other words.

        What is worked out of numbers alone is taken over: it takes longest.
        """
        case = replace(self, panel=panel, resolved=resolved, facts=resolved.facts)
        vars(case).update(memory_bytes=self.memory_bytes, prompt_tokens=self.prompt_tokens)
        return case

    @cached_property
    def passes(self) -> list[Mask]:
        """For each gate, whether it lets an option pass."""
        return [np.asarray(gate.passes(self)) for gate in CHECKS]

    @cached_property
    def team(self) -> TeamRuleResult:
        """What the team's own rules say of each option."""
        return apply_team_rules(self.panel, self.resolved, self.facts, self._spent)

    def _spent(self) -> LikelyCosts:
        likely = batch_costs(self.panel, self.resolved, self.facts, self.evidence, LIKELY)
        return LikelyCosts(likely.one_off, likely.monthly, likely.per_month)

    @cached_property
    def least_examples(self) -> Column:
        """Fewest examples with which each option is tried at all."""
        return self.panel.by_kind(lambda o: minimum_examples(o, self.resolved, self.evidence))

    @cached_property
    def prompt_tokens(self) -> NDArray[np.float64]:
        """Tokens of the longest prompt of each option, with its answer."""
        facts = self.facts
        tokens = facts.prefix_tokens + facts.context_tokens + facts.user_tokens
        tokens = tokens + facts.completion_tokens + facts.tool_tokens
        tokens = tokens + (facts.turns - 1) * (facts.user_tokens + facts.completion_tokens)
        prefix, varying = extra_tokens(self.panel, self.panel.approach_is, facts)
        # an encoder reads the beginning of a text, and no instructions
        reads = ~self.panel.approach_is("encoder")
        return np.asarray((tokens + prefix + varying) * reads)

    @cached_property
    def memory_bytes(self) -> NDArray[np.float64] | None:
        """Memory of training each option on its GPU, with one longest row at a time [bytes]."""
        panel, facts = self.panel, self.facts
        if panel.family not in ("encoder", "lora", "qlora", "full"):
            return None
        tokens = facts.prefix_tokens + facts.user_tokens + facts.completion_tokens
        if not np.isnan(self.resolved.longest_tokens):
            tokens = tokens * 0 + self.resolved.longest_tokens
        tokens = np.minimum(tokens, 512.0) if panel.family == "encoder" else tokens
        shape = ModelShape.among(panel.architecture)
        return np.asarray(peak_process_bytes(shape, training_method(panel), RANK, tokens))


@dataclass(frozen=True)
class Check:
    """A rule that numbers decide: who passes, and what is said of an option that does not."""

    rule: str
    passes: Callable[[CheckContext], Mask]
    says: Callable[[CheckContext, int], str]
    source: Callable[[CheckContext, Option], str]


def _user_source(_: CheckContext, __: Option) -> str:
    return "your scenario"


def _is_available(case: CheckContext) -> Mask:
    return np.asarray(case.costs.months) > 0


def _is_available_long_enough(case: CheckContext) -> Mask:
    if case.panel.trains:
        return np.array(True)
    lasts = np.asarray(case.costs.months) >= np.minimum(case.facts.horizon_months, MIN_MONTHS)
    return lasts | case.panel.is_current


def _enough_examples(case: CheckContext) -> Mask:
    enough = case.facts.examples >= case.least_examples
    documents = case.facts.corpus_tokens
    learns_from_them = documents >= case.evidence.pretraining_tokens.value
    return (
        enough
        | (case.panel.does("long_context") & (documents > 0))
        | (case.panel.does("combo") & learns_from_them)
    )


def _needs_teacher(case: CheckContext) -> Mask:
    distils = case.panel.approach_is("distill")
    enough = case.facts.examples >= case.evidence.of(case.resolved.task).comfortable_examples
    return np.asarray(~(enough & distils))


def _fits_window(case: CheckContext) -> Mask:
    return case.prompt_tokens <= case.panel.window_tokens


def _corpus_is_small(case: CheckContext) -> Mask:
    is_small = case.facts.corpus_tokens <= case.evidence.full_context_tokens.value
    return is_small | ~case.panel.approach_is("long_context")


def _fits_gpu(case: CheckContext) -> Mask:
    if case.memory_bytes is None:
        return np.array(True)
    fit = fits_in_memory(case.memory_bytes, case.panel.gpu_memory_bytes)
    return fit | ~case.panel.on_known_gpu


def _memory_says(case: CheckContext, row: int) -> str:
    gpu = case.panel.options[row].gpu
    if case.memory_bytes is None or gpu is None:
        return ""
    return (
        f"Training needs {_at(case.memory_bytes, row) / GIB:.1f} GiB, and a {gpu.name} has "
        f"{gpu.memory_bytes / GIB:.0f} GiB."
    )


def _within(limit: NDArray[np.float64], cost: object) -> Mask:
    if np.isnan(limit).all():
        return np.array(True)
    return ~(np.asarray(cost) > np.where(np.isnan(limit), np.inf, limit))


def _meets_latency(case: CheckContext) -> Mask:
    hurried = case.facts.latency_p95_ms < REASONING_NEEDS_MS
    if case.resolved.scenario.needs.low_latency:
        hurried = hurried | ~case.panel.is_current
    slow = case.panel.reasons & hurried
    if case.resolved.scenario.needs.low_latency:
        slow = slow | case.panel.is_large & ~case.panel.is_current
    return np.asarray(~slow)


def _slow_because(case: CheckContext, row: int) -> str:
    if case.panel.reasons[row]:
        return "always reasons first"
    return "is a large model: half of its answers take longer than a second"


CHECKS = (
    Check(
        "model-ends",
        _is_available,
        lambda c, i: f"The model ends on {c.panel.options[i].ends_on}.",
        _user_source,
    ),
    Check(
        "ends-too-soon",
        _is_available_long_enough,
        lambda c, i: (
            f"{c.panel.options[i].model} ends on {c.panel.options[i].ends_on}: what is "
            "built on it would have to move within three months."
        ),
        lambda c, o: "price book, models",
    ),
    Check(
        "too-few-examples",
        _enough_examples,
        lambda c, i: (
            f"There are {_at(c.facts.examples, i):g} examples; "
            f"{c.panel.options[i].approach} on {c.resolved.task} is tried from "
            f"{_at(c.least_examples, i):g}."
        ),
        lambda c, o: c.evidence.of(c.resolved.task).source,
    ),
    Check(
        "adapter-too-small",
        lambda c: can_learn_skill(c.panel, c.resolved, c.facts, c.evidence),
        lambda c, i: (
            f"A new skill is to be learnt from {_at(c.facts.examples, i):g} examples. "
            f"{c.evidence.adapter_most_examples.says}"
        ),
        lambda c, o: c.evidence.adapter_most_examples.source,
    ),
    Check(
        "not-a-label",
        lambda c: labels_suffice(c.panel, c.resolved),
        lambda c, i: (
            "Better is judged here, or a form is kept, or tools are called in turn: an "
            "encoder picks one label and does none of it."
        ),
        lambda c, o: "https://doi.org/10.2196/76048",
    ),
    Check(
        "both-parts-earn-their-place",
        lambda c: combination_is_justified(c.panel, c.resolved, c.facts),
        lambda c, i: (
            "Nobody said that retrieval alone was tried: a tuning beside it has to earn its place."
        ),
        lambda c, o: "https://arxiv.org/abs/2312.05934",
    ),
    Check(
        "examples-at-hand",
        _needs_teacher,
        lambda c, i: "There are enough examples: no teacher has to write more.",
        _user_source,
    ),
    Check(
        "no-documents",
        lambda c: has_corpus(c.panel, c.resolved, c.facts),
        lambda c, i: "There are no documents to look up.",
        _user_source,
    ),
    Check(
        "window",
        _fits_window,
        lambda c, i: (
            f"A prompt of {_at(c.prompt_tokens, i):,.0f} tokens does not fit the "
            f"window of {_at(c.panel.window_tokens, i):,.0f}."
        ),
        lambda c, o: "price book, models",
    ),
    Check(
        "corpus-too-large",
        _corpus_is_small,
        lambda c, i: (
            f"The documents have {_at(c.facts.corpus_tokens, i):,.0f} tokens. "
            f"{c.evidence.full_context_tokens.says}"
        ),
        lambda c, o: c.evidence.full_context_tokens.source,
    ),
    Check("gpu-memory", _fits_gpu, _memory_says, lambda c, o: o.gpu.source if o.gpu else ""),
    Check(
        "latency",
        _meets_latency,
        lambda c, i: (
            f"A quick answer is asked for, and {c.panel.options[i].model} {_slow_because(c, i)}."
        ),
        lambda c, o: "https://arxiv.org/abs/2602.06370",
    ),
    Check(
        "budget-one-off",
        lambda c: _within(c.facts.budget_one_off_usd, c.costs.one_off),
        lambda c, i: (
            f"It costs {_usd(_at(c.costs.one_off, i))} once, and the budget is "
            f"{_usd(_at(c.facts.budget_one_off_usd, i))}."
        ),
        _user_source,
    ),
    Check(
        "budget-monthly",
        lambda c: _within(c.facts.budget_monthly_usd, c.costs.monthly),
        lambda c, i: (
            f"It costs {_usd(_at(c.costs.monthly, i))} a month, and the budget is "
            f"{_usd(_at(c.facts.budget_monthly_usd, i))}."
        ),
        _user_source,
    ),
)
"""Every gate that numbers decide, in the order in which they are tried."""


def _usd(amount: float) -> str:
    return f"{amount:,.2f} USD"


def _at(value: object, row: int) -> float:
    """The value of one option, in the first variant."""
    return float(option_row(np.asarray(value), row).flat[0])


def allowed_mask(case: CheckContext) -> Mask:
    """Whether every gate lets an option pass, for each option, variant and draw."""
    mask = case.passes[0]
    for passes in case.passes[1:]:
        mask = mask & passes
    return mask & case.team.standing


def refusals(case: CheckContext) -> list[RuledOutOption | None]:
    """Say of each option by which gate it is out in the first variant, if by any."""
    count = len(case.panel.options)
    found: list[RuledOutOption | None] = [None] * count
    for gate, passes in zip(CHECKS, case.passes, strict=True):
        if passes.all():
            continue
        first = np.broadcast_to(passes, (count, *case.facts.shape))[:, 0, 0]
        for row in np.flatnonzero(~first).tolist():
            option = case.panel.options[row]
            found[row] = found[row] or rule_out(
                option.id, gate.rule, gate.says(case, row), gate.source(case, option)
            )
    return [ours or theirs for ours, theirs in zip(found, case.team.refusals, strict=True)]
