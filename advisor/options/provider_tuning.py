"""Options tuned by a provider: every offer in the price book that is open to this user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from advisor.errors import PricingError, Unpriced
from advisor.options.eligibility import EligibilityKey
from advisor.options.option import (
    TUNED_PRICE_KINDS,
    Option,
    RuledOutOption,
    chat_prices,
    provider_refusal,
    rule_out,
)
from advisor.options.retrieval import retrieval_offer
from advisor.options.teachers import teacher_prices
from advisor.prices.book import PriceBook
from advisor.prices.providers import TuningOffer
from advisor.prices.series import Price

WITH_ADAPTER = frozenset({"openai", "azure", "nebius", "together", "fireworks"})


def provider_tuning_options(
    eligibility: EligibilityKey, book: PriceBook, out: list[RuledOutOption]
) -> list[Option]:
    """List hosted tuning, and its variants: preference tuning, distillation, with retrieval."""
    options: list[Option] = []
    for offer in book.offers:
        option = _supervised(eligibility, book, offer)
        if isinstance(option, RuledOutOption):
            out.append(option)
        else:
            options += [option, *_variants(eligibility, book, option)]
    return options


def _variants(eligibility: EligibilityKey, book: PriceBook, option: Option) -> list[Option]:
    variants: list[Option] = []
    if eligibility.pairs and "dpo_training" in option.prices:
        training = {"training": option.prices["dpo_training"]}
        variants.append(replace(option.variant("dpo", training), objective="dpo"))
    teacher = teacher_prices(eligibility, book)
    if teacher:
        answers = {"teacher_input": teacher["input"], "teacher_output": teacher["output"]}
        variants.append(option.variant("distill", answers))
    offer = retrieval_offer(eligibility, book) if eligibility.needs_knowledge else None
    if offer:
        variants.append(option.variant("combo", offer.prices, offer.stores))
    return variants


def _supervised(
    eligibility: EligibilityKey, book: PriceBook, offer: TuningOffer
) -> Option | RuledOutOption:
    gpu = f":{offer.gpu}" if offer.serving == "per_hour" and offer.gpu else ""
    option_id = f"{offer.approach}:{offer.provider}:{offer.base}{gpu}"
    refusal = provider_refusal(eligibility, offer.provider, option_id)
    if refusal:
        return refusal
    customer = dict(eligibility.customer_types).get(offer.provider, "anyone")
    if offer.open_window(customer, eligibility.day) is None:
        says, source = offer.closed_reason(customer, eligibility.day)
        return rule_out(option_id, "closed-to-you", says, source)
    if offer.ends_on and offer.ends_on <= eligibility.day:
        says = f"Models tuned from {offer.base} were shut down on {offer.ends_on}."
        return rule_out(option_id, "shut-down", says, offer.source)
    try:
        prices = _prices(book, offer, eligibility.day)
    except Unpriced as error:
        block, name = error.item.split("/", 1)
        says = f"{error} There, under providers: {block}: prices: {name}: {{day: [price, source]}}."
        return rule_out(option_id, "unpriced", says, offer.source)
    except PricingError as error:
        return rule_out(option_id, error.code, str(error), offer.source)
    has_adapter = offer.provider in WITH_ADAPTER
    started = f"The job is started through the API of {offer.provider}."
    by_hand = f"Start the job in the interface of {offer.provider}, with the converted file."
    return Option(
        id=option_id,
        approach=offer.approach,
        provider=offer.provider,
        model=offer.base,
        launch="provider" if has_adapter else "by_hand",
        launch_says=started if has_adapter else by_hand,
        tier=offer.tier,
        prices=prices,
        objective="sft",
        card=book.model(offer.card).on(eligibility.day) if offer.card else None,
        offer=offer,
        gpu=book.gpu(offer.gpu) if offer.gpu else None,
        served_like=book.model(offer.served_like) if offer.served_like else None,
        ends_on=offer.ends_on,
    )


def _prices(book: PriceBook, offer: TuningOffer, day: date) -> Mapping[str, Price]:
    """Look up the prices of training and inference; an offer needs both.

    An offer served per hour has token prices too where its seller bills the tokens as well.
    """
    stem = f"{offer.provider}/{offer.base}"
    found = {"training": book.prices.on(f"{stem}/training", day)}
    for kind in ("dpo_training", "job_minimum", "storage_month"):
        for item in (f"{stem}/{kind}", f"{offer.provider}/all/{kind}"):
            if book.prices.has(item) and kind not in found:
                found[kind] = book.prices.on(item, day)
    if offer.serving == "per_hour" and offer.hosting_item:
        found["hosting_hour"] = book.prices.on(offer.hosting_item, day)
    for tuned, kind in TUNED_PRICE_KINDS.items():
        item = f"{stem}/{tuned}"
        if book.prices.has(item):
            found[kind] = book.prices.on(item, day)
    like = offer.tokens_like or (offer.card if offer.serving == "per_token" else None)
    if "input" not in found and like:
        found |= chat_prices(book, like, day)
    return found
