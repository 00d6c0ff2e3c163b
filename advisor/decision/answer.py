"""Question -> Answer: the whole line in one function."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import numpy as np
import orjson

from advisor import __version__
from advisor.dataset.profile import Profile
from advisor.decision.bill import BillContext, OptionBill, option_bill
from advisor.decision.decide import Decision, EvaluatedQuestion, decide, evaluate_options
from advisor.decision.ranking import OptionResult, evaluate_batch
from advisor.decision.team_checks import allowed_measuring_option
from advisor.estimate.costs import batch_costs
from advisor.estimate.sampling import LIKELY, WORST_CASE, Sampling
from advisor.evidence import Evidence
from advisor.inputs import Assumption, ResolvedScenario, resolve
from advisor.options.batch import OptionBatch, option_batches
from advisor.options.candidates import Candidates, list_candidates
from advisor.options.eligibility import EligibilityKey, eligibility_key
from advisor.options.option import RuledOutOption
from advisor.prices.book import PriceBook
from advisor.prices.series import Caveat
from advisor.rules.catalogue import NO_RULES, RuleCatalogue, with_disputes
from advisor.rules.team_rules import TeamRule
from advisor.scenario.contradictions import contradictions
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Scenario
from advisor.units import Money, Record

SCHEMA_VERSION = "1"


@dataclass(frozen=True)
class Question:
    """Everything an answer is made from."""

    scenario: Scenario
    book: PriceBook
    evidence: Evidence
    profile: Profile | None = None
    seed: int = 0
    with_sensitivity: bool = True
    default_assumptions: tuple[Assumption, ...] = ()
    """What the door itself filled in, such as today's date."""
    rules: tuple[TeamRule, ...] = ()
    """What the team adds."""
    catalogue: RuleCatalogue = NO_RULES
    """The program's own rules, with where their sources differ."""


class Answer(Record):
    """The answer: a decision, every option with its bill, what is ruled out, what was assumed."""

    schema_version: str
    """Version of this shape."""
    question: Scenario
    """What was asked."""
    dataset_sha256: str | None
    """The canonical rows behind the counted numbers."""
    decision: Decision
    """What to do, and why."""
    options: tuple[OptionBill, ...]
    """Every option that is allowed, best first."""
    ruled_out: tuple[RuledOutOption, ...]
    """Every option that is not, and by which rule."""
    assumptions: tuple[Assumption, ...]
    """What was taken where nobody said."""
    caveats: tuple[Caveat, ...]
    """Doubts about the whole answer."""
    rules: tuple[TeamRule, ...] = ()
    """Rules that the team added to the question."""
    question_sha256: str
    """Hash of the question with its dataset and seed."""
    prices_sha256: str
    """Hash of the price book."""
    engine_version: str
    """What worked it out."""

    def __repr__(self) -> str:
        """Summarize the answer in a few lines: verdict, cost, runner-up."""
        bills = {bill.id: bill for bill in self.options}
        labels = {"Cost": self.decision.recommended, "Runner-up": self.decision.runner_up}
        costs = [
            f"{label}: {name}, {_range_text(bills[name].monthly)} per month,"
            f" ${float(bills[name].one_off.likely):,.2f} one-off"
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
                bill.id,
                _range_text(bill.monthly),
                f"${float(bill.one_off.likely):,.2f}",
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


def _range_text(amount: Money) -> str:
    low, likely, high = (float(text) for text in (amount.low, amount.likely, amount.high))
    return f"${likely:,.2f} (${low:,.2f} to ${high:,.2f})"


def recommend(question: Question) -> Answer:
    """Work one question out.

    Args:
        question: Scenario, price book, evidence, and the profile of a dataset if there is one.

    Raises:
        PricingError: something the scenario names is not in the price book.
    """
    menus: dict[EligibilityKey, Candidates] = {}
    resolved, choices = prepare(question, question.scenario, menus)
    done = evaluate_options(resolved, choices, question.evidence, question.seed)

    def rebuild(path: str, value: Any) -> tuple[ResolvedScenario, Candidates]:
        return prepare(question, with_paths(question.scenario, {path: value}), menus)

    decision = decide(done, question.evidence, rebuild, question.with_sensitivity)
    allowed, refused = _split_by_eligibility(done)
    told = partial(with_disputes, catalogue=question.catalogue, task=resolved.task)
    ruled_out = sorted((*choices.ruled_out, *refused), key=lambda one: one.id)
    reasons = tuple(told(reason, reason.code) for reason in decision.reasons)
    sha = hashlib.sha256(_bytes(_identity(question))).hexdigest()
    return Answer(
        schema_version=SCHEMA_VERSION,
        question=question.scenario,
        dataset_sha256=question.profile.dataset_sha256 if question.profile else None,
        decision=Decision.model_validate(dict(decision) | {"reasons": reasons}),
        options=_bills(question, done, allowed),
        ruled_out=tuple(told(one, one.rule) for one in ruled_out),
        assumptions=(*question.default_assumptions, *resolved.assumptions),
        caveats=_caveats(question),
        rules=question.rules,
        question_sha256=sha,
        prices_sha256=question.book.sha256,
        engine_version=__version__,
    )


def prepare(
    question: Question, scenario: Scenario, menus: dict[EligibilityKey, Candidates] | None = None
) -> tuple[ResolvedScenario, Candidates]:
    """Fill in the numbers of a scenario and list its options.

    Args:
        question: Price book, evidence and dataset.
        scenario: What is asked, which may be a variant of the question's.
        menus: Menus that were made for other variants; what is made here is added.
    """
    resolved = resolve(scenario, question.profile, question.evidence)
    eligibility, known = eligibility_key(resolved, question.profile), {} if menus is None else menus
    if eligibility not in known:
        known[eligibility] = list_candidates(
            eligibility, question.book, question.evidence, question.rules
        )
    return resolved, known[eligibility]


def canonical_json(record: Record) -> bytes:
    """Write a record as the bytes that every door returns: sorted keys, no spaces, UTF-8."""
    return _bytes(record.model_dump(mode="json"))


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _identity(question: Question) -> dict[str, Any]:
    asked = {
        "scenario": question.scenario.model_dump(mode="json"),
        "dataset": question.profile.dataset_sha256 if question.profile else None,
        "seed": question.seed,
    }
    rules = [rule.model_dump(mode="json") for rule in question.rules]
    return asked | ({"rules": rules} if rules else {})


def _split_by_eligibility(
    done: EvaluatedQuestion,
) -> tuple[list[OptionResult], list[RuledOutOption]]:
    """Part the options that the numbers allow from those that they do not."""
    scores = done.likely.score[:, 0, 0]
    passing, refused = [], []
    last = len(scores)
    for place, (score, entry) in enumerate(zip(scores, done.likely.entries, strict=True)):
        if entry.refusal:
            refused.append(entry.refusal)
        else:  # of two that are as good the first of the menu wins, and stands first here too
            key = (float(score), place if np.isfinite(score) else last, entry.costs.per_month)
            passing.append((*key, entry.option.id, entry))
    return [entry for *_, entry in sorted(passing, key=lambda row: row[:4])], refused


def _bills(
    question: Question, done: EvaluatedQuestion, allowed: list[OptionResult]
) -> tuple[OptionBill, ...]:
    """Write every option down, best first; "not yet" comes first if it is the answer."""
    evidence, resolved = question.evidence, done.resolved
    figures = BillContext(question.book, question.scenario.asked_on, evidence)
    drawn = {entry.option.id: entry for entry in done.drawn.entries}

    at_most = _worst_case_one_off(question, done.candidates.batches, resolved)

    def bill(likely: OptionResult, draws: OptionResult) -> OptionBill:
        return option_bill(likely, draws, figures, resolved, at_most[likely.option.id])

    bills = [bill(entry, drawn[entry.option.id]) for entry in allowed]
    (measuring,) = option_batches([allowed_measuring_option(done.candidates, resolved)])
    at_most |= _worst_case_one_off(question, [measuring], resolved)
    not_yet = bill(
        *(
            OptionResult(
                evaluate_batch(measuring, resolved, resolved.inputs, evidence, sampling), 0
            )
            for sampling in (LIKELY, Sampling("draws", question.seed))
        )
    )
    index = int(done.likely.winner[0, 0])
    is_answer = index >= len(done.likely.entries)
    return (not_yet, *bills) if is_answer else (*bills, not_yet)


def _worst_case_one_off(
    question: Question, batches: Sequence[OptionBatch], resolved: ResolvedScenario
) -> dict[str, float]:
    """Say what each option costs once with every uncertain input at its dear end."""
    found: dict[str, float] = {}
    for batch in batches:
        cap = batch_costs(batch, resolved, resolved.inputs, question.evidence, WORST_CASE).one_off
        amounts = np.broadcast_to(cap, (len(batch.options), 1, 1)).flat
        found |= {
            option.id: float(amount) for option, amount in zip(batch.options, amounts, strict=True)
        }
    return found


def _caveats(question: Question) -> tuple[Caveat, ...]:
    profile = question.profile
    made = [
        Caveat(code=one.code, says=one.says) for one in contradictions(question.scenario, profile)
    ]
    if question.scenario.limits.regions:
        says = "Where a provider processes data is not in the price book: check limits.regions."
        made.append(Caveat(code="regions-unchecked", says=says))
    tenants = question.scenario.dataset.tenants or 0
    if tenants > 1:
        says = (
            f"Training and hosting are costed for one model; {tenants:g} tasks or tenants are "
            "trained one by one, and adapters on one base can share its machine."
        )
        made.append(Caveat(code="one-model-costed", says=says))
    if profile and profile.rejected:
        says = f"{profile.rejected} rows of the dataset could not be read and are left out."
        made.append(Caveat(code="rows-rejected", says=says))
    if profile and not profile.encoding_exact:
        says = f"Tokens were counted with {profile.encoding}, which is not exact here."
        made.append(Caveat(code="tokens-estimated", says=says))
    return tuple(made)
