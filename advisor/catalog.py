"""What the price book says of models, providers and GPUs, beside what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from advisor.errors import UnknownPrice
from advisor.prices import Confidence, PriceBook
from advisor.units import Record

Tier = Literal["tiny", "small", "mid", "large"]
Tokenizer = Literal["o200k_base", "cl100k_base", "o200k_harmony", "none"]
R = TypeVar("R", bound=Record)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Source = Annotated[str, Field(min_length=4)]


class TokenFactor(Record):
    """Tokens of this model per token of o200k_base, where its own tokenizer is not public."""

    low: Positive
    """Low end."""
    likely: Positive
    """Most likely."""
    high: Positive
    """High end."""
    source: Source
    """Who says so."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"{self.low:g}, {self.likely:g}, {self.high:g} do not go up")
        return self


class CacheRule(Record):
    """When a provider bills a repeated prefix at the cached price."""

    min_tokens: Annotated[int, Field(ge=0)] | None
    """Shortest prefix; nothing shorter is cached. Empty: nobody says."""
    ttl_low_seconds: Positive
    """Shortest time a prefix is kept."""
    ttl_high_seconds: Positive
    """Longest time a prefix is kept."""
    source: Source
    """Who says so."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.ttl_low_seconds > self.ttl_high_seconds:
            raise ValueError("ttl_low_seconds is above ttl_high_seconds")
        return self


class Architecture(Record):
    """The numbers of an open model's config.json."""

    layers: Count
    """Blocks."""
    hidden_size: Count
    """Width of the residual stream."""
    intermediate_size: Count
    """Width inside the MLP."""
    attention_heads: Count
    """Query heads."""
    kv_heads: Count
    """Key and value heads."""
    head_dim: Count
    """Width of a head."""
    vocabulary: Count
    """Rows of the embedding."""
    tied_embeddings: bool
    """Whether head and embedding are one matrix."""
    parameters: Count
    """All weights."""
    max_position_tokens: Count
    """Longest sequence."""
    source: Source
    """The config file."""


class ModelCard(Record):
    """One model: what decides its use, beside its prices."""

    id: str
    """provider/model."""
    provider: str
    """Who serves it; 'open' for weights to run oneself."""
    tier: Tier
    """Size class by output list price."""
    tokenizer: Tokenizer = "none"
    """Encoding, or none where it is not public."""
    token_factor: TokenFactor | None = None
    """For models whose tokens can only be estimated."""
    context_tokens: Count | None = None
    """Longest prompt with its answer."""
    max_output_tokens: Count | None = None
    """Longest answer."""
    long_context_from_tokens: Count | None = None
    """Above this a whole request is billed at the long rates."""
    reasoning: Literal["none", "always"] = "none"
    """Whether hidden thought is always billed."""
    cache: CacheRule | None = None
    """Prompt caching; none where there is no cached price."""
    architecture: Architecture | None = None
    """Of open models."""
    open_weights: bool = False
    """Whether the weights can be had."""
    licence: str | None = None
    """Of open weights."""
    released: date | None = None
    """First day."""
    shutdown_on: date | None = None
    """First day on which it answers no more."""
    replacement: str | None = None
    """What its provider names instead."""
    confidence: Confidence = "high"
    """How far the source is trusted."""
    caveats: tuple[str, ...] = ()
    """What a reader has to know."""

    @model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        if self.id.count("/") < 1 or "" in self.id.split("/"):
            raise ValueError(f"the name '{self.id}' is not provider/model")
        if self.tokenizer == "none" and self.token_factor is None:
            raise ValueError("a model without a tokenizer needs a token_factor {low, likely, high}")
        return self


class Window(Record):
    """Who may start a job, and until when."""

    who: Literal["anyone", "never_tuned", "tuned_before", "active", "new", "existing"]
    """Which users."""
    closed_since: date | None = None
    """First day on which they may not; none while it is open."""
    says: str
    """The rule in words."""
    source: Source
    """Who says so."""


class Offer(Record):
    """One base model that a provider tunes."""

    provider: str
    """Who tunes."""
    base: str
    """Name of the base, as in its price items."""
    card: str | None = None
    """Model whose serving price holds where the tuned one has none."""
    approach: Literal["ft_api", "managed_lora"]
    """Whether the provider keeps the weights."""
    methods: tuple[str, ...]
    """sft, dpo ..."""
    windows: Annotated[tuple[Window, ...], Field(min_length=1)]
    """Who may start a job."""
    serving: Literal["per_token", "per_hour"]
    """How the tuned model is billed."""
    hosting_item: str | None = None
    """Price of an hour, where it is billed so."""
    gpu: str | None = None
    """GPU it is served on, where it is billed by the hour."""
    scale_to_zero: bool = False
    """Whether an idle deployment costs nothing."""
    result_ends_on: date | None = None
    """First day on which the tuned model answers no more."""
    min_examples: Count = 1
    """Fewest examples of a job."""
    max_example_tokens: Count | None = None
    """Longest example."""
    tier: Tier
    """Size class of the base."""
    source: Source
    """Where it was read."""
    read_on: date
    """Day it was last read there."""
    confidence: Confidence = "high"
    """How far the source is trusted."""
    caveats: tuple[str, ...] = ()
    """What a reader has to know."""

    @model_validator(mode="after")
    def _says_what_an_hour_costs(self) -> Self:
        if self.serving == "per_hour" and not self.hosting_item:
            raise ValueError("an offer served per_hour needs a hosting_item, the price of the hour")
        return self

    def open_window(self, who: str, day: date) -> Window | None:
        """Return the rule under which *who* may start a job on *day*, if there is one."""
        for window in self.windows:
            is_open = window.closed_since is None or day < window.closed_since
            if is_open and window.who in (who, "anyone"):
                return window
        return None

    def closed_says(self, who: str, day: date) -> tuple[str, str]:
        """Say why *who* may not start a job on *day*, and who says so."""
        rules = [w for w in self.windows if w.who in (who, "anyone")] or list(self.windows)
        return f"{self.provider}: {rules[0].says}", rules[0].source


class Provider(Record):
    """One provider: how it is spoken to, and whom it tunes for."""

    name: str
    """Short name."""
    protocol: Literal["openai", "own", "none"]
    """Whose fine-tuning protocol it speaks."""
    base_url: str | None = None
    """Where."""
    weights_downloadable: bool = False
    """Whether tuned weights can be had."""
    dedupe_key: str | None = None
    """How a job is found again."""
    billing: str | None = None
    """What is billed."""
    closed: str | None = None
    """Why no one can tune there, if so."""
    source: Source
    """Where it was read."""
    tuning: tuple[Offer, ...] = ()
    """What it tunes."""


class Gpu(Record):
    """One GPU."""

    name: str
    """Short name."""
    memory_bytes: Count
    """Memory."""
    bandwidth_bytes_per_second: Positive
    """Of that memory."""
    bf16_tflops: Positive | None
    """Dense peak in bf16 with fp32 accumulation; none where there is no bf16."""
    fp16_tflops: Positive
    """Dense peak in fp16."""
    compute_capability: Positive
    """CUDA generation."""
    tdp_watts: Positive
    """Board power."""
    source: Source
    """Who says so."""
    confidence: Confidence = "high"
    """How far the source is trusted."""


@dataclass(frozen=True)
class Book:
    """The whole price book: prices, models, providers, GPUs."""

    prices: PriceBook
    models: Mapping[str, ModelCard]
    providers: Mapping[str, Provider]
    gpus: Mapping[str, Gpu]
    sha256: str

    def model(self, name: str) -> ModelCard:
        """Return a model; an unknown one is refused with the nearest names."""
        return _known("model", name, self.models)

    def provider(self, name: str) -> Provider:
        """Return a provider; an unknown one is refused with the nearest names."""
        return _known("provider", name, self.providers)

    def gpu(self, name: str) -> Gpu:
        """Return a GPU; an unknown one is refused with the nearest names."""
        return _known("GPU", name, self.gpus)

    @property
    def offers(self) -> tuple[Offer, ...]:
        """Every offer of every provider."""
        return tuple(offer for provider in self.providers.values() for offer in provider.tuning)

    def clouds(self, gpu: str) -> tuple[str, ...]:
        """Name who rents out a GPU by the hour."""
        ending = f"/{gpu}/gpu_hour"
        return tuple(i.removesuffix(ending) for i in self.prices.series if i.endswith(ending))


def _known(kind: str, name: str, known: Mapping[str, R]) -> R:
    if name not in known:
        raise UnknownPrice(kind, name, known)
    return known[name]
