"""Length of interviews with random answers, and whether stopping early keeps the verdict.

The stopping rule checks one open answer at a time; it cannot see two answers that change the
verdict only together. So each interview is compared with the verdict after all questions.
"""

from __future__ import annotations

import argparse
import random
import time

from advisor.decision.answer import Question
from advisor.interview.next_question import Interview, InterviewStep, next_step, trial_verdicts
from advisor.interview.questions import DONT_KNOW, AnswerValue, Questionnaire
from advisor.loading import load_questionnaire, make_question

UNKNOWN_SHARE = 0.15
"""Share of the questions answered with "don't know"."""


def random_answers(sheet: Questionnaire, seed: int) -> dict[str, AnswerValue]:
    """Sample an answer to every question."""
    draw = random.Random(seed)
    return {
        code: DONT_KNOW if draw.random() < UNKNOWN_SHARE else draw.choice(part.tries)
        for code, part in sheet.parts.items()
    }


def run_interview(
    interview: Interview, truth: dict[str, AnswerValue]
) -> tuple[InterviewStep, list[float]]:
    """Answer from *truth* to the end; return the last step and the CPU seconds of each step."""
    answers: dict[str, AnswerValue] = {}
    seconds = []
    while True:
        started = time.process_time()
        now = next_step(interview, answers)
        seconds.append(time.process_time() - started)
        if now.next is None:
            return now, seconds
        answers |= {code: truth[code] for code in now.parts}


def main() -> None:
    """Run interviews and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interviews", type=int, default=60)
    wanted = parser.parse_args().interviews
    sheet, question = load_questionnaire(), make_question({"asked_on": "2026-11-20"})
    asked, same, seconds = [], 0, list[float]()
    for seed in range(wanted):
        truth = random_answers(sheet, seed)
        now, spent = run_interview(Interview(sheet, question), truth)
        asked.append(now.asked)
        seconds += spent
        same += now.verdict.act == act_with_all_answers(sheet, question, truth)
    seconds.sort()
    print(f"{wanted} interviews with random answers, {UNKNOWN_SHARE:.0%} of them unknown")
    print(f"questions asked: {sum(asked) / wanted:.1f} on average, {max(asked)} at most")
    print(f"same act as with every question answered: {same} of {wanted}")
    print(f"CPU seconds per step: p50 {seconds[len(seconds) // 2]:.2f}, max {seconds[-1]:.2f}")


def act_with_all_answers(
    sheet: Questionnaire, question: Question, truth: dict[str, AnswerValue]
) -> str:
    """Return the act with every question answered."""
    (found,) = trial_verdicts(Interview(sheet, question), truth, [()])
    return found.verdict.act


if __name__ == "__main__":
    main()
