"""Scores of a pilot -> what is written into the scenario, and the advice that follows from it.

What a pilot found -> a table with its sentences, the advice before and after, or JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from advisor.decision.answer import Answer, prepare, recommend
from advisor.scenario.scenario import scenario_from
from advisor.units import Approach
from trainer.evaluation.label_metrics import mean_score
from trainer.pilot.measure import (
    ArmComparison,
    ArmProgress,
    compare_arms,
    median_seconds,
    score_interval,
)
from trainer.pilot.run import PilotRun
from trainer.pilot.sequential_test import Standing
from trainer.pilot.settings import ARM_APPROACHES, ArmName
from trainer.pilot.tuned_arm import plan_approach

SCORE_DECIMALS = 4
BASELINE_MODEL = "tfidf-logreg"


@dataclass(frozen=True)
class ArmResult:
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
class PilotResult:
    """All that a pilot found."""

    name: str
    metric: str
    target: float
    lines: tuple[ArmResult, ...]
    pairs: tuple[ArmComparison, ...]
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
        return any(
            option.id == advised and option.quality.basis.startswith("measured")
            for option in self.after.options
        )


def pilot_result(done: PilotRun) -> PilotResult:
    """Put what was measured into the scenario, and ask again."""
    setup = done.setup
    lines = tuple(
        _arm_result(done, arm, track)
        for arm, track in done.measured.progress_by_arm.items()
        if track.scores
    )
    scenario = scenario_with_scores(setup.wanted.scenario, lines, done)
    asked = {"asked_on": setup.question.scenario.asked_on, **scenario}
    question = replace(setup.question, scenario=scenario_from(asked, setup.wanted.where))
    return PilotResult(
        name=setup.folder.name,
        metric="scorer" if setup.wanted.scorer else setup.metric,
        target=setup.measure.target,
        lines=lines,
        pairs=compare_arms(done.measured.progress_by_arm, setup.recipe.alpha),
        stopped=done.measured.stopped,
        recall=done.recall,
        recall_rows=done.recall_rows,
        usd=float(setup.journal.usd()),
        scenario=scenario,
        before=setup.before,
        after=recommend(question),
        notes=tuple(_notes(done, lines)),
    )


def _arm_result(done: PilotRun, arm: ArmName, track: ArmProgress) -> ArmResult:
    setup = done.setup
    approach, model = ARM_APPROACHES[arm], setup.recipe.model or ""
    if arm == "plain":
        model = BASELINE_MODEL
    elif arm == "tuned" and setup.plan is not None:
        approach, model = plan_approach(setup.plan), tuned_model_id(done)
    cells = track.cells.values()
    return ArmResult(
        arm,
        approach,
        model,
        len(track.scores),
        mean_score(list(track.scores.values())),
        *score_interval(track, setup.measure.alpha),
        track.standing,
        float(sum(float(cell.usd) for cell in cells)),
        median_seconds(track),
        sum(cell.flaw is not None for cell in cells),
    )


def tuned_model_id(done: PilotRun) -> str:
    """Name the tuned base as the options of the advice do, where one of them is that base."""
    setup = done.setup
    assert setup.plan is not None
    named = setup.plan.option_id.split(":")[2]
    approach = plan_approach(setup.plan)
    options = prepare(setup.question, setup.question.scenario)[1].options
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


def scenario_with_scores(
    scenario: Mapping[str, Any], lines: tuple[ArmResult, ...], done: PilotRun
) -> dict[str, Any]:
    """Return the scenario with what was measured; an older figure of the same way is replaced."""
    quality = dict(scenario.get("quality") or {})
    new = [
        {
            "approach": line.approach,
            "model": line.model,
            "value": round(line.score, SCORE_DECIMALS),
            "n": line.rows,
        }
        for line in lines
    ]
    ways = {(one["approach"], one["model"]) for one in new}
    old = [
        one
        for one in quality.get("measured") or ()
        if (one.get("approach"), one.get("model")) not in ways
    ]
    quality |= {"measured": [*old, *new], "has_eval": True}
    quality.setdefault("held_out_examples", len(done.setup.measure.cases))
    found = {**scenario, "quality": quality}
    corpus = done.setup.corpus
    if corpus is not None:
        knowledge = dict(scenario.get("knowledge") or {})
        knowledge.setdefault("corpus_tokens", corpus.tokens)
        if any(line.arm == "rag" for line in lines):
            knowledge["retrieval_tried"] = True
        found["knowledge"] = knowledge
    return found


def _notes(done: PilotRun, lines: tuple[ArmResult, ...]) -> list[str]:
    """Say what a reader has to know beside the figures."""
    setup = done.setup
    notes = [f"{arm} was not measured: {why}." for arm, why in setup.skipped.items()]
    if setup.question.scenario.quality.target is None:
        notes.append(f"No target was given: {setup.measure.target:.2f} is what the advice assumes.")
    if "rag" in setup.recipe.arms and setup.embed is None:
        notes.append("Passages were found by words alone: no --embedding was named.")
    for line in lines:
        if line.arm == "tuned" and not _is_known(done, line):
            notes.append(
                f"No option of the advice tunes {line.model}: its score stands in the "
                "scenario, and moves nothing."
            )
        if line.flawed:
            notes.append(f"{line.arm}: {line.flawed} answers were cut off, refused or empty.")
    if setup.held.warning:
        notes.append(f"The split: {setup.held.warning}.")
    return notes


def _is_known(done: PilotRun, line: ArmResult) -> bool:
    options = prepare(done.setup.question, done.setup.question.scenario)[1].options
    return any((one.approach, one.model) == (line.approach, line.model) for one in options)


TABLE_COLUMNS = ("arm", "score", "95 % interval", "rows", "target", "USD", "seconds")
NUMBER_COLUMNS = {"score", "rows", "USD", "seconds"}


def result_rows(found: PilotResult) -> list[tuple[str, ...]]:
    """Write a row an arm."""
    return [
        (
            line.arm,
            f"{line.score:.3f}",
            f"{line.low:.2f} to {line.high:.2f}",
            str(line.rows),
            line.standing,
            f"{line.usd:.4f}",
            "-" if line.seconds is None else f"{line.seconds:.2f}",
        )
        for line in found.lines
    ]


def result_sentences(found: PilotResult) -> list[str]:
    """Say what the table means."""
    says = [
        f"{found.metric} on the user's own held-out rows; the target is {found.target:.2f}. "
        "Intervals hold at every look, all arms together."
    ]
    if found.stopped:
        says.append(f"It ended early: {found.stopped}.")
    if found.recall is not None:
        says.append(
            f"The passage that a row names as its source was found for "
            f"{found.recall:.0%} of {found.recall_rows} questions."
        )
    for pair in found.pairs:
        if pair.low > 0 or pair.high < 0:
            ahead, behind = (pair.one, pair.other) if pair.low > 0 else (pair.other, pair.one)
            low, high = sorted((abs(pair.low), abs(pair.high)))
            says.append(
                f"{ahead} is better than {behind} by {abs(pair.difference):.3f} on "
                f"{pair.rows} rows ({low:.2f} to {high:.2f})."
            )
    return [*says, *found.notes]


def advice_sentences(found: PilotResult) -> list[str]:
    """Say the advice before and after."""
    before, after = found.before.decision, found.after.decision
    lines = [
        f"before: {before.recommended}. {before.verdict}",
        f"after:  {after.recommended}. {after.verdict}",
    ]
    is_same = before.recommended == after.recommended
    lines.append(f"The pilot {'leaves the advice as it was' if is_same else 'changes the advice'}.")
    if not found.is_measured:
        lines.append("What is advised was not measured itself: its quality is an estimate.")
    return lines


def result_json(found: PilotResult) -> dict[str, Any]:
    """Return all of it ready for JSON."""
    return {
        "pilot": found.name,
        "metric": found.metric,
        "target": found.target,
        "stopped": found.stopped or None,
        "usd": round(found.usd, 6),
        "recall": found.recall,
        "recall_rows": found.recall_rows,
        "arms": [_arm(line) for line in found.lines],
        "pairs": [vars(pair) for pair in found.pairs],
        "notes": list(found.notes),
        "measured": list(found.scenario["quality"]["measured"]),
        "before": _decision(found.before),
        "after": _decision(found.after),
        "advised_was_measured": found.is_measured,
    }


def _arm(line: ArmResult) -> dict[str, Any]:
    return dict(vars(line))


def _decision(said: Answer) -> dict[str, Any]:
    decision = said.decision
    return {
        "recommended": decision.recommended,
        "verdict": decision.verdict,
        "win_share": decision.win_share,
    }
