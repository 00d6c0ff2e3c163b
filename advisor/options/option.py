"""Option: one approach at one provider with one model, and its prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from advisor.errors import PricingError
from advisor.options.basis import Basis, BasisAge, basis_age
from advisor.options.eligibility import EligibilityKey
from advisor.prices.book import PriceBook
from advisor.prices.models import Cpu, Gpu, ModelCard, Sourced, Tier
from advisor.prices.providers import TuningOffer
from advisor.prices.series import TIERS, TOKEN_RATES, Price
from advisor.prices.services import ServerlessTerms, VectorStorePlan
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
"""Simpler first: the simpler approach wins a tie."""


NAMES_AS_READ = (
    "id",
    "approach",
    "provider",
    "model",
    "launch",
    "objective",
    "tier",
    "trains",
    "is_current",
)
"""Attributes that a team rule reads unchanged."""


class RuledOutOption(Record):
    """An option that a rule does not allow."""

    id: str
    """approach:provider:model[:gpu]."""
    rule: str
    """Code of the rule."""
    says: str
    """Explanation, with the numbers the rule read."""
    source: str
    """Source."""


@dataclass(frozen=True)
class StoreOffer:
    """A vector store, managed or on a machine; its prices end in `@` and its name."""

    name: str
    """provider/product."""
    dimensions: float | None
    """Dimensions of the vectors it holds; None if the embedding model does not publish them."""
    memory_bytes: float | None = None
    """Memory of the machine; None if the store is managed."""
    plan: VectorStorePlan | None = None
    """What a managed store bills and contains."""


class ProvisionedTerms(NamedTuple):
    """What one unit of provisioned throughput carries, and how units are sold."""

    tokens_per_minute: float
    """Input tokens per minute of one unit."""
    output_weight: float
    """Input tokens that one output token counts as."""
    least_units: float
    unit_step: float


@dataclass(frozen=True)
class Option:
    """One approach at one provider with one model, with the prices of the day."""

    id: str
    approach: Approach
    provider: str
    model: str
    launch: Launch
    launch_says: str
    tier: Tier
    prices: Mapping[str, Price]
    """Price by kind; the bill reads no others."""
    objective: Objective | None = None
    card: ModelCard | None = None
    offer: TuningOffer | None = None
    base: ModelCard | None = None
    served_like: ModelCard | None = None
    """Model whose architecture is used where the model's own is not published."""
    gpu: Gpu | None = None
    gpu_usd_is_own: bool = False
    billing: Literal["hour", "spot", "serverless"] = "hour"
    """How machine time is billed: while rented, the same at short notice, or only while running."""
    least_gpus: int = 1
    """GPUs of the smallest machine."""
    kilowatts: float = 0.0
    """Power draw of one own GPU under load [kW]."""
    terms: ServerlessTerms | None = None
    """When its seller stops an idle machine, if that is known."""
    cpu: Cpu | None = None
    """Machine without a GPU that serves a classifier."""
    stores: tuple[StoreOffer, ...] = ()
    """Vector stores to choose from; their prices are among `prices`."""
    provisioned: ProvisionedTerms | None = None
    """Capacity by the hour that can replace the price per token."""
    ends_on: date | None = None
    """Shutdown date of the model; the horizon ends no later."""
    is_current: bool = False
    monthly_is_known: bool = False
    """Whether the scenario states the monthly cost, so that no price is read."""

    @property
    def trains(self) -> bool:
        """Whether a model has yet to be tuned."""
        return not self.is_current and self.approach not in {*WITHOUT_TRAINING, "not_yet"}

    @property
    def tokenizer_card(self) -> ModelCard | None:
        """The model whose tokenizer counts the tokens."""
        return self.card or self.base or self.served_like

    @property
    def per_token(self) -> bool:
        """Whether inference is billed per token alone; hosting may bill tokens and the hour."""
        return "input" in self.prices and "hosting_hour" not in self.prices

    def variant(
        self,
        approach: Approach,
        extra: Mapping[str, Price],
        stores: tuple[StoreOffer, ...] = (),
    ) -> Option:
        """Return the same model used in another way, with more prices and vector stores."""
        option_id = f"{approach}:{self.id.split(':', 1)[1]}"
        prices = {**self.prices, **extra}
        return replace(self, id=option_id, approach=approach, prices=prices, stores=stores)

    @property
    def rests_on(self) -> tuple[Basis, ...]:
        """Every price of the option, and every fact on its model and offer that ages.

        Prices of vector stores, of which one is used, are left out.
        """
        found = {
            price.item: Basis(price.item, price.source, price.read_on, price.confidence, price.own)
            for kind, price in self.prices.items()
            if "@" not in kind
        }
        facts: dict[str, Sourced] = {}
        for card in filter(None, (self.card, self.base)):
            facts |= {f"{card.id}: {name}": fact for name, fact in card.facts.items()}
        if self.offer:
            stem = f"{self.provider}/{self.model}"
            facts |= {f"{stem}: {name}": fact for name, fact in self.offer.facts.items()}
        found |= {
            name: Basis(name, fact.source, fact.read_on, fact.confidence)
            for name, fact in facts.items()
        }
        return tuple(found.values())

    def facts_stale_on(self, day: date) -> BasisAge:
        """Return which of the prices and facts it rests on are old or uncertain on a day."""
        return basis_age(self.rests_on, day)

    @cached_property
    def seen(self) -> Mapping[str, Any]:
        """Attributes that a team rule can read, besides costs."""
        card = self.base or self.card
        return {name: getattr(self, name) for name in NAMES_AS_READ} | {
            "open_weights": card is not None and card.open_weights,
            "licence": card.licence if card else None,
            "gpu": self.gpu.name if self.gpu else None,
            "ends_on": self.ends_on.isoformat() if self.ends_on else None,
        }


CHAT_PRICE_KINDS = tuple(f"{tier}{rate}" for tier in TIERS for rate in TOKEN_RATES)
TUNED_PRICE_KINDS = {f"tuned_{kind}": kind for kind in CHAT_PRICE_KINDS}


@lru_cache(maxsize=1024)
def chat_prices(book: PriceBook, card_id: str, day: date) -> Mapping[str, Price]:
    """Look up the prices of a chat model on *day*, by kind.

    Raises:
        PricingError: input or output has no price on that day.
    """
    found = {kind: book.prices.on(f"{card_id}/{kind}", day) for kind in ("input", "output")}
    for kind in CHAT_PRICE_KINDS:
        item = f"{card_id}/{kind}"
        if kind not in found and book.prices.has(item):
            try:
                found[kind] = book.prices.on(item, day)
            except PricingError:
                continue  # an extra that is not sold on that day does not rule the model out
    return MappingProxyType(found)


def provisioned_throughput(
    book: PriceBook, card: ModelCard, day: date
) -> tuple[ProvisionedTerms, Price] | None:
    """Return the cheapest kind of provisioned deployment of a model, if one is sold on the day."""
    seller = book.provisioned.get(card.provider)
    terms = seller.models.get(short_name(card.id)) if seller else None
    found: list[tuple[float, ProvisionedTerms, Price]] = []
    for kind, least in terms.min_units.items() if terms else ():
        item = f"{card.provider}/{kind}/provisioned_hour"
        if not book.prices.has(item) or terms is None:
            continue
        try:
            price = book.prices.on(item, day)
        except PricingError:
            continue  # not sold on that day
        step = float(terms.unit_steps.get(kind, 1))
        speed, weight = float(terms.input_tokens_per_minute), float(terms.output_weight)
        sold = ProvisionedTerms(speed, weight, float(least), step)
        found.append((float(price.value), sold, price))
    best = min(found, key=lambda one: (one[0], one[2].item), default=None)
    return best[1:] if best else None


def provider_refusal(
    eligibility: EligibilityKey, provider: str, option_id: str
) -> RuledOutOption | None:
    """Return why a provider is not allowed in this scenario, or None."""
    if eligibility.must_self_host:
        says = "Data must not leave your machines, and this option sends it to a provider."
        return rule_out(option_id, "data-stays", says, "your scenario")
    if eligibility.providers and provider not in eligibility.providers:
        says = f"Only {', '.join(eligibility.providers)} may be used, and this is {provider}."
        return rule_out(option_id, "provider-not-allowed", says, "your scenario")
    return None


def rule_out(option_id: str, rule: str, says: str, source: str) -> RuledOutOption:
    """Create the record of an option that is ruled out."""
    return RuledOutOption(id=option_id, rule=rule, says=says, source=source)


def short_name(model: str) -> str:
    """Return a model's name without its provider.

    >>> short_name("together/Qwen/Qwen3.5-9B")
    'Qwen/Qwen3.5-9B'
    """
    return model.split("/", 1)[1] if "/" in model else model
