"""Parameter counts from a model's sizes: total, active per token, packed in 4 bits, LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, cast

from advisor.prices.models import Architecture
from advisor.units import Number

Module = Literal["q", "k", "v", "o", "gate", "up", "down", "head"]
ALL_LINEAR: tuple[Module, ...] = ("q", "k", "v", "o", "gate", "up", "down")
"""Every linear layer of the blocks: what peft means by 'all-linear'."""


class ModelShape(NamedTuple):
    """Sizes of one model, or of many as arrays; flags are 1 or true."""

    layers: Number
    hidden_size: Number
    intermediate_size: Number
    attention_heads: Number
    kv_heads: Number
    head_dim: Number
    vocabulary: Number
    tied_embeddings: Number
    """1 or true if head and embedding share one matrix."""
    parameters: Number
    attention_bias: Number = False
    output_bias: Number = False
    mlp_bias: Number = False
    head_norms: Number = False
    wide_norms: Number = False
    norms_per_layer: Number = 2
    norm_biases: Number = False
    mlp_matrices: Number = 3
    fused_projections: Number = False
    experts: Number = 0
    experts_per_token: Number = 0
    expert_size: Number = 0
    shared_size: Number = 0
    adapted_experts: Number = False
    dense_layers: Number = 0
    other_parameters: Number = 0

    @classmethod
    def of(cls, architecture: Architecture) -> ModelShape:
        """Create from an entry of the price book."""
        return cls(*(getattr(architecture, name) for name in cls._fields))

    @classmethod
    def among(cls, named: Mapping[str, Number]) -> ModelShape:
        """Create from arrays of many models, by field name."""
        return cls(*(named[name] for name in cls._fields))

    @property
    def q_size(self) -> Number:
        """Width of all queries of a token."""
        return self.attention_heads * self.head_dim

    @property
    def kv_size(self) -> Number:
        """Width of all keys of a token; its values are as wide."""
        return self.kv_heads * self.head_dim

    @property
    def expert_layers(self) -> Number:
        """Number of layers whose MLP consists of experts."""
        return cast(Number, (self.layers - self.dense_layers) * (self.experts > 0))


def parameter_count(shape: ModelShape) -> Number:
    """Exact number of weights of a decoder or encoder.

    parameters = embeddings + layers x (q + k + v + o + norms) + dense layers x MLP
    + expert layers x (experts + router + shared expert) + last norm + other parameters

    Source: config.json of the models; equal to numel() of sixteen architectures of transformers
    5.23 built on the meta device (tests/advisor/gpu/test_parameters.py).

    >>> parameter_count(ModelShape(28, 3072, 8192, 24, 8, 128, 128256, True, 0))
    3212749824
    """
    norm = shape.hidden_size * (1 + shape.norm_biases)
    blocks = shape.layers * (_attention(shape) + shape.norms_per_layer * norm)
    h, f, m = shape.hidden_size, shape.intermediate_size, shape.mlp_matrices
    dense_mlp = m * h * f + shape.mlp_bias * ((m - 1) * f + h)
    expert_mlp = shape.experts * (3 * h * shape.expert_size + h) + 3 * h * shape.shared_size
    dense = (shape.layers - shape.expert_layers) * dense_mlp
    experts = shape.expert_layers * expert_mlp
    embeddings = shape.vocabulary * shape.hidden_size * (2 - shape.tied_embeddings)
    return embeddings + blocks + dense + experts + norm + shape.other_parameters


def active_parameters(shape: ModelShape) -> Number:
    """Weights used for one token; all of them if there are no experts.

    >>> qwen = ModelShape(48, 2048, 6144, 32, 4, 128, 151936, False, 30532122624, head_norms=True,
    ...              experts=128, experts_per_token=8, expert_size=768)
    >>> round(active_parameters(qwen) / 1e9, 2)
    3.35
    """
    idle = shape.experts - shape.experts_per_token
    return shape.parameters - shape.expert_layers * idle * 3 * shape.hidden_size * shape.expert_size


def linear_parameters(shape: ModelShape) -> Number:
    """Weights that 4-bit loading packs: linear layers of the blocks, not the head.

    Leaves out: experts, which transformers 5 stores in tensors that are not linear layers.
    """
    h = shape.hidden_size
    attention = 2 * h * (shape.q_size + shape.kv_size)
    dense = (shape.layers - shape.expert_layers) * shape.mlp_matrices * h * shape.intermediate_size
    shared = shape.expert_layers * 3 * h * shape.shared_size
    return shape.layers * attention + dense + shared


def embedding_parameters(shape: ModelShape) -> Number:
    """Weights that are not quantised: embeddings, head, norms, biases and experts."""
    return shape.parameters - linear_parameters(shape)


def lora_parameters(
    shape: ModelShape, rank: Number, targets: tuple[Module, ...] = ALL_LINEAR
) -> Number:
    """Number of trained weights of LoRA adapters.

    parameters = rank x sum over layers and matrices of (in + out)

    Experts are counted if peft 0.21 adapts them, gate and up as one matrix of twice the rank.

    Source: LoRA, https://arxiv.org/abs/2106.09685; checked against Unsloth's Qwen3-14B, rank 32.

    >>> lora_parameters(ModelShape(40, 5120, 17408, 40, 8, 128, 151936, False, 0), 32)
    128450560
    """
    dense = shape.layers - shape.expert_layers
    attention = _attention_sides(shape, targets) * shape.layers
    mlp = _mlp_sides(shape, targets, shape.intermediate_size, shape.mlp_matrices) * dense
    shared = _mlp_sides(shape, targets, shape.shared_size, 3) * (shape.shared_size > 0)
    special = (shared + _expert_sides(shape, targets)) * shape.expert_layers
    head = ("head" in targets) * (shape.hidden_size + shape.vocabulary)
    return cast(Number, (attention + mlp + special + head) * rank)


def _attention(shape: ModelShape) -> Number:
    q, kv = shape.q_size, shape.kv_size
    biases = shape.attention_bias * (q + 2 * kv) + shape.output_bias * shape.hidden_size
    norms = shape.head_norms * 2 * shape.head_dim + shape.wide_norms * (q + kv)
    return 2 * shape.hidden_size * (q + kv) + biases + norms


def _attention_sides(shape: ModelShape, targets: tuple[Module, ...]) -> Number:
    h, q, kv = shape.hidden_size, shape.q_size, shape.kv_size
    apart = sum(("k" in targets, "v" in targets)) * (h + kv) + ("q" in targets) * (h + q)
    together = bool({"q", "k", "v"} & set(targets)) * (h + q + 2 * kv)
    inputs = apart + shape.fused_projections * (together - apart)
    return inputs + ("o" in targets) * (q + h)


def _mlp_sides(
    shape: ModelShape, targets: tuple[Module, ...], size: Number, matrices: Number
) -> Number:
    h = shape.hidden_size
    apart = (("up" in targets) + ("gate" in targets) * (matrices - 2)) * (h + size)
    together = bool({"gate", "up"} & set(targets)) * (h + (matrices - 1) * size)
    inputs = apart + shape.fused_projections * (together - apart)
    return inputs + ("down" in targets) * (size + h)


def _expert_sides(shape: ModelShape, targets: tuple[Module, ...]) -> Number:
    h, size = shape.hidden_size, shape.expert_size
    each = 2 * (h + 2 * size) + (size + h)
    sides = shape.experts * each + h + shape.experts
    return sides * shape.adapted_experts * ({"gate", "up", "down"} <= set(targets))
