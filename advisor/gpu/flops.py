"""FLOPs of one micro-batch of training, and the bytes it moves through memory."""

from __future__ import annotations

import numpy as np

from advisor.gpu.activations import mlp_size
from advisor.gpu.memory import trained_parameters
from advisor.gpu.parameters import ModelShape, active_parameters, linear_parameters, lora_parameters
from advisor.gpu.training_setup import TrainingSetup
from advisor.units import Number

HIDDEN_UNITS, MLP_UNITS = 12.0, 3.0
"""Values that norms, residuals, rotations and activations read and write in one layer, relative to
its widths. Source: counted in fitcheck-llm 0.3.1 for memory, where they were within 5 %."""
LOGIT_BYTES = {
    "all": 28.0,
    "all_copied": 36.0,
    "all_fp32": 32.0,
    "all_bf16": 12.0,
    "chunked": 28.0,
    "fused": 8.0,
}
"""Bytes moved per logit: every tensor of the loss head is written once and read once; a tiled head
keeps them on the chip except for one pass in each direction."""
EAGER_SCORES = 8.0
"""Values read and written per score and pass: product, mask, softmax in 32 bit, copy."""
NF4_MOVED_BYTES = 2.56
"""Per 4-bit weight that is unpacked: half a byte and its scales read, two bytes written."""


def block_parameters(shape: ModelShape) -> Number:
    """Weights of the blocks that one token is multiplied with."""
    return active_parameters(shape) - shape.vocabulary * shape.hidden_size * (
        2 - shape.tied_embeddings
    )


def head_parameters(shape: ModelShape) -> Number:
    """Weights of the loss head, tied to the embedding or not."""
    return 1.0 * shape.vocabulary * shape.hidden_size


def matmul_flops(shape: ModelShape, setup: TrainingSetup) -> Number:
    """FLOPs of the matrices of the blocks in one micro-batch.

    A pass is 2 FLOPs per weight and token: forward, backward to the inputs, backward to the
    trained weights, and forward again with checkpointing; a reference model adds a forward pass.

    Source: PaLM appendix B, https://arxiv.org/abs/2204.02311, with the passes separated.
    """
    again = 1.0 * setup.checkpointing
    reference = 1.0 * (setup.objective == "dpo")
    base = (2.0 + setup.is_full + again + reference) * block_parameters(shape)
    trained = lora_parameters(shape, setup.rank, setup.targets) * (not setup.is_full)
    adapters = (3.0 + again) * trained
    return 2.0 * (base + adapters) * np.asarray(setup.positions, np.float64)


def head_flops(shape: ModelShape, setup: TrainingSetup) -> Number:
    """FLOPs of the loss head in one micro-batch; a tiled head is recomputed in backward."""
    if setup.objective == "classification":
        return 0.0 * np.asarray(setup.positions, np.float64)
    again = 1.0 * (setup.head == "fused")
    reference = 1.0 * (setup.objective == "dpo")
    share = setup.loss_share if setup.head == "fused" else 1.0
    passes = 2.0 + setup.is_full + again + reference
    return 2.0 * passes * head_parameters(shape) * np.asarray(setup.positions) * share


def attention_flops(shape: ModelShape, setup: TrainingSetup) -> Number:
    """FLOPs of scores and weighted values in one micro-batch.

    forward = 4 x layers x width x length per token, half of it if the kernel skips future tokens;
    backward is twice that, 2.5 times in a fused kernel that recomputes the scores

    Source: FlashAttention-2, https://arxiv.org/abs/2307.08691.
    """
    fused = setup.attention == "fused"
    causal = 0.5 if fused and setup.objective != "classification" else 1.0
    passes = 1.0 + (2.5 if fused else 2.0) + setup.checkpointing + (setup.objective == "dpo")
    each = 4.0 * shape.layers * shape.q_size * np.asarray(setup.longest, np.float64)
    return causal * passes * each * setup.positions


def moved_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes moved in one micro-batch by everything except matrix products.

    layer = 2 x (12 hidden + 3 queries + keys + 3 MLP) x passes; attention without a fused
    kernel also moves its scores, and the loss head its logits

    Leaves out: the weights themselves, the optimizer (see `optimizer_moved_bytes`).
    """
    width = (
        HIDDEN_UNITS * shape.hidden_size
        + 3.0 * shape.q_size
        + shape.kv_size
        + MLP_UNITS * mlp_size(shape)
    )
    width = width * (0.5 if setup.compiled else 1.0)
    passes = 3.0 + setup.checkpointing + (setup.objective == "dpo")
    kept = EAGER_SCORES * (setup.attention == "eager")
    scores = kept * shape.attention_heads * np.asarray(setup.longest, np.float64)
    wide = 2.0 if setup.upcast else 1.0
    layers = setup.weight_bytes * wide * passes * shape.layers * (width + scores)
    logits = LOGIT_BYTES[setup.head] * shape.vocabulary * (setup.objective != "classification")
    return np.asarray(setup.positions, np.float64) * (layers + logits)


def tiled_logits(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Logits that a tiled loss head computes in one micro-batch."""
    is_tiled = setup.head == "fused" and setup.objective != "classification"
    return np.asarray(setup.positions, np.float64) * shape.vocabulary * is_tiled


def unpacked_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes moved to unpack 4-bit weights in one micro-batch, once per pass; 0 for others."""
    if setup.method != "qlora":
        return 0.0 * np.asarray(setup.positions, np.float64)
    passes = 2.0 + setup.checkpointing + (setup.objective == "dpo")
    return NF4_MOVED_BYTES * passes * linear_parameters(shape)


def optimizer_moved_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes moved at the end of a step: weight, gradient and two states, and the gradient's norm.

    read 4, write 3, and read the gradient again to clip it = 8 values per trained weight
    """
    width = setup.weight_bytes if setup.is_full else setup.adapter_bytes
    return 8.0 * width * trained_parameters(shape, setup)
