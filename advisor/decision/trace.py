"""Trace: every rule with the values it read, for each option and for the decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from advisor.decision.answer import Answer
from advisor.decision.check_context import first_at, value_text
from advisor.decision.checks import CHECKS
from advisor.decision.evaluate import EvaluatedQuestion
from advisor.decision.ranking import OptionResult
from advisor.decision.team_checks import allowed_by_rule
from advisor.options.candidates import CANDIDATE_RULES
from advisor.options.eligibility import EligibilityKey
from advisor.units import Record, usd

Numbers = tuple[tuple[str, str], ...]
Outcome = Literal["recommended", "runner_up", "stands", "too_low", "ruled_out", "off_the_menu"]
RuleStage = Literal["menu", "numbers", "team", "quality", "order", "decision"]


class RuleTrace(Record):
    """One rule, applied to one option."""

    rule: str
    """Code of the rule, or id of a team rule."""
    by: RuleStage
    """Stage at which the rule is applied."""
    fired: bool
    """Whether it had an effect: ruled the option out, preferred it, or gave a reason."""
    numbers: Numbers
    """Name and value of each quantity it read."""
    says: str | None
    """Explanation, if it fired."""
    source: str | None
    """Source, if it fired."""


class OptionTrace(Record):
    """One option with every rule that was applied to it."""

    id: str
    """approach:provider:model[:gpu]."""
    outcome: Outcome
    """Result for this option."""
    tried: tuple[RuleTrace, ...]
    """Rules in the order in which they are applied."""


class Trace(Record):
    """Every rule that was applied to one question."""

    question_sha256: str
    """Hash of the question."""
    decision: tuple[RuleTrace, ...]
    """Rules about the question as a whole."""
    options: tuple[OptionTrace, ...]
    """Every option, sorted by id."""


class AnswerWithExtras(Record):
    """An answer with its trace or explanation, if requested."""

    answer: Answer
    """The answer, unchanged by the extras."""
    trace: Trace | None = None
    """Every rule that was applied."""
    text: tuple[str, ...] | None = None
    """The decision in a few sentences."""


def trace(evaluated: EvaluatedQuestion, answer: Answer) -> Trace:
    """List every rule with the values it read, for each option."""
    candidates = evaluated.candidates
    traced = [
        OptionTrace(
            id=entry.option.id,
            outcome=_outcome(entry, answer),
            tried=(
                *_candidate_rule_traces(entry, candidates.eligibility),
                *_check_traces(entry),
                *_team_rule_traces(entry),
                _quality_trace(entry),
                _order_trace(entry),
            ),
        )
        for entry in evaluated.options
    ]
    for out in candidates.ruled_out:
        rule = _rule_trace(out.rule, "menu", fired=True, says=out.says, source=out.source)
        traced.append(OptionTrace(id=out.id, outcome="off_the_menu", tried=(rule,)))
    return Trace(
        question_sha256=answer.question_sha256,
        decision=_decision(evaluated, answer),
        options=tuple(sorted(traced, key=lambda option: (option.id, option.outcome))),
    )


def _rule_trace(
    rule: str,
    by: RuleStage,
    numbers: Numbers = (),
    *,
    fired: bool = False,
    says: str | None = None,
    source: str | None = None,
) -> RuleTrace:
    """Record one rule; explanation and source only if it fired."""
    return RuleTrace(
        rule=rule,
        by=by,
        fired=fired,
        numbers=numbers,
        says=says if fired else None,
        source=source if fired else None,
    )


def _decision(evaluated: EvaluatedQuestion, answer: Answer) -> tuple[RuleTrace, ...]:
    """List the reasons that were given, and those that were not."""
    given = {
        reason.code: _rule_trace(
            reason.code,
            "decision",
            reason.numbers,
            fired=True,
            says=reason.says,
            source=reason.source,
        )
        for reason in answer.decision.reasons
    }
    rules = evaluated.question.catalogue.rules
    codes = dict.fromkeys((*(rule.code for rule in rules if "reason" in rule.by), *given))
    return tuple(given.get(code) or _rule_trace(code, "decision") for code in codes)


def _outcome(entry: OptionResult, answer: Answer) -> Outcome:
    option_id, decision = entry.option.id, answer.decision
    if entry.refusal:
        return "ruled_out"
    if option_id in (decision.recommended, decision.runner_up):
        return "recommended" if option_id == decision.recommended else "runner_up"
    return "stands" if entry.reaches else "too_low"


def _candidate_rule_traces(entry: OptionResult, eligibility: EligibilityKey) -> Iterator[RuleTrace]:
    for rule in CANDIDATE_RULES:
        if rule.applies(entry.option, eligibility):
            read = rule.reads(entry.option, eligibility)
            numbers = tuple((name, value_text(value)) for name, value in read)
            yield _rule_trace(rule.code, "menu", numbers)


def _check_traces(entry: OptionResult) -> Iterator[RuleTrace]:
    case, row = entry.batch_result, entry.row
    for check, passes in zip(CHECKS, case.passes, strict=True):
        numbers = tuple(
            (name, value_text(first_at(value, row))) for name, value in check.reads(case)
        )
        fired = not first_at(passes, row)
        says = check.explain(case, row) if fired else None
        source = check.source(case, entry.option)
        yield _rule_trace(check.code, "numbers", numbers, fired=fired, says=says, source=source)


def _team_rule_traces(entry: OptionResult) -> Iterator[RuleTrace]:
    team = entry.batch_result.team
    for rule, holding in zip(team.batch.rules, team.holding, strict=True):
        holds = bool(first_at(holding, entry.row))
        allowed = bool(first_at(allowed_by_rule(rule, holding), entry.row))
        fired = holds if rule.then == "prefer" else not allowed
        numbers = ((rule.when, value_text(holds)), ("then", rule.then))
        yield _rule_trace(rule.id, "team", numbers, fired=fired, says=rule.says, source=rule.source)


def _quality_trace(entry: OptionResult) -> RuleTrace:
    quality, target = entry.quality, float(entry.batch_result.inputs.target.flat[0])
    numbers = (
        ("low", f"{quality.low:.3f}"),
        ("likely", f"{quality.likely:.3f}"),
        ("high", f"{quality.high:.3f}"),
        ("quality.target", f"{target:g}"),
    )
    return _rule_trace(
        "reaches-target",
        "quality",
        numbers,
        fired=not entry.reaches,
        says="It is not expected to reach the quality target.",
        source=f"{quality.basis}; {quality.source}",
    )


def _order_trace(entry: OptionResult) -> RuleTrace:
    score = float(first_at(entry.batch_result.score, entry.row))
    counted = usd(score) if np.isfinite(score) else "out"
    per_month = usd(entry.costs.per_month)
    numbers = (("USD a month, all spread", per_month), ("counted as", counted))
    return _rule_trace("cheapest-good-enough", "order", numbers)


def trace_rows(found: Trace) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Return a title and table rows for the question and for each option."""
    yield "the question", [_row(rule) for rule in found.decision]
    for option in found.options:
        title = f"{option.id}: {option.outcome.replace('_', ' ')}"
        yield title, [_row(rule) for rule in option.tried]


def _row(rule: RuleTrace) -> tuple[str, ...]:
    result = "fired" if rule.fired else "did not fire"
    numbers = "; ".join(f"{name} {value}" for name, value in rule.numbers)
    return rule.rule, result, numbers or rule.says or ""
