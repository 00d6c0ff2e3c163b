"""Verdict: the decision in one sentence, the same in answer, terminal, report and page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

from advisor.decision.ranking import OptionResult
from advisor.options.basis import Basis, basis_age
from advisor.prices.display_names import at_provider, model_name
from advisor.units import rounded_money_text

NOT_YET = "Not yet: measure first, then decide."
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
    "distill": "Distill a large model into",
    "combo": "Combine retrieval with a tuned",
}


def headline(approach: str, model: str, provider: str) -> str:
    """Return what to do, without a full stop.

    >>> headline("lora", "Qwen/Qwen3-8B", "own")
    'Tune a LoRA adapter on Qwen3-8B on your hardware'
    """
    serve = " and serve it" if approach == "encoder" else ""
    return f"{APPROACH_VERBS[approach]} {model_name(model)}{serve} {at_provider(provider)}"


def cost_text(
    monthly: float,
    one_off: float = 0.0,
    saving: float = 0.0,
    format_money: Callable[[float], str] = rounded_money_text,
) -> str:
    """Return the most likely costs, and the saving if there is one [USD].

    >>> cost_text(292.01, 0.13, 72_533.0)
    '$292.01 per month after $0.13 one-off, saves $72,533 per month compared with today'
    """
    text = f"{format_money(monthly)} per month"
    if one_off >= 0.005:
        text += f" after {format_money(one_off)} one-off"
    if saving > 0:
        text += f", saves {format_money(saving)} per month compared with today"
    return text


def verdict_sentence(winner: OptionResult, current: OptionResult | None) -> str:
    """Return the decision in one sentence."""
    option, costs, currency = winner.option, winner.costs, winner.batch_result.currency
    if option.approach == "not_yet":
        return NOT_YET
    money = partial(rounded_money_text, currency=currency)
    if option.is_current:
        return f"Keep the current solution: {cost_text(costs.monthly, format_money=money)}."
    saving = current.costs.per_month - costs.per_month if current else 0.0
    what = headline(option.approach, option.model, option.provider)
    return f"{what}: {cost_text(costs.monthly, costs.one_off, saving, money)}.{_end_text(winner)}"


def _end_text(winner: OptionResult) -> str:
    """Return until when the option can be used, if it ends within the horizon."""
    option, horizon = winner.option, winner.batch_result.inputs.horizon_months.flat[0]
    if option.ends_on is None or winner.costs.months >= horizon:
        return ""
    day = f"{option.ends_on:%-d %B %Y}"
    return f" It ends on {day}, so the cost covers {winner.costs.months:.1f} months."


def verdict_notes(winner: OptionResult, day: date) -> tuple[str, ...]:
    """Return what a reader has to know with the verdict: old or uncertain prices and facts."""
    age = basis_age(_basis(winner), day)
    notes = []
    if age.stale:
        oldest = age.stale[0]
        notes.append(
            f"It rests on prices or facts up to {age.oldest_days} days old: check {oldest.name}, "
            f"read on {oldest.read_on} ({oldest.source})."
        )
    if age.uncertain:
        names = ", ".join(dict.fromkeys(basis.name for basis in age.uncertain[:2]))
        more = len(age.uncertain) - 2
        count = f" and {more} more" if more > 0 else ""
        notes.append(
            f"It rests on sources of low confidence: check {names}{count} "
            f"({age.uncertain[0].source})."
        )
    return tuple(notes)


def _basis(winner: OptionResult) -> Iterator[Basis]:
    """Yield the prices that the bill reads, and the facts that change it."""
    used = {item.price.item for item in winner.costs.items if item.price}
    caches = any("cache" in item.what for item in winner.costs.items)
    for basis in winner.option.rests_on:
        is_price = basis.name.count(":") == 0
        if basis.name in used if is_price else caches or not basis.name.endswith(": cache"):
            yield basis
