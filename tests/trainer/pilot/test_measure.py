"""Arms get the same rows until each is clear, and are compared on rows that both answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.support.pilots import ALPHA, make_case
from trainer.paid_calls.journal import ArmAnswer
from trainer.pilot.cases import EvaluationCase
from trainer.pilot.measure import MeasureSettings, compare_arms, measure_arms


def same_answers(cases: Sequence[EvaluationCase], answers: Sequence[str]) -> list[float]:
    return [float(case.expected == said) for case, said in zip(cases, answers, strict=True)]


def test_arms_are_asked_the_same_rows_until_each_is_clear() -> None:
    cases = tuple(make_case(n) for n in range(60))
    asked: Counter[str] = Counter()

    def way(arm: str, answer: str) -> Any:
        def one(case: EvaluationCase) -> ArmAnswer:
            asked[arm] += 1
            return ArmAnswer(arm, case.key, answer, None, 1, 1, "0", 0.1)

        return one

    found = measure_arms({"zero_shot": way("zero_shot", "no"), "rag": way("rag", "yes")},
                    MeasureSettings(cases, same_answers, 0.8, ALPHA))  # fmt: skip

    assert (asked["zero_shot"], asked["rag"]) == (10, 30)
    assert [track.standing for track in found.progress_by_arm.values()] == [
        "falls short",
        "reaches",
    ]
    assert found.stopped == "the result was clear before all 60 rows were used"
    (pair,) = compare_arms(found.progress_by_arm, ALPHA)
    assert (pair.rows, pair.difference, pair.high < 0) == (10, -1.0, True)
