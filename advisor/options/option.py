"""What an option is, what ruling one out says, and how its prices are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal
from weakref import WeakKeyDictionary

from advisor.errors import PricingError
from advisor.options.eligibility import EligibilityKey
from advisor.prices.book import PriceBook
from advisor.prices.models import Gpu, ModelCard, Tier
from advisor.prices.providers import TuningOffer
from advisor.prices.series import Price, PriceTable
from advisor.units import Approach, Record

Launch = Literal["provider", "local", "export", "by_hand"]
Objective = Literal["sft", "dpo", "kto", "grpo", "classification"]

WITHOUT_TRAINING = frozenset({"prompt", "few_shot", "long_context", "rag"})
SIMPLICITY = (
    "prompt",
    "few_shot",
    "long_context",
    "rag",
    "encoder",
    "ft_api",
    "managed_lora",
    "distill",
    "lora",
    "qlora",
    "full_ft",
    "dpo",
    "combo",
    "not_yet",
)
"""Simpler first: the order in which ties are broken."""


class RuledOutOption(Record):
    """An option that may not be taken, and by which rule."""

    id: str
    """approach:provider:model[:gpu]."""
    rule: str
    """Code of the rule."""
    says: str
    """The rule in words, with the numbers it read."""
    source: str
    """Who says so."""


@dataclass(frozen=True)
class Option:
    """One way to do the work, with the prices that hold on the day asked for."""

    id: str
    approach: Approach
    provider: str
    model: str
    launch: Launch
    launch_says: str
    tier: Tier
    prices: Mapping[str, Price]
    """Kind of price -> the price: the bill reads nothing else."""
    objective: Objective | None = None
    card: ModelCard | None = None
    offer: TuningOffer | None = None
    base: ModelCard | None = None
    served_like: ModelCard | None = None
    """Whose numbers stand in where the model's own are not published."""
    gpu: Gpu | None = None
    gpu_usd_is_own: bool = False
    ends_on: date | None = None
    """Last day of the model; the horizon ends no later."""
    is_current: bool = False
    monthly_is_known: bool = False
    """Whether the scenario says what it costs a month: then no price is looked at."""

    @property
    def trains(self) -> bool:
        """Whether something has yet to be tuned."""
        return (
            not self.is_current
            and self.approach not in WITHOUT_TRAINING
            and self.approach != "not_yet"
        )

    @property
    def tokenizer_card(self) -> ModelCard | None:
        """The model whose tokenizer says how many tokens a text has."""
        return self.card or self.base or self.served_like

    @property
    def per_token(self) -> bool:
        """Whether serving is billed by the token."""
        return "input" in self.prices

    @cached_property
    def seen(self) -> Mapping[str, Any]:
        """What a team's rule can read of it, beside its costs."""
        card = self.base or self.card
        return {
            "id": self.id,
            "approach": self.approach,
            "provider": self.provider,
            "model": self.model,
            "launch": self.launch,
            "objective": self.objective,
            "tier": self.tier,
            "trains": self.trains,
            "is_current": self.is_current,
            "open_weights": card is not None and card.open_weights,
            "licence": card.licence if card else None,
            "gpu": self.gpu.name if self.gpu else None,
            "ends_on": self.ends_on.isoformat() if self.ends_on else None,
        }


CHAT_PRICE_KINDS = (
    "input",
    "cached_input",
    "cache_write",
    "output",
    "batch_input",
    "batch_cached_input",
    "batch_output",
    "long_input",
    "long_cached_input",
    "long_cache_write",
    "long_output",
)
TUNED_PRICE_KINDS = {
    "tuned_input": "input",
    "tuned_cached_input": "cached_input",
    "tuned_output": "output",
    "tuned_batch_input": "batch_input",
    "tuned_batch_cached_input": "batch_cached_input",
    "tuned_batch_output": "batch_output",
}


_CHAT: WeakKeyDictionary[PriceTable, dict[tuple[str, date], Mapping[str, Price]]]
_CHAT = WeakKeyDictionary()


def chat_prices(book: PriceBook, card_id: str, day: date) -> Mapping[str, Price]:
    """Look up what a chat model costs on *day*, by kind; a book is asked once.

    Raises:
        PricingError: input or output has no price on that day.
    """
    known = _CHAT.setdefault(book.prices, {})
    if (card_id, day) not in known:
        known[card_id, day] = _chat_prices(book, card_id, day)
    return known[card_id, day]


def _chat_prices(book: PriceBook, card_id: str, day: date) -> Mapping[str, Price]:
    found = {kind: book.prices.on(f"{card_id}/{kind}", day) for kind in ("input", "output")}
    for kind in CHAT_PRICE_KINDS:
        item = f"{card_id}/{kind}"
        if kind not in found and book.prices.has(item):
            try:
                found[kind] = book.prices.on(item, day)
            except PricingError:
                continue  # an extra that is not sold on that day is not an obstacle
    return MappingProxyType(found)


def provider_refusal(eligibility: EligibilityKey, provider: str) -> RuledOutOption | None:
    """Say why a provider may not be used in this scenario, if so; the id is left to the caller."""
    if eligibility.must_self_host:
        says = "Data must not leave your machines, and this option sends it to a provider."
        return RuledOutOption(id="", rule="data-stays", says=says, source="your scenario")
    if eligibility.providers and provider not in eligibility.providers:
        says = f"Only {', '.join(eligibility.providers)} may be used, and this is {provider}."
        return RuledOutOption(id="", rule="provider-not-allowed", says=says, source="your scenario")
    return None


def rule_out(option_id: str, rule: str, says: str, source: str) -> RuledOutOption:
    """Make the line that says why an option is out."""
    return RuledOutOption(id=option_id, rule=rule, says=says, source=source)


def short_name(model: str) -> str:
    """Return a model's name without its provider.

    >>> short_name("together/Qwen/Qwen3.5-9B")
    'Qwen/Qwen3.5-9B'
    """
    return model.split("/", 1)[1] if "/" in model else model
