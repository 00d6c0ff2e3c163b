"""Answers given so far -> the next question that can change the verdict, or why none can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, Literal, NamedTuple

from advisor.decision.answer import Question
from advisor.decision.sweep import sweep
from advisor.errors import UsageError
from advisor.interview.questions import (
    DONT_KNOW,
    Answers,
    AnswerValue,
    InterviewQuestion,
    Questionnaire,
    QuestionPart,
)
from advisor.interview.to_scenario import apply_answers, open_parts, scenario_settings
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Scenario
from advisor.units import Record

MAX_JOINT_TRIALS = 24
"""Sets of answers to all open questions that are tried before "not yet" is the end."""
MAX_COMBINATIONS = 64
"""Answers to the parts of one question are tried in every combination up to this many."""
Act = Literal["prompt", "retrieve", "train", "combination", "not_yet"]
ACTS: dict[str, Act] = {
    "prompt": "prompt",
    "few_shot": "prompt",
    "long_context": "prompt",
    "rag": "retrieve",
    "combo": "combination",
    "not_yet": "not_yet",
}
"""Approach -> what kind of thing is done; every other approach trains."""


@dataclass(frozen=True)
class Interview:
    """The questions, and what is known without asking any."""

    sheet: Questionnaire
    question: Question
    """Prices, evidence, the profile of a dataset if there is one, and what was said before."""


class InterviewVerdict(Record):
    """What the engine recommends."""

    act: Act
    """What kind of thing is done."""
    approach: str
    """How it is done, or not_yet."""
    option: str
    """Id of the option, or not_yet."""


class VerdictChange(Record):
    """Answers that would change the verdict."""

    answers: tuple[tuple[str, AnswerValue], ...]
    """Code of a part and its answer."""
    verdict: InterviewVerdict
    """What it would be then."""


class InterviewStep(Record):
    """Where an interview stands."""

    verdict: InterviewVerdict
    """With what is known so far."""
    scenario: Scenario
    """What was said so far."""
    next: str | None
    """Code of the question to ask; none where the interview is over."""
    parts: tuple[str, ...]
    """Codes of its parts that nobody has answered."""
    changes: tuple[VerdictChange, ...]
    """Answers to it that would change the verdict: why it is asked."""
    asked: int
    """How many questions were answered."""
    spared: tuple[str, ...]
    """Questions that are left: at the end, those that were not needed."""
    ended: Literal["no_answer_changes_it", "all_asked"] | None
    """Why the interview is over; none while it is not."""


class AnswerTrial(NamedTuple):
    """Answers that were tried, with the verdict that they lead to."""

    answers: tuple[tuple[str, AnswerValue], ...]
    verdict: InterviewVerdict


def act_of(approach: str) -> Act:
    """Say what kind of thing an approach is.

    >>> act_of("few_shot"), act_of("qlora")
    ('prompt', 'train')
    """
    return ACTS.get(approach, "train")


def next_step(interview: Interview, answers: Answers) -> InterviewStep:
    """Say what to ask next, or that no answer can change the verdict any more.

    The questions are gone through in their order. The first one is asked that has an answer with
    which the engine recommends another act or approach than without it; the rest waits, and is
    tried again after each answer. Numbers that can be typed are tried at their coded values.
    Before "not yet" is the end, answers to all that is left are tried together.

    Args:
        interview: Questions, prices, evidence, dataset.
        answers: Checked answers, by the code of their part.

    Raises:
        AdvisorError: what is known cannot be answered at all.
    """
    scenario = apply_answers(interview.sheet, answers, interview.question)
    left = open_questions(interview, answers)
    verdict = trial_verdicts(interview, answers, [()])[0].verdict
    asked, count = None, len(interview.sheet.questions) - len(left)
    changes: tuple[VerdictChange, ...] = ()
    for place in left:
        changes = verdict_changes(interview, answers, place, verdict)
        if changes:
            asked = place
            break
    if not changes and verdict.act == "not_yet":
        asked, changes = unlocking_answers(interview, answers, left)
    return InterviewStep(
        verdict=verdict,
        scenario=scenario,
        next=asked.code if asked else None,
        parts=tuple(part.code for part in open_parts(asked, interview.question)) if asked else (),
        changes=changes,
        asked=count,
        spared=tuple(place.code for place in left if place is not asked),
        ended=None if asked else "no_answer_changes_it" if left else "all_asked",
    )


def open_questions(interview: Interview, answers: Answers) -> tuple[InterviewQuestion, ...]:
    """Return the questions of which no part was answered, and some part is open."""
    return tuple(
        asked
        for asked in interview.sheet.questions
        if not any(part.code in answers for part in asked.parts)
        and open_parts(asked, interview.question)
    )


def verdict_changes(
    interview: Interview, answers: Answers, asked: InterviewQuestion, now: InterviewVerdict
) -> tuple[VerdictChange, ...]:
    """Return the answers to a question that would change the act or the approach.

    An answer that changes nothing alone counts too, if it does along with one to a later question
    that says little without it, and that one would not do the same alone.
    """
    parts = open_parts(asked, interview.question)
    for tries in (_alone(parts), _crossed(parts, answers)):
        tried = trial_verdicts(interview, answers, list(tries))
        found = [one for one in tried if _kind(one.verdict) != _kind(now)]
        if found:
            break
    else:
        found = list(_with_later(interview, answers, asked, now))
    return tuple(VerdictChange(answers=one.answers, verdict=one.verdict) for one in found)


def _kind(verdict: InterviewVerdict) -> tuple[str, str]:
    return verdict.act, verdict.approach


def _with_later(
    interview: Interview, answers: Answers, asked: InterviewQuestion, now: InterviewVerdict
) -> Iterator[AnswerTrial]:
    """Try answers to a question along with those to later ones that say little without it."""
    parts = open_parts(asked, interview.question)
    left = {
        part.code: part
        for other in open_questions(interview, answers)
        if other is not asked
        for part in open_parts(other, interview.question)
    }
    for code in asked.together:
        later = [((code, value),) for value in left[code].tries] if code in left else []
        alone = {
            one.answers: _kind(one.verdict) for one in trial_verdicts(interview, answers, later)
        }
        tries = [
            ((part.code, value), *one) for one in alone for part in parts for value in part.tries
        ]
        for one in trial_verdicts(interview, answers, tries):
            if _kind(one.verdict) not in (_kind(now), alone[one.answers[1:]]):
                yield one


def unlocking_answers(
    interview: Interview, answers: Answers, left: Sequence[InterviewQuestion]
) -> tuple[InterviewQuestion | None, tuple[VerdictChange, ...]]:
    """Find answers to several questions that together make "not yet" another verdict.

    Returns the first question of a set of which none can be left out, and the set's answers.
    """
    parts = [part for asked in left for part in open_parts(asked, interview.question)]
    tries = [_spread(parts, number) for number in range(MAX_JOINT_TRIALS)] if left else []
    tried = trial_verdicts(interview, answers, tries)
    found = next((one for one in tried if one.verdict.act != "not_yet"), None)
    if found is None:
        return None, ()
    needed = list(left)
    for asked in reversed(left):
        codes = {part.code for part in asked.parts}
        fewer = tuple(pair for pair in found.answers if pair[0] not in codes)
        for one in trial_verdicts(interview, answers, [fewer]):
            if one.verdict.act != "not_yet":
                found = one
                needed.remove(asked)
    return needed[0], (VerdictChange(answers=found.answers, verdict=found.verdict),)


def _spread(parts: Sequence[QuestionPart], number: int) -> tuple[tuple[str, AnswerValue], ...]:
    """Answer every part with one of its values, each number with others."""
    return tuple(
        (part.code, part.tries[number * (place + 1) // 2 % len(part.tries)])
        for place, part in enumerate(parts)
    )


def trial_verdicts(
    interview: Interview, answers: Answers, tries: Sequence[tuple[tuple[str, AnswerValue], ...]]
) -> list[AnswerTrial]:
    """Work out the verdict for further answers, all in one pass; what says the same, once."""
    question, made = interview.question, []
    different: dict[str, tuple[int, dict[str, Any]]] = {}
    for further in tries:
        try:
            variant = scenario_settings(interview.sheet, {**answers, **dict(further)}, question)
        except UsageError:
            continue  # an answer that cannot stand without another one
        says = with_paths(question.scenario, variant).model_dump_json()
        place, _ = different.setdefault(says, (len(different), variant))
        made.append((further, place))
    if not made:
        return []
    variants = [variant for _, variant in different.values()]
    found = sweep(replace(question, with_sensitivity=False), variants, ranges=False)
    ways = [
        InterviewVerdict(act=act_of(approach), approach=approach, option=option)
        for approach, option in zip(found.approach, found.recommended, strict=True)
    ]
    return [AnswerTrial(further, ways[place]) for further, place in made]


def _alone(parts: tuple[QuestionPart, ...]) -> Iterator[tuple[tuple[str, AnswerValue], ...]]:
    """Give each answer to each part alone."""
    return (((part.code, value),) for part in parts for value in part.tries)


def _crossed(
    parts: tuple[QuestionPart, ...], answers: Answers
) -> Iterator[tuple[tuple[str, AnswerValue], ...]]:
    """Combine the answers to all parts, where that makes few combinations."""
    columns = [[DONT_KNOW, *part.tries] for part in parts]
    if len(parts) < 2 or prod(map(len, columns)) > MAX_COMBINATIONS:
        return
    for values in product(*columns):
        together = {part.code: value for part, value in zip(parts, values, strict=True)}
        known = tuple((code, value) for code, value in together.items() if value != DONT_KNOW)
        if len(known) > 1 and not any(
            part.is_irrelevant({**answers, **together}) for part in parts
        ):
            yield known
