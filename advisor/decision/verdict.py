"""Verdict: the decision in words, the same in answer, terminal, report and page."""

from __future__ import annotations

from advisor.decision.ranking import OptionResult

NOT_YET = "Not yet: measure first, then decide."
KEEP_CURRENT = "Keep the current solution"
APPROACH_VERBS = {
    "prompt": "Prompt",
    "few_shot": "Prompt with examples:",
    "long_context": "Put all documents into the prompt of",
    "rag": "Use retrieval with",
    "ft_api": "Fine-tune",
    "managed_lora": "Tune a hosted LoRA adapter on",
    "lora": "Tune a LoRA adapter on",
    "qlora": "Tune a QLoRA adapter on",
    "full_ft": "Fine-tune all weights of",
    "dpo": "Preference-tune",
    "encoder": "Train the classifier",
    "distill": "Distill a large model into",
    "combo": "Use retrieval with a tuned",
}


def headline(approach: str, model: str, provider: str) -> str:
    """Return what to do, without a full stop.

    >>> headline("lora", "Qwen/Qwen3-8B", "own")
    'Tune a LoRA adapter on Qwen/Qwen3-8B'
    """
    where = "" if provider == "own" else f" at {provider}"
    return f"{APPROACH_VERBS[approach]} {model}{where}"


def cost_text(monthly: float, one_off: float = 0.0, saving: float = 0.0) -> str:
    """Return the likely costs, and the saving if there is one [USD].

    >>> cost_text(292.01, 0.13, 72_533.0)
    '$292 per month and $0.13 one-off; saves $72,533 per month compared with today'
    """
    once = f" and {rounded_dollars(one_off)} one-off" if one_off >= 0.005 else ""
    saved = f"; saves {rounded_dollars(saving)} per month compared with today" if saving > 0 else ""
    return f"{rounded_dollars(monthly)} per month{once}{saved}"


def rounded_dollars(amount: float) -> str:
    """Write an amount of USD for a sentence: whole dollars from 100 on.

    >>> rounded_dollars(1234.5), rounded_dollars(1.5)
    ('$1,234', '$1.50')
    """
    return f"${amount:,.0f}" if abs(amount) >= 100 else f"${amount:,.2f}"


def verdict_sentence(winner: OptionResult, current: OptionResult | None) -> str:
    """Return the decision in one sentence.

    Args:
        winner: The recommended option, or "not yet".
        current: The current solution, if there is one.
    """
    option, costs = winner.option, winner.costs
    if option.approach == "not_yet":
        return NOT_YET
    if option.is_current:
        return f"{KEEP_CURRENT}: {cost_text(costs.monthly)}."
    saving = current.costs.per_month - costs.per_month if current else 0.0
    what = headline(option.approach, option.model, option.provider)
    return f"{what}: {cost_text(costs.monthly, costs.one_off, saving)}."


def win_share_sentence(win_share: str) -> str:
    """Return how certain the decision is.

    >>> win_share_sentence("0.89")
    'It stays the best option in 89% of simulations.'
    """
    return f"It stays the best option in {float(win_share):.0%} of simulations."
