"""Large models that write training examples or grade answers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from advisor.errors import PricingError
from advisor.options.eligibility import EligibilityKey
from advisor.options.option import chat_prices
from advisor.prices.book import PriceBook
from advisor.prices.series import Price

TEACHERS = ("anthropic/claude-opus-5-5", "openai/gpt-6-sol")
"""Teachers for distillation, by preference; the first available one is used; own choice."""


def teacher_prices(eligibility: EligibilityKey, book: PriceBook) -> Mapping[str, Price] | None:
    """Look up the prices of the first allowed teacher that is available on the day.

    Where only some providers are allowed, their most expensive large model is the last resort.
    """
    if eligibility.must_self_host:
        return None
    for name in TEACHERS:
        found = _prices(eligibility, book, name)
        if found:
            return found
    if not eligibility.providers:
        return None
    large = (name for name, card in book.models.items() if card.tier == "large")
    known = filter(None, (_prices(eligibility, book, name) for name in large))
    return max(known, key=lambda p: (p["output"].value, p["output"].item), default=None)


def _prices(eligibility: EligibilityKey, book: PriceBook, name: str) -> Mapping[str, Price] | None:
    card = book.models.get(name)
    if card is None or not eligibility.allows(card.provider):
        return None
    if card.ends_on and card.ends_on <= eligibility.day:
        return None
    try:
        return chat_prices(book, name, eligibility.day)
    except PricingError:
        return None  # not available on that day


@lru_cache(maxsize=32)
def judge_prices(eligibility: EligibilityKey, book: PriceBook) -> Mapping[str, Price]:
    """Look up the prices of the judge model; empty without one, or if none may see the answers.

    Raises:
        PricingError: the judge named in the scenario is not in the price book.
    """
    if not eligibility.is_judged:
        return {}
    prices = None
    if eligibility.judge is None:
        prices = teacher_prices(eligibility, book)
    else:
        card = book.model(eligibility.judge)
        if eligibility.allows(card.provider) and not eligibility.must_self_host:
            prices = chat_prices(book, card.id, eligibility.day)
    if prices is None:
        return {}
    return {"judge_input": prices["input"], "judge_output": prices["output"]}
