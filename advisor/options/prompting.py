"""Options without training: zero-shot, few-shot, long context, retrieval, current, not yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from advisor.errors import PricingError
from advisor.options.eligibility import EligibilityKey
from advisor.options.option import (
    Option,
    RuledOutOption,
    chat_prices,
    provider_refusal,
    provisioned_throughput,
    rule_out,
    short_name,
)
from advisor.options.retrieval import retrieval_offer
from advisor.prices.book import PriceBook
from advisor.prices.models import ModelCard

SHORTLIST_DAYS = 183
"""A model that ends within so many days takes no place among the cheapest; own judgement."""
MODELS_PER_TIER = 2
"""Cheapest models of each tier that are also evaluated with examples, documents or retrieval."""


def prompting_options(
    eligibility: EligibilityKey, book: PriceBook, out: list[RuledOutOption]
) -> list[Option]:
    """List the options that use a chat model unchanged, for every available model."""
    day = eligibility.day
    cards = [card.on(day) for card in book.models.values() if card.provider != "open"]
    found = [_zero_shot(eligibility, book, card) for card in cards]
    zero_shot = [option for option in found if isinstance(option, Option)]
    out += [refusal for refusal in found if isinstance(refusal, RuledOutOption)]
    some = shortlist(zero_shot, eligibility)
    options = zero_shot + [option.variant("few_shot", {}) for option in some]
    if eligibility.has_documents or eligibility.needs_knowledge:
        offer = retrieval_offer(eligibility, book)
        if offer:
            options += [option.variant("rag", offer.prices, offer.stores) for option in some]
        elif some:
            says = "No allowed provider sells embeddings, or a vector store or machine for one."
            out.append(rule_out("rag:*:*", "provider-not-allowed", says, "your scenario"))
    else:
        says = "There are no documents to retrieve from: knowledge.corpus_tokens is 0."
        out.append(rule_out("rag:*:*", "no-documents", says, "your scenario"))
    return options + [option.variant("long_context", {}) for option in some]


def current_option(eligibility: EligibilityKey, book: PriceBook) -> Option | None:
    """Create the option of the current solution, if the scenario describes one.

    Raises:
        UnknownPrice: the model named in the scenario is not in the price book.
    """
    current = eligibility.today
    if current is None:
        return None
    card = book.model(current.model).on(eligibility.day) if current.model else None
    prices = chat_prices(book, card.id, eligibility.day) if card else {}
    provider, model = (card.provider, short_name(card.id)) if card else ("today", "as it is")
    return Option(
        id="current",
        approach=current.approach,
        provider=provider,
        model=model,
        launch="by_hand",
        launch_says="Nothing to do: this is the current solution.",
        tier=card.tier if card else "large",
        prices=prices,
        card=card,
        ends_on=card.ends_on if card else None,
        is_current=True,
        monthly_is_known=current.monthly_is_known,
    )


def measuring_option(options: list[Option]) -> Option:
    """Create the option "not yet": measure a prompt on held-out examples with a mid-size model.

    Where no data may be sent to a provider it has no price: it is measured on your machine.
    """
    prompts = [o for o in options if o.approach == "prompt" and o.ends_on is None and o.per_token]
    mid = [option for option in prompts if option.tier in ("mid", "large")] or prompts
    model = min(mid, key=_blended, default=None)
    says = "Label examples, run a prompt on them, and ask again with the measured quality."
    if model is None:
        return Option(
            id="not_yet",
            approach="not_yet",
            provider="own",
            model="any",
            launch="by_hand",
            launch_says=says,
            tier="mid",
            prices={},
        )
    return replace(model, id="not_yet", approach="not_yet", launch_says=says)


def shortlist(options: list[Option], eligibility: EligibilityKey) -> list[Option]:
    """Keep the cheapest models of each tier by list price, and those named in the scenario.

    A model counts once, at its cheapest seller. One that ends soon takes no place, and of two equal
    prices the one that lasts longer does.
    """
    soon = eligibility.day + timedelta(days=SHORTLIST_DAYS)
    lasting = [o for o in options if o.ends_on is None or o.ends_on > soon]
    chosen: dict[str, Option] = {}
    for tier in ("tiny", "small", "mid", "large"):
        of_tier = sorted((o for o in lasting if o.tier == tier), key=_blended_and_lasting)
        first = {_bare_name(option): option for option in reversed(of_tier)}
        kept = [option for option in of_tier if first[_bare_name(option)] is option]
        chosen |= {option.id: option for option in kept[:MODELS_PER_TIER]}
    chosen |= {o.id: o for o in options if o.card and o.card.id in eligibility.named}
    return list(chosen.values())


def _blended_and_lasting(option: Option) -> tuple[float, int, str]:
    """Cheapest first, then the one that lasts longest."""
    price, name = _blended(option)
    return price, -(option.ends_on or date.max).toordinal(), name


def _bare_name(option: Option) -> str:
    """Name of a model without its owner, the same at every seller."""
    return option.model.rpartition("/")[2].lower()


def _blended(option: Option) -> tuple[float, str]:
    """Price of three input tokens and one output token, a typical mix."""
    prices = option.prices
    return (3 * float(prices["input"].value) + float(prices["output"].value), option.id)


def _zero_shot(
    eligibility: EligibilityKey, book: PriceBook, card: ModelCard
) -> Option | RuledOutOption:
    name = short_name(card.id)
    option_id = f"prompt:{card.provider}:{name}"
    day = eligibility.day
    refusal = provider_refusal(eligibility, card.provider, option_id)
    if refusal:
        return refusal
    if card.ends_on and card.ends_on <= day:
        says = f"{name} was shut down on {card.ends_on}."
        return rule_out(option_id, "shut-down", says, "price book, models")
    try:
        prices = chat_prices(book, card.id, day)
    except PricingError as error:
        return rule_out(option_id, error.code, str(error), "price book, prices")
    rented = provisioned_throughput(book, card, day)
    return Option(
        id=option_id,
        approach="prompt",
        provider=card.provider,
        model=name,
        launch="by_hand",
        launch_says="Write the prompt and call the provider's API; nothing is trained.",
        tier=card.tier,
        prices={**prices, "provisioned_hour": rented[1]} if rented else prices,
        card=card,
        provisioned=rented[0] if rented else None,
        ends_on=card.ends_on,
    )
