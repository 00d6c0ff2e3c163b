"""EvaluatedQuestion -> Decision: what is recommended, how certain it is, and what comes second."""

from __future__ import annotations

import numpy as np

from advisor.decision.evaluate import EvaluatedQuestion
from advisor.decision.reasons import (
    BreakEven,
    Reason,
    break_even,
    decision_reasons,
    next_measurements,
)
from advisor.decision.sensitivity import NearestChange, nearest_changes
from advisor.decision.verdict import verdict_sentence
from advisor.estimate.line import first_value
from advisor.units import Record


class Decision(Record):
    """What to do, and why."""

    recommended: str
    """Id of the option, or not_yet."""
    runner_up: str | None
    """Best eligible option of another approach, else the second best."""
    verdict: str
    """The decision in one sentence."""
    win_share: str
    """Share of simulations in which it is the best option, 0 to 1."""
    break_even: BreakEven | None
    """Usage from which training costs no more."""
    reasons: tuple[Reason, ...]
    """Why."""
    flips: tuple[NearestChange, ...]
    """Nearest changes that would change the recommended approach, if requested."""
    measure_next: tuple[str, ...]
    """What to find out next."""


def decide(evaluated: EvaluatedQuestion) -> Decision:
    """Turn an evaluated question into a decision with its reasons."""
    winner = evaluated.winner
    return Decision(
        recommended=winner.option.id,
        runner_up=_runner_up(evaluated),
        verdict=verdict_sentence(winner, evaluated.current),
        win_share=f"{float(np.mean(evaluated.drawn.winner[0] == evaluated.winner_index)):.2f}",
        break_even=_break_even(evaluated),
        reasons=decision_reasons(evaluated),
        flips=nearest_changes(evaluated) if evaluated.question.with_sensitivity else (),
        measure_next=next_measurements(evaluated),
    )


def _runner_up(evaluated: EvaluatedQuestion) -> str | None:
    winner = evaluated.winner.option
    others = [entry.option for entry in evaluated.eligible if entry.option.id != winner.id]
    unlike = [option for option in others if option.approach != winner.approach]
    return next((option.id for option in (*unlike, *others)), None)


def _break_even(evaluated: EvaluatedQuestion) -> BreakEven | None:
    """Compare the best option with training with the current or the cheapest other option."""
    candidates = (evaluated.winner, *evaluated.eligible)
    tuned = next((entry for entry in candidates if entry.option.trains), None)
    plain = (e for e in evaluated.eligible if not e.option.trains and not e.option.is_current)
    other = evaluated.current or next(plain, None)
    if tuned is None or other is None:
        return None
    requests = first_value(evaluated.resolved.inputs.requests_per_month)
    return break_even(tuned, other, requests)
