"""Ranking: costs, quality and eligibility of all options, and the winner of each variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, reduce

import numpy as np
from numpy.typing import NDArray

from advisor.decision.check_context import CheckContext
from advisor.decision.checks import CHECKS
from advisor.estimate.costs import OptionCost, cost_ranges, option_costs
from advisor.estimate.sampling import EstimateContext
from advisor.evidence import QualityRange
from advisor.inputs import ResolvedScenario, needs_knowledge
from advisor.options.batch import OptionBatch
from advisor.options.option import SIMPLICITY, Option, RuledOutOption, rule_out
from advisor.quality.expected import expected_quality
from advisor.quality.measurements import QualityEstimate, prompting_claims
from advisor.scenario.scenario import Scenario
from advisor.units import Task

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
NONE_ELIGIBLE: Mask = np.array([[False]])
TIE_SHARE = 0.005
"""Each step of complexity has to save half a percent, so that the simpler approach wins a tie.
Own judgement: list prices and token counts are not known more precisely."""
ENDS_SHARE = 0.05
"""A model that ends within the horizon has to save so much, since the team moves again. Own
judgement."""
PREFERENCE_SHARE = TIE_SHARE * len(SIMPLICITY)
"""A preferred option wins a tie, as if it were simpler by all steps."""


@dataclass(frozen=True)
class BatchResult(CheckContext):
    """The options of one batch, evaluated for every variant; each part when it is first read."""

    @cached_property
    def passes(self) -> list[Mask]:
        """For each check, which options pass it, for each variant and draw."""
        return [np.asarray(check.passes(self)) for check in CHECKS]

    @cached_property
    def quality(self) -> QualityEstimate:
        """Expected quality of each option."""
        return expected_quality(self.batch, self)

    @cached_property
    def score(self) -> Array:
        """Monthly cost with margins for complexity and training [USD]; infinite if not allowed."""
        batch, team = self.batch, self.team
        charged = np.asarray(self.costs.per_month) * batch.by_kind(
            lambda o: 1.0 if o.is_current else 1 + TIE_SHARE * SIMPLICITY.index(o.approach)
        )
        ends = (np.asarray(self.costs.months) < self.inputs.horizon_months) & ~batch.is_current
        charged = charged * (1 + ENDS_SHARE * ends)
        if batch.trains:
            margins = self.evidence.margins
            charged = charged / (1 - margins.share) + margins.usd_per_month
        charged = np.where(team.preferred, charged / (1 + PREFERENCE_SHARE), charged)
        return np.where(reduce(np.logical_and, self.passes, team.standing), charged, np.inf)

    @cached_property
    def refusals(self) -> list[RuledOutOption | None]:
        """The first check that rules each option out in the first variant, if any."""
        count = len(self.batch.options)
        found: list[RuledOutOption | None] = [None] * count
        for check, passes in zip(CHECKS, self.passes, strict=True):
            if passes.all():
                continue
            first = np.broadcast_to(passes, (count, *self.inputs.shape))[:, 0, 0]
            for row in np.flatnonzero(~first).tolist():
                option = self.batch.options[row]
                found[row] = found[row] or rule_out(
                    option.id, check.code, check.explain(self, row), check.source(self, option)
                )
        return [ours or theirs for ours, theirs in zip(found, self.team.refusals, strict=True)]

    @cached_property
    def option_costs(self) -> tuple[OptionCost, ...]:
        """Costs of each option in the first variant."""
        return option_costs(self.costs, len(self.batch.options))

    @cached_property
    def ranges(self) -> Mapping[str, list[tuple[float, float]]]:
        """5th and 95th percentile of each amount over the draws, in the first variant."""
        return cost_ranges(self.costs, len(self.batch.options))


@dataclass(frozen=True)
class OptionResult:
    """One option, evaluated: a row of a batch result, in the first variant."""

    batch_result: BatchResult
    row: int

    @property
    def option(self) -> Option:
        """The option."""
        return self.batch_result.batch.options[self.row]

    @property
    def costs(self) -> OptionCost:
        """Its costs in the first variant."""
        return self.batch_result.option_costs[self.row]

    @property
    def quality(self) -> QualityRange:
        """Its expected quality in the first variant."""
        return self.batch_result.quality.of(self.row)

    @property
    def reaches(self) -> bool:
        """Whether it reaches the target in the first variant."""
        return bool(self.batch_result.quality.reaches[self.row].flat[0])

    @property
    def refusal(self) -> RuledOutOption | None:
        """The first check it fails in the first variant, if any."""
        return self.batch_result.refusals[self.row]

    def range(self, amount: str) -> tuple[float, float]:
        """5th and 95th percentile of an amount over the draws, in the first variant."""
        return self.batch_result.ranges[amount][self.row]


@dataclass(frozen=True)
class Ranking:
    """All options over all variants; arrays of shape [options, variants, draws or 1]."""

    batch_results: tuple[BatchResult, ...]
    score: Array
    """Monthly cost with margins [USD]; infinite where not eligible, and for "not yet"."""
    winner: NDArray[np.intp]
    """Index of the winning option for each variant and draw; the last one is "not yet"."""

    @cached_property
    def entries(self) -> tuple[OptionResult, ...]:
        """Every option in the order of the candidates; the last one is "not yet"."""
        found = {
            int(place): OptionResult(result, row)
            for result in self.batch_results
            for row, place in enumerate(result.batch.rows)
        }
        return tuple(found[place] for place in sorted(found))


def rank(batches: Sequence[OptionBatch], context: EstimateContext) -> Ranking:
    """Evaluate every option for every variant and pick the winner of each.

    An option is eligible if every check allows it and its quality reaches the target. The eligible
    option with the lowest score wins: its monthly cost after margins for training and complexity.
    "Not yet", which is the last batch, wins where no option is eligible.
    """
    parts = {field.name: getattr(context, field.name) for field in fields(EstimateContext)}
    results = tuple(BatchResult(**parts, batch=batch) for batch in batches)
    scores = _eligible(results[:-1], context)
    count = sum(len(batch.options) for batch in batches)
    shape = np.broadcast_shapes(context.inputs.shape, *(score.shape[1:] for score in scores))
    score = np.full((count, *shape), np.inf)
    for result, part in zip(results, scores, strict=False):
        score[result.batch.rows] = part
    return Ranking(results, score, _winner(score, batches, context.resolved))


def _eligible(results: Sequence[BatchResult], context: EstimateContext) -> list[Array]:
    """Return the scores of the options that reach the target, or that tie with one that does.

    Between two trainings evidence does not resolve a small difference. A claim that prompting meets
    the target is about a large model: a cheaper one whose range touches the target ties with it.
    Where prompting is known to fall short and no option is expected to reach the target, options
    that may reach it remain.
    """
    claims = prompting_claims(context)
    reaching = [_scored(result, result.quality.reaches) for result in results]
    trained = _any_finite(
        score for score, result in zip(reaching, results, strict=True) if result.batch.trains
    )
    proven = claims.meets & _any_finite(
        np.where(result.batch.is_large, score, np.inf)
        for score, result in zip(reaching, results, strict=True)
    )
    scores = []
    for result in results:
        quality = result.quality
        tied = trained & quality.ties if result.batch.trains else proven & quality.may_reach
        scores.append(_scored(result, quality.reaches | tied))
    short = (
        claims.meets
        | claims.gap
        | claims.retrieval_short
        | _measured_short(context.resolved, results)
    )
    none_left = short & ~_any_finite(scores)
    if not none_left.any():
        return scores
    return [
        np.where(none_left & result.quality.may_reach, result.score, score)
        for score, result in zip(scores, results, strict=True)
    ]


def _scored(result: BatchResult, is_eligible: Mask) -> Array:
    return np.where(is_eligible, result.score, np.inf)


def _any_finite(scores: Iterable[Array]) -> Mask:
    """Whether any option is left, of shape [variants, draws or 1]."""
    found = [np.isfinite(score).any(axis=0) for score in scores]
    return np.asarray(np.logical_or.reduce(np.broadcast_arrays(*found))) if found else NONE_ELIGIBLE


def _measured_short(resolved: ResolvedScenario, results: Sequence[BatchResult]) -> Mask:
    """Whether prompting was measured, and every measurement is below the target."""
    measured = resolved.scenario.quality.measured
    values = [m.value for m in measured if m.approach in ("prompt", "few_shot")]
    if not values or not results:
        return NONE_ELIGIBLE
    return np.asarray(np.asarray(results[0].quality.target) > max(values))


def _winner(
    score: Array, batches: Sequence[OptionBatch], resolved: ResolvedScenario
) -> NDArray[np.intp]:
    """Pick the lowest score; "not yet" where too little is known to decide, or training waits."""
    not_yet = len(score) - 1
    undecided = resolved.mask(lambda scenario: lacks_minimum_information(scenario, resolved.task))
    trains = np.zeros(len(score), bool)
    for batch in batches:
        trains[batch.rows] = batch.trains
    winner = np.argmin(score, axis=0)
    best = np.take_along_axis(score, winner[None], axis=0)[0]
    waits = resolved.mask(postpones_training) & trains[winner]
    return np.where(undecided | np.isinf(best) | waits, not_yet, winner)


def postpones_training(scenario: Scenario) -> bool:
    """Whether training waits: its effect could not be measured, or it would learn mistakes.

    Where a wrong answer is expensive, an evaluation has to exist; otherwise it must not be missing.
    """
    quality = scenario.quality
    blind = quality.has_eval is False or (quality.error_cost == "high" and not quality.has_eval)
    return blind or scenario.dataset.label_quality == "noisy"


def lacks_minimum_information(scenario: Scenario, task: Task) -> bool:
    """Whether traffic, quality target and an evaluation are all missing.

    Where facts have to be looked up, or the result of prompting is known, the approach does not
    depend on them.
    """
    if needs_knowledge(scenario, task) or scenario.quality.prompting != "unknown":
        return False
    return (
        scenario.traffic.requests_per_month is None
        and scenario.quality.target is None
        and scenario.quality.has_eval is not True
    )
