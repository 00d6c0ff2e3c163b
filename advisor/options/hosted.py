"""Tuning at a provider: every offer in the price book, asked whether it is open to this user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from advisor.catalog import Book
from advisor.errors import PricingError, Unpriced
from advisor.facts import Resolved
from advisor.offers import Offer
from advisor.options.option import (
    TUNED,
    Launch,
    Option,
    RuledOut,
    chat_prices,
    provider_refusal,
    rule_out,
)
from advisor.options.prompted import retrieval_prices
from advisor.prices import Price
from advisor.quality import needs_knowledge
from advisor.scenario import Scenario

TEACHERS = ("anthropic/claude-opus-5-5", "openai/gpt-6-sol")
"""Models whose answers a smaller one learns from; the first on sale is taken; own choice."""
WITH_ADAPTER = frozenset({"openai", "azure", "nebius", "together", "fireworks"})


def tuned_options(resolved: Resolved, book: Book, out: list[RuledOut], pairs: int) -> list[Option]:
    """List hosted tuning, and what is built on it: preference tuning, distillation, with RAG."""
    made: list[Option] = []
    for offer in book.offers:
        option = _supervised(resolved, book, offer, out)
        if option is None:
            continue
        made.append(option)
        made += _variants(resolved, book, option, pairs)
    return made


def _variants(resolved: Resolved, book: Book, option: Option, pairs: int) -> list[Option]:
    made: list[Option] = []
    day = resolved.scenario.asked_on
    if pairs and "dpo_training" in option.prices:
        training = {**option.prices, "training": option.prices["dpo_training"]}
        made.append(replace(option, id=_id("dpo", option), approach="dpo", objective="dpo",
                            prices=training))  # fmt: skip
    teacher = next((name for name in TEACHERS if name in book.models), None)
    if teacher:
        answers = chat_prices(book, teacher, day)
        priced = {**option.prices, "teacher_input": answers["input"],
                  "teacher_output": answers["output"]}  # fmt: skip
        made.append(replace(option, id=_id("distill", option), approach="distill", prices=priced))
    if needs_knowledge(resolved.scenario, resolved.task):
        extra = {**option.prices, **retrieval_prices(book, day)}
        made.append(replace(option, id=_id("combo", option), approach="combo", prices=extra))
    return made


def _id(approach: str, option: Option) -> str:
    return f"{approach}:{option.id.split(':', 1)[1]}"


def asked_as(scenario: Scenario, provider: str) -> str:
    """Return which kind of customer asks; who says nothing is new."""
    return {
        "openai": scenario.organisation.openai or "never_tuned",
        "azure": scenario.organisation.azure or "new",
    }.get(provider, "anyone")


def _supervised(resolved: Resolved, book: Book, offer: Offer, out: list[RuledOut]) -> Option | None:
    scenario, day = resolved.scenario, resolved.scenario.asked_on
    gpu = f":{offer.gpu}" if offer.serving == "per_hour" and offer.gpu else ""
    option_id = f"{offer.approach}:{offer.provider}:{offer.base}{gpu}"
    refusal = provider_refusal(scenario, offer.provider, book)
    if refusal:
        out.append(rule_out(option_id, refusal.rule, refusal.says, refusal.source))
        return None
    who = asked_as(scenario, offer.provider)
    if offer.open_window(who, day) is None:
        says, source = offer.closed_says(who, day)
        out.append(rule_out(option_id, "closed-to-you", says, source))
        return None
    try:
        prices = _prices(book, offer, resolved)
    except Unpriced as error:
        says = f"{error} The line to add: {error.item}: {{unit, steps: [{{since, value, ...}}]}}."
        out.append(rule_out(option_id, "unpriced", says, offer.source))
        return None
    except PricingError as error:
        out.append(rule_out(option_id, error.code, str(error), offer.source))
        return None
    return Option(
        id=option_id, approach=offer.approach, provider=offer.provider, model=offer.base,
        launch=_launch(offer), launch_says=_launch_says(offer), tier=offer.tier, prices=prices,
        objective="sft", card=book.models.get(offer.card) if offer.card else None, offer=offer,
        gpu=book.gpus.get(offer.gpu) if offer.gpu else None,
        served_like=book.models.get(offer.served_like) if offer.served_like else None,
        ends_on=offer.result_ends_on,
    )  # fmt: skip


def _prices(book: Book, offer: Offer, resolved: Resolved) -> Mapping[str, Price]:
    """Look up training and serving; an offer without either price cannot be costed."""
    day, stem = resolved.scenario.asked_on, f"{offer.provider}/{offer.base}"
    found = {"training": book.prices.on(f"{stem}/training", day)}
    for kind in ("dpo_training", "job_minimum", "storage_month"):
        for item in (f"{stem}/{kind}", f"{offer.provider}/all/{kind}"):
            if book.prices.has(item) and kind not in found:
                found[kind] = book.prices.on(item, day)
    if offer.serving == "per_hour" and offer.hosting_item:
        found["hosting_hour"] = book.prices.on(offer.hosting_item, day)
        return found
    for tuned, kind in TUNED.items():
        item = f"{stem}/{tuned}"
        if book.prices.has(item):
            found[kind] = book.prices.on(item, day)
    if "input" not in found and offer.card:
        found |= chat_prices(book, offer.card, day)
    return found


def _launch(offer: Offer) -> Launch:
    return "provider" if offer.provider in WITH_ADAPTER else "by_hand"


def _launch_says(offer: Offer) -> str:
    if offer.provider in WITH_ADAPTER:
        return f"The job is started at {offer.provider} over its API."
    return f"{offer.provider} has its own interface: start the job there with the converted file."
