"""Options side by side and the numbers -> the quality to expect: measured, else from evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.sampling import LIKELY, Sampling
from advisor.estimate.tuning import training_example_counts
from advisor.evidence import Evidence, LearningCurve, Range, saturation, wilson_range
from advisor.inputs import Inputs, ResolvedScenario, needs_knowledge
from advisor.options.batch import OptionBatch, OptionKinds, option_bounds, option_kind
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.quality.measurements import (
    NO_SHIFT,
    NumberRange,
    QualityEstimate,
    QualityShifts,
    measurement_for,
    quality_shifts,
    retrieval_approaches,
    with_measurement,
    with_related_measurement,
)
from advisor.quality.user_claims import (
    CLAIM_BASIS,
    PromptingTraits,
    apply_claims,
    cap_at_teacher,
    prompting_claims,
)
from advisor.units import Number

RETRIEVAL_APPROACHES = frozenset({"rag", "long_context", "combo"})
NO_EVIDENCE: Range = (-9.0, -9.0, -9.0)
"""Below any shift, so that it is cut to 0: no work was published on this way of tuning."""


def expected_quality(
    batch: OptionBatch,
    resolved: ResolvedScenario,
    inputs: Inputs,
    evidence: Evidence,
    sampling: Sampling,
) -> QualityEstimate:
    """Say how good the options of a panel should be, for every variant.

    quality = (prompted or tuned + effort + labels) x retrieval, cut to 0..1

    Returns:
        Ranges whose `likely` is at *sampling*; low and high are the ends of the evidence.
    """
    kinds = batch.kinds
    if resolved.scenario.quality.measured:
        kinds = OptionKinds.by(
            batch.options, lambda o: (*option_kind(o), id(measurement_for(o, resolved)))
        )
    shifts = quality_shifts(resolved.scenarios, evidence)
    if batch.trains:
        learnt = _learnt(kinds, batch, resolved, inputs, evidence, sampling)
        parts = _tuned(kinds, learnt, shifts, resolved, evidence, sampling)
    else:
        parts = _prompted(kinds, shifts, resolved, evidence, sampling)
    factor = _knowledge(kinds, resolved, evidence, sampling)
    shape = np.zeros((len(kinds.first), *inputs.examples.shape))
    low, likely, high = (
        shape + np.clip(np.asarray(part) * f, 0.0, 0.99)
        for part, f in zip(parts, factor, strict=True)
    )
    ends: NumberRange = (low, likely, high)
    kind = evidence.of(resolved.task)
    basis = kind.basis
    said = prompting_claims(resolved, inputs, evidence)
    if said.any_claimed and batch.trains:
        ends = cap_at_teacher(said, ends, inputs.target, _of_kinds(kinds, "distill"))
    elif said.any_claimed:
        ends = apply_claims(
            said, ends, inputs.target, _prompting_traits(kinds, resolved, evidence, shifts)
        )
        basis = f"{CLAIM_BASIS}; {basis}"
    slack = 0.0 if batch.trains else evidence.tolerance.value
    found = QualityEstimate(
        kinds,
        inputs.target,
        ends,
        said=((basis, kind.source),) * len(kinds.first),
        slack=(slack,) * len(kinds.first),
        tie_margin=(evidence.tolerance.value,) * len(kinds.first),
    )
    for place, option in enumerate(kinds.first):
        measured = measurement_for(option, resolved)
        if measured is None and not option.is_current:
            found = with_related_measurement(found, place, resolved, evidence)
        found = with_measurement(found, place, measured, sampling)
    return found


def _prompting_traits(
    kinds: OptionKinds, resolved: ResolvedScenario, evidence: Evidence, shifts: QualityShifts
) -> PromptingTraits:
    """Tell the kinds of prompting apart, and what evidence expects of each on a large model."""
    likely = evidence.of(resolved.task).prompt.large[1] + np.asarray(shifts.effort[1])
    likely = likely + sum(np.asarray(need[1]) for need in shifts.needs_prompt)
    _, factor, _ = _knowledge(kinds, resolved, evidence, LIKELY)
    is_large = np.array([option.tier == "large" for option in kinds.first])[:, None, None]
    return PromptingTraits(
        is_large, _of_kinds(kinds, *retrieval_approaches(resolved)), np.asarray(likely * factor)
    )


def _of_kinds(kinds: OptionKinds, *approaches: str) -> NDArray[np.bool_]:
    return np.array([option.approach in approaches for option in kinds.first])[:, None, None]


def _prompted(
    kinds: OptionKinds,
    shifts: QualityShifts,
    resolved: ResolvedScenario,
    evidence: Evidence,
    sampling: Sampling,
) -> NumberRange:
    kind = evidence.of(resolved.task)
    gains = {"few_shot": kind.few_shot_gain}
    if not needs_knowledge(resolved.scenario, resolved.task):
        gains["long_context"] = kind.many_shot_gain
    parts: list[tuple[str, NumberRange]] = [
        ("quality prompt", option_bounds([getattr(kind.prompt, o.tier) for o in kinds.first])),
        ("quality effort", shifts.effort),
        ("quality few_shot", option_bounds([gains.get(o.approach, NO_SHIFT) for o in kinds.first])),
        *(("quality need", need) for need in shifts.needs_prompt),
    ]
    return _summed(parts, sampling)


def _tuned(
    kinds: OptionKinds,
    learnt: NumberRange,
    shifts: QualityShifts,
    resolved: ResolvedScenario,
    evidence: Evidence,
    sampling: Sampling,
) -> NumberRange:
    sizes = option_bounds([getattr(evidence.base_size, option.tier) for option in kinds.first])
    parts: list[tuple[str, NumberRange]] = [
        ("quality labels", shifts.labels),
        ("quality base", sizes),
        *(("quality need", need) for need in shifts.needs_tuned),
    ]
    pairs = zip(learnt, _summed(parts, sampling), strict=True)
    low, likely, high = (part + np.asarray(shift) for part, shift in pairs)
    distils = _of_kinds(kinds, "distill")
    if not distils.any():
        return low, likely, high
    best = _teacher(shifts, resolved, evidence, sampling)
    low, likely, high = (
        np.where(distils, np.minimum(ours, theirs), ours)
        for ours, theirs in zip((low, likely, high), best, strict=True)
    )
    return low, likely, high


def _learnt(
    kinds: OptionKinds,
    batch: OptionBatch,
    resolved: ResolvedScenario,
    inputs: Inputs,
    evidence: Evidence,
    sampling: Sampling,
) -> NumberRange:
    """What the examples teach, before any shift."""
    if batch.family == "encoder":
        return _labelled(kinds, resolved, inputs, evidence, sampling)
    examples = training_example_counts(_of_kinds(kinds, "distill"), resolved, inputs, evidence)
    return _curve_value(evidence.of(resolved.task).tuned, examples, "quality tuned", sampling)


def _labelled(
    kinds: OptionKinds,
    resolved: ResolvedScenario,
    inputs: Inputs,
    evidence: Evidence,
    sampling: Sampling,
) -> NumberRange:
    """Encoders and the plain baseline: they learn label by label."""
    kind = evidence.of(resolved.task)
    per_label = inputs.examples / max(float(resolved.labels or 10), 1.0)
    plain = np.array([option.model == BASELINE_MODEL for option in kinds.first])[:, None, None]
    encoder, baseline = (
        _curve_value(growth, per_label, name, sampling) if growth else NO_EVIDENCE
        for growth, name in ((kind.encoder, "quality encoder"), (kind.baseline, "quality baseline"))
    )
    low, likely, high = (np.where(plain, b, e) for b, e in zip(baseline, encoder, strict=True))
    return low, likely, high


def _teacher(
    shifts: QualityShifts, resolved: ResolvedScenario, evidence: Evidence, sampling: Sampling
) -> NumberRange:
    """A pupil is no better than its teacher: the best prompting measured, else a large model."""
    shown = [m for m in resolved.scenario.quality.measured if m.approach in ("prompt", "few_shot")]
    if shown:
        best = max(shown, key=lambda m: m.value)
        return wilson_range(best.value, best.n)
    large: NumberRange = evidence.of(resolved.task).prompt.large
    needed = [("quality need", need) for need in shifts.needs_prompt]
    return _summed([("quality prompt", large), *needed], sampling)


def _curve_value(
    growth: LearningCurve, examples: Number, name: str, sampling: Sampling
) -> NumberRange:
    scale = growth.half_at_examples if growth.half_at_examples != 1.0 else growth.half_at_per_label
    gain = saturation(examples, scale, growth.exponent)
    ends = [s + (c - s) * gain for s, c in zip(growth.start, growth.ceiling, strict=True)]
    return (ends[0], sampling.value(name, ends[0], ends[1], ends[2], "low"), ends[2])


def _summed(ranges: Sequence[tuple[str, NumberRange]], sampling: Sampling) -> NumberRange:
    low = sum(bounds[0] for _, bounds in ranges)
    high = sum(bounds[2] for _, bounds in ranges)
    values = [sampling.value(name, *bounds, "low") for name, bounds in ranges]
    return (low, sum(values[1:], values[0]), high)


def _knowledge(
    kinds: OptionKinds, resolved: ResolvedScenario, evidence: Evidence, sampling: Sampling
) -> NumberRange:
    if not needs_knowledge(resolved.scenario, resolved.task):
        return (1.0, 1.0, 1.0)
    found, missing = evidence.retrieval.factor, evidence.without_retrieval.factor
    retrieves = _of_kinds(kinds, *RETRIEVAL_APPROACHES)
    with_it = sampling.value("quality retrieval", *found, "low")
    without = sampling.value("quality knowledge", *missing, "low")
    likely = np.where(retrieves, with_it, without)
    low, high = (np.where(retrieves, found[i], missing[i]) for i in (0, 2))
    return low, likely, high
