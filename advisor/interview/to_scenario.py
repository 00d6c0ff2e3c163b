"""Checked answers -> the paths of a scenario that they set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from advisor.prices.book import PriceBook
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Measurement, Scenario

DEFAULT_N = Measurement.model_fields["n"].default
"""Examples behind a measured score where nobody says how many."""


def scenario_settings(sheet: Questionnaire, answers: Answers, question: Question) -> dict[str, Any]:
    """Say which paths of the scenario the answers set, and to what.

    Args:
        sheet: The questions.
        answers: Checked answers.
        question: What is known without them: prices, evidence, dataset, and a scenario.
    """
    known = {code: value for code, value in answers.items() if value != DONT_KNOW}
    made: dict[str, Any] = {}
    for part in sheet.parts.values():
        if part.code in known:
            made |= _simple(part, known[part.code])
    return made | _hardware(sheet, known, question) | _measured(sheet, known, made, question)


def apply_answers(sheet: Questionnaire, answers: Answers, question: Question) -> Scenario:
    """Return the scenario with everything that was answered."""
    return with_paths(question.scenario, scenario_settings(sheet, answers, question))


def open_parts(asked: InterviewQuestion, question: Question) -> tuple[QuestionPart, ...]:
    """Return the parts of a question that neither scenario nor dataset has answered."""
    said = _said(question.scenario) | _counted(question)
    return tuple(part for part in asked.parts if not _is_said(part, question.scenario, said))


def _is_said(part: QuestionPart, scenario: Scenario, said: frozenset[str]) -> bool:
    if part.kind == "score":
        is_measured = any(one.approach == part.approach for one in scenario.quality.measured)
        return is_measured or "quality.prompting" in part.paths & said
    return bool(part.paths & said)


def _said(scenario: Scenario) -> frozenset[str]:
    """Name the paths that a scenario gives itself."""

    def walk(mapping: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for key, value in mapping.items():
            if isinstance(value, Mapping):
                yield from walk(value, f"{prefix}{key}.")
            elif value is not None:
                yield prefix + key

    return frozenset(walk(scenario.model_dump(mode="json", exclude_unset=True), ""))


def _counted(question: Question) -> frozenset[str]:
    """Name the paths that were counted in the dataset."""
    if question.profile is None:
        return frozenset()
    measured = resolve(question.scenario, question.profile, question.evidence).measured
    found = {path for path, name in INPUT_PATHS.items() if name in measured}
    return frozenset(found | ({"dataset.classes"} if question.profile.distinct_labels else set()))


def _simple(part: QuestionPart, value: AnswerValue) -> dict[str, Any]:
    """Say what a part sets that needs no other."""
    if isinstance(value, tuple):
        if part.kind == "list":
            return {str(part.path): list(value)}
        return {str(path): code in value for code, path in part.choices.items()}
    found = part.choices[value] if isinstance(value, str) else value
    if isinstance(found, dict):
        return found
    if part.kind == "score":
        return {part.path: found is not None} if part.path else {}
    number = part.number(value)
    if number is None or part.kind == "gpu_hour":
        return {}
    return {str(part.path): number / (100 if part.kind == "share" else 1)}


def _hardware(sheet: Questionnaire, known: Answers, question: Question) -> dict[str, Any]:
    """Name the GPU at hand; without an own price, an hour costs what renting one does.

    Raises:
        UsageError: nobody said what an hour costs, and nobody rents this GPU out on that day.
    """
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
            f"nobody rents out a {name} on {day}.",
            "Give what an hour of it costs you.",
        )
    return {"hardware": [{"gpu": name, "count": 1, "usd_per_hour": usd}]}


def cheapest_rental_usd(book: PriceBook, gpu: str, scenario: Scenario) -> float | None:
    """Look up the least that an hour of a GPU is rented for on the day of the scenario [USD]."""
    found = []
    for item in book.prices.series:
        if item.endswith(f"/{gpu}/gpu_hour"):
            try:
                found.append(float(book.prices.on(item, scenario.asked_on).value))
            except PricingError:
                continue  # not rented out on that day
    return min(found, default=None)


def _measured(
    sheet: Questionnaire, known: Answers, made: Mapping[str, Any], question: Question
) -> dict[str, Any]:
    """Write scores down as measurements; a band counts from the target, given or assumed."""
    scores = {
        part.code: score
        for part in sheet.parts.values()
        if part.kind == "score"
        and part.code in known
        and (score := part.number(known[part.code])) is not None
    }
    if not scores:
        return {}
    n = made.get("quality.held_out_examples") or DEFAULT_N
    found = [one.model_dump(mode="json") for one in question.scenario.quality.measured]
    bands = {code for code in scores if isinstance(known[code], str)}
    target = _target(made, question) if bands else 0.0
    for code, score in scores.items():
        value = target - score / 100 if code in bands else score / 100
        found.append(
            {"approach": sheet.parts[code].approach, "n": n, "value": round(max(value, 0.0), 4)}
        )
    return {"quality.measured": found} | ({"quality.target": target} if bands else {})


def _target(made: Mapping[str, Any], question: Question) -> float:
    if "quality.target" in made:
        return float(made["quality.target"])
    scenario = with_paths(question.scenario, made)
    target = resolve(scenario, question.profile, question.evidence).inputs.target
    return float(target[0, 0])
