"""Options and facts of many variants -> costs, quality, who is allowed, and which option wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.decision.checks import CheckContext, allowed_mask, refusals
from advisor.estimate.costs import OptionCost, batch_costs, cost_ranges, option_costs
from advisor.estimate.sampling import Sampling
from advisor.evidence import Evidence, QualityRange
from advisor.inputs import Inputs, ResolvedScenario, needs_knowledge
from advisor.options.batch import OptionBatch
from advisor.options.option import SIMPLICITY, Option, RuledOutOption
from advisor.quality.expected import expected_quality
from advisor.quality.measurements import QualityEstimate
from advisor.quality.user_claims import prompting_claims

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
NONE_ELIGIBLE: Mask = np.array([[False]])
TIE_SHARE = 0.005
"""Each step of complexity has to save half a percent: what is simpler wins a tie."""
PREFERENCE_SHARE = TIE_SHARE * len(SIMPLICITY)
"""What a team prefers wins a tie, as if it were simpler by the whole ladder."""


@dataclass(frozen=True)
class ScoredBatch:
    """The options of a panel with what they cost, and which of them the numbers allow."""

    case: CheckContext

    @cached_property
    def score(self) -> Array:
        """USD a month with what complexity and training must bring; infinite if not allowed."""
        case = self.case
        charged = np.asarray(case.costs.per_month) * case.batch.by_kind(_complexity_penalty)
        if case.batch.trains:
            margins = case.evidence.margins
            charged = charged / (1 - margins.share) + margins.usd_per_month
        charged = np.where(case.team.preferred, charged / (1 + PREFERENCE_SHARE), charged)
        return np.where(allowed_mask(case), charged, np.inf)


@dataclass(frozen=True)
class BatchResult:
    """The options of one panel, worked out for every variant."""

    batch: OptionBatch
    scored: ScoredBatch
    quality: QualityEstimate

    @property
    def case(self) -> CheckContext:
        """What the gates read."""
        return self.scored.case

    @cached_property
    def refusals(self) -> list[RuledOutOption | None]:
        """By which gate each is out in the first variant, if by any."""
        return refusals(self.case)

    @cached_property
    def option_costs(self) -> tuple[OptionCost, ...]:
        """What each costs in the first variant."""
        return option_costs(self.case.costs, len(self.batch.options))

    @cached_property
    def ends(self) -> Mapping[str, list[tuple[float, float]]]:
        """Between which percentiles of the draws each amount lies, in the first variant."""
        return cost_ranges(self.case.costs, len(self.batch.options))


@dataclass(frozen=True)
class OptionResult:
    """One option, worked out: a row of a sheet, in the first variant."""

    sheet: BatchResult
    row: int

    @property
    def option(self) -> Option:
        """What is done."""
        return self.sheet.batch.options[self.row]

    @property
    def costs(self) -> OptionCost:
        """What it costs in the first variant."""
        return self.sheet.option_costs[self.row]

    @property
    def quality(self) -> QualityRange:
        """How good it should be in the first variant."""
        return self.sheet.quality.of(self.row)

    @property
    def reaches(self) -> bool:
        """Whether it will do, in the first variant."""
        return bool(self.sheet.quality.reaches[self.row].flat[0])

    @property
    def refusal(self) -> RuledOutOption | None:
        """By which gate it is out in the first variant, if by any."""
        return self.sheet.refusals[self.row]

    def ends(self, amount: str) -> tuple[float, float]:
        """Low and high end over the draws of an amount, in the first variant."""
        return self.sheet.ends[amount][self.row]


@dataclass(frozen=True)
class Ranking:
    """All options over all variants; arrays of shape [options, variants, draws or 1]."""

    batch_results: tuple[BatchResult, ...]
    score: Array
    """USD a month with what complexity and training must bring; infinite where not eligible."""
    winner: NDArray[np.intp]
    """Index of the winning option for each variant and draw; the number of options: not yet."""

    @cached_property
    def entries(self) -> tuple[OptionResult, ...]:
        """Every option, in the order of the menu."""
        found = {
            int(place): OptionResult(sheet, row)
            for sheet in self.batch_results
            for row, place in enumerate(sheet.batch.rows)
        }
        return tuple(found[place] for place in sorted(found))

    @property
    def is_any_eligible(self) -> bool:
        """Whether there is an option that would do, in any variant."""
        return bool(np.isfinite(self.score).any())


def rank(
    batches: Sequence[OptionBatch],
    resolved: ResolvedScenario,
    inputs: Inputs,
    evidence: Evidence,
    sampling: Sampling,
    known: Mapping[OptionBatch, ScoredBatch] | None = None,
) -> Ranking:
    """Work every option out for every variant and pick the winner of each.

    An option is eligible if every gate lets it pass and its quality reaches the target. The
    cheapest eligible one wins, after training was charged with what it has to bring.

    Args:
        batches: What may be done: the options of a menu side by side.
        resolved: The question.
        inputs: Its numbers, for every variant.
        evidence: What quality and margins are taken from.
        sampling: Where in their ranges the uncertain inputs stand.
        known: What panels cost, where it was worked out for these very numbers before.
    """
    batch_results = tuple(
        evaluate_batch(batch, resolved, inputs, evidence, sampling, (known or {}).get(batch))
        for batch in batches
    )
    scores = _eligible(batch_results, resolved, evidence)
    count = sum(len(batch.options) for batch in batches)
    shape = np.broadcast_shapes(inputs.shape, *(score.shape[1:] for score in scores))
    score = np.empty((count, *shape))
    for sheet, part in zip(batch_results, scores, strict=True):
        score[sheet.batch.rows] = part
    return Ranking(batch_results, score, _winner(score, batches, resolved))


def _eligible(
    batch_results: Sequence[BatchResult], resolved: ResolvedScenario, evidence: Evidence
) -> list[Array]:
    """Score what will do, and what evidence cannot tell from it; else what may do.

    Of two trainings evidence does not tell a small difference. What is said to meet the target was
    said of a large model: a cheaper one whose range touches the target is a tie with it. Where
    prompting is known to fall short, and nothing is expected to do, what may do is left.
    """
    said = prompting_claims(resolved, evidence)
    reaching = [_scored(sheet, sheet.quality.reaches) for sheet in batch_results]
    trained = _any_finite(
        score for score, sheet in zip(reaching, batch_results, strict=True) if sheet.batch.trains
    )
    proven = said.meets & _any_finite(
        np.where(sheet.batch.is_large, score, np.inf)
        for score, sheet in zip(reaching, batch_results, strict=True)
    )
    scores = [
        _scored(
            sheet,
            sheet.quality.reaches
            | (
                trained & sheet.quality.ties
                if sheet.batch.trains
                else proven & sheet.quality.may_reach
            ),
        )
        for sheet in batch_results
    ]
    short = said.meets | said.gap | said.retrieval_short | _measured_short(resolved, batch_results)
    nobody = short & ~_any_finite(scores)
    if not nobody.any():
        return scores
    return [
        np.where(nobody & sheet.quality.may_reach, sheet.scored.score, score)
        for score, sheet in zip(scores, batch_results, strict=True)
    ]


def _scored(sheet: BatchResult, will_do: Mask) -> Array:
    return np.where(will_do, sheet.scored.score, np.inf)


def _any_finite(scores: Iterable[Array]) -> Mask:
    """Whether any option is left, of shape [variants, draws or 1]."""
    found = [np.isfinite(score).any(axis=0) for score in scores]
    return np.asarray(np.logical_or.reduce(np.broadcast_arrays(*found))) if found else NONE_ELIGIBLE


def _measured_short(resolved: ResolvedScenario, batch_results: Sequence[BatchResult]) -> Mask:
    """Whether prompting was measured, and every measurement is below the target."""
    values = [
        one.value
        for one in resolved.scenario.quality.measured
        if one.approach in ("prompt", "few_shot")
    ]
    if not values or not batch_results:
        return NONE_ELIGIBLE
    return np.asarray(np.asarray(batch_results[0].quality.target) > max(values))


def evaluate_batch(
    batch: OptionBatch,
    resolved: ResolvedScenario,
    inputs: Inputs,
    evidence: Evidence,
    sampling: Sampling,
    known: ScoredBatch | None = None,
) -> BatchResult:
    """Work the options of a panel out for every variant."""
    if known is None:
        cost = batch_costs(batch, resolved, inputs, evidence, sampling)
        known = ScoredBatch(CheckContext(batch, resolved, inputs, cost, evidence))
    return BatchResult(batch, known, expected_quality(batch, resolved, inputs, evidence, sampling))


def _complexity_penalty(option: Option) -> float:
    return 1.0 if option.is_current else 1 + TIE_SHARE * SIMPLICITY.index(option.approach)


def _winner(
    score: Array, batches: Sequence[OptionBatch], resolved: ResolvedScenario
) -> NDArray[np.intp]:
    """Pick the cheapest; hold back where there is too little to decide on or to measure with."""
    nobody = len(score)
    if nobody == 0 or lacks_minimum_information(resolved):
        return np.full(score.shape[1:], nobody, np.intp)
    winner = np.argmin(score, axis=0)
    best = np.take_along_axis(score, winner[None], axis=0)[0]
    winner = np.where(np.isinf(best), nobody, winner)
    if not holds_training_back(resolved):
        return winner
    trains = np.zeros(nobody + 1, bool)
    for batch in batches:
        trains[batch.rows] = batch.trains
    return np.where(trains[winner], nobody, winner)


def holds_training_back(resolved: ResolvedScenario) -> bool:
    """Whether training waits: nobody could say if it helped, or it would learn mistakes.

    Where a wrong answer costs much, a way to measure has to be known, not only not denied.
    """
    quality, labels = resolved.scenario.quality, resolved.scenario.dataset.label_quality
    blind = quality.has_eval is False or (quality.error_cost == "high" and not quality.has_eval)
    return blind or labels == "noisy"


def lacks_minimum_information(resolved: ResolvedScenario) -> bool:
    """Whether neither the traffic nor what is good enough is known, nor a way to measure it.

    Where facts have to be looked up, or it was said what prompting does, the way does not hang on
    them.
    """
    scenario = resolved.scenario
    if needs_knowledge(scenario, resolved.task) or scenario.quality.prompting != "unknown":
        return False
    return (
        scenario.traffic.requests_per_month is None
        and scenario.quality.target is None
        and scenario.quality.has_eval is not True
    )
