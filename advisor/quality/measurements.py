"""Expected quality as arrays: shifts by circumstances, the user's measurements and claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.sampling import EstimateContext, Sampling
from advisor.evidence import Evidence, QualityRange, Range, wilson_range
from advisor.inputs import ResolvedScenario, needs_knowledge, prompting_fell_short
from advisor.options.batch import OptionKinds
from advisor.options.option import Option
from advisor.scenario.scenario import Measurement, Scenario
from advisor.units import Number

NumberRange = tuple[Number, Number, Number]
"""Low, likely and high."""
NO_SHIFT: Range = (0.0, 0.0, 0.0)
ROUNDING = 1e-9


class QualityShifts(NamedTuple):
    """What circumstances add, each bound a number or of shape [variants, 1]."""

    effort: NumberRange
    """By the effort spent on the prompt."""
    labels: NumberRange
    """By the quality of the labels."""
    needs_prompt: tuple[NumberRange, ...]
    """Effect of each need on prompting."""
    needs_tuned: tuple[NumberRange, ...]
    """Effect of each need on a tuned model."""


def quality_shifts(scenarios: Sequence[Scenario], evidence: Evidence) -> QualityShifts:
    """Look up the shifts of one scenario, or of one scenario per variant."""
    needs = [
        (shift, flags)
        for name, shift in evidence.needs.items()
        if any(flags := [getattr(scenario.needs, name) for scenario in scenarios])
    ]
    year = evidence.model_year.of(scenarios[0].asked_on.year)
    needs += [(year, [True] * len(scenarios))] if year else []
    effort, labels = evidence.prompt_effort, evidence.label_quality
    return QualityShifts(
        _columns([getattr(effort, s.quality.prompt_effort) for s in scenarios]),
        _columns([getattr(labels, s.dataset.label_quality) for s in scenarios]),
        tuple(_columns([n.prompt if flag else NO_SHIFT for flag in flags]) for n, flags in needs),
        tuple(_columns([n.tuned if flag else NO_SHIFT for flag in flags]) for n, flags in needs),
    )


def _columns(ranges: Sequence[Range]) -> NumberRange:
    """Convert one range per variant to three columns, or equal ranges to numbers."""
    if all(bounds == ranges[0] for bounds in ranges):
        return ranges[0]
    low, likely, high = np.array(ranges).T[:, :, None]
    return low, likely, high


@dataclass(frozen=True)
class QualityEstimate:
    """The quality of each kind of option in a batch, arrays of [kinds, variants, draws or 1]."""

    kinds: OptionKinds
    trains: bool
    """Whether the options of the batch are tuned."""
    target: Number
    """Quality target, of shape [variants, 1]."""
    bounds: NumberRange
    sources: tuple[tuple[str, str], ...]
    """Basis and source of each kind."""
    tolerance: tuple[float, ...]
    """Difference that the evidence of each kind does not resolve; 0 for a measurement."""

    def of(self, row: int) -> QualityRange:
        """Return the quality of one option in the first variant."""
        return self._first_values[int(self.kinds.of[row])]

    @cached_property
    def _first_values(self) -> tuple[QualityRange, ...]:
        bounds = [np.asarray(part)[:, 0, 0].tolist() for part in self.bounds]
        rows = zip(*bounds, self.sources, strict=True)
        return tuple(QualityRange(*numbers, *source) for *numbers, source in rows)

    @cached_property
    def ties(self) -> NDArray[np.bool_]:
        """Whether evidence cannot distinguish each option from one that just reaches the target."""
        margin = np.maximum(self.tolerance, ROUNDING)[:, None, None]
        return np.asarray((self.bounds[1] >= self.target - margin)[self.kinds.of])

    @cached_property
    def may_reach(self) -> NDArray[np.bool_]:
        """Whether the upper bound of each option reaches the target."""
        return np.asarray(self.bounds[2] >= self.target - ROUNDING)[self.kinds.of]

    @cached_property
    def reaches(self) -> NDArray[np.bool_]:
        """Whether each option reaches the target, prompting within the tolerance of its evidence.

        A measurement is exact, and an option that has yet to be trained gets no tolerance.
        """
        if not self.trains:
            return self.ties
        return np.asarray(self.bounds[1] >= self.target - ROUNDING)[self.kinds.of]

    def with_kind(
        self, place: int, bounds: NumberRange, source: tuple[str, str], tolerance: float
    ) -> QualityEstimate:
        """Return the estimate with another range for one kind."""
        is_kind = (np.arange(len(self.sources)) == place)[:, None, None]
        pairs = zip(bounds, self.bounds, strict=True)
        low, likely, high = (np.where(is_kind, new, old) for new, old in pairs)
        return replace(
            self,
            bounds=(low, likely, high),
            sources=(*self.sources[:place], source, *self.sources[place + 1 :]),
            tolerance=(*self.tolerance[:place], tolerance, *self.tolerance[place + 1 :]),
        )


def with_measurement(
    estimate: QualityEstimate, place: int, measured: Measurement | None, sampling: Sampling
) -> QualityEstimate:
    """Replace the estimate of a kind by its measurement; the current solution meets the target."""
    if measured:
        low, likely, high = wilson_range(measured.value, measured.n)
        drawn = sampling.value("quality measured", low, likely, high, "low")
        source = f"measured on {measured.n:g} examples", "your scenario, quality.measured"
        return estimate.with_kind(place, (low, drawn, high), source, 0.0)
    if estimate.kinds.first[place].is_current:
        target, basis = estimate.target, "assumed: the current solution meets the target"
        return estimate.with_kind(place, (target, target, target), (basis, "assumption"), 0.0)
    return estimate


def with_related_measurement(
    estimate: QualityEstimate, place: int, context: EstimateContext
) -> QualityEstimate:
    """Derive the quality of one way of prompting from a measurement of another.

    quality = measured + gain of this approach - gain of the measured approach
    """
    resolved, kind = context.resolved, context.task_evidence
    option = estimate.kinds.first[place]
    gains = {"prompt": NO_SHIFT, "few_shot": kind.few_shot_gain}
    gain = {**gains, "long_context": kind.many_shot_gain}.get(option.approach)
    measured = [
        m for m in resolved.scenario.quality.measured if m.approach in gains and m.model is None
    ]
    if gain is None or not measured or option.approach in retrieval_approaches(resolved):
        return estimate
    best = max(measured, key=lambda m: m.value)
    low, likely, high = (
        bound + end - gains[best.approach][1]
        for bound, end in zip(wilson_range(best.value, best.n), gain, strict=True)
    )
    basis = f"your measurement of {best.approach}, plus the gain from evidence; {kind.basis}"
    source, tolerance = (basis, kind.source), estimate.tolerance[place]
    return estimate.with_kind(place, (low, likely, high), source, tolerance)


def retrieval_approaches(resolved: ResolvedScenario) -> tuple[str, ...]:
    """Approaches that use documents; without documents a long prompt contains examples."""
    uses_documents = needs_knowledge(resolved.scenario, resolved.task)
    return ("rag", "combo", "long_context") if uses_documents else ("rag", "combo")


def measurement_for(option: Option, resolved: ResolvedScenario) -> Measurement | None:
    """Return the user's measurement of this approach, with this model or with any model."""
    names = {None, option.model, f"{option.provider}/{option.model}"}
    if option.card:
        names.add(option.card.id)
    matching = [
        measured
        for measured in resolved.scenario.quality.measured
        if measured.approach == option.approach and measured.model in names
    ]
    return max(matching, key=lambda m: (m.model is not None, m.n), default=None)


class PromptingClaims(NamedTuple):
    """The user's claims in each variant, of shape [variants, 1]."""

    meets: NDArray[np.bool_]
    """A prompt on a large model meets the target."""
    gap: NDArray[np.bool_]
    """A serious prompt does not meet it: a better prompt is not the solution."""
    retrieval_short: NDArray[np.bool_]
    """Retrieval was tried, and something is still missing."""

    @property
    def any_claimed(self) -> bool:
        """Whether there is any claim in any variant."""
        return bool((self.meets | self.gap | self.retrieval_short).any())


def prompting_claims(context: EstimateContext) -> PromptingClaims:
    """Read the user's claims about prompting and retrieval in each variant."""
    resolved, inputs, evidence = context.resolved, context.inputs, context.evidence
    least = evidence.of("knowledge_qa").tune_least_examples
    pages = evidence.pretraining_tokens.value
    return PromptingClaims(
        meets=resolved.mask(lambda scenario: scenario.quality.prompting == "meets"),
        gap=resolved.mask(prompting_fell_short),
        retrieval_short=resolved.mask(retrieval_fell_short)
        & ((inputs.examples >= least) | (inputs.corpus_tokens >= pages)),
    )


def retrieval_fell_short(scenario: Scenario) -> bool:
    """Whether retrieval was tried, and documents are known or likely not to be enough.

    Retrieval does not teach an output format, a skill, or a small self-hosted model.
    """
    needs, quality = scenario.needs, scenario.quality
    if not scenario.knowledge.retrieval_tried or quality.prompting == "meets":
        return False
    behaves = needs.style_or_format or needs.new_skill_or_language or needs.privacy_self_host
    return quality.prompting == "gap" or behaves
