"""Verdict: the decision in words, the same in answer, terminal, report and page."""

from __future__ import annotations

from advisor.decision.ranking import OptionResult
from advisor.prices.display_names import at_provider, model_name
from advisor.units import dollars

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


def headline(approach: str, model: str, provider: str) -> str:
    """Return what to do, without cost.

    >>> headline("encoder", "FacebookAI/roberta-base", "hf_jobs")
    'Train the classifier RoBERTa-base at Hugging Face Jobs'
    """
    return f"{APPROACH_VERBS[approach]} {model_name(model)} {at_provider(provider)}"


def verdict_sentence(winner: OptionResult, current: OptionResult | None) -> str:
    """Return the decision in one sentence.

    Args:
        winner: The recommended option, or "not yet".
        current: The current solution, if there is one.
    """
    option, costs = winner.option, winner.costs
    if option.approach == "not_yet":
        return "Not yet: measure first, then decide."
    monthly = f"{dollars(costs.monthly)} per month"
    if option.is_current:
        return f"Keep the current solution: {monthly}."
    what = headline(option.approach, option.model, option.provider)
    one_off = f" after {dollars(costs.one_off)} one-off" if costs.one_off >= 0.005 else ""
    saved = current.costs.per_month - costs.per_month if current else 0.0
    saving = f", saves {dollars(saved)} per month compared with today" if saved > 0 else ""
    return f"{what}: {monthly}{one_off}{saving}."
