"""Arms and cases -> scores side by side, row by row, until it is clear who reaches the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

from trainer.evaluation.label_metrics import mean_score
from trainer.paid_calls.journal import Cell, OutOfRoom
from trainer.pilot.cases import Case
from trainer.pilot.sequential_test import Standing, difference, interval, standing
from trainer.pilot.settings import ArmName

Answer = Callable[[Case], Cell | None]
Score = Callable[[Sequence[Case], Sequence[str]], list[float]]


@dataclass
class Track:
    """One arm, as far as it came."""

    cells: dict[str, Cell] = field(default_factory=dict)
    """Question -> its answer, in the order of the cases."""
    scores: dict[str, float] = field(default_factory=dict)
    """Question -> its score, same order [0..1]."""
    standing: Standing = "open"

    def add(self, cases: Sequence[Case], cells: Sequence[Cell], score: Score) -> None:
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
class Measure:
    """What holds for every arm."""

    cases: tuple[Case, ...]
    score: Score
    target: float
    alpha: float
    """For one arm: the chance of the whole pilot, shared by all."""
    batch_rows: int

    def batches(self) -> list[tuple[Case, ...]]:
        """Return the cases, so many at a time."""
        step = self.batch_rows
        return [self.cases[at : at + step] for at in range(0, len(self.cases), step)]

    def replayed(self, arm: str, cells: Mapping[tuple[str, str], Cell]) -> Track:
        """Return an arm as far as whole batches of it were answered before."""
        track = Track()
        for batch in self.batches():
            known = [cells.get((arm, case.key)) for case in batch]
            there = [cell for cell in known if cell is not None]
            if len(there) < len(batch) or track.standing != "open":
                return track
            track.add(batch, there, self.score)
            track.look(self.target, self.alpha)
        return track

    def of_all(self, cells: Mapping[str, Cell]) -> Track:
        """Return an arm that answered all cases at once."""
        track, there = Track(), [case for case in self.cases if case.key in cells]
        track.add(there, [cells[case.key] for case in there], self.score)
        track.look(self.target, self.alpha)
        return track


@dataclass(frozen=True)
class Measured:
    """What came of it."""

    tracks: Mapping[ArmName, Track]
    stopped: str
    """Why it ended early; empty where all rows were asked."""


def measure(ways: Mapping[ArmName, Answer], how: Measure) -> Measured:
    """Ask every arm the same rows, a batch at a time; an arm that is clear is asked no more.

    Args:
        ways: Arm -> what answers a case; what was answered before costs nothing there.
        how: Cases, score, target.
    """
    tracks: dict[ArmName, Track] = {arm: Track() for arm in ways}
    try:
        for batch in how.batches():
            going = [arm for arm in ways if tracks[arm].standing == "open"]
            if not going:
                return Measured(tracks, _clear(len(how.cases)))
            _batch(batch, {arm: ways[arm] for arm in going}, tracks, how)
    except OutOfRoom:
        return Measured(tracks, "the next request might pass what was set aside")
    short = any(len(track.scores) < len(how.cases) for track in tracks.values())
    return Measured(tracks, _clear(len(how.cases)) if short else "")


def _clear(rows: int) -> str:
    return f"it was clear before all {rows} rows were asked"


def _batch(
    batch: tuple[Case, ...],
    ways: Mapping[ArmName, Answer],
    tracks: dict[ArmName, Track],
    how: Measure,
) -> None:
    heard: dict[ArmName, list[tuple[Case, Cell]]] = {arm: [] for arm in ways}
    try:
        for case in batch:
            for arm, answer in ways.items():
                cell = answer(case)
                if cell is not None:
                    heard[arm].append((case, cell))
    finally:  # what was paid for counts, however the batch ends
        for arm, pairs in heard.items():
            if pairs:
                tracks[arm].add([case for case, _ in pairs], [cell for _, cell in pairs], how.score)
    for arm in ways:
        tracks[arm].look(how.target, how.alpha)


@dataclass(frozen=True)
class Pair:
    """Two arms on the rows that both answered."""

    one: str
    other: str
    rows: int
    difference: float
    low: float
    high: float


def pairs(tracks: Mapping[ArmName, Track], alpha: float) -> tuple[Pair, ...]:
    """Lay every two arms side by side; the chance of a false word is shared by all pairs."""
    found = []
    both = list(combinations(tracks, 2))
    for one, other in both:
        keys = [key for key in tracks[one].scores if key in tracks[other].scores]
        left = [tracks[one].scores[key] for key in keys]
        right = [tracks[other].scores[key] for key in keys]
        if keys:
            low, high = difference(left, right, alpha / len(both))
            found.append(
                Pair(one, other, len(keys), mean_score(left) - mean_score(right), low, high)
            )
    return tuple(found)


def bounds(track: Track, alpha: float) -> tuple[float, float]:
    """Return the interval of an arm's mean score."""
    return interval(list(track.scores.values()), alpha)


def seconds_of(track: Track) -> float | None:
    """Return the middle one of the times that answers took [s]."""
    took = [cell.seconds for cell in track.cells.values() if cell.seconds > 0]
    return median(took) if took else None
