"""The price book written as the price lists of other projects, which then agree with it."""

from __future__ import annotations

from datetime import date
from typing import Any

from advisor.errors import PricingError
from advisor.prices.book import PriceBook
from advisor.prices.check import ends_on
from advisor.prices.other_sources import LITELLM_PRICES, TOKENS_PER_PRICE, SourceNames


def as_litellm(book: PriceBook, names: SourceNames, day: date) -> dict[str, Any]:
    """Write the prices of a day as litellm's map."""
    entries: dict[str, Any] = {}
    for item in book.prices.series:
        model, _, kind = item.rpartition("/")
        name, card = names.name_of(model), book.models.get(model)
        if name is None or card is None or (card.long_context_from_tokens or 0) % 1000:
            continue  # litellm names thresholds in thousands of tokens
        entry = entries.setdefault(name, {"litellm_provider": card.provider})
        size = card.long_context_from_tokens
        keys = [key for key, (ours, above) in LITELLM_PRICES.items()
                if ours == kind and above in (0, size)]  # fmt: skip
        try:
            price = book.prices.on(item, day).value
        except PricingError:
            continue
        if keys:
            entry[keys[-1]] = price / TOKENS_PER_PRICE
        facts = {
            "max_input_tokens": card.context_tokens,
            "max_output_tokens": card.max_output_tokens,
            "deprecation_date": ends_on(card) and str(ends_on(card)),
        }
        entry |= {key: value for key, value in facts.items() if value}
    return entries


def as_models_dev(provider: str, name: str, cost: dict[str, Any]) -> dict[str, Any]:
    """Write one model as models.dev's api.json."""
    limit = {"context": 128000, "output": 16384}
    models = {name: {"id": name, "cost": cost, "limit": limit}}
    return {provider: {"id": provider, "models": models}}
