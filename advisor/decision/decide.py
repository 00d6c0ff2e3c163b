"""A question worked out -> the decision: what is recommended, how sure, and what comes second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.decision.ranking import OptionResult, Ranking, rank
from advisor.decision.reasons import (
    BreakEven,
    Reason,
    break_even,
    decision_reasons,
    first_value,
    next_measurements,
)
from advisor.decision.sensitivity import BaseCase, NearestChange, Rebuild, nearest_changes
from advisor.estimate.sampling import LIKELY, Sampling
from advisor.evidence import Evidence
from advisor.inputs import ResolvedScenario
from advisor.options.candidates import Candidates
from advisor.units import Record


class Decision(Record):
    """What to do, and why."""

    recommended: str
    """Id of the option, or not_yet."""
    runner_up: str | None
    """The best option of another approach that would do as well."""
    verdict: str
    """The answer in a sentence."""
    win_share: str
    """Share of draws in which it is the cheapest that is allowed and good enough, 0 to 1."""
    break_even: BreakEven | None
    """From how much use on training is no dearer."""
    reasons: tuple[Reason, ...]
    """Why."""
    flips: tuple[NearestChange, ...]
    """What would change the answer, nearest first."""
    measure_next: tuple[str, ...]
    """What to find out next."""


@dataclass(frozen=True)
class EvaluatedQuestion:
    """A question with every option worked out at the likely point and over the draws."""

    resolved: ResolvedScenario
    candidates: Candidates
    likely: Ranking
    drawn: Ranking


APPROACH_VERBS = {
    "prompt": "Prompt",
    "few_shot": "Prompt with worked examples on",
    "long_context": "Put all of it into the prompt of",
    "rag": "Retrieve documents for",
    "ft_api": "Fine-tune",
    "managed_lora": "Have a LoRA adapter tuned on",
    "lora": "Tune a LoRA adapter on",
    "qlora": "Tune a QLoRA adapter on",
    "full_ft": "Tune all weights of",
    "dpo": "Preference-tune",
    "encoder": "Train the classifier",
    "distill": "Distil a large model into",
    "combo": "Retrieve for a tuned",
}


def evaluate_options(
    resolved: ResolvedScenario, candidates: Candidates, evidence: Evidence, seed: int = 0
) -> EvaluatedQuestion:
    """Rank all options once at the likely point, and once over the draws."""
    likely = rank(candidates.batches, resolved, resolved.inputs, evidence, LIKELY)
    drawn = rank(candidates.batches, resolved, resolved.inputs, evidence, Sampling("draws", seed))
    return EvaluatedQuestion(resolved, candidates, likely, drawn)


def decide(
    worked: EvaluatedQuestion, evidence: Evidence, rebuild: Rebuild, with_sensitivity: bool
) -> Decision:
    """Turn a ranking into a decision with its reasons.

    Args:
        worked: The options worked out.
        evidence: What the decision rests on.
        rebuild: Makes the question anew with one path set; see `nearest_changes`.
        with_sensitivity: Whether to search for what would change the answer.
    """
    ranking, resolved = worked.likely, worked.resolved
    index = int(ranking.winner[0, 0])
    order = eligible_by_score(ranking)
    asked = BaseCase(resolved, worked.candidates, ranking)
    winner = ranking.entries[index] if index < len(ranking.entries) else None
    return Decision(
        recommended=winner.option.id if winner else "not_yet",
        runner_up=_runner_up(order, winner),
        verdict=_verdict(winner, _current_result(ranking)),
        win_share=f"{float(np.mean(worked.drawn.winner[0] == index)):.2f}",
        break_even=_break_even(worked, order, winner),
        reasons=decision_reasons(resolved, worked.candidates, ranking, evidence, order),
        flips=nearest_changes(asked, evidence, rebuild) if with_sensitivity else (),
        measure_next=next_measurements(resolved, winner),
    )


def _runner_up(order: tuple[OptionResult, ...], winner: OptionResult | None) -> str | None:
    """Name the best of another approach, else the best other."""
    others = [e for e in order if winner is None or e.option.id != winner.option.id]
    unlike = [e for e in others if winner and e.option.approach != winner.option.approach]
    return next((entry.option.id for entry in (*unlike, *others)), None)


def eligible_by_score(ranking: Ranking) -> tuple[OptionResult, ...]:
    """Sort what is eligible by score, best first."""
    scores = ranking.score[:, 0, 0]
    order = np.argsort(scores, kind="stable")
    return tuple(ranking.entries[int(i)] for i in order if np.isfinite(scores[i]))


def _current_result(ranking: Ranking) -> OptionResult | None:
    return next((entry for entry in ranking.entries if entry.option.is_current), None)


def _verdict(winner: OptionResult | None, today: OptionResult | None) -> str:
    if winner is None:
        return "Not yet: measure first, then decide."
    monthly = f"{winner.costs.monthly:,.2f}"
    if winner.option.is_current:
        return f"Keep what you do today: {monthly} USD a month."
    once = winner.costs.one_off
    verb = APPROACH_VERBS[winner.option.approach]
    first_cost = f" after {once:,.2f} USD once" if once >= 0.005 else ""
    where = "" if winner.option.provider == "own" else f" at {winner.option.provider}"
    saved = today.costs.per_month - winner.costs.per_month if today else 0.0
    saving = f", {saved:,.2f} less a month than today" if saved > 0 else ""
    return f"{verb} {winner.option.model}{where}: {monthly} USD a month{first_cost}{saving}."


def _break_even(
    worked: EvaluatedQuestion, order: tuple[OptionResult, ...], winner: OptionResult | None
) -> BreakEven | None:
    """Hold the best way with training against today's way, or the cheapest without training."""
    tuned = winner if winner and winner.option.trains else None
    tuned = tuned or next((entry for entry in order if entry.option.trains), None)
    today = _current_result(worked.likely)
    plain = next((e for e in order if not e.option.trains and not e.option.is_current), None)
    other = today or plain
    if tuned is None or other is None:
        return None
    return break_even(tuned, other, first_value(worked.resolved.inputs.requests_per_month))
