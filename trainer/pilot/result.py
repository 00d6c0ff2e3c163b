"""Result of a pilot: the scenario with its scores, the new recommendation, as text or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from advisor.decision.answer import Answer, Decision, recommend
from advisor.options.option import Option
from advisor.plan.training_plan import TrainingPlan
from advisor.scenario.scenario import scenario_from
from advisor.units import Approach
from trainer.evaluation.label_metrics import mean_score
from trainer.pilot.measure import ArmComparison, ArmProgress, compare_arms
from trainer.pilot.run import PilotRun
from trainer.pilot.sequential_test import Standing, interval
from trainer.pilot.settings import ALPHA, ARM_APPROACHES, ArmName
from trainer.pilot.setup import PilotSetup

SCORE_DECIMALS = 4
BASELINE_MODEL = "tfidf-logreg"
TABLE_COLUMNS = ("arm", "score", "95% interval", "rows", "target", "USD", "seconds")
NUMBER_COLUMNS = {"score", "rows", "USD", "seconds"}


@dataclass(frozen=True)
class ArmResult:
    """Score and cost of one arm."""

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
    """Scores of a pilot, and the recommendation that follows from them."""

    run: PilotRun
    lines: tuple[ArmResult, ...]
    pairs: tuple[ArmComparison, ...]
    scenario: Mapping[str, Any]
    """The scenario with the scores."""
    after: Answer
    notes: tuple[str, ...]

    @property
    def metric(self) -> str:
        """Name of the metric; `scorer` for the user's command."""
        return "scorer" if self.run.setup.request.plan.scorer else self.run.setup.metric

    @property
    def is_measured(self) -> bool:
        """Whether the recommended option was measured, by this pilot or before."""
        recommended = self.after.decision.recommended
        return any(
            option.id == recommended and option.quality.basis.startswith("measured")
            for option in self.after.options
        )


def pilot_result(run: PilotRun) -> PilotResult:
    """Write the scores into the scenario, and recommend again."""
    setup, progress_by_arm = run.setup, run.measured.progress_by_arm
    measured = [(arm, progress) for arm, progress in progress_by_arm.items() if progress.scores]
    lines = tuple(_arm_result(setup, arm, progress) for arm, progress in measured)
    scenario = scenario_with_scores(setup, lines)
    dated = {"asked_on": setup.question.scenario.asked_on, **scenario}
    question = replace(setup.question, scenario=scenario_from(dated, setup.request.plan.where))
    pairs, notes = compare_arms(progress_by_arm, ALPHA), tuple(_notes(setup, lines))
    return PilotResult(run, lines, pairs, scenario, recommend(question), notes)


def _arm_result(setup: PilotSetup, arm: ArmName, progress: ArmProgress) -> ArmResult:
    approach, model = ARM_APPROACHES[arm], setup.settings.model or ""
    if arm == "plain":
        model = BASELINE_MODEL
    elif arm == "tuned" and setup.plan is not None:
        approach, model = _tuned_option(setup.plan, setup.evaluated.candidates.options)
    answers, scores = progress.answers.values(), list(progress.scores.values())
    usd = float(sum(float(answer.usd) for answer in answers))
    flawed = sum(answer.flaw is not None for answer in answers)
    score = (len(scores), mean_score(scores), *interval(scores, setup.measure.alpha))
    paid = (usd, progress.median_seconds, flawed)
    return ArmResult(arm, approach, model, *score, progress.standing, *paid)


def _tuned_option(plan: TrainingPlan, options: Sequence[Option]) -> tuple[Approach, str]:
    """Return approach and base of a plan, the base as the option that tunes it names it."""
    approach: Approach
    approach, _, name = plan.option_id.split(":")[:3]  # type: ignore[assignment]
    for option in options:
        if option.approach == approach and _bare_name(option.model) == _bare_name(name):
            return approach, option.model
    return approach, name


def _bare_name(model: str) -> str:
    """Strip owner, case and punctuation.

    >>> _bare_name("Qwen/Qwen3-8B") == _bare_name("qwen3_8b")
    True
    """
    return re.sub(r"[^a-z0-9]", "", model.rsplit("/", 1)[-1].lower())


def scenario_with_scores(setup: PilotSetup, lines: tuple[ArmResult, ...]) -> dict[str, Any]:
    """Return the scenario with the scores; older ones of the same option are replaced."""
    scenario = setup.request.plan.scenario
    quality = dict(scenario.get("quality") or {})
    new = []
    for line in lines:
        value = {"value": round(line.score, SCORE_DECIMALS), "n": line.rows}
        new.append({"approach": line.approach, "model": line.model, **value})
    replaced = {(line.approach, line.model) for line in lines}
    known = quality.get("measured") or ()
    old = [e for e in known if (e.get("approach"), e.get("model")) not in replaced]
    quality |= {"measured": [*old, *new], "has_eval": True}
    quality.setdefault("held_out_examples", len(setup.measure.cases))
    measured = {**scenario, "quality": quality}
    if setup.corpus is not None:
        knowledge = dict(scenario.get("knowledge") or {})
        knowledge.setdefault("corpus_tokens", setup.corpus.tokens)
        if any(line.arm == "rag" for line in lines):
            knowledge["retrieval_tried"] = True
        measured["knowledge"] = knowledge
    return measured


def _notes(setup: PilotSetup, lines: tuple[ArmResult, ...]) -> list[str]:
    notes = [f"{arm} was not measured: {reason}." for arm, reason in setup.skipped.items()]
    if setup.question.scenario.quality.target is None:
        notes.append(
            f"No quality target was given: the recommendation assumes {setup.measure.target:.2f}."
        )
    if "rag" in setup.settings.arms and setup.embed is None:
        notes.append("Passages were retrieved by words alone: no --embedding was given.")
    known = {(option.approach, option.model) for option in setup.evaluated.candidates.options}
    for line in lines:
        if line.arm == "tuned" and (line.approach, line.model) not in known:
            notes.append(
                f"No candidate option tunes {line.model}: its score is in the scenario but does "
                "not affect the recommendation."
            )
        if line.flawed:
            notes.append(f"{line.arm}: {line.flawed} answers were cut off, refused or empty.")
    if setup.held.warning:
        notes.append(f"Train/test split: {setup.held.warning}.")
    return notes


def result_rows(result: PilotResult) -> list[tuple[str, ...]]:
    """Write the rows of the table, one per arm."""
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
        for line in result.lines
    ]


def result_sentences(result: PilotResult) -> list[str]:
    """Explain the table."""
    run, target = result.run, result.run.setup.measure.target
    sentences = [
        f"Scores: {result.metric} on your held-out rows; the target is {target:.2f}. "
        "The intervals stay valid after every batch, for all arms together."
    ]
    if run.measured.stopped:
        sentences.append(f"The pilot stopped early: {run.measured.stopped}.")
    if run.recall is not None:
        sentences.append(
            "Retrieval found the source that a row names for "
            f"{run.recall:.0%} of {run.recall_rows} questions."
        )
    for pair in result.pairs:
        if pair.low > 0 or pair.high < 0:
            better, worse = (pair.one, pair.other) if pair.low > 0 else (pair.other, pair.one)
            low, high = sorted((abs(pair.low), abs(pair.high)))
            sentences.append(
                f"{better} is better than {worse} by {abs(pair.difference):.3f} on "
                f"{pair.rows} rows ({low:.2f} to {high:.2f})."
            )
    return [*sentences, *result.notes]


def advice_sentences(result: PilotResult) -> list[str]:
    """Compare the recommendation before and after."""
    before, after = result.run.setup.before.decision, result.after.decision
    is_same = before.recommended == after.recommended
    sentences = [
        f"before: {before.recommended}. {before.verdict}",
        f"after:  {after.recommended}. {after.verdict}",
        f"The pilot {'does not change' if is_same else 'changes'} the recommendation.",
    ]
    if not result.is_measured:
        sentences.append("The recommended option was not measured: its quality is an estimate.")
    return sentences


def result_json(result: PilotResult) -> dict[str, Any]:
    """Return the result for JSON."""
    run, setup = result.run, result.run.setup
    return {
        "pilot": setup.folder.name,
        "metric": result.metric,
        "target": setup.measure.target,
        "stopped": run.measured.stopped or None,
        "usd": round(float(setup.journal.usd()), 6),
        "recall": run.recall,
        "recall_rows": run.recall_rows,
        "arms": [dict(vars(line)) for line in result.lines],
        "pairs": [dict(vars(pair)) for pair in result.pairs],
        "notes": list(result.notes),
        "measured": list(result.scenario["quality"]["measured"]),
        "before": _decision_json(setup.before.decision),
        "after": _decision_json(result.after.decision),
        "advised_was_measured": result.is_measured,
    }


def _decision_json(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(mode="json", include={"recommended", "verdict", "win_share"})
