"""Roofline of LLM serving: concurrent sequences, prefill time and decode step time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from advisor.gpu.flops import block_parameters, head_parameters
from advisor.gpu.parameters import ModelShape
from advisor.gpu.serving_engines import (
    NEWEST_ENGINE,
    PRECISIONS,
    SIXTEEN_BIT,
    Precision,
    ServingEngine,
)
from advisor.prices.models import Gpu
from advisor.units import Number

MEMORY_FOR_MODEL_SHARE = 0.90
"""Share of GPU memory an engine uses. Source: vLLM, gpu_memory_utilization."""


class GpuSet(NamedTuple):
    """GPUs that serve one copy of a model, or many such sets as arrays."""

    memory_bytes: Number
    """Memory of one GPU."""
    bandwidth: Number
    """Memory bandwidth of one GPU [bytes/s]."""
    tflops: Number
    """Dense 16-bit peak of one GPU [TFLOP/s]."""
    compute_capability: Number = 8.0
    link: Number = 12e9
    """Bandwidth between two GPUs, one way [bytes/s]."""
    gpu_count: Number = 1.0

    @classmethod
    def of(cls, gpu: Gpu, gpu_count: float = 1.0) -> GpuSet:
        """Create from a GPU of the price book."""
        return cls(
            gpu.memory_bytes,
            gpu.bandwidth_bytes_per_second,
            gpu.bf16_tflops or gpu.fp16_tflops,
            gpu.compute_capability,
            gpu.link_bytes_per_second,
            gpu_count,
        )


class ServingSetup(NamedTuple):
    """A model, its GPUs, the engine and the precision of the weights."""

    shape: ModelShape
    cards: GpuSet
    engine: ServingEngine = NEWEST_ENGINE
    precision: Precision = PRECISIONS[SIXTEEN_BIT]


def kv_bytes_per_token(shape: ModelShape, each: Number = 2.0) -> Number:
    """Bytes of keys and values per token; each value has 2 bytes in 16 bit.

    bytes = 2 x layers x kv heads x head width x each

    Leaves out: sliding-window attention, which stores fewer tokens.

    >>> kv_bytes_per_token(ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248))
    131072.0
    """
    return 2.0 * shape.layers * shape.kv_size * each


def served_weight_bytes(serving: ServingSetup) -> Number:
    """Memory of the weights: blocks in the serving precision, embedding and head in 16 bit."""
    matrices = (2 - serving.shape.tied_embeddings) * head_parameters(serving.shape)
    blocks = serving.shape.parameters - matrices
    return serving.precision.weight_bytes * blocks + 2.0 * matrices


def weight_bytes_read(serving: ServingSetup, batch: Number) -> Number:
    """Bytes of weights that one step reads: all but the embedding, and only the experts used.

    experts used = 1 - (1 - experts per token / experts) ^ batch
    """
    shape = serving.shape
    experts = shape.expert_layers * shape.experts * 3 * shape.hidden_size * shape.expert_size
    idle = 1.0 - shape.experts_per_token / np.maximum(np.asarray(shape.experts), 1.0)
    met = experts * (1.0 - idle ** np.asarray(batch, np.float64))
    dense = shape.parameters - (2 - shape.tied_embeddings) * head_parameters(shape) - experts
    blocks = serving.precision.weight_bytes * (dense + met)
    return np.asarray(blocks + 2.0 * head_parameters(shape))


def concurrency_bound(serving: ServingSetup, live_tokens: Number) -> Number:
    """Sequences that fit next to the weights: at least one, at most the engine's batch."""
    cards, engine = serving.cards, serving.engine
    room = MEMORY_FOR_MODEL_SHARE * cards.memory_bytes * cards.gpu_count - served_weight_bytes(
        serving
    )
    each = kv_bytes_per_token(serving.shape, engine.kv_bytes)
    each = each * np.maximum(np.asarray(live_tokens, np.float64), 1.0)
    return np.clip(room / each, 1.0, engine.max_sequences)


def prefill_seconds(serving: ServingSetup, prompt_tokens: Number) -> Number:
    """Seconds to process one prompt.

    (2 x active blocks x tokens + 2 x layers x heads x width x tokens^2) / FLOPs achieved
    + all-reduce between GPUs
    """
    shape = serving.shape
    tokens = np.asarray(prompt_tokens, np.float64)
    attention = 2.0 * shape.layers * shape.q_size * tokens**2
    linear = 2.0 * block_parameters(shape) * tokens / _gain(serving)
    moved = _exchanged_bytes(serving, tokens) / serving.cards.link
    return (linear + attention) / _flops(serving) + moved


def decode_step_seconds(
    serving: ServingSetup, batch: Number, live_tokens: Number, streamed: Number = 1.0
) -> Number:
    """Seconds of one decode step: every sequence of the batch gets its next token.

    host + max(weights / bandwidth, 2 N batch / FLOPs) + keys and values / bandwidth
    + all-reduce between GPUs; at least the time to launch the kernels

    *live_tokens* are prompt and output so far of a sequence; *streamed* is 1 over HTTP, 0 offline.

    Source: roofline of decoding.
    """
    shape, engine, precision = serving.shape, serving.engine, serving.precision
    bandwidth = engine.bandwidth_share * serving.cards.bandwidth * serving.cards.gpu_count
    cache = kv_bytes_per_token(shape, engine.kv_bytes) * live_tokens * batch
    blocks = 2.0 * block_parameters(shape) * batch / _gain(serving)
    compute = (blocks + 2.0 * head_parameters(shape) * batch) / _flops(serving)
    weights = weight_bytes_read(serving, batch) / (precision.bandwidth_share * bandwidth)
    host = engine.step_seconds + (engine.sequence_seconds + streamed * engine.stream_seconds) * (
        np.asarray(batch, np.float64)
    )
    sums = 2.0 * shape.layers * engine.hop_seconds * (np.asarray(serving.cards.gpu_count) > 1)
    moved = _exchanged_bytes(serving, batch) / serving.cards.link
    step = host + np.maximum(weights, compute) + cache / bandwidth + sums + moved
    is_packed = precision.weight_bytes < 2.0
    launch = engine.packed_layer_seconds * precision.launches if is_packed else engine.layer_seconds
    return np.maximum(step, shape.layers * launch)


def _flops(serving: ServingSetup) -> Number:
    """FLOP/s that all GPUs achieve in 16 bit."""
    return serving.engine.compute_share * serving.cards.tflops * 1e12 * serving.cards.gpu_count


def _gain(serving: ServingSetup) -> Number:
    """Speed of the blocks in their precision, relative to 16 bit."""
    precision, capability = serving.precision, np.asarray(serving.cards.compute_capability)
    native = np.where(capability >= precision.native_from, precision.native_gain, 1.0)
    return np.asarray(precision.compute_share * native)


def _exchanged_bytes(serving: ServingSetup, tokens: Number) -> Number:
    """Bytes each GPU sends for two all-reduces per layer; 0 on a single GPU."""
    count = np.asarray(serving.cards.gpu_count, np.float64)
    each = 2.0 * serving.shape.hidden_size * np.asarray(tokens) * 2.0 * (count - 1.0) / count
    return 2.0 * serving.shape.layers * each
