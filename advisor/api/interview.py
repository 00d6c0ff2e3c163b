"""A body with the answers so far -> where the interview stands, as canonical bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import Field

from advisor.api.bodies import parse_record
from advisor.api.errors import RequestRefused
from advisor.api.service import QUESTION_KEYS, PlanningService
from advisor.dataset.profile import Profile
from advisor.decision.answer import Question
from advisor.interview.next_question import Interview
from advisor.interview.questions import AnswerValue, check_answers
from advisor.interview.texts import InterviewTexts
from advisor.interview.view import interview_state
from advisor.loading import load_questionnaire, load_texts
from advisor.scenario.scenario import Scenario
from advisor.units import Record


class InterviewAnswers(Record):
    """What was answered so far, and in which language to ask on."""

    answers: dict[str, str | float | bool | tuple[str, ...] | None] = Field(default_factory=dict)
    """Code of a part -> a code, a number, or codes; null and dont_know are answers too."""
    language: str = "en"
    """Tag of a language that the server has words in."""


class InterviewRequest(InterviewAnswers):
    """The answers so far, with what is known without asking."""

    question: Scenario | None = None
    """A scenario to begin with: what it says is not asked."""
    profile: Profile | None = None
    """What the dataset holds, as POST /api/v1/profile returned it; what it counts is not asked."""


class ParsedInterview(NamedTuple):
    """An interview that can go on."""

    question: Question
    answers: dict[str, AnswerValue]
    texts: InterviewTexts


def parse_interview(planner: PlanningService, body: Mapping[str, Any]) -> ParsedInterview:
    """Read the answers so far.

    Raises:
        AdvisorError: something in them cannot be understood, or there is no such language.
    """
    given = {key: value for key, value in body.items() if key not in QUESTION_KEYS}
    unknown = given.keys() - InterviewAnswers.model_fields.keys()
    if unknown:
        raise RequestRefused(
            f"body: {min(unknown)}",
            "there is no such key.",
            "Give 'answers', 'language', 'question' and 'profile'.",
        )
    said = parse_record(InterviewAnswers, given, "body")
    asked = {key: body[key] for key in QUESTION_KEYS if body.get(key) is not None}
    question = planner.question({"question": {}} | asked)
    return ParsedInterview(
        question, check_answers(load_questionnaire(), said.answers), load_texts(said.language)
    )


def interview_bytes(planner: PlanningService, asked: ParsedInterview) -> bytes:
    """Work out where an interview stands.

    Raises:
        AdvisorError: what is known cannot be answered at all.
        OverflowError: a whole number in it has more than 64 bits.
    """
    planner.meters.answers.inc()
    with planner.turn:
        found = interview_state(
            Interview(load_questionnaire(), asked.question), asked.answers, asked.texts
        )
    return planner.bytes_of(found)
