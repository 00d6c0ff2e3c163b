"""Arms and cases -> scores side by side, row by row, until it is clear who reaches the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

from trainer.evaluation.label_metrics import mean_score
from trainer.paid_calls.journal import ArmAnswer, BudgetExhausted
from trainer.pilot.cases import EvaluationCase
from trainer.pilot.sequential_test import Standing, difference, interval, standing
from trainer.pilot.settings import ArmName

AnswerCase = Callable[[EvaluationCase], ArmAnswer | None]
ScoreCases = Callable[[Sequence[EvaluationCase], Sequence[str]], list[float]]


@dataclass
class ArmProgress:
    """One arm, as far as it came."""

    cells: dict[str, ArmAnswer] = field(default_factory=dict)
    """Question -> its answer, in the order of the cases."""
    scores: dict[str, float] = field(default_factory=dict)
    """Question -> its score, same order [0..1]."""
    standing: Standing = "open"

    def add(
        self, cases: Sequence[EvaluationCase], cells: Sequence[ArmAnswer], score: ScoreCases
    ) -> None:
        """Score answers and keep them."""
        for case, cell, value in zip(
            cases, cells, score(cases, [cell.answer for cell in cells]), strict=True
        ):
            self.cells[case.key], self.scores[case.key] = cell, value

    def look(self, target: float, alpha: float) -> None:
        """See whether it is clear by now; what was clear once stays so."""
        if self.standing == "open":
            self.standing = standing(list(self.scores.values()), target, alpha)


@dataclass(frozen=True)
class MeasureSettings:
    """What holds for every arm."""

    cases: tuple[EvaluationCase, ...]
    score: ScoreCases
    target: float
    alpha: float
    """For one arm: the chance of the whole pilot, shared by all."""
    batch_rows: int

    def batches(self) -> list[tuple[EvaluationCase, ...]]:
        """Return the cases, so many at a time."""
        step = self.batch_rows
        return [self.cases[at : at + step] for at in range(0, len(self.cases), step)]

    def replayed(self, arm: str, cells: Mapping[tuple[str, str], ArmAnswer]) -> ArmProgress:
        """Return an arm as far as whole batches of it were answered before."""
        track = ArmProgress()
        for batch in self.batches():
            known = [cells.get((arm, case.key)) for case in batch]
            there = [cell for cell in known if cell is not None]
            if len(there) < len(batch) or track.standing != "open":
                return track
            track.add(batch, there, self.score)
            track.look(self.target, self.alpha)
        return track

    def from_answers(self, cells: Mapping[str, ArmAnswer]) -> ArmProgress:
        """Return an arm that answered all cases at once."""
        track, there = ArmProgress(), [case for case in self.cases if case.key in cells]
        track.add(there, [cells[case.key] for case in there], self.score)
        track.look(self.target, self.alpha)
        return track


@dataclass(frozen=True)
class ArmMeasurements:
    """What came of it."""

    progress_by_arm: Mapping[ArmName, ArmProgress]
    stopped: str
    """Why it ended early; empty where all rows were asked."""


def measure_arms(ways: Mapping[ArmName, AnswerCase], how: MeasureSettings) -> ArmMeasurements:
    """Ask every arm the same rows, a batch at a time; an arm that is clear is asked no more.

    Args:
        ways: Arm -> what answers a case; what was answered before costs nothing there.
        how: Cases, score, target.
    """
    progress_by_arm: dict[ArmName, ArmProgress] = {arm: ArmProgress() for arm in ways}
    try:
        for batch in how.batches():
            going = [arm for arm in ways if progress_by_arm[arm].standing == "open"]
            if not going:
                return ArmMeasurements(progress_by_arm, _clear(len(how.cases)))
            _batch(batch, {arm: ways[arm] for arm in going}, progress_by_arm, how)
    except BudgetExhausted:
        return ArmMeasurements(progress_by_arm, "the next request might pass what was set aside")
    short = any(len(track.scores) < len(how.cases) for track in progress_by_arm.values())
    return ArmMeasurements(progress_by_arm, _clear(len(how.cases)) if short else "")


def _clear(rows: int) -> str:
    return f"it was clear before all {rows} rows were asked"


def _batch(
    batch: tuple[EvaluationCase, ...],
    ways: Mapping[ArmName, AnswerCase],
    progress_by_arm: dict[ArmName, ArmProgress],
    how: MeasureSettings,
) -> None:
    heard: dict[ArmName, list[tuple[EvaluationCase, ArmAnswer]]] = {arm: [] for arm in ways}
    try:
        for case in batch:
            for arm, answer in ways.items():
                cell = answer(case)
                if cell is not None:
                    heard[arm].append((case, cell))
    finally:  # what was paid for counts, however the batch ends
        for arm, pairs in heard.items():
            if pairs:
                progress_by_arm[arm].add(
                    [case for case, _ in pairs], [cell for _, cell in pairs], how.score
                )
    for arm in ways:
        progress_by_arm[arm].look(how.target, how.alpha)


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
    """Lay every two arms side by side; the chance of a false word is shared by all pairs."""
    found = []
    both = list(combinations(progress_by_arm, 2))
    for one, other in both:
        keys = [key for key in progress_by_arm[one].scores if key in progress_by_arm[other].scores]
        left = [progress_by_arm[one].scores[key] for key in keys]
        right = [progress_by_arm[other].scores[key] for key in keys]
        if keys:
            low, high = difference(left, right, alpha / len(both))
            found.append(
                ArmComparison(
                    one, other, len(keys), mean_score(left) - mean_score(right), low, high
                )
            )
    return tuple(found)


def score_interval(track: ArmProgress, alpha: float) -> tuple[float, float]:
    """Return the interval of an arm's mean score."""
    return interval(list(track.scores.values()), alpha)


def median_seconds(track: ArmProgress) -> float | None:
    """Return the middle one of the times that answers took [s]."""
    took = [cell.seconds for cell in track.cells.values() if cell.seconds > 0]
    return median(took) if took else None
