"""The next question of an interview: the first whose answer can change the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

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
"""Sets of answers to all open questions that are tried before the interview ends in "not yet"."""
MAX_COMBINATIONS = 64
"""Up to this many combinations of the parts of one question are tried."""
Act = Literal["prompt", "retrieve", "train", "combination", "not_yet"]
ACTS: dict[str, Act] = {
    "prompt": "prompt",
    "few_shot": "prompt",
    "long_context": "prompt",
    "rag": "retrieve",
    "combo": "combination",
    "not_yet": "not_yet",
}
"""Approach -> act; every other approach trains."""
AnswerPairs = tuple[tuple[str, AnswerValue], ...]
"""Codes of parts and their answers."""


@dataclass(frozen=True)
class Interview:
    """The questionnaire, and the question to start from."""

    sheet: Questionnaire
    question: Question
    """Prices, evidence, scenario, and the profile of a dataset if there is one."""


class InterviewVerdict(Record):
    """The recommendation."""

    act: Act
    """The act: prompt, retrieve, train, combination or not_yet."""
    approach: str
    """The approach, or not_yet."""
    option: str
    """Id of the option, or not_yet."""


class VerdictChange(Record):
    """Answers to open questions, and the verdict with them."""

    answers: AnswerPairs
    """Codes of parts and their answers."""
    verdict: InterviewVerdict
    """The resulting verdict."""


class InterviewProgress(Record):
    """Verdict and number of questions so far."""

    verdict: InterviewVerdict
    """The recommendation so far."""
    asked: int
    """Number of answered questions."""
    spared: tuple[str, ...]
    """Open questions; at the end, those that were not needed."""
    ended: Literal["no_answer_changes_it", "all_asked"] | None
    """Reason that the interview is over; null before."""


class InterviewStep(InterviewProgress):
    """The next question of an interview."""

    scenario: Scenario
    """Scenario with the answers so far."""
    next: str | None
    """Code of the next question; null if the interview is over."""
    parts: tuple[str, ...]
    """Codes of its open parts."""
    changes: tuple[VerdictChange, ...]
    """Answers to it that would change the verdict; the reason it is asked."""


def act_of(approach: str) -> Act:
    """Return the act of an approach.

    >>> act_of("few_shot"), act_of("qlora")
    ('prompt', 'train')
    """
    return ACTS.get(approach, "train")


def next_step(interview: Interview, answers: Answers) -> InterviewStep:
    """Return the next question, or the reason that no answer can change the verdict.

    Questions are tried in order. The next one is the first with an answer that changes the
    recommended act or approach. Numbers are tried at their coded values. Before an interview ends
    in "not yet", answers to all open questions are tried together.

    Raises:
        AdvisorError: the known facts are not enough for an answer.
    """
    scenario = apply_answers(interview.sheet, answers, interview.question)
    left = open_questions(interview, answers)
    verdict = trial_verdicts(interview, answers, [()])[0].verdict
    asked: InterviewQuestion | None = None
    changes: tuple[VerdictChange, ...] = ()
    for candidate in left:
        changes = verdict_changes(interview, answers, candidate, verdict)
        if changes:
            asked = candidate
            break
    if not changes and verdict.act == "not_yet":
        asked, changes = unlocking_answers(interview, answers, left)
    return InterviewStep(
        verdict=verdict,
        scenario=scenario,
        next=asked.code if asked else None,
        parts=tuple(part.code for part in open_parts(asked, interview.question)) if asked else (),
        changes=changes,
        asked=len(interview.sheet.questions) - len(left),
        spared=tuple(question.code for question in left if question is not asked),
        ended=None if asked else "no_answer_changes_it" if left else "all_asked",
    )


def open_questions(interview: Interview, answers: Answers) -> tuple[InterviewQuestion, ...]:
    """Return the questions with an open part and no answered part."""
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

    An answer without effect counts if it has one together with an answer to a dependent later
    question, and that answer alone has not.
    """
    parts = open_parts(asked, interview.question)
    alone = [((part.code, value),) for part in parts for value in part.tries]
    for tries in (alone, _combined(parts, answers)):
        trials = trial_verdicts(interview, answers, list(tries))
        changing = [trial for trial in trials if _kind(trial.verdict) != _kind(now)]
        if changing:
            break
    else:
        changing = list(_with_later(interview, answers, asked, now))
    return tuple(changing)


def _kind(verdict: InterviewVerdict) -> tuple[str, str]:
    return verdict.act, verdict.approach


def _with_later(
    interview: Interview, answers: Answers, asked: InterviewQuestion, now: InterviewVerdict
) -> Iterator[VerdictChange]:
    """Yield answers to a question that matter together with answers to dependent questions."""
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
            trial.answers: _kind(trial.verdict)
            for trial in trial_verdicts(interview, answers, later)
        }
        tries = [
            ((part.code, value), *pair) for pair in alone for part in parts for value in part.tries
        ]
        for trial in trial_verdicts(interview, answers, tries):
            if _kind(trial.verdict) not in (_kind(now), alone[trial.answers[1:]]):
                yield trial


def unlocking_answers(
    interview: Interview, answers: Answers, left: Sequence[InterviewQuestion]
) -> tuple[InterviewQuestion | None, tuple[VerdictChange, ...]]:
    """Return answers to several questions that together change the verdict "not yet".

    Returns the first question of a minimal set, and the answers to the set.
    """
    parts = [part for asked in left for part in open_parts(asked, interview.question)]
    tries = [_spread(parts, number) for number in range(MAX_JOINT_TRIALS)] if left else []
    trials = trial_verdicts(interview, answers, tries)
    best = next((trial for trial in trials if trial.verdict.act != "not_yet"), None)
    if best is None:
        return None, ()
    needed = list(left)
    for asked in reversed(left):
        codes = {part.code for part in asked.parts}
        fewer = tuple(pair for pair in best.answers if pair[0] not in codes)
        for trial in trial_verdicts(interview, answers, [fewer]):
            if trial.verdict.act != "not_yet":
                best = trial
                needed.remove(asked)
    return needed[0], (best,)


def _spread(parts: Sequence[QuestionPart], number: int) -> AnswerPairs:
    """Return one answer to every part; each number gives a different set."""
    return tuple(
        (part.code, part.tries[number * (index + 1) // 2 % len(part.tries)])
        for index, part in enumerate(parts)
    )


def trial_verdicts(
    interview: Interview, answers: Answers, tries: Sequence[AnswerPairs]
) -> list[VerdictChange]:
    """Return the verdict for each set of further answers; all are evaluated in one sweep."""
    question, usable = interview.question, []
    distinct: dict[str, tuple[int, dict[str, Any]]] = {}
    for further in tries:
        try:
            variant = scenario_settings(interview.sheet, {**answers, **dict(further)}, question)
        except UsageError:
            continue  # an answer that needs another one
        key = with_paths(question.scenario, variant).model_dump_json()
        index, _ = distinct.setdefault(key, (len(distinct), variant))
        usable.append((further, index))
    if not usable:
        return []
    variants = [variant for _, variant in distinct.values()]
    columns = sweep(question, variants, ranges=False)
    verdicts = [
        InterviewVerdict(act=act_of(approach), approach=approach, option=option)
        for approach, option in zip(columns.approach, columns.recommended, strict=True)
    ]
    return [VerdictChange(answers=tried, verdict=verdicts[index]) for tried, index in usable]


def _combined(parts: tuple[QuestionPart, ...], answers: Answers) -> Iterator[AnswerPairs]:
    """Yield combinations of answers to all parts, unless there are too many."""
    columns = [[DONT_KNOW, *part.tries] for part in parts]
    if len(parts) < 2 or prod(map(len, columns)) > MAX_COMBINATIONS:
        return
    for values in product(*columns):
        combination = {part.code: value for part, value in zip(parts, values, strict=True)}
        known = tuple((code, value) for code, value in combination.items() if value != DONT_KNOW)
        everything = {**answers, **combination}
        if len(known) > 1 and not any(part.is_irrelevant(everything) for part in parts):
            yield known
