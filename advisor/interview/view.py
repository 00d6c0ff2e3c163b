"""Where an interview stands, and the words of a language -> what every door shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from advisor.decision.answer import recommend
from advisor.decision.decide import Decision
from advisor.interview.cost_of_finding_out import FindingOutCost, finding_out_cost
from advisor.interview.next_question import (
    Act,
    Interview,
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
    InterviewQuestion,
    QuestionPart,
)
from advisor.interview.texts import CONTRADICTIONS, InterviewTexts
from advisor.scenario.contradictions import Contradiction, contradictions
from advisor.units import Money, Record


class ChoiceView(Record):
    """One answer that can be given."""

    code: str
    """What is sent."""
    says: str
    """What is read."""


class PartView(Record):
    """One thing that is asked."""

    code: str
    """Key of its answer."""
    kind: AnswerKind
    """How it is answered."""
    asks: str
    """The question."""
    unit: str | None
    """Unit of a number that is typed in; none where none can be."""
    low: float
    """Smallest number that can be typed."""
    high: float
    """Largest number that can be typed."""
    several: bool
    """Whether any number of codes is an answer."""
    unless: dict[str, tuple[str, ...]]
    """Other part -> answers after which this one is not worth asking."""
    choices: tuple[ChoiceView, ...]
    """Codes; the last is always that one does not know."""


class QuestionView(Record):
    """The next question."""

    code: str
    """Stable name."""
    count: int
    """The how-manieth it is."""
    most: int
    """How many there can be."""
    asks: str
    """The question."""
    why: str
    """Why it is among the questions."""
    because: str
    """Why it is asked now: an answer that would change the verdict, and to what."""
    changes: tuple[VerdictChange, ...]
    """Every answer tried that would change it."""
    finding_out: FindingOutCost
    """What a "don't know" costs."""
    finding_out_says: str
    """The same in words, with its formula."""
    parts: tuple[PartView, ...]
    """What is asked, in this order."""


class InterviewState(Record):
    """Where an interview stands, in words of a language."""

    language: str
    """Tag of the words."""
    next: QuestionView | None
    """What to ask; none where the interview is over."""
    ended: Literal["no_answer_changes_it", "all_asked"] | None
    """Why it is over."""
    says: str
    """The verdict so far, or at the end how many questions were needed."""
    act: Act
    """What kind of thing is recommended so far."""
    verdict: InterviewVerdict
    """The same with approach and option."""
    asked: int
    """Questions answered."""
    spared: tuple[str, ...]
    """Questions not asked."""
    contradictions: tuple[Contradiction, ...]
    """Where what was said does not fit what the dataset shows."""
    scenario: dict[str, Any]
    """What was said, as a scenario file says it."""
    decision: Decision
    """The decision so far; what would flip it is left out."""


def interview_state(
    interview: Interview, answers: Answers, texts: InterviewTexts
) -> InterviewState:
    """Work out where an interview stands, and say it.

    Args:
        interview: Questions, prices, evidence, dataset.
        answers: Checked answers.
        texts: Words of a language.

    Raises:
        AdvisorError: what is known cannot be answered at all.
    """
    now = next_step(interview, answers)
    question = replace(interview.question, scenario=now.scenario, with_sensitivity=False)
    found = contradictions(now.scenario, question.profile)
    return InterviewState(
        language=texts.tag,
        next=_shown(interview, answers, now, texts),
        ended=now.ended,
        says=verdict_sentence(now, texts),
        act=now.verdict.act,
        verdict=now.verdict,
        asked=now.asked,
        spared=now.spared,
        contradictions=tuple(_translated_contradiction(one, texts) for one in found),
        scenario=now.scenario.model_dump(mode="json", exclude_unset=True),
        decision=recommend(question).decision,
    )


def verdict_sentence(now: InterviewStep, texts: InterviewTexts) -> str:
    """Say the verdict, and at the end how many questions it took."""
    what = verdict_name(now.verdict, texts)
    if now.ended is None:
        return texts.says("words.so_far", what=what)
    counts = {"asked": now.asked, "spared": len(now.spared)}
    return f"{texts.says('words.result', what=what)} {texts.says(f'words.{now.ended}', **counts)}"


def verdict_name(verdict: InterviewVerdict, texts: InterviewTexts) -> str:
    """Name the act of a verdict, and the approach where there is one."""
    act = texts.at(f"acts.{verdict.act}")
    if verdict.act == "not_yet":
        return act
    return f"{act} ({texts.at(f'approaches.{verdict.approach}')})"


def answer_text(part: str, given: AnswerValue, texts: InterviewTexts) -> str:
    """Say an answer in words."""
    if isinstance(given, tuple):
        return ", ".join(answer_text(part, code, texts) for code in given) or texts.at(
            "words.nothing"
        )
    if given == DONT_KNOW:
        return texts.at("words.dont_know")
    return texts.at(f"parts.{part}.choices.{given}") if isinstance(given, str) else f"{given:g}"


def finding_out_text(found: FindingOutCost, texts: InterviewTexts) -> str:
    """Say what finding out costs, with its formula."""
    return "; ".join(_costs(found, texts))


def _costs(found: FindingOutCost, texts: InterviewTexts) -> Iterator[str]:
    hours = {"low": _short(found.hours[0], texts), "high": _short(found.hours[2], texts)}
    if found.labels and found.minutes:
        fewest, most = (_short(count, texts) for count in found.labels)
        shortest, longest = (_short(count, texts) for count in found.minutes)
        key = "costs.same_labels" if fewest == most else "costs.labels"
        fields = {"fewest": fewest} if fewest != most else {}
        yield texts.says(key, most=most, shortest=shortest, longest=longest, **fields, **hours)
    else:
        yield texts.says("costs.hours", **hours)
    if found.tokens:
        requests = _short(found.requests, texts)
        yield texts.says("costs.tokens", requests=requests, **_ends(found.tokens, texts))
    if found.usd and found.rate is not None:
        rate = _short(found.rate, texts)
        yield texts.says("costs.rate", rate=rate, **_ends(found.usd, texts))
    else:
        yield texts.at("costs.no_rate")


def _ends(money: Money, texts: InterviewTexts) -> dict[str, str]:
    point = texts.at("words.decimal")
    return {"low": money.low.replace(".", point), "high": money.high.replace(".", point)}


def _shown(
    interview: Interview, answers: Answers, now: InterviewStep, texts: InterviewTexts
) -> QuestionView | None:
    if now.next is None:
        return None
    asked = next(one for one in interview.sheet.questions if one.code == now.next)
    question = replace(interview.question, scenario=now.scenario)
    cost = finding_out_cost(asked, question)
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
        parts=tuple(_part(part, texts) for part in _open(asked, now)),
    )


def _open(asked: InterviewQuestion, now: InterviewStep) -> Iterator[QuestionPart]:
    return (part for part in asked.parts if part.code in now.parts)


def _part(part: QuestionPart, texts: InterviewTexts) -> PartView:
    words = f"parts.{part.code}"
    return PartView(
        code=part.code,
        kind=part.kind,
        asks=texts.at(f"{words}.asks"),
        unit=texts.at(f"{words}.unit") if part.kind in TYPED_KINDS else None,
        low=part.low,
        high=part.high,
        several=part.kind in MULTIPLE_KINDS,
        unless=part.unless,
        choices=tuple(
            ChoiceView(code=code, says=answer_text(part.code, code, texts))
            for code in (*part.choices, DONT_KNOW)
        ),
    )


def _because(now: InterviewStep, texts: InterviewTexts) -> str:
    """Say the first answer found that would change the verdict."""
    change = now.changes[0]
    says = " + ".join(answer_text(part, given, texts) for part, given in change.answers)
    return texts.says("words.asked_because", answer=says, what=verdict_name(change.verdict, texts))


def _translated_contradiction(one: Contradiction, texts: InterviewTexts) -> Contradiction:
    says = texts.says(f"{CONTRADICTIONS}.{one.code}", **dict(one.numbers))
    return one.model_copy(update={"says": says})


def _short(number: float, texts: InterviewTexts) -> str:
    shown = f"{number:.2g}" if number < 10 else f"{number:.0f}"
    return shown.replace(".", texts.at("words.decimal"))
