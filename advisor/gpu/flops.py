"""A shape and a training -> what a micro-batch multiplies and what it moves through memory."""

from __future__ import annotations

import numpy as np

from advisor.gpu.activations import mlp_size
from advisor.gpu.parameters import ModelShape, active_parameters, linear_parameters, lora_parameters
from advisor.gpu.training_setup import TrainingSetup
from advisor.units import Number

HIDDEN_UNITS, MLP_UNITS = 12.0, 3.0
"""Numbers that norms, residuals, rotations and activations read and write in one layer, over its
widths. Source: counted in fitcheck-llm 0.3.1 for memory, where they came out within 5 %."""
LOGIT_BYTES = {
    "all": 28.0,
    "all_copied": 36.0,
    "all_fp32": 32.0,
    "all_bf16": 12.0,
    "chunked": 28.0,
    "fused": 8.0,
}
"""Moved for each logit: every tensor of the loss head is written once and read once; a tiled head
keeps them on the chip but for a pass each way."""
EAGER_SCORES = 8.0
"""Numbers read and written for each score and pass: product, mask, softmax in 32 bit, copy."""
NF4_MOVED_BYTES = 2.56
"""Of a 4-bit weight that is unpacked: half a byte and its scales read, two bytes written."""


def block_parameters(shape: ModelShape) -> Number:
    """Count the weights of the blocks that one token is multiplied with."""
    return active_parameters(shape) - shape.vocabulary * shape.hidden_size * (
        2 - shape.tied_embeddings
    )


def head_parameters(shape: ModelShape) -> Number:
    """Count the weights of the loss head, tied to the embedding or not."""
    return 1.0 * shape.vocabulary * shape.hidden_size


def matmul_flops(shape: ModelShape, setup: TrainingSetup) -> Number:
    """FLOPs of the blocks' matrices in one micro-batch.

    a pass is 2 FLOPs a weight and token: forward, back to the inputs, back to the weights that
    are trained, and forward again with checkpointing; a reference model goes forward too

    Source: PaLM appendix B, https://arxiv.org/abs/2204.02311, with the passes told apart.
    """
    again = 1.0 * setup.checkpointing
    reference = 1.0 * (setup.objective == "dpo")
    whole = (2.0 + setup.is_full + again + reference) * block_parameters(shape)
    trained = lora_parameters(shape, setup.rank, setup.targets) * (not setup.is_full)
    adapters = (3.0 + again) * trained
    return 2.0 * (whole + adapters) * np.asarray(setup.positions, np.float64)


def head_flops(shape: ModelShape, setup: TrainingSetup) -> Number:
    """FLOPs of the loss head in one micro-batch; one in tiles is multiplied anew going back."""
    if setup.objective == "classification":
        return 0.0 * np.asarray(setup.positions, np.float64)
    anew = 1.0 * (setup.head == "fused")
    reference = 1.0 * (setup.objective == "dpo")
    share = setup.loss_share if setup.head == "fused" else 1.0
    passes = 2.0 + setup.is_full + anew + reference
    return 2.0 * passes * head_parameters(shape) * np.asarray(setup.positions) * share


def attention_flops(shape: ModelShape, setup: TrainingSetup) -> Number:
    """FLOPs of scores and weighted values in one micro-batch.

    forward = 4 x layers x width x length a token, half of it where a kernel skips the future;
    back twice that, two and a half times in a fused kernel that works the scores out anew

    Source: FlashAttention-2, https://arxiv.org/abs/2307.08691.
    """
    fused = setup.attention == "fused"
    causal = 0.5 if fused and setup.objective != "classification" else 1.0
    passes = 1.0 + (2.5 if fused else 2.0) + setup.checkpointing + (setup.objective == "dpo")
    each = 4.0 * shape.layers * shape.q_size * np.asarray(setup.longest, np.float64)
    return causal * passes * each * setup.positions


def train_flops(shape: ModelShape, setup: TrainingSetup) -> Number:
    """All FLOPs of one micro-batch, what is computed twice counted twice.

    >>> llama = ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248)
    >>> lora = TrainingSetup("lora", 4096.0, 4096.0, checkpointing=False, head="all")
    >>> round(float(train_flops(llama, lora)) / 4096 / 7.505e9, 2)  # 4 N, and some for attention
    4.53
    """
    return matmul_flops(shape, setup) + head_flops(shape, setup) + attention_flops(shape, setup)


def moved_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes that all but the matrix products move in one micro-batch.

    a layer = 2 x (12 hidden + 3 queries + keys + 3 MLP) x passes; attention without a fused
    kernel moves its scores, the loss head its logits

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
    """Count the logits that a tiled loss head works out in one micro-batch."""
    told = setup.head == "fused" and setup.objective != "classification"
    return np.asarray(setup.positions, np.float64) * shape.vocabulary * told


def unpacked_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes moved to unpack 4-bit weights in one micro-batch, once a pass; 0 for others."""
    if setup.method != "qlora":
        return 0.0 * np.asarray(setup.positions, np.float64)
    passes = 2.0 + setup.checkpointing + (setup.objective == "dpo")
    return NF4_MOVED_BYTES * passes * linear_parameters(shape)


def optimizer_moved_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes moved at the end of a step: weight, gradient and two states, and the gradient's norm.

    read 4, write 3, and once more the gradient to cut it = 8 numbers a trained weight
    """
    width = setup.weight_bytes if setup.is_full else setup.adapter_bytes
    trained = (
        shape.parameters if setup.is_full else lora_parameters(shape, setup.rank, setup.targets)
    )
    return 8.0 * width * trained
