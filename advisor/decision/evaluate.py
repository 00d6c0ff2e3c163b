"""Question -> EvaluatedQuestion: every option with its costs, quality and rank, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from advisor.dataset.profile import Profile
from advisor.decision.ranking import OptionResult, Ranking, rank
from advisor.decision.team_checks import allowed_measuring_option
from advisor.estimate.sampling import LIKELY, EstimateContext, Sampling
from advisor.evidence import Evidence
from advisor.inputs import Assumption, ResolvedScenario, resolve, stack_inputs
from advisor.options.candidates import Candidates, list_candidates
from advisor.options.eligibility import eligibility_key
from advisor.options.option import Option
from advisor.prices.book import PriceBook
from advisor.rules.catalogue import NO_RULES, RuleCatalogue
from advisor.rules.team_rules import TeamRule
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Scenario


@dataclass(frozen=True)
class Question:
    """Everything an answer is computed from."""

    scenario: Scenario
    book: PriceBook
    evidence: Evidence
    profile: Profile | None = None
    seed: int = 0
    with_sensitivity: bool = False
    """Whether the answer lists the nearest changes that would change it; takes most of the time."""
    default_assumptions: tuple[Assumption, ...] = ()
    """Values that the interface filled in, such as today's date."""
    rules: tuple[TeamRule, ...] = ()
    """Rules of the team."""
    catalogue: RuleCatalogue = NO_RULES
    """The built-in rules, with the figures on which their sources differ."""


@dataclass(frozen=True)
class EvaluatedQuestion:
    """A question with every option evaluated at the likely values and over the draws."""

    question: Question
    context: EstimateContext
    """At the likely values."""
    candidates: Candidates
    likely: Ranking
    drawn: Ranking

    @property
    def resolved(self) -> ResolvedScenario:
        """The scenario with every default filled in."""
        return self.context.resolved

    @property
    def winner_index(self) -> int:
        """Index of the recommended option; the last one is "not yet"."""
        return int(self.likely.winner[0, 0])

    @property
    def winner(self) -> OptionResult:
        """The recommended option, or "not yet"."""
        return self.likely.entries[self.winner_index]

    @property
    def is_not_yet(self) -> bool:
        """Whether the recommendation is to measure first."""
        return self.winner.option.approach == "not_yet"

    @property
    def options(self) -> tuple[OptionResult, ...]:
        """Every option at the likely values, without "not yet"."""
        return self.likely.entries[:-1]

    @property
    def current(self) -> OptionResult | None:
        """The current solution, if the scenario describes one."""
        return next((entry for entry in self.options if entry.option.is_current), None)

    @cached_property
    def eligible(self) -> tuple[OptionResult, ...]:
        """The eligible options by score, lowest first."""
        scores = self.likely.score[:, 0, 0]
        order = np.argsort(scores, kind="stable")
        return tuple(self.likely.entries[int(i)] for i in order if np.isfinite(scores[i]))


def evaluate(question: Question) -> EvaluatedQuestion:
    """Evaluate every option of a question, once.

    Raises:
        PricingError: something the scenario names is not in the price book.
        ScenarioError: the price files have no rate for its currency.
    """
    context, candidates = prepare(question, question.scenario)
    drawn = replace(context, sampling=Sampling("draws", question.seed))
    likely, drawn_ranking = (rank(candidates.batches, part) for part in (context, drawn))
    return EvaluatedQuestion(question, context, candidates, likely, drawn_ranking)


def prepare(question: Question, scenario: Scenario) -> tuple[EstimateContext, Candidates]:
    """Resolve the inputs of a scenario, at the likely values, and list its candidates."""
    resolved = resolve(scenario, question.profile, question.evidence)
    contract = question.book.contract
    contract.currency(scenario.currency)  # without a rate there is no answer
    context = EstimateContext(
        resolved, resolved.inputs, question.evidence, LIKELY, contract=contract
    )
    eligibility = eligibility_key(resolved, question.profile)
    without_retrieval = question.evidence.without_retrieval
    candidates = list_candidates(eligibility, question.book, without_retrieval, question.rules)
    if question.rules:
        candidates = candidates.with_measuring(allowed_measuring_option(candidates, context))
    return context, candidates


class Winner(NamedTuple):
    """The option that wins, or "not yet"."""

    approach: str
    """Approach of the option; `current` for the current solution."""
    option_id: str


def winner_of(option: Option) -> Winner:
    """Name an option as a winner."""
    return Winner("current" if option.is_current else option.approach, option.id)


def winners(question: Question, changes: Sequence[Mapping[str, Any]]) -> list[Winner]:
    """Return the winning option of each variant of a question, at the likely values.

    Variants with the same candidates are ranked together, each field one column of an array.

    Raises:
        ScenarioError: a path does not exist, or a value is not allowed there.
    """
    prepared = [prepare(question, with_paths(question.scenario, change)) for change in changes]
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, (context, candidates) in enumerate(prepared):
        groups.setdefault(_group_key(context.resolved, candidates), []).append(place)
    found: dict[int, Winner] = {}
    for places in groups.values():
        variants = [prepared[place][0] for place in places]
        context, candidates = prepared[places[0]]
        scenarios = tuple(variant.resolved.scenario for variant in variants)
        together = replace(
            context,
            resolved=replace(context.resolved, variants=scenarios),
            inputs=stack_inputs([variant.inputs for variant in variants]),
        )
        winner = rank(candidates.batches, together).winner[:, 0]
        options = (*candidates.options, candidates.measuring)
        for place, index in zip(places, np.broadcast_to(winner, len(places)).tolist(), strict=True):
            found[place] = winner_of(options[index])
    return [found[place] for place in range(len(changes))]


def _group_key(resolved: ResolvedScenario, candidates: Candidates) -> tuple[object, ...]:
    """Return everything that is the same in variants that are ranked together.

    The remaining fields of a scenario are read per variant: see `ResolvedScenario.scenarios`.
    """
    scenario = resolved.scenario
    return (
        candidates.ids,
        candidates.eligibility.day,
        candidates.eligibility.needs_knowledge,
        candidates.eligibility.bought,
        resolved.task,
        resolved.measured,
        resolved.labels,
        scenario.quality.measured,
        scenario if candidates.rules else None,
    )
