"""Question -> Answer: the complete pipeline in one function."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

import numpy as np
import orjson

from advisor import __version__
from advisor.decision.bill import OptionBill, option_bill, with_months
from advisor.decision.break_even import BreakEven, break_even
from advisor.decision.evaluate import EvaluatedQuestion, Question, evaluate, winner_of
from advisor.decision.ranking import OptionResult
from advisor.decision.reasons import (
    Reason,
    decision_reasons,
    next_measurements,
)
from advisor.decision.sensitivity import NearestChange, nearest_changes
from advisor.decision.verdict import verdict_notes, verdict_sentence
from advisor.estimate.costs import batch_costs, first_variant_values
from advisor.estimate.line import first_value
from advisor.estimate.sampling import WORST_CASE
from advisor.inputs import Assumption
from advisor.options.option import RuledOutOption
from advisor.prices.contract import TaxNote
from advisor.prices.display_names import option_name
from advisor.prices.series import Caveat
from advisor.rules.catalogue import with_disputes
from advisor.rules.team_rules import TeamRule
from advisor.scenario.contradictions import contradictions
from advisor.scenario.scenario import Scenario
from advisor.units import US_DOLLARS, Currency, Record, money_range_text, money_text

__all__ = ["Answer", "Question", "canonical_json", "evaluate", "recommend", "summarize"]

SCHEMA_VERSION = "1"


class Decision(Record):
    """What to do, and why."""

    recommended: str
    """Id of the option, or not_yet."""
    runner_up: str | None
    """Best eligible option of another approach, else the second best."""
    verdict: str
    """The decision in one sentence."""
    notes: tuple[str, ...] = ()
    """What a reader has to know with the verdict: old or uncertain prices and facts."""
    win_share: str
    """Share of simulations in which it is the best option, 0 to 1."""
    approach_share: str = "0"
    """Share of simulations in which its approach is the best, with any model or machine, 0 to 1."""
    break_even: BreakEven | None
    """Usage from which training costs no more."""
    reasons: tuple[Reason, ...]
    """Why."""
    flips: tuple[NearestChange, ...]
    """Nearest changes that would change the recommended approach, if requested."""
    measure_next: tuple[str, ...]
    """What to find out next."""


class Answer(Record):
    """The answer: decision, options with bills, what is ruled out, what is assumed."""

    schema_version: str
    """Version of this schema."""
    question: Scenario
    """The scenario that was asked about."""
    dataset_sha256: str | None
    """Hash of the dataset's canonical rows."""
    decision: Decision
    """What to do, and why."""
    options: tuple[OptionBill, ...]
    """Every allowed option, best first."""
    ruled_out: tuple[RuledOutOption, ...]
    """Every option that is not allowed, with the rule."""
    assumptions: tuple[Assumption, ...]
    """Values that were not given, and what is assumed."""
    caveats: tuple[Caveat, ...]
    """Caveats about the complete answer."""
    rules: tuple[TeamRule, ...] = ()
    """Rules of the team."""
    currency: Currency = US_DOLLARS
    """Currency of printed amounts, with its rate; amounts in this record are USD."""
    tax: TaxNote | None = None
    """What is noted about tax; amounts are without tax."""
    question_sha256: str
    """Hash of the question with its dataset and seed."""
    prices_sha256: str
    """Hash of the price book."""
    engine_version: str
    """Version of the engine."""

    def __repr__(self) -> str:
        """Summarize the answer in a few lines: verdict, cost, runner-up."""
        bills = {bill.id: bill for bill in self.options}
        labels = {"Cost": self.decision.recommended, "Runner-up": self.decision.runner_up}
        costs = [
            f"{label}: {option_name(name)}, {money_range_text(bills[name].monthly, self.currency)}"
            f" per month, {money_text(bills[name].one_off.likely, self.currency)} one-off"
            for label, name in labels.items()
            if name in bills
        ]
        return "\n".join([self.decision.verdict, *costs])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Show the verdict and the best option of each approach as a table in a notebook."""
        best = {bill.approach: bill for bill in reversed(self.options)}
        rows = [
            (
                option_name(bill.id),
                money_range_text(bill.monthly, self.currency),
                money_text(bill.one_off.likely, self.currency),
                f"{float(bill.quality.likely):.0%}",
            )
            for bill in self.options
            if best[bill.approach] is bill
        ]
        head = "<th>Option</th><th>Per month (90% range)</th><th>One-off</th><th>Quality</th>"
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
        )
        return (
            f"<p><strong>{escape(self.decision.verdict)}</strong></p>"
            f"<table><tr>{head}</tr>{body}</table>"
        )


def recommend(question: Question) -> Answer:
    """Evaluate a question and summarize the result.

    Raises:
        PricingError: something the scenario names is not in the price book.
    """
    return summarize(evaluate(question))


def summarize(evaluated: EvaluatedQuestion, months_of: Collection[str] = ()) -> Answer:
    """Turn an evaluated question into an answer: decision, bills, what is ruled out.

    Bills of the compared options, and of those in *months_of*, state the quantities of each month.
    """
    question, resolved = evaluated.question, evaluated.resolved
    explained = partial(with_disputes, catalogue=question.catalogue, task=resolved.task)
    reasons = tuple(explained(reason, reason.code) for reason in decision_reasons(evaluated))
    refused = [entry.refusal for entry in evaluated.options if entry.refusal]
    ruled_out = sorted((*evaluated.candidates.ruled_out, *refused), key=lambda option: option.id)
    decision = _decide(evaluated, reasons)
    compared = {decision.recommended, decision.runner_up, "current", *months_of}
    if decision.break_even:
        compared |= {decision.break_even.option, decision.break_even.against}
    entries = {entry.option.id: entry for entry in evaluated.options}
    return Answer(
        schema_version=SCHEMA_VERSION,
        question=question.scenario,
        dataset_sha256=question.profile.dataset_sha256 if question.profile else None,
        decision=decision,
        options=tuple(
            with_months(bill, entries[bill.id]) if bill.id in compared & entries.keys() else bill
            for bill in _bills(evaluated)
        ),
        ruled_out=tuple(explained(option, option.rule) for option in ruled_out),
        assumptions=(*question.default_assumptions, *resolved.assumptions),
        caveats=_caveats(question),
        rules=question.rules,
        currency=evaluated.context.currency,
        tax=question.book.contract.tax,
        question_sha256=_identity_sha256(question),
        prices_sha256=question.book.sha256,
        engine_version=__version__,
    )


def _decide(evaluated: EvaluatedQuestion, reasons: tuple[Reason, ...]) -> Decision:
    winner = evaluated.winner
    return Decision(
        recommended=winner.option.id,
        runner_up=_runner_up(evaluated),
        verdict=verdict_sentence(winner, evaluated.current),
        notes=verdict_notes(winner, evaluated.question.scenario.asked_on),
        win_share=f"{float(np.mean(evaluated.drawn.winner[0] == evaluated.winner_index)):.2f}",
        approach_share=f"{_approach_share(evaluated):.2f}",
        break_even=_break_even(evaluated),
        reasons=reasons,
        flips=nearest_changes(evaluated) if evaluated.question.with_sensitivity else (),
        measure_next=next_measurements(evaluated),
    )


def _approach_share(evaluated: EvaluatedQuestion) -> float:
    """Share of the draws that an option with the approach of the recommended one wins."""
    approaches = [winner_of(entry.option).approach for entry in evaluated.drawn.entries]
    ours = winner_of(evaluated.winner.option).approach
    is_ours = np.array([approach == ours for approach in approaches])
    return float(np.mean(is_ours[evaluated.drawn.winner[0]]))


def _runner_up(evaluated: EvaluatedQuestion) -> str | None:
    winner = evaluated.winner.option
    others = [entry.option for entry in evaluated.eligible if entry.option.id != winner.id]
    unlike = [option for option in others if option.approach != winner.approach]
    return next((option.id for option in (*unlike, *others)), None)


def _break_even(evaluated: EvaluatedQuestion) -> BreakEven | None:
    """Compare the best option with training with the current or the cheapest other option."""
    candidates = (evaluated.winner, *evaluated.eligible)
    tuned = next((entry for entry in candidates if entry.option.trains), None)
    plain = (e for e in evaluated.eligible if not e.option.trains and not e.option.is_current)
    other = evaluated.current or next(plain, None)
    if tuned is None or other is None:
        return None
    requests = first_value(evaluated.resolved.inputs.requests_per_month)
    return break_even(tuned, other, requests)


def canonical_json(record: Record) -> bytes:
    """Return a record as the bytes that every interface returns: sorted keys, no spaces, UTF-8."""
    return _bytes(record.model_dump(mode="json"))


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _identity_sha256(question: Question) -> str:
    asked = {
        "scenario": question.scenario.model_dump(mode="json"),
        "dataset": question.profile.dataset_sha256 if question.profile else None,
        "seed": question.seed,
    }
    rules = [rule.model_dump(mode="json") for rule in question.rules]
    identity = asked | ({"rules": rules} if rules else {})
    return hashlib.sha256(_bytes(identity)).hexdigest()


def _bills(evaluated: EvaluatedQuestion) -> tuple[OptionBill, ...]:
    """Return the bill of every allowed option, best first; "not yet" first or last."""
    book, resolved = evaluated.question.book, evaluated.resolved
    at_most = _worst_case_one_off(evaluated)
    drawn = {entry.option.id: entry for entry in evaluated.drawn.entries}
    *bills, not_yet = (
        option_bill(entry, drawn[entry.option.id], book, resolved, at_most[entry.option.id])
        for entry in (*_allowed(evaluated), evaluated.likely.entries[-1])
    )
    return (not_yet, *bills) if evaluated.is_not_yet else (*bills, not_yet)


def _allowed(evaluated: EvaluatedQuestion) -> list[OptionResult]:
    """Return the options that no check rules out: eligible ones by score, then by cost."""
    scores = evaluated.likely.score[:, 0, 0].tolist()

    def order(row: tuple[int, OptionResult]) -> tuple[float, int, float, str]:
        place, entry = row
        # of two equal scores the first candidate wins, and is first here too
        place = place if np.isfinite(scores[place]) else len(scores)
        return scores[row[0]], place, entry.costs.per_month, entry.option.id

    allowed = [row for row in enumerate(evaluated.options) if not row[1].refusal]
    return [entry for _, entry in sorted(allowed, key=order)]


def _worst_case_one_off(evaluated: EvaluatedQuestion) -> dict[str, float]:
    """Return the one-off cost of each option with every uncertain input at its worst case [USD]."""
    context = replace(evaluated.context, sampling=WORST_CASE)
    found: dict[str, float] = {}
    for batch in evaluated.candidates.batches:
        costs = batch_costs(batch, context)
        found |= zip(batch.ids, first_variant_values(costs.one_off, len(batch.ids)), strict=True)
    return found


def _caveats(question: Question) -> tuple[Caveat, ...]:
    scenario, profile = question.scenario, question.profile
    tenants = scenario.dataset.tenants or 0
    found = [(caveat.code, caveat.says) for caveat in contradictions(scenario, profile)]
    if scenario.limits.regions:
        says = "The price book does not contain processing regions: check limits.regions."
        found.append(("regions-unchecked", says))
    if tenants > 1:
        says = (
            f"{tenants:g} models are trained, each on all examples of the scenario. Adapters of one"
            " base share machines, and any other model has its own."
        )
        found.append(("tenants-costed", says))
    if profile and profile.rejected:
        says = f"{profile.rejected} rows of the dataset cannot be used and are left out."
        found.append(("rows-rejected", says))
    if profile and not profile.encoding_exact:
        says = f"Tokens were counted with {profile.encoding}, which is not exact for this model."
        found.append(("tokens-estimated", says))
    return tuple(Caveat(code=code, says=says) for code, says in found)
