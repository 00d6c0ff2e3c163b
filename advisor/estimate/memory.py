"""The numbers of a model's config -> memory of training it on one GPU [bytes]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.models import Architecture
from advisor.units import GIB, Number

Method = Literal["full", "lora", "qlora"]

NF4_BYTES = 0.5 + 0.0159
"""Per weight with double quantisation: 4 bits, and scales of 8 bits per 64 and 32 per 16,384.
Source: QLoRA, https://arxiv.org/abs/2305.14314."""
NF4_SINGLE_BYTES = 0.5625
RESERVED_PER_ALLOCATED = 1.10
"""Median of 69 published T4 runs with a fused attention kernel; 1.04 to 1.25.
Source: fitcheck-llm 0.3.1 archive."""
CONTEXT_BYTES = GIB / 2
HEAD_TILE_BYTES = 4096 * 32768 * 2
"""Buffer of the fused head: tiles of 4,096 tokens by 32,768 words. Source: trl 1.16."""


class Shape(NamedTuple):
    """What the formulas read of a model, or of many side by side."""

    layers: Number
    hidden_size: Number
    intermediate_size: Number
    attention_heads: Number
    kv_heads: Number
    head_dim: Number
    vocabulary: Number
    tied_embeddings: Number
    """1 or true where head and embedding are one matrix."""
    parameters: Number

    @classmethod
    def of(cls, architecture: Architecture) -> Shape:
        """Take the numbers from an entry of the price book."""
        return cls(*(getattr(architecture, name) for name in cls._fields))

    @classmethod
    def among(cls, named: Mapping[str, Number]) -> Shape:
        """Take the numbers of many models side by side, by their names."""
        return cls(*(named[name] for name in cls._fields))


def parameter_count(shape: Shape) -> Number:
    """Count the weights of a dense decoder with a gated MLP from its config.

    parameters = embeddings + layers x (q + k + v + o + MLP + 2 norms) + last norm

    Leaves out: biases and query or key norms, under 0.1 % of the known models.

    Source: config.json of the models; checked against Llama-3.2-3B, 3,212,749,824.

    >>> parameter_count(Shape(28, 3072, 8192, 24, 8, 128, 128256, True, 0))
    3212749824
    """
    h, f, d = shape.hidden_size, shape.intermediate_size, shape.head_dim
    attention = 2 * h * shape.attention_heads * d + 2 * h * shape.kv_heads * d
    embeddings = shape.vocabulary * h * (2 - shape.tied_embeddings)
    return embeddings + shape.layers * (attention + 3 * h * f + 2 * h) + h


def embedding_parameters(shape: Shape) -> Number:
    """Count what quantisation leaves alone: embeddings, head and norms."""
    matrices = 2 - shape.tied_embeddings
    norms = (2 * shape.layers + 1) * shape.hidden_size
    return matrices * shape.vocabulary * shape.hidden_size + norms


def lora_parameters(shape: Shape, rank: Number) -> Number:
    """Count trained weights of adapters on every linear layer of the blocks.

    parameters = rank x sum over layers and matrices of (in + out)

    Source: LoRA, https://arxiv.org/abs/2106.09685; checked against Unsloth's Qwen3-14B, rank 32.

    >>> lora_parameters(Shape(40, 5120, 17408, 40, 8, 128, 151936, False, 0), 32)
    128450560
    """
    h, f = shape.hidden_size, shape.intermediate_size
    q, kv = shape.attention_heads * shape.head_dim, shape.kv_heads * shape.head_dim
    per_layer = 2 * (h + q) + 2 * (h + kv) + 3 * (h + f)
    return shape.layers * per_layer * rank


def weights_bytes(shape: Shape, method: Method, double_quantised: bool = True) -> Number:
    """Memory of the base weights: bf16, or NF4 for the linear layers of QLoRA.

    >>> round(weights_bytes(Shape(28, 3584, 18944, 28, 4, 128, 152064, False, 7615616512),
    ...                     "qlora") / GIB, 2)
    5.17
    """
    if method != "qlora":
        return 2.0 * shape.parameters
    kept = embedding_parameters(shape)
    per_weight = NF4_BYTES if double_quantised else NF4_SINGLE_BYTES
    return per_weight * (shape.parameters - kept) + 2.0 * kept


def states_bytes(shape: Shape, method: Method, rank: Number) -> Number:
    """Memory of gradients, optimizer and adapters with AdamW.

    full, all in bf16 = 6 bytes a weight; adapters in fp32 = 16 bytes a trained weight

    Source: peft's method comparison, full fine-tuning of Llama-3.2-3B in bf16, 23.9 GiB static.
    """
    if method == "full":
        return 6.0 * shape.parameters
    return 16.0 * lora_parameters(shape, rank)


def activation_bytes(shape: Shape, method: Method, tokens: Number) -> Number:
    """Memory of activations with checkpointing, for one micro-batch of *tokens*.

    stored = 2 x layers x tokens x hidden; while a layer is recomputed
    2 x tokens x (12 hidden + 3 heads x head width + kv heads x head width + 3 MLP width);
    full tuning keeps inputs of trained layers too, taken as half as much again

    Leaves out: attention without a fused kernel, which grows with the square of the length.

    Source: constants of fitcheck-llm 0.3.1 on T4, where they were within 5 %.
    """
    h = shape.hidden_size
    stored = 2.0 * shape.layers * np.asarray(tokens, np.float64) * h
    q, kv = shape.attention_heads * shape.head_dim, shape.kv_heads * shape.head_dim
    hump = 2.0 * np.asarray(tokens) * (12 * h + 3 * q + kv + 3 * shape.intermediate_size)
    return stored + hump * (1.5 if method == "full" else 1.0)


def head_bytes(shape: Shape, method: Method, tokens: Number) -> Number:
    """Memory of the fused head and loss: one tile, gradients of the hidden states, of the head.

    Source: trl 1.16, add_fused_lm_head; an older head with all logits takes 14 bytes each.
    """
    hidden = 4.0 * np.asarray(tokens) * shape.hidden_size
    head = 4.0 * shape.vocabulary * shape.hidden_size if method == "full" else 0.0
    return HEAD_TILE_BYTES + hidden + head


def dequantised_bytes(shape: Shape, method: Method) -> Number:
    """Memory of the one weight matrix that QLoRA holds in bf16 while it multiplies."""
    if method != "qlora":
        return 0.0
    return 2.0 * shape.hidden_size * np.maximum(shape.intermediate_size, shape.hidden_size)


def peak_allocated_bytes(shape: Shape, method: Method, rank: Number, tokens: Number) -> Number:
    """Peak of what tensors take while training with a micro-batch of *tokens*.

    Args:
        shape: Numbers of the model.
        method: How it is trained.
        rank: Of the adapters.
        tokens: Rows of the micro-batch times tokens of the longest.
    """
    static = weights_bytes(shape, method) + states_bytes(shape, method, rank)
    moving = activation_bytes(shape, method, tokens) + head_bytes(shape, method, tokens)
    return static + moving + dequantised_bytes(shape, method)


def peak_process_bytes(shape: Shape, method: Method, rank: Number, tokens: Number) -> Number:
    """Peak of what the process takes from the GPU: with what the allocator keeps, and the context.

    >>> shape = Shape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248)
    >>> bool(peak_process_bytes(shape, "lora", 16, 2048) < 24 * GIB)
    True
    """
    allocated = peak_allocated_bytes(shape, method, rank, tokens)
    return allocated * RESERVED_PER_ALLOCATED + CONTEXT_BYTES


def fits(process_bytes: Number, gpu_memory_bytes: Number) -> NDArray[np.bool_]:
    """Whether a process fits a GPU."""
    return np.asarray(process_bytes) <= gpu_memory_bytes
