"""An option and the numbers -> the quality to expect of it: measured, else from evidence."""

from __future__ import annotations

import numpy as np

from advisor.estimate.point import Point
from advisor.facts import Facts, Resolved
from advisor.options.local import BASELINE
from advisor.options.option import Option
from advisor.quality import (
    Evidence,
    Need,
    Quality,
    Range,
    Tuned,
    measured_range,
    needs_knowledge,
    saturation,
)
from advisor.scenario import Measured
from advisor.units import Number

RETRIEVING = frozenset({"rag", "long_context", "combo"})


def expected(
    option: Option, resolved: Resolved, facts: Facts, evidence: Evidence, point: Point
) -> Quality:
    """Say how good an option should be, for every variant.

    quality = (prompted or tuned + effort + labels) x retrieval, cut to 0..1

    Returns:
        A range whose `likely` is at *point*; low and high are the ends of the evidence.
    """
    measured = measured_for(option, resolved)
    if measured:
        low, likely, high = measured_range(measured.value, measured.n)
        basis = f"measured on {measured.n:g} examples"
        return _quality(facts, (low, likely, high), point, "quality measured", basis,
                        "your scenario, quality.measured")  # fmt: skip
    if option.is_current:
        target: Number = facts.target
        return Quality(target, target, target, "assumed: what runs today will do", "assumption")
    parts = _tuned(option, resolved, facts, evidence, point)
    if parts is None:
        parts = _prompted(option, resolved, evidence, point)
    factor = _knowledge(option, resolved, evidence, point)
    bounds = [np.clip(np.asarray(part) * f, 0.0, 0.99)
              for part, f in zip(parts, factor, strict=True)]  # fmt: skip
    kind = evidence.of(resolved.task)
    ends = [facts.examples * 0 + bound for bound in bounds]
    return Quality(ends[0], ends[1], ends[2], kind.basis, kind.source)


def measured_for(option: Option, resolved: Resolved) -> Measured | None:
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


def _quality(
    facts: Facts, bounds: Range, point: Point, name: str, basis: str, source: str
) -> Quality:
    low, likely, high = (facts.examples * 0 + bound for bound in bounds)
    return Quality(low, point.value(name, low, likely, high, "low"), high, basis, source)


def _prompted(
    option: Option, resolved: Resolved, evidence: Evidence, point: Point
) -> tuple[Number, Number, Number]:
    kind = evidence.of(resolved.task)
    ranges = [
        ("quality prompt", getattr(kind.prompt, option.tier)),
        (
            "quality effort",
            getattr(evidence.prompt_effort, resolved.scenario.quality.prompt_effort),
        ),
    ]
    if option.approach == "few_shot":
        ranges.append(("quality few_shot", kind.few_shot_gain))
    if option.approach == "long_context" and not needs_knowledge(resolved.scenario, resolved.task):
        ranges.append(("quality few_shot", kind.many_shot_gain))
    ranges += [("quality need", need.prompt) for need in _needed(resolved, evidence)]
    return _summed(ranges, point)


def _tuned(
    option: Option, resolved: Resolved, facts: Facts, evidence: Evidence, point: Point
) -> tuple[Number, Number, Number] | None:
    if not option.trains:
        return None
    kind = evidence.of(resolved.task)
    examples = facts.examples
    growth, name = kind.tuned, "quality tuned"
    if option.approach == "encoder":
        is_plain = option.model == BASELINE
        found = kind.baseline if is_plain else kind.encoder
        if found is None:
            return (0.0, 0.0, 0.0)
        growth, name = found, "quality baseline" if is_plain else "quality encoder"
        examples = examples / max(float(resolved.labels or 10), 1.0)
    elif option.approach == "distill":
        examples = np.maximum(examples, kind.comfortable_examples)
    shifts = _summed(
        [
            ("quality labels", getattr(evidence.label_quality,
                                       resolved.scenario.dataset.label_quality)),
            ("quality base", getattr(evidence.base_size, option.tier)),
            *(("quality need", need.tuned) for need in _needed(resolved, evidence)),
        ],
        point,
    )  # fmt: skip
    grown = _grown(growth, examples, name, point)
    low, likely, high = (g + np.asarray(s) for g, s in zip(grown, shifts, strict=True))
    if option.approach == "distill":
        low, likely, high = (np.minimum(ours, best) for ours, best in zip(
            (low, likely, high), _teacher(resolved, evidence, point), strict=True))  # fmt: skip
    return (low, likely, high)


def _teacher(resolved: Resolved, evidence: Evidence, point: Point) -> tuple[Number, Number, Number]:
    """A pupil is no better than its teacher: the best prompting measured, else a large model."""
    shown = [m for m in resolved.scenario.quality.measured if m.approach in ("prompt", "few_shot")]
    if shown:
        best = max(shown, key=lambda m: m.value)
        return measured_range(best.value, best.n)
    ranges = [("quality prompt", evidence.of(resolved.task).prompt.large)]
    ranges += [("quality need", need.prompt) for need in _needed(resolved, evidence)]
    return _summed(ranges, point)


def _needed(resolved: Resolved, evidence: Evidence) -> list[Need]:
    needs = resolved.scenario.needs
    return [need for name, need in evidence.needs.items() if getattr(needs, name)]


def _grown(
    growth: Tuned, examples: Number, name: str, point: Point
) -> tuple[Number, Number, Number]:
    scale = growth.half_at_examples if growth.half_at_examples != 1.0 else growth.half_at_per_label
    gain = saturation(examples, scale, growth.exponent)
    ends = [s + (c - s) * gain for s, c in zip(growth.start, growth.ceiling, strict=True)]
    return (ends[0], point.value(name, ends[0], ends[1], ends[2], "low"), ends[2])


def _summed(ranges: list[tuple[str, Range]], point: Point) -> tuple[Number, Number, Number]:
    low = sum(bounds[0] for _, bounds in ranges)
    high = sum(bounds[2] for _, bounds in ranges)
    values = [point.value(name, *bounds, "low") for name, bounds in ranges]
    return (low, sum(values[1:], values[0]), high)


def _knowledge(
    option: Option, resolved: Resolved, evidence: Evidence, point: Point
) -> tuple[Number, Number, Number]:
    if not needs_knowledge(resolved.scenario, resolved.task):
        return (1.0, 1.0, 1.0)
    if option.approach in RETRIEVING:
        low, likely, high = evidence.retrieval.factor
        return (low, point.value("quality retrieval", low, likely, high, "low"), high)
    low, likely, high = evidence.without_retrieval.factor
    return (low, point.value("quality knowledge", low, likely, high, "low"), high)
