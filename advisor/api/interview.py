"""A body with the answers so far -> where the interview stands, as canonical bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import Field

from advisor.api.bodies import record_of
from advisor.api.errors import RequestRefused
from advisor.api.service import BESIDE, Planner
from advisor.dataset.profile import Profile
from advisor.decision.answer import Question
from advisor.interview.next_question import Interview
from advisor.interview.questions import Given, checked
from advisor.interview.texts import Texts
from advisor.interview.view import standing
from advisor.loading import load_sheet, load_texts
from advisor.scenario.scenario import Scenario
from advisor.units import Record


class Answered(Record):
    """What was answered so far, and in which language to ask on."""

    answers: dict[str, str | float | bool | tuple[str, ...] | None] = Field(default_factory=dict)
    """Code of a part -> a code, a number, or codes; null and dont_know are answers too."""
    language: str = "en"
    """Tag of a language that the server has words in."""


class InterviewRequest(Answered):
    """The answers so far, with what is known without asking."""

    question: Scenario | None = None
    """A scenario to begin with: what it says is not asked."""
    profile: Profile | None = None
    """What the dataset holds, as POST /api/v1/profile returned it; what it counts is not asked."""


class InterviewAsked(NamedTuple):
    """An interview that can go on."""

    question: Question
    answers: dict[str, Given]
    texts: Texts


def interview_asked(planner: Planner, body: Mapping[str, Any]) -> InterviewAsked:
    """Read the answers so far.

    Raises:
        AdvisorError: something in them cannot be understood, or there is no such language.
    """
    given = {key: value for key, value in body.items() if key not in BESIDE}
    unknown = given.keys() - Answered.model_fields.keys()
    if unknown:
        raise RequestRefused(
            f"body: {min(unknown)}",
            "there is no such key.",
            "Give 'answers', 'language', 'question' and 'profile'.",
        )
    said = record_of(Answered, given, "body")
    asked = {key: body[key] for key in BESIDE if body.get(key) is not None}
    question = planner.question({"question": {}} | asked)
    return InterviewAsked(question, checked(load_sheet(), said.answers), load_texts(said.language))


def interview_bytes(planner: Planner, asked: InterviewAsked) -> bytes:
    """Work out where an interview stands.

    Raises:
        AdvisorError: what is known cannot be answered at all.
        OverflowError: a whole number in it has more than 64 bits.
    """
    planner.meters.answers.inc()
    with planner.turn:
        found = standing(Interview(load_sheet(), asked.question), asked.answers, asked.texts)
    return planner.bytes_of(found)
