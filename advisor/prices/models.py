"""Models and machines of the price book: context, tokenizer, caching, sizes, memory, speed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from advisor.prices.series import Confidence
from advisor.units import Record

Tier = Literal["tiny", "small", "mid", "large"]
Tokenizer = Literal["o200k_base", "cl100k_base", "o200k_harmony", "none"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Source = Annotated[str, Field(min_length=4)]


class Sourced(Record):
    """What a source states, with the day it was read there."""

    source: Source
    """Source."""
    read_on: date | None = None
    """Date the source was last read; empty if not recorded."""
    confidence: Confidence = "high"
    """Confidence in the source."""


class DatedFact(Sourced):
    """A fact that may change, like a price: it applies from a day until the next step."""

    since: date | None = None
    """First day on which it applies; empty if it always has."""


D = TypeVar("D", bound=DatedFact)


def fact_on(steps: Sequence[D], day: date) -> D | None:
    """Return the step that applies on *day*: the last one that has begun, or None."""
    begun = [step for step in steps if step.since is None or step.since <= day]
    return begun[-1] if begun else None


class Availability(DatedFact):
    """When a model is sold, or a tuned model served."""

    until: date | None = None
    """First day without service; empty if no end is announced."""
    replaced_by: str | None = None
    """Replacement named by the provider."""

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.since and self.until and self.since >= self.until:
            raise ValueError(f"since {self.since} is not before until {self.until}")
        return self


class TokenFactor(Record):
    """Tokens of this model per token of o200k_base, if its tokenizer is not public."""

    low: Positive
    """Lower bound."""
    likely: Positive
    """Most likely."""
    high: Positive
    """Upper bound."""
    source: Source
    """Source."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low <= self.likely <= self.high:
            raise ValueError(
                f"{self.low:g}, {self.likely:g}, {self.high:g} are not in ascending order"
            )
        return self


CacheMode = Literal["implicit", "explicit"]
Thinks = Literal["never", "optional", "always"]


class Thinking(DatedFact):
    """Whether a model produces hidden reasoning tokens before it answers."""

    mode: Thinks
    """Never, if the caller asks for it, or always."""
    min_tokens: Annotated[float, Field(ge=0)] = 0.0
    """Least number of hidden tokens of a request that thinks."""


class CacheRule(DatedFact):
    """When a provider bills a repeated prefix at the cached price."""

    modes: tuple[CacheMode, ...] = ("implicit",)
    """Implicit: the provider caches by itself. Explicit: the caller marks what is cached."""
    min_tokens: Annotated[int, Field(ge=0)] | None
    """Shortest prefix that is cached; empty if not published."""
    ttl_low_seconds: Positive
    """Shortest time a prefix is cached."""
    ttl_high_seconds: Positive
    """Longest time a prefix is cached."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.ttl_low_seconds > self.ttl_high_seconds:
            raise ValueError("ttl_low_seconds is above ttl_high_seconds")
        return self


class Architecture(Record):
    """Sizes of an open model, from its config.json."""

    layers: Count
    """Number of blocks."""
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
    """Vocabulary size."""
    tied_embeddings: bool
    """Whether head and embedding share one matrix."""
    parameters: Count
    """Number of weights."""
    max_position_tokens: Count
    """Longest sequence [tokens]."""
    attention_bias: bool = False
    """Whether queries, keys and values have biases."""
    output_bias: bool = False
    """Whether the attention output has a bias."""
    mlp_bias: bool = False
    """Whether the MLP matrices have biases."""
    head_norms: bool = False
    """Whether queries and keys are normalised per head."""
    wide_norms: bool = False
    """Whether all queries and all keys of a token are normalised together."""
    norms_per_layer: Annotated[int, Field(ge=0)] = 2
    """Norms per block, without those of queries and keys."""
    norm_biases: bool = False
    """Whether norms have a bias."""
    mlp_matrices: Literal[2, 3] = 3
    """3 if the MLP is gated, else 2."""
    fused_projections: bool = False
    """Whether queries, keys and values share one matrix, and gate and up another."""
    experts: Annotated[int, Field(ge=0)] = 0
    """Experts per layer; 0 in a dense model."""
    experts_per_token: Annotated[int, Field(ge=0)] = 0
    """Experts used per token."""
    expert_size: Annotated[int, Field(ge=0)] = 0
    """Width inside an expert."""
    shared_size: Annotated[int, Field(ge=0)] = 0
    """Width inside the shared expert."""
    adapted_experts: bool = False
    """Whether peft's 'all-linear' adapts experts and router."""
    dense_layers: Annotated[int, Field(ge=0)] = 0
    """Layers without experts in a mixture of experts."""
    other_parameters: Annotated[int, Field(ge=0)] = 0
    """Weights not covered by the other fields, such as learned positions and a pooler."""
    source: Source
    """Source: the config file."""


class ModelCard(Record):
    """One model, without its prices."""

    id: str
    """provider/model."""
    provider: str
    """Who serves it; 'open' for open weights."""
    tier: Tier
    """Size class by list price of output."""
    tokenizer: Tokenizer = "none"
    """Encoding; 'none' if it is not public."""
    token_factor: TokenFactor | None = None
    """Token factor, for models without a public tokenizer."""
    context_tokens: Count | None = None
    """Context window: prompt and answer."""
    max_output_tokens: Count | None = None
    """Longest answer [tokens]."""
    long_context_from_tokens: Count | None = None
    """Requests above this are billed at the long-context price."""
    thinking: Thinking | None = None
    """Hidden reasoning tokens; empty if not known."""
    cache: CacheRule | None = None
    """Prompt caching; empty if there is no cached price."""
    architecture: Architecture | None = None
    """Sizes, for open models."""
    open_weights: bool = False
    """Whether the weights are public."""
    licence: str | None = None
    """Licence of open weights."""
    available: Availability | None = None
    """First and last day of service; empty if neither is known."""
    source: Source | None = None
    """Source of the numbers above."""
    read_on: date | None = None
    """Date the source was last read."""
    confidence: Confidence = "high"
    """Confidence in the source."""
    caveats: tuple[str, ...] = ()
    """Caveats."""
    cache_steps: tuple[CacheRule, ...] = ()
    """Caching over time, oldest first, if it has changed; `cache` is the step of the day."""
    thinking_steps: tuple[Thinking, ...] = ()
    """Thinking over time, oldest first, if it has changed; `thinking` is the step of the day."""

    @property
    def ends_on(self) -> date | None:
        """First day without service; None if no end is announced."""
        return self.available.until if self.available else None

    @property
    def facts(self) -> dict[str, Sourced]:
        """Facts of the resolved day that age, by name; the sizes of an open model do not."""
        limits = None
        if self.source:
            limits = Sourced(source=self.source, read_on=self.read_on, confidence=self.confidence)
        named = {
            "limits": limits,
            "available": self.available,
            "cache": self.cache,
            "thinking": self.thinking,
        }
        return {name: fact for name, fact in named.items() if fact}

    def on(self, day: date) -> ModelCard:
        """Return the card with the facts of a day."""
        resolved: dict[str, DatedFact | None] = {}
        if self.cache_steps:
            resolved["cache"] = fact_on(self.cache_steps, day)
        if self.thinking_steps:
            resolved["thinking"] = fact_on(self.thinking_steps, day)
        return self.model_copy(update=resolved) if resolved else self

    @property
    def always_thinks(self) -> bool:
        """Whether every answer is preceded by reasoning tokens."""
        return self.thinking is not None and self.thinking.mode == "always"

    @model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        if self.id.count("/") < 1 or "" in self.id.split("/"):
            raise ValueError(f"the name '{self.id}' is not of the form provider/model")
        if self.tokenizer == "none" and self.token_factor is None:
            raise ValueError("a model without a tokenizer needs a token_factor {low, likely, high}")
        return self

    @model_validator(mode="after")
    def _steps_are_ordered(self) -> Self:
        for name, steps in (("cache", self.cache_steps), ("thinking", self.thinking_steps)):
            days = [step.since or date.min for step in steps]
            if days != sorted(set(days)):
                raise ValueError(f"the steps of {name} must be in date order, one per day")
        return self


class Gpu(Sourced):
    """One GPU."""

    name: str
    """Short name."""
    memory_bytes: Count
    """Memory [bytes]."""
    bandwidth_bytes_per_second: Positive
    """Memory bandwidth [bytes/s]."""
    bf16_tflops: Positive | None
    """Dense bf16 peak with fp32 accumulation [TFLOP/s]; empty without bf16 support."""
    fp16_tflops: Positive
    """Dense fp16 peak [TFLOP/s]."""
    compute_capability: Positive
    """CUDA compute capability."""
    tdp_watts: Positive
    """Board power [W]."""
    link_bytes_per_second: Positive = 12e9
    """Bandwidth to another GPU of the machine, one way [bytes/s]. Without NVLink, 12 of the 32 GB/s
    of PCIe 4.0; own judgement."""


class Cpu(Sourced):
    """One machine without a GPU, rented by the hour."""

    name: str
    """Name of the machine type, as its seller writes it."""
    vcpus: Count
    """Virtual CPUs; two are usually one core."""
    memory_bytes: Count
    """Memory [bytes]."""
