"""Records of the questionnaire (questions.yaml), and validation of answers to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import isfinite
from typing import Any, Literal

from pydantic import Field

from advisor.errors import UsageError, did_you_mean, shortened_repr
from advisor.units import Approach, Record

DONT_KNOW = "dont_know"
"""A valid answer to every part."""
WHERE = "answers"
AnswerKind = Literal["choice", "many", "list", "number", "share", "score", "gpu", "gpu_hour"]
TYPED_KINDS = frozenset({"number", "share", "score", "gpu_hour"})
"""Kinds that accept a number besides the codes."""
MULTIPLE_KINDS = frozenset({"many", "list"})
"""Kinds that accept any number of codes."""
AnswerValue = str | float | tuple[str, ...]
"""One answer: a code, a number, or codes."""
Answers = Mapping[str, AnswerValue]
"""Code of a part -> its answer."""


class QuestionPart(Record):
    """One part of a question."""

    code: str
    """Stable code, unique among all parts."""
    kind: AnswerKind = "choice"
    """How it is answered."""
    path: str | None = None
    """Path of the scenario that it sets, for kinds that set one path."""
    approach: Approach | None = None
    """Approach whose measured quality a score is."""
    low: float = 0.0
    """Smallest accepted number."""
    high: float = 0.0
    """Largest accepted number."""
    unless: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Other part -> answers that make this part irrelevant."""
    choices: dict[str, dict[str, Any] | float | str | None]
    """Code -> its value."""

    @property
    def paths(self) -> frozenset[str]:
        """Paths of the scenario that it can set."""
        if self.kind == "many":
            return frozenset(str(path) for path in self.choices.values())
        if self.kind == "choice":
            maps = [sets for sets in self.choices.values() if isinstance(sets, dict)]
            return frozenset(path for sets in maps for path in sets)
        return frozenset([self.path] if self.path else [])

    @property
    def tries(self) -> tuple[AnswerValue, ...]:
        """One answer of each kind: every code; for several codes, each alone and none."""
        if self.kind in MULTIPLE_KINDS:
            return ((), *((code,) for code in self.choices))
        return tuple(self.choices)

    def number(self, given: AnswerValue) -> float | None:
        """Return the number that an answer means, or None."""
        value = self.choices[given] if isinstance(given, str) else given
        return float(value) if isinstance(value, int | float) else None

    def is_irrelevant(self, answers: Mapping[str, AnswerValue]) -> bool:
        """Return whether another answer makes this part irrelevant."""
        return any(answers.get(part) in codes for part, codes in self.unless.items())


class FindingOutEffort(Record):
    """Effort of finding out the answer to a question."""

    hours: tuple[float, float, float] | None = None
    """Hours of work: low, likely, high."""
    hours_of: Literal["prompt", "rag"] | None = None
    """Approach whose set-up hours in the evidence apply."""
    pilot: Literal["prompt", "rag"] | None = None
    """Approach to run once on held-out examples."""
    label: Literal["training", "evaluation"] | None = None
    """Purpose of the examples to label."""
    minutes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Minutes per label: low, likely, high."""


class InterviewQuestion(Record):
    """One question."""

    code: str
    """Stable code."""
    unknown: FindingOutEffort
    """Effort of finding out the answer."""
    together: tuple[str, ...] = ()
    """Parts of later questions that depend on this one: tried together with it."""
    parts: tuple[QuestionPart, ...]
    """Parts, in the order they are asked."""


class Questionnaire(Record):
    """All questions, most decisive first."""

    questions: tuple[InterviewQuestion, ...]
    """Questions in order."""

    @cached_property
    def parts(self) -> dict[str, QuestionPart]:
        """Every part by its code."""
        return {part.code: part for asked in self.questions for part in asked.parts}


def check_answers(sheet: Questionnaire, given: Mapping[str, Any]) -> dict[str, AnswerValue]:
    """Validate answers from a file, a request or a terminal."""
    made: dict[str, AnswerValue] = {}
    for code, value in given.items():
        part = sheet.parts.get(str(code))
        if part is None:
            raise UsageError(
                f"{WHERE}.{code}",
                "unknown question.",
                did_you_mean(str(code), sheet.parts).strip(),
            )
        made[part.code] = check_answer(part, value)
    return made


def check_answer(part: QuestionPart, value: Any) -> AnswerValue:
    """Validate one answer; true and false mean yes and no.

    Raises:
        UsageError: it is not one of the codes, or a number out of bounds.
    """
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value is None or value == DONT_KNOW:
        return DONT_KNOW
    if part.kind in MULTIPLE_KINDS:
        codes = (value,) if isinstance(value, str) else value
        if not isinstance(codes, Sequence):
            raise _invalid(part, value)
        wrong = next((code for code in codes if code not in tuple(part.choices)), None)
        if wrong is not None:
            raise _invalid(part, wrong)
        return tuple(code for code in part.choices if code in codes)
    if isinstance(value, str) and value in part.choices:
        return value
    if part.kind in TYPED_KINDS and isinstance(value, int | float | str):
        return _number(part, value)
    raise _invalid(part, value)


def _number(part: QuestionPart, value: float | str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise _invalid(part, value) from None
    is_percent = part.kind in ("share", "score")
    # 0.9 for a percentage almost certainly means 90
    is_share = is_percent and 0 < number < 1
    if not isfinite(number) or not part.low <= number <= part.high or is_share:
        unit = " percent" if is_percent else ""
        raise UsageError(
            f"{WHERE}.{part.code}",
            f"found {number:g}.",
            f"Use a number from {part.low:g} to {part.high:g}{unit}.",
        )
    return number


def _invalid(part: QuestionPart, value: object) -> UsageError:
    typed = " or a number" if part.kind in TYPED_KINDS else ""
    codes = ", ".join((*part.choices, DONT_KNOW))
    return UsageError(
        f"{WHERE}.{part.code}", f"found {shortened_repr(value)}.", f"Use one of {codes}{typed}."
    )
