"""Question -> Answer: the whole line in one function."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from advisor import __version__
from advisor.bill import Figures, OptionBill, bill_of
from advisor.catalog import Book
from advisor.decide import Decision, Worked, decide, work_out
from advisor.estimate.costs import costs
from advisor.estimate.point import AT_MOST, LIKELY, Point
from advisor.facts import Assumption, Resolved, resolve
from advisor.gates import GATES, Case
from advisor.options import Menu, menu
from advisor.options.option import RuledOut
from advisor.prices import Caveat
from advisor.profile import Profile
from advisor.quality import Evidence
from advisor.ranking import Entry, worked
from advisor.reasons import first
from advisor.scenario import Scenario, scenario_from
from advisor.units import Record

SCHEMA_VERSION = "1"


@dataclass(frozen=True)
class Question:
    """Everything an answer is made from."""

    scenario: Scenario
    book: Book
    evidence: Evidence
    profile: Profile | None = None
    seed: int = 0
    with_flips: bool = True
    defaulted: tuple[Assumption, ...] = ()
    """What the door itself filled in, such as today's date."""


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
    ruled_out: tuple[RuledOut, ...]
    """Every option that is not, and by which rule."""
    assumptions: tuple[Assumption, ...]
    """What was taken where nobody said."""
    caveats: tuple[Caveat, ...]
    """Doubts about the whole answer."""
    question_sha256: str
    """Hash of the question with its dataset and seed."""
    prices_sha256: str
    """Hash of the price book."""
    engine_version: str
    """What worked it out."""


def answer(question: Question) -> Answer:
    """Work one question out.

    Args:
        question: Scenario, price book, evidence, and the profile of a dataset if there is one.

    Raises:
        PricingError: something the scenario names is not in the price book.
    """
    resolved, choices = prepare(question, question.scenario)
    done = work_out(resolved, choices, question.evidence, question.seed)

    def rebuild(path: str, value: Any) -> tuple[Resolved, Menu]:
        return prepare(question, with_path(question.scenario, path, value))

    decision = decide(done, question.evidence, rebuild, question.with_flips)
    allowed, refused = _sorted_out(done)
    sha = hashlib.sha256(_bytes(_identity(question))).hexdigest()
    return Answer(
        schema_version=SCHEMA_VERSION,
        question=question.scenario,
        dataset_sha256=question.profile.dataset_sha256 if question.profile else None,
        decision=decision,
        options=_bills(question, done, allowed),
        ruled_out=tuple(sorted((*choices.ruled_out, *refused), key=lambda one: one.id)),
        assumptions=(*question.defaulted, *resolved.assumptions),
        caveats=_caveats(question),
        question_sha256=sha,
        prices_sha256=question.book.sha256,
        engine_version=__version__,
    )


def prepare(question: Question, scenario: Scenario) -> tuple[Resolved, Menu]:
    """Fill in the numbers of a scenario and list its options."""
    resolved = resolve(scenario, question.profile, question.evidence)
    return resolved, menu(resolved, question.profile, question.book, question.evidence)


def with_path(scenario: Scenario, path: str, value: Any) -> Scenario:
    """Return the scenario with one dotted path set, as `--set` does.

    Raises:
        ScenarioError: there is no such path, or the value does not fit it.
    """
    mapping = scenario.model_dump(mode="json", exclude_unset=True)
    *sections, last = path.split(".")
    inner = mapping
    for section in sections:
        if not isinstance(inner.get(section), dict):
            inner[section] = {}
        inner = inner[section]
    inner[last] = value
    return scenario_from(mapping, "--set")


def canonical(record: Record) -> bytes:
    """Write a record as the bytes that every door returns: sorted keys, no spaces, UTF-8."""
    return _bytes(record.model_dump(mode="json"))


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _identity(question: Question) -> dict[str, Any]:
    return {
        "scenario": question.scenario.model_dump(mode="json"),
        "dataset": question.profile.dataset_sha256 if question.profile else None,
        "seed": question.seed,
    }


def _sorted_out(done: Worked) -> tuple[list[Entry], list[RuledOut]]:
    """Part the options that the numbers allow from those that they do not."""
    scores = done.likely.score[:, 0, 0]
    passing, refused = [], []
    for score, entry in zip(scores, done.likely.entries, strict=True):
        gate = next((g for g in GATES if not bool(g.passes(entry.case).flat[0])), None)
        if gate is None:
            cost = first(entry.costs.per_month)
            passing.append((float(score), cost, entry.option.id, entry))
        else:
            refused.append(_refusal(gate.rule, gate.says, gate.source, entry.case))
    return [entry for *_, entry in sorted(passing, key=lambda row: row[:3])], refused


def _bills(question: Question, done: Worked, allowed: list[Entry]) -> tuple[OptionBill, ...]:
    """Write every option down, best first; "not yet" comes first if it is the answer."""
    evidence, resolved = question.evidence, done.resolved
    figures = Figures(question.book, question.scenario.asked_on, evidence)
    drawn = {entry.option.id: entry for entry in done.drawn.entries}

    def bill(likely: Entry, draws: Entry) -> OptionBill:
        cap = costs(likely.option, resolved, resolved.facts, evidence, AT_MOST).one_off
        return bill_of(likely, draws, figures, resolved, first(cap))

    bills = [bill(entry, drawn[entry.option.id]) for entry in allowed]
    not_yet = bill(*(
        worked(done.menu.measuring, resolved, resolved.facts, evidence, point)
        for point in (LIKELY, Point("draws", question.seed))
    ))  # fmt: skip
    index = int(done.likely.winner[0, 0])
    is_answer = index >= len(done.likely.entries)
    return (not_yet, *bills) if is_answer else (*bills, not_yet)


def _refusal(rule: str, says: Any, source: Any, case: Case) -> RuledOut:
    return RuledOut(id=case.option.id, rule=rule, says=says(case), source=source(case))


def _caveats(question: Question) -> tuple[Caveat, ...]:
    made = []
    profile = question.profile
    if question.scenario.limits.regions:
        says = "Where a provider processes data is not in the price book: check limits.regions."
        made.append(Caveat(code="regions-unchecked", says=says))
    if profile and profile.rejected:
        says = f"{profile.rejected} rows of the dataset could not be read and are left out."
        made.append(Caveat(code="rows-rejected", says=says))
    if profile and not profile.encoding_exact:
        says = f"Tokens were counted with {profile.encoding}, which is not exact here."
        made.append(Caveat(code="tokens-estimated", says=says))
    return tuple(made)
