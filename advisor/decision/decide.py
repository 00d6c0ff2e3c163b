"""A question worked out -> the decision: what is recommended, how sure, and what comes second."""

from __future__ import annotations

import numpy as np

from advisor.decision.evaluate import EvaluatedQuestion
from advisor.decision.ranking import OptionResult
from advisor.decision.reasons import (
    BreakEven,
    Reason,
    break_even,
    decision_reasons,
    first_value,
    next_measurements,
)
from advisor.decision.sensitivity import NearestChange, nearest_changes
from advisor.prices.display_names import at_provider, model_name
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


APPROACH_VERBS = {
    "prompt": "Prompt",
    "few_shot": "Use a prompt with examples on",
    "long_context": "Put all documents into the prompt of",
    "rag": "Add retrieval to",
    "ft_api": "Fine-tune",
    "managed_lora": "Have a LoRA adapter tuned on",
    "lora": "Tune a LoRA adapter on",
    "qlora": "Tune a QLoRA adapter on",
    "full_ft": "Fine-tune all weights of",
    "dpo": "Preference-tune",
    "encoder": "Train the classifier",
    "distill": "Distil a large model into",
    "combo": "Combine retrieval with a tuned",
}


def decide(evaluated: EvaluatedQuestion) -> Decision:
    """Turn an evaluated question into a decision with its reasons."""
    question, winner = evaluated.question, evaluated.winner
    return Decision(
        recommended=winner.option.id,
        runner_up=_runner_up(evaluated),
        verdict=verdict_sentence(winner, evaluated.current),
        win_share=f"{float(np.mean(evaluated.drawn.winner[0] == evaluated.winner_index)):.2f}",
        break_even=_break_even(evaluated),
        reasons=decision_reasons(evaluated),
        flips=nearest_changes(evaluated) if question.with_sensitivity else (),
        measure_next=next_measurements(evaluated),
    )


def _runner_up(evaluated: EvaluatedQuestion) -> str | None:
    """Name the best eligible option of another approach, else the second best."""
    winner = evaluated.winner.option
    others = [entry.option for entry in evaluated.eligible if entry.option.id != winner.id]
    if evaluated.is_not_yet:
        return others[0].id if others else None
    unlike = [option for option in others if option.approach != winner.approach]
    return next((option.id for option in (*unlike, *others)), None)


def verdict_sentence(winner: OptionResult, current: OptionResult | None) -> str:
    """Return the decision in one sentence.

    Args:
        winner: The recommended option, or "not yet".
        current: The current solution, if there is one.
    """
    if winner.option.approach == "not_yet":
        return "Not yet: measure first, then decide."
    option, costs = winner.option, winner.costs
    monthly = f"${costs.monthly:,.2f} per month"
    if option.is_current:
        return f"Keep the current solution: {monthly}."
    model = f"{model_name(option.model)} {at_provider(option.provider)}"
    one_off = f" after ${costs.one_off:,.2f} one-off" if costs.one_off >= 0.005 else ""
    saved = current.costs.per_month - costs.per_month if current else 0.0
    saving = f", saves ${saved:,.2f} per month compared with today" if saved > 0 else ""
    return f"{APPROACH_VERBS[option.approach]} {model}: {monthly}{one_off}{saving}."


def _break_even(evaluated: EvaluatedQuestion) -> BreakEven | None:
    """Compare the best option with training to the current or the cheapest other option."""
    winner, eligible = evaluated.winner, evaluated.eligible
    tuned = winner if winner.option.trains else None
    tuned = tuned or next((entry for entry in eligible if entry.option.trains), None)
    plain = (e for e in eligible if not e.option.trains and not e.option.is_current)
    other = evaluated.current or next(plain, None)
    if tuned is None or other is None:
        return None
    requests = first_value(evaluated.resolved.inputs.requests_per_month)
    return break_even(tuned, other, requests)
