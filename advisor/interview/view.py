"""State of an interview in a language, as CLI, API and page show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from advisor.decision.answer import Decision, recommend
from advisor.interview.cost_of_finding_out import FindingOutCost, finding_out_cost
from advisor.interview.next_question import (
    Act,
    Interview,
    InterviewProgress,
    InterviewStep,
    InterviewVerdict,
    VerdictChange,
    next_step,
)
from advisor.interview.questions import (
    DONT_KNOW,
    MULTIPLE_KINDS,
    TYPED_KINDS,
    AnswerKind,
    Answers,
    AnswerValue,
    QuestionPart,
)
from advisor.interview.texts import CONTRADICTIONS, InterviewTexts
from advisor.scenario.contradictions import Contradiction, contradictions
from advisor.units import Money, Record


class ChoiceView(Record):
    """One possible answer."""

    code: str
    """Code to send."""
    says: str
    """Text to show."""


class PartView(Record):
    """One part of a question."""

    code: str
    """Code of the part, the key of its answer."""
    kind: AnswerKind
    """Kind of answer."""
    asks: str
    """The question."""
    unit: str | None
    """Unit of a number; null if numbers are not accepted."""
    low: float
    """Smallest accepted number."""
    high: float
    """Largest accepted number."""
    several: bool
    """Whether several codes are accepted."""
    unless: dict[str, tuple[str, ...]]
    """Other part -> answers that make this part irrelevant."""
    choices: tuple[ChoiceView, ...]
    """Choices; the last one is always dont_know."""


class QuestionView(Record):
    """The next question."""

    code: str
    """Stable code."""
    count: int
    """Position of this question, from 1."""
    most: int
    """Maximum number of questions."""
    asks: str
    """The question."""
    why: str
    """Why the questionnaire contains it."""
    because: str
    """Why it is asked now: an answer that would change the verdict."""
    changes: tuple[VerdictChange, ...]
    """Answers that would change the verdict."""
    finding_out: FindingOutCost
    """Cost of finding out the answer."""
    finding_out_says: str
    """The cost as text, with its formula."""
    parts: tuple[PartView, ...]
    """Open parts, in the order they are asked."""


class InterviewState(InterviewProgress):
    """State of an interview in a language."""

    language: str
    """Language tag."""
    next: QuestionView | None
    """Next question; null if the interview is over."""
    says: str
    """The verdict so far; at the end, with the number of questions needed."""
    act: Act
    """The recommended act so far."""
    contradictions: tuple[Contradiction, ...]
    """Contradictions between answers and dataset."""
    scenario: dict[str, Any]
    """The scenario so far, as in a scenario file."""
    decision: Decision
    """The decision so far, without nearest changes."""


def interview_state(
    interview: Interview, answers: Answers, texts: InterviewTexts
) -> InterviewState:
    """Return the state of an interview."""
    now = next_step(interview, answers)
    question = replace(interview.question, scenario=now.scenario, with_sensitivity=False)
    return InterviewState(
        language=texts.tag,
        next=_next_question(interview, now, texts),
        says=verdict_sentence(now, texts),
        act=now.verdict.act,
        **{name: getattr(now, name) for name in InterviewProgress.model_fields},
        contradictions=tuple(
            item.model_copy(
                update={"says": texts.says(f"{CONTRADICTIONS}.{item.code}", **dict(item.numbers))}
            )
            for item in contradictions(now.scenario, question.profile)
        ),
        scenario=now.scenario.model_dump(mode="json", exclude_unset=True),
        decision=recommend(question).decision,
    )


def verdict_sentence(now: InterviewStep, texts: InterviewTexts) -> str:
    """Return the verdict; at the end, with the number of questions it took."""
    what = verdict_name(now.verdict, texts)
    if now.ended is None:
        return texts.says("words.so_far", what=what)
    counts = {"asked": now.asked, "spared": len(now.spared)}
    return f"{texts.says('words.result', what=what)} {texts.says(f'words.{now.ended}', **counts)}"


def verdict_name(verdict: InterviewVerdict, texts: InterviewTexts) -> str:
    """Return the act of a verdict, and its approach if there is one."""
    act = texts.at(f"acts.{verdict.act}")
    if verdict.act == "not_yet":
        return act
    return f"{act} ({texts.at(f'approaches.{verdict.approach}')})"


def answer_text(part: str, given: AnswerValue, texts: InterviewTexts) -> str:
    """Return an answer as text."""
    if isinstance(given, tuple):
        return ", ".join(answer_text(part, code, texts) for code in given) or texts.at(
            "words.nothing"
        )
    if given == DONT_KNOW:
        return texts.at("words.dont_know")
    return texts.at(f"parts.{part}.choices.{given}") if isinstance(given, str) else f"{given:g}"


def finding_out_text(cost: FindingOutCost, texts: InterviewTexts) -> str:
    """Return the cost of finding out as text, with its formula."""
    return "; ".join(_cost_parts(cost, texts))


def _cost_parts(cost: FindingOutCost, texts: InterviewTexts) -> Iterator[str]:
    hours = {"low": _short(cost.hours[0], texts), "high": _short(cost.hours[2], texts)}
    if cost.labels and cost.minutes:
        fewest, most = (_short(count, texts) for count in cost.labels)
        shortest, longest = (_short(count, texts) for count in cost.minutes)
        key = "costs.same_labels" if fewest == most else "costs.labels"
        fields = {"fewest": fewest} if fewest != most else {}
        yield texts.says(key, most=most, shortest=shortest, longest=longest, **fields, **hours)
    else:
        yield texts.says("costs.hours", **hours)
    if cost.tokens:
        requests = _short(cost.requests, texts)
        yield texts.says("costs.tokens", requests=requests, **_bounds(cost.tokens, texts))
    if cost.usd and cost.rate is not None:
        rate = _short(cost.rate, texts)
        yield texts.says("costs.rate", rate=rate, **_bounds(cost.usd, texts))
    else:
        yield texts.at("costs.no_rate")


def _bounds(money: Money, texts: InterviewTexts) -> dict[str, str]:
    point = texts.at("words.decimal")
    return {"low": money.low.replace(".", point), "high": money.high.replace(".", point)}


def _next_question(
    interview: Interview, now: InterviewStep, texts: InterviewTexts
) -> QuestionView | None:
    if now.next is None:
        return None
    asked = next(item for item in interview.sheet.questions if item.code == now.next)
    cost = finding_out_cost(asked, replace(interview.question, scenario=now.scenario))
    return QuestionView(
        code=asked.code,
        count=now.asked + 1,
        most=len(interview.sheet.questions),
        asks=texts.at(f"questions.{asked.code}.asks"),
        why=texts.at(f"questions.{asked.code}.why"),
        because=_because(now, texts),
        changes=now.changes,
        finding_out=cost,
        finding_out_says=texts.says("words.finding_out", cost=finding_out_text(cost, texts)),
        parts=tuple(_part(part, texts) for part in asked.parts if part.code in now.parts),
    )


def _part(part: QuestionPart, texts: InterviewTexts) -> PartView:
    key = f"parts.{part.code}"
    return PartView(
        **part.model_dump(include={"code", "kind", "low", "high", "unless"}),
        asks=texts.at(f"{key}.asks"),
        unit=texts.at(f"{key}.unit") if part.kind in TYPED_KINDS else None,
        several=part.kind in MULTIPLE_KINDS,
        choices=tuple(
            ChoiceView(code=code, says=answer_text(part.code, code, texts))
            for code in (*part.choices, DONT_KNOW)
        ),
    )


def _because(now: InterviewStep, texts: InterviewTexts) -> str:
    """Return the first answer that would change the verdict, as text."""
    change = now.changes[0]
    says = " + ".join(answer_text(part, given, texts) for part, given in change.answers)
    return texts.says("words.asked_because", answer=says, what=verdict_name(change.verdict, texts))


def _short(number: float, texts: InterviewTexts) -> str:
    shown = f"{number:.2g}" if number < 10 else f"{number:.0f}"
    return shown.replace(".", texts.at("words.decimal"))
