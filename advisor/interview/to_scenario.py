"""Interview answers -> the fields of a scenario that they set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.decision.answer import Question
from advisor.errors import PricingError, UsageError
from advisor.inputs import INPUT_PATHS, resolve
from advisor.interview.questions import (
    DONT_KNOW,
    Answers,
    AnswerValue,
    InterviewQuestion,
    Questionnaire,
    QuestionPart,
)
from advisor.interview.texts import flatten
from advisor.prices.book import PriceBook
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Measurement, Scenario

DEFAULT_N = Measurement.model_fields["n"].default
"""Number of examples behind a measured score if not specified."""


def scenario_settings(sheet: Questionnaire, answers: Answers, question: Question) -> dict[str, Any]:
    """Return the scenario fields that the answers set: path -> value."""
    known = {code: value for code, value in answers.items() if value != DONT_KNOW}
    settings: dict[str, Any] = {}
    for part in sheet.parts.values():
        if part.code in known:
            settings |= _own_settings(part, known[part.code])
    settings |= _hardware(sheet, known, question)
    return settings | _measured(sheet, known, settings, question)


def apply_answers(sheet: Questionnaire, answers: Answers, question: Question) -> Scenario:
    """Return the scenario with the answers applied."""
    return with_paths(question.scenario, scenario_settings(sheet, answers, question))


def open_parts(asked: InterviewQuestion, question: Question) -> tuple[QuestionPart, ...]:
    """Return the parts of a question that neither scenario nor dataset answers."""
    known = _specified_paths(question.scenario) | _counted_paths(question)
    return tuple(part for part in asked.parts if not _is_known(part, question.scenario, known))


def _is_known(part: QuestionPart, scenario: Scenario, known: frozenset[str]) -> bool:
    if part.kind == "score":
        is_measured = any(m.approach == part.approach for m in scenario.quality.measured)
        return is_measured or "quality.prompting" in part.paths & known
    return bool(part.paths & known)


def _specified_paths(scenario: Scenario) -> frozenset[str]:
    """Return the paths that a scenario sets."""
    values = flatten(scenario.model_dump(mode="json", exclude_unset=True))
    return frozenset(path for path, value in values if value is not None)


def _counted_paths(question: Question) -> frozenset[str]:
    """Return the paths whose values were counted in the dataset."""
    if question.profile is None:
        return frozenset()
    measured = resolve(question.scenario, question.profile, question.evidence).measured
    paths = {path for path, name in INPUT_PATHS.items() if name in measured}
    return frozenset(paths | ({"dataset.classes"} if question.profile.distinct_labels else set()))


def _own_settings(part: QuestionPart, value: AnswerValue) -> dict[str, Any]:
    """Return the settings of a part that depend on no other part."""
    if isinstance(value, tuple):
        if part.kind == "list":
            return {str(part.path): list(value)}
        return {str(path): code in value for code, path in part.choices.items()}
    meaning = part.choices[value] if isinstance(value, str) else value
    if isinstance(meaning, dict):
        return meaning
    if part.kind == "score":
        return {part.path: meaning is not None} if part.path else {}
    number = part.number(value)
    if number is None or part.kind == "gpu_hour":
        return {}
    return {str(part.path): number / (100 if part.kind == "share" else 1)}


def _hardware(sheet: Questionnaire, known: Answers, question: Question) -> dict[str, Any]:
    """Return the user's GPU; without a price, an hour costs the same as renting one."""
    name, hour = known.get("gpu"), known.get("gpu_hour")
    if not isinstance(name, str) or name == "none":
        return {}
    usd = None if hour is None else sheet.parts["gpu_hour"].number(hour)
    if usd is None:
        usd = cheapest_rental_usd(question.book, name, question.scenario)
    if usd is None:
        day = question.scenario.asked_on
        raise UsageError(
            "answers.gpu_hour",
            f"no rental price for {name} on {day}.",
            "Set your own cost per hour.",
        )
    return {"hardware": [{"gpu": name, "count": 1, "usd_per_hour": usd}]}


def cheapest_rental_usd(book: PriceBook, gpu: str, scenario: Scenario) -> float | None:
    """Return the lowest rental price of a GPU on the scenario's date [USD/h], or None."""
    prices = []
    for item in book.prices.series:
        if item.endswith(f"/{gpu}/gpu_hour"):
            try:
                prices.append(float(book.prices.on(item, scenario.asked_on).value))
            except PricingError:
                continue  # not rented on that date
    return min(prices, default=None)


def _measured(
    sheet: Questionnaire, known: Answers, settings: Mapping[str, Any], question: Question
) -> dict[str, Any]:
    """Return scores as measurements; a band is relative to the target, specified or assumed."""
    scores = {
        part.code: score
        for part in sheet.parts.values()
        if part.kind == "score"
        and part.code in known
        and (score := part.number(known[part.code])) is not None
    }
    if not scores:
        return {}
    n = settings.get("quality.held_out_examples") or DEFAULT_N
    measured = [m.model_dump(mode="json") for m in question.scenario.quality.measured]
    bands = {code for code in scores if isinstance(known[code], str)}
    target = float(settings.get("quality.target", 0.0))
    if bands and "quality.target" not in settings:
        scenario = with_paths(question.scenario, settings)
        resolved = resolve(scenario, question.profile, question.evidence)
        target = float(resolved.inputs.target[0, 0])
    for code, score in scores.items():
        value = target - score / 100 if code in bands else score / 100
        measured.append(
            {"approach": sheet.parts[code].approach, "n": n, "value": round(max(value, 0.0), 4)}
        )
    return {"quality.measured": measured} | ({"quality.target": target} if bands else {})
