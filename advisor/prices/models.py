"""What the price book says of models and GPUs, beside what they cost."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.prices.series import Confidence
from advisor.units import Record

Tier = Literal["tiny", "small", "mid", "large"]
Tokenizer = Literal["o200k_base", "cl100k_base", "o200k_harmony", "none"]
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
    attention_bias: bool = False
    """Whether queries, keys and values have biases."""
    output_bias: bool = False
    """Whether the output of the attention has a bias."""
    mlp_bias: bool = False
    """Whether the matrices of the MLP have biases."""
    head_norms: bool = False
    """Whether queries and keys of each head are normed."""
    wide_norms: bool = False
    """Whether all queries and all keys of a token are normed together."""
    norms_per_layer: Annotated[int, Field(ge=0)] = 2
    """Norms of a block, those of queries and keys left out."""
    norm_biases: bool = False
    """Whether a norm has a bias beside its weight."""
    mlp_matrices: Literal[2, 3] = 3
    """Three where the MLP is gated."""
    fused_projections: bool = False
    """Whether queries, keys and values are one matrix, and gate and up another."""
    experts: Annotated[int, Field(ge=0)] = 0
    """Experts of a layer; none in a dense model."""
    experts_per_token: Annotated[int, Field(ge=0)] = 0
    """Experts that a token meets."""
    expert_size: Annotated[int, Field(ge=0)] = 0
    """Width inside an expert."""
    shared_size: Annotated[int, Field(ge=0)] = 0
    """Width inside the expert that every token meets."""
    adapted_experts: bool = False
    """Whether peft puts adapters on experts and router when all linear layers are asked for."""
    dense_layers: Annotated[int, Field(ge=0)] = 0
    """Layers without experts in a model that has some."""
    other_parameters: Annotated[int, Field(ge=0)] = 0
    """Weights that no other number tells of, such as learned positions and a pooler."""
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
    link_bytes_per_second: Positive = 12e9
    """To another GPU of the machine, one way. Where there is no NVLink 12 GB/s of the 32 of PCIe
    4.0, own judgement."""
    source: Source
    """Who says so."""
    confidence: Confidence = "high"
    """How far the source is trusted."""
