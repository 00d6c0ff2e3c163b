"""Options and facts of many variants -> masks: what the numbers allow, and in words why not.

What the work needs and the ways of a panel -> masks: which ways fit it, whatever they cost.

An option and what is known of the task -> the fewest examples with which it is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from advisor.scenario.scenario import Scenario
from advisor.units import GIB


def needs_more_than_label(scenario: Scenario, has_labels: bool) -> bool:
    """Whether the output is judged by degrees, has a form, or is produced in several steps."""
    needs = scenario.needs
    form = needs.style_or_format and not needs.narrow_label_task and not has_labels
    return form or needs.preference_hard_to_specify or needs.agentic_tools


def can_learn_skill(
    batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs, evidence: Evidence
) -> Mask:
    """A new skill from very many rows takes all weights."""
    new_skill = resolved.mask(lambda scenario: scenario.needs.new_skill_or_language)
    few = inputs.examples < evidence.adapter_most_examples.value
    return np.asarray(~new_skill | few | ~batch.approach_is("managed_lora", "lora", "qlora"))


def labels_suffice(batch: OptionBatch, resolved: ResolvedScenario) -> Mask:
    """An encoder picks a label, and does no more."""
    has_labels = resolved.labels > 0
    needs_more = resolved.mask(lambda scenario: needs_more_than_label(scenario, has_labels))
    return np.asarray(~batch.uses("encoder") | ~needs_more)


def combination_is_justified(
    batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs
) -> Mask:
    """Retrieval and tuning together, only where retrieval alone was tried or falls short."""
    scenario = resolved.scenario
    measured = [m.value for m in scenario.quality.measured if m.approach == "rag"]
    short = np.asarray(inputs.target) > max(measured, default=np.inf)
    combines = batch.uses("combo") & needs_knowledge(scenario, resolved.task)
    tried = resolved.mask(lambda scenario: bool(scenario.knowledge.retrieval_tried))
    return np.asarray(~combines | tried | short)


def has_corpus(batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs) -> Mask:
    """What looks documents up needs some."""
    knows = needs_knowledge(resolved.scenario, resolved.task)
    looks_up = ("rag", "combo", "long_context") if knows else ("rag", "combo")
    return np.asarray((inputs.corpus_tokens > 0) | ~batch.approach_is(*looks_up))


MIN_SHOTS = 3


def minimum_examples(
    option: Option, resolved: ResolvedScenario, evidence: Evidence
) -> NDArray[np.float64] | float:
    """Fewest examples with which this approach is tried at all, a number or [variants, 1]."""
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


def _tuned_from(resolved: ResolvedScenario, kind: TaskEvidence) -> NDArray[np.float64]:
    """Fewest examples of a tuning: sources differ, and the result of prompting decides."""

    def fewest(scenario: Scenario) -> float:
        if scenario.quality.prompting == "meets":
            return kind.comfortable_examples  # a working prompt is not risked on a few rows
        fell_short = prompting_fell_short(scenario)
        return kind.tune_least_examples if fell_short else kind.tune_from_examples

    return resolved.column(fewest)


Mask = NDArray[np.bool_]
MIN_MONTHS = 3.0
"""A new prompt on a model that ends sooner is not begun; own judgement."""
REASONING_NEEDS_MS = 2000.0
"""A model that always reasons rarely answers sooner; own judgement."""


@dataclass(frozen=True)
class CheckContext:
    """The options of a panel with everything a gate may read."""

    batch: OptionBatch
    resolved: ResolvedScenario
    inputs: Inputs
    costs: BatchCosts
    evidence: Evidence

    @cached_property
    def passes(self) -> list[Mask]:
        """For each gate, whether it lets an option pass."""
        return [np.asarray(gate.passes(self)) for gate in CHECKS]

    @cached_property
    def team(self) -> TeamRuleResult:
        """What the team's own rules say of each option."""
        return apply_team_rules(self.batch, self.resolved, self.inputs, self._likely_costs)

    def _likely_costs(self) -> LikelyCosts:
        likely = batch_costs(self.batch, self.resolved, self.inputs, self.evidence, LIKELY)
        return LikelyCosts(likely.one_off, likely.monthly, likely.per_month)

    @cached_property
    def minimum_examples(self) -> Column:
        """Fewest examples with which each option is tried at all."""
        kinds = self.batch.kinds
        least = [minimum_examples(o, self.resolved, self.evidence) for o in kinds.first]
        shape = np.broadcast_shapes((1, 1), *(np.shape(number) for number in least))
        return np.stack([np.broadcast_to(number, shape) for number in least])[kinds.of]

    @cached_property
    def prompt_tokens(self) -> NDArray[np.float64]:
        """Tokens of the longest prompt of each option, with its answer."""
        inputs = self.inputs
        tokens = inputs.prefix_tokens + inputs.context_tokens + inputs.user_tokens
        tokens = tokens + inputs.completion_tokens + inputs.tool_tokens
        tokens = tokens + (inputs.turns - 1) * (inputs.user_tokens + inputs.completion_tokens)
        prefix, varying = extra_tokens(self.batch, self.batch.approach_is, inputs)
        # an encoder reads the beginning of a text, and no instructions
        reads = ~self.batch.approach_is("encoder")
        return np.asarray((tokens + prefix + varying) * reads)

    @cached_property
    def memory_bytes(self) -> NDArray[np.float64] | None:
        """Memory of training each option on its GPU, with one longest row at a time [bytes]."""
        batch, inputs = self.batch, self.inputs
        if batch.family not in ("encoder", "lora", "qlora", "full"):
            return None
        tokens = inputs.prefix_tokens + inputs.user_tokens + inputs.completion_tokens
        if not np.isnan(self.resolved.longest_tokens):
            tokens = tokens * 0 + self.resolved.longest_tokens
        tokens = np.minimum(tokens, 512.0) if batch.family == "encoder" else tokens
        shape = ModelShape.among(batch.architecture)
        return np.asarray(peak_process_bytes(shape, training_method(batch), RANK, tokens))


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
    if case.batch.trains:
        return np.array(True)
    lasts = np.asarray(case.costs.months) >= np.minimum(case.inputs.horizon_months, MIN_MONTHS)
    return lasts | case.batch.is_current


def _enough_examples(case: CheckContext) -> Mask:
    enough = case.inputs.examples >= case.minimum_examples
    documents = case.inputs.corpus_tokens
    learns_from_them = documents >= case.evidence.pretraining_tokens.value
    return (
        enough
        | (case.batch.uses("long_context") & (documents > 0))
        | (case.batch.uses("combo") & learns_from_them)
    )


def _needs_teacher(case: CheckContext) -> Mask:
    distils = case.batch.approach_is("distill")
    enough = case.inputs.examples >= case.evidence.of(case.resolved.task).comfortable_examples
    return np.asarray(~(enough & distils))


def _fits_window(case: CheckContext) -> Mask:
    return case.prompt_tokens <= case.batch.window_tokens


def _corpus_is_small(case: CheckContext) -> Mask:
    is_small = case.inputs.corpus_tokens <= case.evidence.full_context_tokens.value
    return is_small | ~case.batch.approach_is("long_context")


def _fits_gpu(case: CheckContext) -> Mask:
    if case.memory_bytes is None:
        return np.array(True)
    fit = fits_in_memory(case.memory_bytes, case.batch.gpu_memory_bytes)
    return fit | ~case.batch.on_known_gpu


def _memory_says(case: CheckContext, row: int) -> str:
    gpu = case.batch.options[row].gpu
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
    low_latency = case.resolved.mask(lambda scenario: scenario.needs.low_latency)
    must_be_fast = low_latency & ~case.batch.is_current
    hurried = (case.inputs.latency_p95_ms < REASONING_NEEDS_MS) | must_be_fast
    return np.asarray(~(case.batch.reasons & hurried | case.batch.is_large & must_be_fast))


def _slow_because(case: CheckContext, row: int) -> str:
    if case.batch.reasons[row]:
        return "always reasons first"
    return "is a large model: half of its answers take longer than a second"


CHECKS = (
    Check(
        "model-ends",
        _is_available,
        lambda c, i: f"The model ends on {c.batch.options[i].ends_on}.",
        _user_source,
    ),
    Check(
        "ends-too-soon",
        _is_available_long_enough,
        lambda c, i: (
            f"{c.batch.options[i].model} ends on {c.batch.options[i].ends_on}: what is "
            "built on it would have to move within three months."
        ),
        lambda c, o: "price book, models",
    ),
    Check(
        "too-few-examples",
        _enough_examples,
        lambda c, i: (
            f"There are {_at(c.inputs.examples, i):g} examples; "
            f"{c.batch.options[i].approach} on {c.resolved.task} is tried from "
            f"{_at(c.minimum_examples, i):g}."
        ),
        lambda c, o: c.evidence.of(c.resolved.task).source,
    ),
    Check(
        "adapter-too-small",
        lambda c: can_learn_skill(c.batch, c.resolved, c.inputs, c.evidence),
        lambda c, i: (
            f"A new skill is to be learnt from {_at(c.inputs.examples, i):g} examples. "
            f"{c.evidence.adapter_most_examples.says}"
        ),
        lambda c, o: c.evidence.adapter_most_examples.source,
    ),
    Check(
        "not-a-label",
        lambda c: labels_suffice(c.batch, c.resolved),
        lambda c, i: (
            "Better is judged here, or a form is kept, or tools are called in turn: an "
            "encoder picks one label and does none of it."
        ),
        lambda c, o: "https://doi.org/10.2196/76048",
    ),
    Check(
        "both-parts-earn-their-place",
        lambda c: combination_is_justified(c.batch, c.resolved, c.inputs),
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
        lambda c: has_corpus(c.batch, c.resolved, c.inputs),
        lambda c, i: "There are no documents to look up.",
        _user_source,
    ),
    Check(
        "window",
        _fits_window,
        lambda c, i: (
            f"A prompt of {_at(c.prompt_tokens, i):,.0f} tokens does not fit the "
            f"window of {_at(c.batch.window_tokens, i):,.0f}."
        ),
        lambda c, o: "price book, models",
    ),
    Check(
        "corpus-too-large",
        _corpus_is_small,
        lambda c, i: (
            f"The documents have {_at(c.inputs.corpus_tokens, i):,.0f} tokens. "
            f"{c.evidence.full_context_tokens.says}"
        ),
        lambda c, o: c.evidence.full_context_tokens.source,
    ),
    Check("gpu-memory", _fits_gpu, _memory_says, lambda c, o: o.gpu.source if o.gpu else ""),
    Check(
        "latency",
        _meets_latency,
        lambda c, i: (
            f"A quick answer is asked for, and {c.batch.options[i].model} {_slow_because(c, i)}."
        ),
        lambda c, o: "https://arxiv.org/abs/2602.06370",
    ),
    Check(
        "budget-one-off",
        lambda c: _within(c.inputs.budget_one_off_usd, c.costs.one_off),
        lambda c, i: (
            f"It costs {_usd(_at(c.costs.one_off, i))} once, and the budget is "
            f"{_usd(_at(c.inputs.budget_one_off_usd, i))}."
        ),
        _user_source,
    ),
    Check(
        "budget-monthly",
        lambda c: _within(c.inputs.budget_monthly_usd, c.costs.monthly),
        lambda c, i: (
            f"It costs {_usd(_at(c.costs.monthly, i))} a month, and the budget is "
            f"{_usd(_at(c.inputs.budget_monthly_usd, i))}."
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
    count = len(case.batch.options)
    found: list[RuledOutOption | None] = [None] * count
    for gate, passes in zip(CHECKS, case.passes, strict=True):
        if passes.all():
            continue
        first = np.broadcast_to(passes, (count, *case.inputs.shape))[:, 0, 0]
        for row in np.flatnonzero(~first).tolist():
            option = case.batch.options[row]
            found[row] = found[row] or rule_out(
                option.id, gate.rule, gate.says(case, row), gate.source(case, option)
            )
    return [ours or theirs for ours, theirs in zip(found, case.team.refusals, strict=True)]
