"""Factors of calibration.yaml that correct inputs of the estimate by what really happened.

`{factor: {unit, steps: [{since, low, likely, high, run}]}}`: with the unit 1 a step multiplies the
input, with the unit share it replaces it. A factor named `requests_per_month/E-mail triage` holds
for the scenario of that name; without a name it holds for all. The newest step that is not after
the date of the question applies. Other factors, such as those of trainings, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

from pydantic import Field, ValidationError

from advisor.actuals.comparison import Comparison
from advisor.actuals.drift import FACTOR_UNIT, SHARE_UNIT, Drift
from advisor.decision.evaluate import Question
from advisor.errors import ActualsFileError
from advisor.inputs import INPUT_PATHS, Assumption, resolve
from advisor.scenario.paths import with_paths
from advisor.units import Record

FACTORS = {
    "requests_per_month": "traffic.requests_per_month",
    "user_tokens": "traffic.user_tokens",
    "completion_tokens": "traffic.completion_tokens",
    "prefix_tokens": "traffic.prefix_tokens",
    "cache_hit_share": "traffic.cache_hit_share",
}
"""Factor -> input of the scenario that it corrects."""
UNITS = (FACTOR_UNIT, SHARE_UNIT)
Value = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class CalibrationStep(Record):
    """One dated step of a factor."""

    since: date
    """First day on which it applies."""
    low: Value
    """Lowest month."""
    likely: Value
    """Median month."""
    high: Value
    """Highest month."""
    run: str | None = None
    """Exports that it comes from."""


class CalibrationFactor(Record):
    """One factor with its steps."""

    name: str
    """Factor, with the name of its scenario after a slash."""
    unit: str
    """1 or share."""
    steps: tuple[CalibrationStep, ...]
    """Steps, in any order."""


def calibration_factors(
    entries: Iterable[tuple[str, Any]], where: str
) -> tuple[CalibrationFactor, ...]:
    """Return the factors among the entries of a file that correct inputs.

    Raises:
        ActualsFileError: an entry is not {unit, steps}.
    """
    found = []
    for name, entry in entries:
        if name.partition("/")[0] not in FACTORS:
            continue
        place = f"{where}, {name}"
        remedy = "Write it as `advisor actuals --calibration` prints it."
        try:
            factor = CalibrationFactor.model_validate({"name": name, **dict(entry)})
        except (ValidationError, TypeError, ValueError) as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise ActualsFileError(place, f"{detail}.", remedy) from error
        if factor.unit not in UNITS:
            found_unit = f"expected the unit 1 or share, found {factor.unit}."
            raise ActualsFileError(place, found_unit, remedy)
        found.append(factor)
    return tuple(found)


def calibrated(question: Question, factors: Sequence[CalibrationFactor], source: str) -> Question:
    """Return the question with corrected inputs, each listed as an assumption."""
    scenario = question.scenario
    resolved = resolve(scenario, question.profile, question.evidence)
    changes: dict[str, float] = {}
    notes: list[Assumption] = []
    for name, path in FACTORS.items():
        step, unit = _step(factors, (f"{name}/{scenario.name}", name), scenario.asked_on)
        value = float(getattr(resolved.inputs, INPUT_PATHS[path])[0, 0])
        if step is None or (unit == FACTOR_UNIT and not value >= 0):
            continue  # an input that the estimate derives has no value to multiply
        new = step.likely if unit == SHARE_UNIT else value * step.likely
        changes[path] = min(new, 1.0) if name == "cache_hit_share" else new
        how = "set to" if unit == SHARE_UNIT else f"{value:g} times"
        says = (
            f"Calibrated by {source}: {how} {step.likely:g} ({step.low:g} to {step.high:g}) "
            f"since {step.since}."
        )
        notes.append(Assumption(path=path, value=f"{changes[path]:g}", says=says))
    if not changes:
        return question
    return replace(
        question,
        scenario=with_paths(scenario, changes),
        default_assumptions=(*question.default_assumptions, *notes),
    )


def _step(
    factors: Sequence[CalibrationFactor], names: Sequence[str], day: date
) -> tuple[CalibrationStep | None, str]:
    """Return the step that applies on a day, of the first name that has one, and its unit."""
    for name in names:
        steps = [
            (step.since, place, step, factor.unit)
            for place, factor in enumerate(factors)
            if factor.name == name
            for step in factor.steps
            if step.since <= day
        ]
        if steps:
            *_, step, unit = max(steps, key=lambda entry: entry[:2])
            return step, unit
    return None, FACTOR_UNIT


def calibration_entries(comparison: Comparison, source: str) -> dict[str, Mapping[str, Any]]:
    """Return the lines for calibration.yaml that a comparison offers; the user appends them.

    A difference that is over gets a second step, from which the forecast applies again.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    for drift in comparison.drifts:
        if drift.kind == "quantity" and drift.name in FACTORS:
            name = f"{drift.name}/{comparison.scenario}"
            before = entries[name]["steps"] if name in entries else []
            by_day = {step["since"]: step for step in (*before, *_steps(drift, source))}
            entries[name] = {"unit": drift.unit, "steps": list(by_day.values())}
    return entries


def _steps(drift: Drift, source: str) -> list[dict[str, Any]]:
    values = {"low": drift.low, "likely": drift.likely, "high": drift.high}
    steps: list[dict[str, Any]] = [{"since": drift.since, **values, "run": source}]
    if drift.until is not None and drift.unit == FACTOR_UNIT:
        over = {"low": 1.0, "likely": 1.0, "high": 1.0}
        steps.append({"since": drift.until, **over, "run": source})
    return steps
