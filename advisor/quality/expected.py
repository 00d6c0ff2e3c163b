"""Option batch and inputs -> expected quality: measured by the user, else from evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.sampling import LIKELY, EstimateContext, Sampling
from advisor.estimate.tuning import training_example_counts
from advisor.evidence import LearningCurve, Range, saturation, wilson_range
from advisor.inputs import needs_knowledge
from advisor.options.batch import OptionBatch, OptionKinds, option_bounds, option_kind
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.quality.measurements import (
    NO_SHIFT,
    NumberRange,
    PromptingClaims,
    QualityEstimate,
    QualityShifts,
    measurement_for,
    prompting_claims,
    quality_shifts,
    retrieval_approaches,
    with_measurement,
    with_related_measurement,
)
from advisor.units import Number

SHORTFALL = 0.03
"""How far below the target a prompt is placed that falls short: more than the tolerance of
evidence. The actual value is unknown."""
CLAIM_BASIS = "you stated how prompting performs"
NO_EVIDENCE: Range = (-9.0, -9.0, -9.0)
"""Below any shift, so that it is clipped to 0: nothing was published on this kind of tuning."""


def expected_quality(batch: OptionBatch, context: EstimateContext) -> QualityEstimate:
    """Return the expected quality of the options of a batch, for every variant.

    quality = (prompted or tuned + effort + labels) x retrieval, clipped to 0..0.99

    Returns:
        Ranges whose likely value is at the context's sampling; low and high are evidence's bounds.
    """
    resolved, inputs, evidence = context.resolved, context.inputs, context.evidence
    kinds = batch.kinds
    if resolved.scenario.quality.measured:
        kinds = OptionKinds.by(
            batch.options, lambda o: (*option_kind(o), id(measurement_for(o, resolved)))
        )
    shifts = quality_shifts(resolved.scenarios, evidence)
    if batch.trains:
        learned = _learned(kinds, batch, context)
        parts = _tuned(kinds, learned, shifts, context)
    else:
        parts = _prompted(kinds, shifts, context)
    factors = _knowledge_factor(kinds, context)
    shape = np.zeros((len(kinds.first), *inputs.examples.shape))
    low, likely, high = (
        shape + np.clip(np.asarray(part) * factor, 0.0, 0.99)
        for part, factor in zip(parts, factors, strict=True)
    )
    bounds: NumberRange = (low, likely, high)
    basis, source = context.task_evidence.basis, context.task_evidence.source
    claims = prompting_claims(context)
    if claims.any_claimed and batch.trains:
        # the teacher of a distilled model is a large model, which is claimed to fall short
        most = np.where(claims.gap & _uses(kinds, "distill"), inputs.target - SHORTFALL, np.inf)
        bounds = (np.minimum(low, most), np.minimum(likely, most), np.minimum(high, most))
    elif claims.any_claimed:
        bounds = _claimed(claims, kinds, bounds, shifts, context)
        basis = f"{CLAIM_BASIS}; {basis}"
    count = len(kinds.first)
    estimate = QualityEstimate(
        kinds,
        batch.trains,
        inputs.target,
        bounds,
        sources=((basis, source),) * count,
        tolerance=(evidence.tolerance.value,) * count,
    )
    for place, option in enumerate(kinds.first):
        measured = measurement_for(option, resolved)
        if measured is None and not option.is_current:
            estimate = with_related_measurement(estimate, place, context)
        estimate = with_measurement(estimate, place, measured, context.sampling)
    return estimate


def _claimed(
    claims: PromptingClaims,
    kinds: OptionKinds,
    bounds: NumberRange,
    shifts: QualityShifts,
    context: EstimateContext,
) -> NumberRange:
    """Move the expected quality of each kind of prompting to what the user claims."""
    large = context.task_evidence.prompt.large[1] + np.asarray(shifts.effort[1])
    large = np.asarray(large + sum(np.asarray(need[1]) for need in shifts.needs_prompt))
    _, factor, _ = _knowledge_factor(kinds, replace(context, sampling=LIKELY))
    is_large = np.array([option.tier == "large" for option in kinds.first])[:, None, None]
    retrieves = _uses(kinds, *retrieval_approaches(context.resolved))
    target = context.inputs.target
    moved = np.where(claims.meets, target - large * np.asarray(factor), 0.0)
    falls_short = np.where(retrieves, claims.retrieval_short, claims.gap)
    unproven = falls_short | claims.meets & ~is_large
    low, likely, high = (
        np.where(is_capped, np.minimum(bound + moved, target - SHORTFALL), bound + moved)
        for bound, is_capped in zip(bounds, (unproven, unproven, falls_short), strict=True)
    )
    return low, likely, high


def _uses(kinds: OptionKinds, *approaches: str) -> NDArray[np.bool_]:
    return np.array([option.approach in approaches for option in kinds.first])[:, None, None]


def _prompted(kinds: OptionKinds, shifts: QualityShifts, context: EstimateContext) -> NumberRange:
    kind, resolved = context.task_evidence, context.resolved
    gains = {"few_shot": kind.few_shot_gain}
    if not needs_knowledge(resolved.scenario, resolved.task):
        gains["long_context"] = kind.many_shot_gain
    sizes = option_bounds([getattr(kind.prompt, option.tier) for option in kinds.first])
    examples = option_bounds([gains.get(option.approach, NO_SHIFT) for option in kinds.first])
    parts: list[tuple[str, NumberRange]] = [
        ("quality prompt", sizes),
        ("quality effort", shifts.effort),
        ("quality few_shot", examples),
        *(("quality need", need) for need in shifts.needs_prompt),
    ]
    return _sum(parts, context.sampling)


def _tuned(
    kinds: OptionKinds, learned: NumberRange, shifts: QualityShifts, context: EstimateContext
) -> NumberRange:
    evidence = context.evidence
    sizes = option_bounds([getattr(evidence.base_size, option.tier) for option in kinds.first])
    parts: list[tuple[str, NumberRange]] = [
        ("quality labels", shifts.labels),
        ("quality base", sizes),
        *(("quality need", need) for need in shifts.needs_tuned),
    ]
    pairs = zip(learned, _sum(parts, context.sampling), strict=True)
    low, likely, high = (part + np.asarray(shift) for part, shift in pairs)
    distils = _uses(kinds, "distill")
    if distils.any():
        teacher = _teacher(shifts, context)
        low, likely, high = (
            np.where(distils, np.minimum(bound, cap), bound)
            for bound, cap in zip((low, likely, high), teacher, strict=True)
        )
    return low, likely, high


def _learned(kinds: OptionKinds, batch: OptionBatch, context: EstimateContext) -> NumberRange:
    """Return the quality learned from the examples, before any shift."""
    resolved, sampling = context.resolved, context.sampling
    kind = context.task_evidence
    if batch.family != "encoder":
        examples = training_example_counts(_uses(kinds, "distill"), context)
        return _curve_value(kind.tuned, examples, "quality tuned", sampling)
    per_label = context.inputs.examples / max(float(resolved.labels or 10), 1.0)
    is_baseline = np.array([option.model == BASELINE_MODEL for option in kinds.first])
    curves = (kind.baseline, "quality baseline"), (kind.encoder, "quality encoder")
    baseline, encoder = (
        _curve_value(curve, per_label, name, sampling) if curve else NO_EVIDENCE
        for curve, name in curves
    )
    pairs = zip(baseline, encoder, strict=True)
    low, likely, high = (np.where(is_baseline[:, None, None], b, e) for b, e in pairs)
    return low, likely, high


def _teacher(shifts: QualityShifts, context: EstimateContext) -> NumberRange:
    """Quality of the teacher of a distilled model: best measured prompting, else a large model."""
    measured = context.resolved.scenario.quality.measured
    prompting = [m for m in measured if m.approach in ("prompt", "few_shot")]
    if prompting:
        best = max(prompting, key=lambda m: m.value)
        return wilson_range(best.value, best.n)
    large: NumberRange = context.task_evidence.prompt.large
    needed = [("quality need", need) for need in shifts.needs_prompt]
    return _sum([("quality prompt", large), *needed], context.sampling)


def _curve_value(
    curve: LearningCurve, examples: Number, name: str, sampling: Sampling
) -> NumberRange:
    scale = curve.half_at_examples if curve.half_at_examples != 1.0 else curve.half_at_per_label
    gain = saturation(examples, scale, curve.exponent)
    pairs = zip(curve.start, curve.ceiling, strict=True)
    low, likely, high = (start + (ceiling - start) * gain for start, ceiling in pairs)
    return low, sampling.value(name, low, likely, high, "low"), high


def _sum(ranges: Sequence[tuple[str, NumberRange]], sampling: Sampling) -> NumberRange:
    low = sum(bounds[0] for _, bounds in ranges)
    high = sum(bounds[2] for _, bounds in ranges)
    values = [sampling.value(name, *bounds, "low") for name, bounds in ranges]
    return low, sum(values[1:], values[0]), high


def _knowledge_factor(kinds: OptionKinds, context: EstimateContext) -> NumberRange:
    resolved, evidence, sampling = context.resolved, context.evidence, context.sampling
    if not needs_knowledge(resolved.scenario, resolved.task):
        return 1.0, 1.0, 1.0
    found, missing = evidence.retrieval.factor, evidence.without_retrieval.factor
    retrieves = _uses(kinds, *retrieval_approaches(resolved))
    with_documents = sampling.value("quality retrieval", *found, "low")
    without = sampling.value("quality knowledge", *missing, "low")
    likely = np.where(retrieves, with_documents, without)
    low, high = (np.where(retrieves, found[i], missing[i]) for i in (0, 2))
    return low, likely, high
