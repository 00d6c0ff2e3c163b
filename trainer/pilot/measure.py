"""Measurement of arms on the same rows, batch by batch, until each is clear of the target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

from trainer.evaluation.label_metrics import mean_score
from trainer.paid_calls.journal import ArmAnswer, BudgetExhausted
from trainer.pilot.cases import EvaluationCase
from trainer.pilot.sequential_test import Standing, difference, standing
from trainer.pilot.settings import BATCH_ROWS, ArmName

AnswerCase = Callable[[EvaluationCase], ArmAnswer | None]
ScoreCases = Callable[[Sequence[EvaluationCase], Sequence[str]], list[float]]


@dataclass
class ArmProgress:
    """Answers and scores of one arm so far, in the order of the cases."""

    answers: dict[str, ArmAnswer] = field(default_factory=dict)
    """Case -> answer."""
    scores: dict[str, float] = field(default_factory=dict)
    """Case -> score [0..1]."""
    standing: Standing = "open"

    @property
    def median_seconds(self) -> float | None:
        """Median time of an answer [s]; None if no time was measured."""
        seconds = [answer.seconds for answer in self.answers.values() if answer.seconds > 0]
        return median(seconds) if seconds else None


@dataclass(frozen=True)
class MeasureSettings:
    """Settings that all arms share."""

    cases: tuple[EvaluationCase, ...]
    score: ScoreCases
    target: float
    alpha: float
    """Chance of a false result for one arm: the pilot's, split between its arms."""

    def batches(self) -> list[tuple[EvaluationCase, ...]]:
        """Return the cases in batches."""
        starts = range(0, len(self.cases), BATCH_ROWS)
        return [self.cases[start : start + BATCH_ROWS] for start in starts]

    def add(
        self, arm: ArmProgress, pairs: Iterable[tuple[EvaluationCase, ArmAnswer | None]]
    ) -> None:
        """Score the answers that arrived."""
        known = [(case, answer) for case, answer in pairs if answer is not None]
        if known:
            cases = [case for case, _ in known]
            scores = self.score(cases, [answer.answer for _, answer in known])
            for (case, answer), score in zip(known, scores, strict=True):
                arm.answers[case.key], arm.scores[case.key] = answer, score

    def test(self, arm: ArmProgress) -> None:
        """Test an arm against the target; a clear result is final."""
        if arm.standing == "open":
            arm.standing = standing(list(arm.scores.values()), self.target, self.alpha)

    def replayed(self, arm: str, answers: Mapping[tuple[str, str], ArmAnswer]) -> ArmProgress:
        """Return the progress of an arm over its batches that are completely answered."""
        progress = ArmProgress()
        for batch in self.batches():
            known = [answers.get((arm, case.key)) for case in batch]
            if None in known or progress.standing != "open":
                break
            self.add(progress, zip(batch, known, strict=True))
            self.test(progress)
        return progress

    def from_answers(self, answers: Mapping[str, ArmAnswer]) -> ArmProgress:
        """Return the progress of an arm that answered all cases at once."""
        progress = ArmProgress()
        self.add(progress, ((case, answers.get(case.key)) for case in self.cases))
        self.test(progress)
        return progress


@dataclass(frozen=True)
class ArmMeasurements:
    """Outcome of a measurement."""

    progress_by_arm: Mapping[ArmName, ArmProgress]
    stopped: str
    """Why it ended early; empty if all rows were used."""


def measure_arms(
    answer_by_arm: Mapping[ArmName, AnswerCase], settings: MeasureSettings
) -> ArmMeasurements:
    """Send the same rows to every arm, a batch at a time; an arm with a clear result is done."""
    progress_by_arm: dict[ArmName, ArmProgress] = {arm: ArmProgress() for arm in answer_by_arm}
    for batch in settings.batches():
        open_arms = {
            arm: answer
            for arm, answer in answer_by_arm.items()
            if progress_by_arm[arm].standing == "open"
        }
        if not open_arms:
            break
        try:
            _measure_batch(batch, open_arms, progress_by_arm, settings)
        except BudgetExhausted:
            stopped = "the next request might exceed the reserved amount"
            return ArmMeasurements(progress_by_arm, stopped)
    rows = len(settings.cases)
    is_short = any(len(progress.scores) < rows for progress in progress_by_arm.values())
    stopped = f"the result was clear before all {rows} rows were used" if is_short else ""
    return ArmMeasurements(progress_by_arm, stopped)


def _measure_batch(
    batch: tuple[EvaluationCase, ...],
    answer_by_arm: Mapping[ArmName, AnswerCase],
    progress_by_arm: dict[ArmName, ArmProgress],
    settings: MeasureSettings,
) -> None:
    pairs: dict[ArmName, list[tuple[EvaluationCase, ArmAnswer | None]]]
    pairs = {arm: [] for arm in answer_by_arm}
    try:
        for case in batch:
            for arm, answer in answer_by_arm.items():
                pairs[arm].append((case, answer(case)))
    finally:  # paid answers count, however the batch ends
        for arm in answer_by_arm:
            settings.add(progress_by_arm[arm], pairs[arm])
    for arm in answer_by_arm:
        settings.test(progress_by_arm[arm])


@dataclass(frozen=True)
class ArmComparison:
    """Two arms on the rows that both answered."""

    one: str
    other: str
    rows: int
    difference: float
    low: float
    high: float


def compare_arms(
    progress_by_arm: Mapping[ArmName, ArmProgress], alpha: float
) -> tuple[ArmComparison, ...]:
    """Compare every two arms; alpha, the chance of a false difference, is split between pairs."""
    comparisons = []
    pairs = list(combinations(progress_by_arm.items(), 2))
    for (one, left_arm), (other, right_arm) in pairs:
        keys = [key for key in left_arm.scores if key in right_arm.scores]
        left = [left_arm.scores[key] for key in keys]
        right = [right_arm.scores[key] for key in keys]
        if keys:
            low, high = difference(left, right, alpha / len(pairs))
            gap = mean_score(left) - mean_score(right)
            comparisons.append(ArmComparison(one, other, len(keys), gap, low, high))
    return tuple(comparisons)
