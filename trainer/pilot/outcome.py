"""Scores of a pilot -> what is written into the scenario, and the advice that follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from advisor.answer import Answer, answer, prepare
from advisor.scenario import Approach, scenario_from
from trainer.evaluation.labels import mean_score
from trainer.pilot.going import Piloted
from trainer.pilot.measuring import Pair, Track, bounds, pairs, seconds_of
from trainer.pilot.recipe import APPROACHES, ArmName
from trainer.pilot.sequence import Standing
from trainer.pilot.tuned import approach_of

PLACES = 4
PLAIN = "tfidf-logreg"


@dataclass(frozen=True)
class Line:
    """One arm, measured."""

    arm: ArmName
    approach: Approach
    model: str
    rows: int
    score: float
    low: float
    high: float
    standing: Standing
    usd: float
    seconds: float | None
    flawed: int
    """Answers that were cut off, refused or empty."""


@dataclass(frozen=True)
class Outcome:
    """All that a pilot found."""

    name: str
    metric: str
    target: float
    lines: tuple[Line, ...]
    pairs: tuple[Pair, ...]
    stopped: str
    recall: float | None
    recall_rows: int
    usd: float
    """Paid for answers and vectors, in every session; a training has its own line."""
    scenario: Mapping[str, Any]
    """With what was measured."""
    before: Answer
    after: Answer
    notes: tuple[str, ...]

    @property
    def is_measured(self) -> bool:
        """Whether what is advised now was measured itself, by this pilot or before."""
        advised = self.after.decision.recommended
        return any(option.id == advised and option.quality.basis.startswith("measured")
                   for option in self.after.options)  # fmt: skip


def outcome_of(done: Piloted) -> Outcome:
    """Put what was measured into the scenario, and ask again."""
    ready = done.ready
    lines = tuple(_line(done, arm, track) for arm, track in done.measured.tracks.items()
                  if track.scores)  # fmt: skip
    scenario = with_measured(ready.wanted.scenario, lines, done)
    asked = {"asked_on": ready.question.scenario.asked_on, **scenario}
    question = replace(ready.question, scenario=scenario_from(asked, ready.wanted.where))
    return Outcome(
        name=ready.folder.name, metric="scorer" if ready.wanted.scorer else ready.metric,
        target=ready.measure.target, lines=lines,
        pairs=pairs(done.measured.tracks, ready.recipe.alpha), stopped=done.measured.stopped,
        recall=done.recall, recall_rows=done.recall_rows, usd=float(ready.journal.usd()),
        scenario=scenario, before=ready.before, after=answer(question),
        notes=tuple(_notes(done, lines)),
    )  # fmt: skip


def _line(done: Piloted, arm: ArmName, track: Track) -> Line:
    ready = done.ready
    approach, model = APPROACHES[arm], ready.recipe.model or ""
    if arm == "plain":
        model = PLAIN
    elif arm == "tuned" and ready.plan is not None:
        approach, model = approach_of(ready.plan), tuned_model(done)
    cells = track.cells.values()
    return Line(
        arm, approach, model, len(track.scores), mean_score(list(track.scores.values())),
        *bounds(track, ready.measure.alpha), track.standing,
        float(sum(float(cell.usd) for cell in cells)), seconds_of(track),
        sum(cell.flaw is not None for cell in cells),
    )  # fmt: skip


def tuned_model(done: Piloted) -> str:
    """Name the tuned base as the options of the advice do, where one of them is that base."""
    ready = done.ready
    assert ready.plan is not None
    named = ready.plan.option_id.split(":")[2]
    approach = approach_of(ready.plan)
    options = prepare(ready.question, ready.question.scenario)[1].options
    for option in options:
        if option.approach == approach and _bare(option.model) == _bare(named):
            return option.model
    return named


def _bare(name: str) -> str:
    """Take maker, case and signs away.

    >>> _bare("Qwen/Qwen3-8B") == _bare("qwen3_8b")
    True
    """
    return re.sub(r"[^a-z0-9]", "", name.rsplit("/", 1)[-1].lower())


def with_measured(
    scenario: Mapping[str, Any], lines: tuple[Line, ...], done: Piloted
) -> dict[str, Any]:
    """Return the scenario with what was measured; an older figure of the same way is replaced."""
    quality = dict(scenario.get("quality") or {})
    new = [{"approach": line.approach, "model": line.model, "value": round(line.score, PLACES),
            "n": line.rows} for line in lines]  # fmt: skip
    ways = {(one["approach"], one["model"]) for one in new}
    old = [one for one in quality.get("measured") or ()
           if (one.get("approach"), one.get("model")) not in ways]  # fmt: skip
    quality |= {"measured": [*old, *new], "has_eval": True}
    quality.setdefault("held_out_examples", len(done.ready.measure.cases))
    found = {**scenario, "quality": quality}
    corpus = done.ready.corpus
    if corpus is not None:
        knowledge = dict(scenario.get("knowledge") or {})
        knowledge.setdefault("corpus_tokens", corpus.tokens)
        if any(line.arm == "rag" for line in lines):
            knowledge["retrieval_tried"] = True
        found["knowledge"] = knowledge
    return found


def _notes(done: Piloted, lines: tuple[Line, ...]) -> list[str]:
    """Say what a reader has to know beside the figures."""
    ready = done.ready
    notes = [f"{arm} was not measured: {why}." for arm, why in ready.skipped.items()]
    if ready.question.scenario.quality.target is None:
        notes.append(f"No target was given: {ready.measure.target:.2f} is what the advice assumes.")
    if "rag" in ready.recipe.arms and ready.embed is None:
        notes.append("Passages were found by words alone: no --embedding was named.")
    for line in lines:
        if line.arm == "tuned" and not _is_known(done, line):
            notes.append(f"No option of the advice tunes {line.model}: its score stands in the "
                         "scenario, and moves nothing.")  # fmt: skip
        if line.flawed:
            notes.append(f"{line.arm}: {line.flawed} answers were cut off, refused or empty.")
    if ready.held.warning:
        notes.append(f"The split: {ready.held.warning}.")
    return notes


def _is_known(done: Piloted, line: Line) -> bool:
    options = prepare(done.ready.question, done.ready.question.scenario)[1].options
    return any((one.approach, one.model) == (line.approach, line.model) for one in options)
