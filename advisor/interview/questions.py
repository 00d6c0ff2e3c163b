"""Questions as data, and answers as they come from a door -> the same answers, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import isfinite
from typing import Any, Literal

from pydantic import Field

from advisor.errors import UsageError, did_you_mean
from advisor.units import Approach, Record

DONT_KNOW = "dont_know"
"""Answers every part."""
WHERE = "answers"
AnswerKind = Literal["choice", "many", "list", "number", "share", "score", "gpu", "gpu_hour"]
TYPED_KINDS = frozenset({"number", "share", "score", "gpu_hour"})
"""Kinds that take a number beside the codes."""
MULTIPLE_KINDS = frozenset({"many", "list"})
"""Kinds that take any number of codes."""
AnswerValue = str | float | tuple[str, ...]
"""One answer: a code, a number, or codes."""
Answers = Mapping[str, AnswerValue]
"""Code of a part -> what was answered."""


class QuestionPart(Record):
    """One thing that is asked."""

    code: str
    """Stable name; no two parts of all questions share one."""
    kind: AnswerKind = "choice"
    """How it is answered."""
    path: str | None = None
    """What of the scenario it sets, where the kind says that it sets one path."""
    approach: Approach | None = None
    """Whose measured quality a score is."""
    low: float = 0.0
    """Smallest number that can be typed."""
    high: float = 0.0
    """Largest number that can be typed."""
    unless: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Other part -> answers after which this one is not worth asking."""
    choices: dict[str, dict[str, Any] | float | str | None]
    """Code -> what it stands for."""

    @property
    def paths(self) -> frozenset[str]:
        """What of the scenario it can set."""
        if self.kind == "many":
            return frozenset(str(path) for path in self.choices.values())
        if self.kind == "choice":
            maps = [sets for sets in self.choices.values() if isinstance(sets, dict)]
            return frozenset(path for sets in maps for path in sets)
        return frozenset([self.path] if self.path else [])

    @property
    def tries(self) -> tuple[AnswerValue, ...]:
        """Every answer that stands for its kind; of several codes, each alone and none."""
        if self.kind in MULTIPLE_KINDS:
            return ((), *((code,) for code in self.choices))
        return tuple(self.choices)

    def number(self, given: AnswerValue) -> float | None:
        """Return the number that an answer stands for; none where it stands for none."""
        found = self.choices[given] if isinstance(given, str) else given
        return float(found) if isinstance(found, int | float) else None

    def is_irrelevant(self, answers: Mapping[str, AnswerValue]) -> bool:
        """Whether another answer makes this part not worth asking."""
        return any(answers.get(part) in codes for part, codes in self.unless.items())


class FindingOutEffort(Record):
    """What it takes to find out what a question asks."""

    hours: tuple[float, float, float] | None = None
    """Hours of asking and counting: low, likely, high."""
    hours_of: Literal["prompt", "rag"] | None = None
    """Hours of setting this approach up, as the evidence has them."""
    pilot: Literal["prompt", "rag"] | None = None
    """Approach that is run once over held-out examples."""
    label: Literal["training", "evaluation"] | None = None
    """What examples are labelled for."""
    minutes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Minutes a label takes: low, likely, high."""


class InterviewQuestion(Record):
    """One question."""

    code: str
    """Stable name."""
    unknown: FindingOutEffort
    """What finding out takes."""
    together: tuple[str, ...] = ()
    """Parts of other questions that say little without this one: tried along with it."""
    parts: tuple[QuestionPart, ...]
    """What is asked, in this order."""


class Questionnaire(Record):
    """All questions, in the order of what they decide."""

    questions: tuple[InterviewQuestion, ...]
    """In this order."""

    @cached_property
    def parts(self) -> dict[str, QuestionPart]:
        """Every part by its code."""
        return {part.code: part for asked in self.questions for part in asked.parts}


def check_answers(sheet: Questionnaire, given: Mapping[str, Any]) -> dict[str, AnswerValue]:
    """Check answers as they came from a file, a request or a terminal.

    Args:
        sheet: The questions.
        given: Code of a part -> a code, a number, or a list of codes.

    Raises:
        UsageError: there is no such part or code, or a number is out of bounds.
    """
    made: dict[str, AnswerValue] = {}
    for code, value in given.items():
        part = sheet.parts.get(str(code))
        if part is None:
            raise UsageError(
                f"{WHERE}.{code}",
                "there is no such question.",
                did_you_mean(str(code), sheet.parts).strip(),
            )
        made[part.code] = check_answer(part, value)
    return made


def check_answer(part: QuestionPart, value: Any) -> AnswerValue:
    """Check one answer; yes and no may come as true and false.

    Raises:
        UsageError: it is none of the codes, or a number out of bounds.
    """
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value is None or value == DONT_KNOW:
        return DONT_KNOW
    if part.kind in MULTIPLE_KINDS:
        several = (value,) if isinstance(value, str) else value
        if not isinstance(several, Sequence):
            raise _refused(part, value)
        return _several(part, several)
    if isinstance(value, str) and value in part.choices:
        return value
    if part.kind in TYPED_KINDS and isinstance(value, int | float | str):
        return _number(part, value)
    raise _refused(part, value)


def _several(part: QuestionPart, codes: Sequence[Any]) -> tuple[str, ...]:
    known = tuple(part.choices)
    wrong = next((code for code in codes if code not in known), None)
    if wrong is not None:
        raise _refused(part, wrong)
    return tuple(code for code in known if code in codes)


def _number(part: QuestionPart, value: float | str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise _refused(part, value) from None
    if not isfinite(number) or not part.low <= number <= part.high or _is_a_share(part, number):
        unit = " percent" if part.kind in ("share", "score") else ""
        raise UsageError(
            f"{WHERE}.{part.code}",
            f"found {number:g}.",
            f"Give a number of {part.low:g} to {part.high:g}{unit}.",
        )
    return number


def _is_a_share(part: QuestionPart, number: float) -> bool:
    """Whether 0.9 was typed where 90 percent was meant, most likely."""
    return part.kind in ("share", "score") and 0 < number < 1


def _refused(part: QuestionPart, value: object) -> UsageError:
    text = repr(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    typed = " or a number" if part.kind in TYPED_KINDS else ""
    codes = ", ".join((*part.choices, DONT_KNOW))
    return UsageError(f"{WHERE}.{part.code}", f"found {shown}.", f"Give one of {codes}{typed}.")
