"""What a user measured -> the quality of that way, and what it says of ways beside it.

Scenarios and the evidence -> what their circumstances add to or take from quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.sampling import Sampling
from advisor.evidence import Evidence, QualityRange, Range, wilson_range
from advisor.inputs import ResolvedScenario, needs_knowledge
from advisor.options.batch import OptionKinds
from advisor.options.option import Option
from advisor.scenario.scenario import Measurement, Scenario
from advisor.units import Number

NumberRange = tuple[Number, Number, Number]
"""Low, likely and high."""
NO_SHIFT: Range = (0.0, 0.0, 0.0)


class QualityShifts(NamedTuple):
    """What circumstances add, each bound a number or of shape [variants, 1]."""

    effort: NumberRange
    """By how hard prompting was tried."""
    labels: NumberRange
    """By who made the answers."""
    needs_prompt: tuple[NumberRange, ...]
    """What each need takes from prompting."""
    needs_tuned: tuple[NumberRange, ...]
    """What each need takes from a tuned model."""


def quality_shifts(scenarios: Sequence[Scenario], evidence: Evidence) -> QualityShifts:
    """Look the shifts up: of one scenario, or of a variant each."""
    needs = [
        (need, flags)
        for name, need in evidence.needs.items()
        if any(flags := [getattr(one.needs, name) for one in scenarios])
    ]
    year = evidence.model_year.of(scenarios[0].asked_on.year)
    needs += [(year, [True] * len(scenarios))] if year else []
    return QualityShifts(
        effort=_range_columns(
            [getattr(evidence.prompt_effort, one.quality.prompt_effort) for one in scenarios]
        ),
        labels=_range_columns(
            [getattr(evidence.label_quality, one.dataset.label_quality) for one in scenarios]
        ),
        needs_prompt=tuple(
            _range_columns([need.prompt if flag else NO_SHIFT for flag in flags])
            for need, flags in needs
        ),
        needs_tuned=tuple(
            _range_columns([need.tuned if flag else NO_SHIFT for flag in flags])
            for need, flags in needs
        ),
    )


def _range_columns(ranges: Sequence[Range]) -> NumberRange:
    """Turn a range for each variant into three columns, or one range for all into numbers."""
    if all(one == ranges[0] for one in ranges):
        return ranges[0]
    low, likely, high = np.array(ranges).T[:, :, None]
    return low, likely, high


ROUNDING = 1e-9


@dataclass(frozen=True)
class QualityEstimate:
    """The quality of each kind of option in a panel, arrays of [kinds, variants, draws or 1]."""

    kinds: OptionKinds
    target: Number
    """What is good enough, of shape [variants, 1]."""
    ends: NumberRange
    """Low, likely, high."""
    said: tuple[tuple[str, str], ...]
    """Basis and source of each kind."""
    tie_margin: tuple[float, ...]
    """How small a difference each kind's evidence does not tell; none for what was measured."""
    slack: tuple[float, ...]
    """How far below the target each kind will still do."""

    def of(self, row: int) -> QualityRange:
        """Return the quality of one option in the first variant."""
        return self.first_values[int(self.kinds.of[row])]

    @cached_property
    def first_values(self) -> tuple[QualityRange, ...]:
        """The quality of each kind in the first variant."""
        ends = [np.asarray(part)[:, 0, 0].tolist() for part in self.ends]
        return tuple(
            QualityRange(*numbers, *said) for *numbers, said in zip(*ends, self.said, strict=True)
        )

    @cached_property
    def ties(self) -> NDArray[np.bool_]:
        """Whether evidence cannot tell each option from one that just reaches the target."""
        near = np.maximum(self.tie_margin, ROUNDING)[:, None, None]
        return np.asarray((self.ends[1] >= self.target - near)[self.kinds.of])

    @cached_property
    def may_reach(self) -> NDArray[np.bool_]:
        """Whether the high end of what is expected of each option would do."""
        return np.asarray(self.ends[2] >= self.target - ROUNDING)[self.kinds.of]

    @cached_property
    def reaches(self) -> NDArray[np.bool_]:
        """Whether each option will do: an expectation within a tolerance, all else exactly.

        A measurement is exact, and what has to be trained first gets no benefit of the doubt.
        """
        slack = np.maximum(self.slack, ROUNDING)[:, None, None]
        return np.asarray((self.ends[1] >= self.target - slack)[self.kinds.of])


def with_measurement(
    found: QualityEstimate, place: int, measured: Measurement | None, sampling: Sampling
) -> QualityEstimate:
    """Put in what was measured of a kind, or that what runs today will do."""
    said: tuple[str, str]
    ends: NumberRange
    if measured:
        three = wilson_range(measured.value, measured.n)
        ends = (three[0], sampling.value("quality measured", *three, "low"), three[2])
        said = f"measured on {measured.n:g} examples", "your scenario, quality.measured"
    elif found.kinds.first[place].is_current:
        ends = (found.target, found.target, found.target)
        said = "assumed: what runs today will do", "assumption"
    else:
        return found
    return _replace_kind(found, place, ends, said, 0.0)


def _replace_kind(
    found: QualityEstimate, place: int, ends: NumberRange, said: tuple[str, str], slack: float
) -> QualityEstimate:
    """Put another range in for one kind."""
    here = (np.arange(len(found.said)) == place)[:, None, None]
    low, likely, high = (
        np.where(here, end, part) for end, part in zip(ends, found.ends, strict=True)
    )
    return replace(
        found,
        ends=(low, likely, high),
        said=(*found.said[:place], said, *found.said[place + 1 :]),
        slack=(*found.slack[:place], slack, *found.slack[place + 1 :]),
        tie_margin=(*found.tie_margin[:place], slack, *found.tie_margin[place + 1 :]),
    )


def with_related_measurement(
    found: QualityEstimate, place: int, resolved: ResolvedScenario, evidence: Evidence
) -> QualityEstimate:
    """Expect of one way of prompting what another way got, and what examples add to it.

    quality = measured + gain of this way - gain of the one that was measured
    """
    option, kind = found.kinds.first[place], evidence.of(resolved.task)
    gains = {"prompt": NO_SHIFT, "few_shot": kind.few_shot_gain}
    ours = {**gains, "long_context": kind.many_shot_gain}.get(option.approach)
    shown = [
        one
        for one in resolved.scenario.quality.measured
        if one.approach in gains and one.model is None
    ]
    if ours is None or not shown or option.approach in retrieval_approaches(resolved):
        return found
    best = max(shown, key=lambda one: one.value)
    base = wilson_range(best.value, best.n)
    added = [end - gains[best.approach][1] for end in ours]
    ends: NumberRange = (base[0] + added[0], base[1] + added[1], base[2] + added[2])
    basis = f"your measurement of {best.approach}, and what evidence adds; {kind.basis}"
    return _replace_kind(found, place, ends, (basis, kind.source), found.slack[place])


def retrieval_approaches(resolved: ResolvedScenario) -> tuple[str, ...]:
    """Approaches that look documents up; without documents a long prompt holds examples."""
    looks_up = needs_knowledge(resolved.scenario, resolved.task)
    return ("rag", "combo", "long_context") if looks_up else ("rag", "combo")


def measurement_for(option: Option, resolved: ResolvedScenario) -> Measurement | None:
    """Find the user's own measurement of this approach, with this model or with any."""
    names = {option.model, f"{option.provider}/{option.model}"}
    if option.card:
        names.add(option.card.id)
    fitting = [
        measured
        for measured in resolved.scenario.quality.measured
        if measured.approach == option.approach
        and (measured.model is None or measured.model in names)
    ]
    return max(fitting, key=lambda m: (m.model is not None, m.n), default=None)
