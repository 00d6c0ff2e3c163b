"""POST /api/v1/interview: the answers so far -> the state of the interview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    """The answers so far, and the language of the texts."""

    answers: dict[str, str | float | bool | tuple[str, ...] | None] = Field(default_factory=dict)
    """Code of a part -> a code, a number, or codes; null and dont_know are valid answers."""
    language: str = "en"
    """Language tag, such as en or de."""


class InterviewRequest(InterviewAnswers):
    """The answers so far, with a scenario and a profile to start from."""

    question: Scenario | None = None
    """Scenario to start from; its fields are not asked about."""
    profile: Profile | None = None
    """Profile of the dataset, as POST /api/v1/profile returned it."""


def parse_interview(
    planner: PlanningService, body: Mapping[str, Any]
) -> tuple[Question, dict[str, AnswerValue], InterviewTexts]:
    """Validate the body of an interview request."""
    own = {key: value for key, value in body.items() if key not in QUESTION_KEYS}
    unknown = own.keys() - InterviewAnswers.model_fields.keys()
    if unknown:
        raise RequestRefused(
            f"body: {min(unknown)}",
            "unknown key.",
            "Use 'answers', 'language', 'question' and 'profile'.",
        )
    record = parse_record(InterviewAnswers, own, "body")
    known = {key: body[key] for key in QUESTION_KEYS if body.get(key) is not None}
    answers = check_answers(load_questionnaire(), record.answers)
    return planner.question({"question": {}} | known), answers, load_texts(record.language)


def interview_bytes(
    planner: PlanningService,
    question: Question,
    answers: dict[str, AnswerValue],
    texts: InterviewTexts,
) -> bytes:
    """Return the state of an interview as canonical bytes."""
    planner.meters.answers.inc()
    with planner.turn:
        state = interview_state(Interview(load_questionnaire(), question), answers, texts)
    return planner.bytes_of(state)
