"""A question -> every rule tried for every option, fired or not, with the numbers it read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from advisor.decision.answer import Answer
from advisor.decision.checks import CHECKS, CheckContext
from advisor.decision.evaluate import EvaluatedQuestion, Question
from advisor.decision.ranking import OptionResult
from advisor.decision.team_checks import allowed_by_rule
from advisor.estimate.line import option_row
from advisor.options.eligibility import EligibilityKey
from advisor.options.option import Option, RuledOutOption
from advisor.units import Record, usd

Numbers = tuple[tuple[str, str], ...]
Outcome = Literal["recommended", "runner_up", "stands", "too_low", "ruled_out", "off_the_menu"]


class RuleTrace(Record):
    """One rule, tried on one option."""

    rule: str
    """Code of the rule, or id of a rule of the team."""
    by: Literal["menu", "numbers", "team", "quality", "order", "decision"]
    """Where it works."""
    fired: bool
    """Whether it had an effect: put the option out, preferred it, or gave a reason."""
    numbers: Numbers
    """Name and value of what it read."""
    says: str | None
    """What it says, where it fired."""
    source: str | None
    """Who says so, where it fired."""


class OptionTrace(Record):
    """One option with every rule that was tried on it."""

    id: str
    """approach:provider:model[:gpu]."""
    outcome: Outcome
    """What became of it."""
    tried: tuple[RuleTrace, ...]
    """In the order in which they are tried."""


class Trace(Record):
    """Every rule that was tried, for one question."""

    question_sha256: str
    """Hash of the question."""
    decision: tuple[RuleTrace, ...]
    """Rules that speak of the whole question."""
    options: tuple[OptionTrace, ...]
    """Every option, by name."""


class AnswerWithExtras(Record):
    """An answer with what was asked for beside it."""

    answer: Answer
    """The answer, as without the rest."""
    trace: Trace | None = None
    """Every rule that was tried."""
    text: tuple[str, ...] | None = None
    """The decision in a few sentences."""


def trace(evaluated: EvaluatedQuestion, answer: Answer) -> Trace:
    """List every rule with the values it read, for each option.

    Args:
        evaluated: The question, evaluated.
        answer: Its answer.
    """
    question, candidates = evaluated.question, evaluated.candidates
    eligibility = candidates.eligibility
    traced = [_candidate_trace(entry, eligibility, answer) for entry in evaluated.options]
    traced += [_excluded_trace(one) for one in candidates.ruled_out]
    return Trace(
        question_sha256=answer.question_sha256,
        decision=_decision(question, answer),
        options=tuple(sorted(traced, key=lambda one: (one.id, one.outcome))),
    )


def _decision(question: Question, answer: Answer) -> tuple[RuleTrace, ...]:
    """Say which reasons were given, and which were not."""
    given = {reason.code: reason for reason in answer.decision.reasons}
    codes = [rule.code for rule in question.catalogue.rules if "reason" in rule.by]
    found = []
    for code in dict.fromkeys((*codes, *given)):
        reason = given.get(code)
        found.append(
            RuleTrace(
                rule=code,
                by="decision",
                fired=reason is not None,
                numbers=reason.numbers if reason else (),
                says=reason.says if reason else None,
                source=reason.source if reason else None,
            )
        )
    return tuple(found)


def _excluded_trace(one: RuledOutOption) -> OptionTrace:
    fired = RuleTrace(
        rule=one.rule, by="menu", fired=True, numbers=(), says=one.says, source=one.source
    )
    return OptionTrace(id=one.id, outcome="off_the_menu", tried=(fired,))


def _candidate_trace(
    entry: OptionResult, eligibility: EligibilityKey, answer: Answer
) -> OptionTrace:
    """Write down what was tried on an option that stands on the menu."""
    tried = (
        *_candidate_rule_traces(entry.option, eligibility),
        *_check_traces(entry),
        *_team_rule_traces(entry),
        _quality_trace(entry),
        _order_trace(entry),
    )
    return OptionTrace(id=entry.option.id, outcome=_outcome(entry, answer), tried=tried)


def _outcome(entry: OptionResult, answer: Answer) -> Outcome:
    name, decision = entry.option.id, answer.decision
    if entry.refusal:
        return "ruled_out"
    if name in (decision.recommended, decision.runner_up):
        return "recommended" if name == decision.recommended else "runner_up"
    return "stands" if entry.reaches else "too_low"


AppliesTo = Callable[[Option, EligibilityKey], bool]
ReadsOf = Callable[[Option, EligibilityKey], list[tuple[str, Any]]]


def _at_provider(option: Option, _: EligibilityKey) -> bool:
    return not option.is_current and option.provider != "own" and "gpu_hour" not in option.prices


CANDIDATE_RULES: dict[str, tuple[AppliesTo, ReadsOf]] = {
    "data-stays": (
        _at_provider,
        lambda o, g: [
            ("limits.data_may_leave", g.data_may_leave),
            ("needs.privacy_self_host", g.privacy_self_host),
        ],
    ),
    "provider-not-allowed": (
        lambda o, g: _at_provider(o, g) and bool(g.providers),
        lambda o, g: [("provider", o.provider)],
    ),
    "shut-down": (
        lambda o, g: o.card is not None and o.ends_on is not None,
        lambda o, g: [("ends on", o.ends_on), ("asked on", g.day)],
    ),
    "closed-to-you": (
        lambda o, g: o.offer is not None,
        lambda o, g: [
            ("asking as", dict(g.customer_types).get(o.provider, "anyone")),
            ("asked on", g.day),
        ],
    ),
    "unpriced": (lambda o, g: True, lambda o, g: [("prices found", len(o.prices))]),
    "no-bf16": (
        lambda o, g: o.gpu is not None and o.base is not None,
        lambda o, g: [("bf16 TFLOP/s", o.gpu.bf16_tflops if o.gpu else None)],
    ),
    "facts-need-retrieval": (
        lambda o, g: o.trains and o.approach != "combo",
        lambda o, g: [("needs knowledge", g.needs_knowledge)],
    ),
    "permissions": (
        lambda o, g: o.approach == "long_context",
        lambda o, g: [("knowledge.permissions_per_user", g.permissions_per_user)],
    ),
    "no-labels": (lambda o, g: o.approach == "encoder", lambda o, g: [("task", g.task)]),
}
"""Rules of the menu: which options each concerns, and what it reads."""


def _candidate_rule_traces(option: Option, eligibility: EligibilityKey) -> Iterator[RuleTrace]:
    for code, (concerns, reads) in CANDIDATE_RULES.items():
        if concerns(option, eligibility):
            numbers = tuple(
                (name, _value_text(value)) for name, value in reads(option, eligibility)
            )
            yield _passed(code, "menu", numbers)


def _passed(rule: str, by: Literal["menu", "numbers", "team"], numbers: Numbers) -> RuleTrace:
    return RuleTrace(rule=rule, by=by, fired=False, numbers=numbers, says=None, source=None)


CHECK_READS: dict[str, Callable[[CheckContext], list[tuple[str, Any]]]] = {
    "model-ends": lambda c: [("months of use", c.costs.months)],
    "ends-too-soon": lambda c: [
        ("months of use", c.costs.months),
        ("horizon_months", c.inputs.horizon_months),
    ],
    "too-few-examples": lambda c: [
        ("dataset.examples", c.inputs.examples),
        ("tried from", c.minimum_examples),
    ],
    "both-parts-earn-their-place": lambda c: [
        ("knowledge.retrieval_tried", c.resolved.scenario.knowledge.retrieval_tried)
    ],
    "not-a-label": lambda c: [
        ("needs.preference_hard_to_specify", c.resolved.scenario.needs.preference_hard_to_specify),
        ("needs.agentic_tools", c.resolved.scenario.needs.agentic_tools),
    ],
    "examples-at-hand": lambda c: [
        ("dataset.examples", c.inputs.examples),
        ("enough from", c.evidence.of(c.resolved.task).comfortable_examples),
    ],
    "no-documents": lambda c: [("knowledge.corpus_tokens", c.inputs.corpus_tokens)],
    "window": lambda c: [("prompt tokens", c.prompt_tokens), ("window", c.batch.window_tokens)],
    "corpus-too-large": lambda c: [
        ("knowledge.corpus_tokens", c.inputs.corpus_tokens),
        ("whole below", c.evidence.full_context_tokens.value),
    ],
    "gpu-memory": lambda c: [
        ("bytes needed", c.memory_bytes),
        ("bytes of the GPU", c.batch.gpu_memory_bytes),
    ],
    "adapter-too-small": lambda c: [
        ("needs.new_skill_or_language", c.resolved.scenario.needs.new_skill_or_language),
        ("dataset.examples", c.inputs.examples),
        ("adapters below", c.evidence.adapter_most_examples.value),
    ],
    "latency": lambda c: [
        ("limits.latency_p95_ms", c.inputs.latency_p95_ms),
        ("needs.low_latency", c.resolved.scenario.needs.low_latency),
        ("always reasons", c.batch.reasons),
        ("large", c.batch.is_large),
    ],
    "budget-one-off": lambda c: [
        ("USD once", c.costs.one_off),
        ("limits.budget_one_off_usd", c.inputs.budget_one_off_usd),
    ],
    "budget-monthly": lambda c: [
        ("USD a month", c.costs.monthly),
        ("limits.budget_monthly_usd", c.inputs.budget_monthly_usd),
    ],
}
"""Rules of numbers: what each reads."""


def _check_traces(entry: OptionResult) -> Iterator[RuleTrace]:
    case, row = entry.batch_result.case, entry.row
    for gate, passes in zip(CHECKS, case.passes, strict=True):
        read = CHECK_READS[gate.rule](case) if gate.rule in CHECK_READS else []
        numbers = tuple((name, _value_text(_at(value, row))) for name, value in read)
        if bool(_at(passes, row)):
            yield _passed(gate.rule, "numbers", numbers)
        else:
            source = gate.source(case, entry.option)
            yield RuleTrace(
                rule=gate.rule,
                by="numbers",
                fired=True,
                numbers=numbers,
                says=gate.says(case, row),
                source=source,
            )


def _team_rule_traces(entry: OptionResult) -> Iterator[RuleTrace]:
    team = entry.batch_result.case.team
    for rule, holding in zip(team.rules, team.holding, strict=True):
        holds = bool(_at(holding, entry.row))
        fired = (
            holds if rule.then == "prefer" else not _at(allowed_by_rule(rule, holding), entry.row)
        )
        yield RuleTrace(
            rule=rule.id,
            by="team",
            fired=bool(fired),
            numbers=((rule.when, _value_text(holds)), ("then", rule.then)),
            says=rule.says if fired else None,
            source=rule.source if fired else None,
        )


def _quality_trace(entry: OptionResult) -> RuleTrace:
    quality, target = entry.quality, float(entry.batch_result.case.inputs.target.flat[0])
    numbers = (
        ("low", f"{quality.low:.3f}"),
        ("likely", f"{quality.likely:.3f}"),
        ("high", f"{quality.high:.3f}"),
        ("quality.target", f"{target:g}"),
    )
    fired = not entry.reaches
    says = "It is not expected to reach the target." if fired else None
    source = f"{quality.basis}; {quality.source}" if fired else None
    return RuleTrace(
        rule="reaches-target", by="quality", fired=fired, numbers=numbers, says=says, source=source
    )


def _order_trace(entry: OptionResult) -> RuleTrace:
    score = float(_at(entry.batch_result.score, entry.row))
    counted = usd(score) if np.isfinite(score) else "out"
    numbers = (("USD a month, all spread", usd(entry.costs.per_month)), ("counted as", counted))
    return RuleTrace(
        rule="cheapest-good-enough",
        by="order",
        fired=False,
        numbers=numbers,
        says=None,
        source=None,
    )


def _at(value: Any, row: int) -> Any:
    """The value of one option in the first variant; none where there is none."""
    return None if value is None else option_row(np.asarray(value), row).flat[0]


def _value_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "not given"
    if isinstance(value, float) and np.isinf(value):
        return "no limit"
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    return f"{float(value):,.10g}" if isinstance(value, int | float) else str(value)


def trace_rows(found: Trace) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Write a title for the question and for each option, and under it a row for each rule."""
    yield "the question", [_row(one) for one in found.decision]
    for option in found.options:
        title = f"{option.id}: {option.outcome.replace('_', ' ')}"
        yield title, [_row(one) for one in option.tried]


def _row(one: RuleTrace) -> tuple[str, ...]:
    result = "fired" if one.fired else "did not fire"
    numbers = "; ".join(f"{name} {value}" for name, value in one.numbers)
    return one.rule, result, numbers or one.says or ""
