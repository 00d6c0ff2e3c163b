"""A shape and a training -> what is kept for the way back, and what a moment of it takes.

Bytes a token of one layer were counted, not fitted: what autograd saves in one layer of
transformers 5.23 in bfloat16, over eight sizes of each family, is to the byte linear in the sizes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from advisor.gpu.parameters import ModelShape, Module
from advisor.gpu.training_setup import TrainingSetup
from advisor.units import Number

SCORE_BYTES = 6.0
"""Saved of a score without a fused kernel: float32 softmax and its 16-bit copy; counted."""
EAGER_BACKWARD_BYTES = {False: 8.8, True: 12.0}
"""Of a score on the way back, without and with float32 norms; fit on 23 eager rows of T4."""
HEAD_TILE_BYTES = 4096 * 32768 * 2
"""Buffer of the fused head: tiles of 4,096 tokens by 32,768 words. Source: trl 1.16."""
LOGIT_BYTES = {
    "all": 14.0,
    "all_copied": 18.0,
    "all_fp32": 16.0,
    "all_plain": 12.0,
    "all_bf16": 6.0,
}
"""Of a logit. All: 16-bit, float32, its log-softmax, the gradient of that; before transformers
4.46 float32 was copied once more when it was shifted; with a head in float32 over 16-bit layers
four times four bytes; plain, all in float32 as on a CPU, log-softmax and two gradients; in 16 bits
throughout two, two and two. Source: ForCausalLMLoss of transformers, Liger's benchmark (6.13)."""
COMPILED_CHUNK_BYTES = 2.0
"""Of a logit in compiled chunks; fit on the 5 last rows of torchtune's table (A100). Other chunks
keep logits and their log-softmax, as in chunked_cross_entropy of litgpt."""
INPUTS: dict[Module, str] = {
    "q": "h",
    "k": "h",
    "v": "h",
    "o": "q",
    "gate": "h",
    "up": "h",
    "down": "f",
}
"""Which width goes into each matrix."""


class ActivationBytes(NamedTuple):
    """What activations take at the three heights of a step [bytes]."""

    stored: Number
    """Kept of all layers for the way back."""
    layer: Number
    """While one layer goes back."""
    head: Number
    """While the loss is reckoned."""


def activation_bytes(shape: ModelShape, setup: TrainingSetup) -> ActivationBytes:
    """Say what activations take while a step goes forward and back."""
    layer = saved_bytes_per_token(shape, setup) * setup.positions
    passing = backward_bytes_per_token(shape, setup) * setup.positions
    head = head_bytes(shape, setup)
    if not setup.checkpointing:
        return ActivationBytes(layer * shape.layers, passing, head)
    kept = 4.0 if setup.upcast else setup.stream_bytes
    stored = kept * shape.layers * np.asarray(setup.positions, np.float64) * shape.hidden_size
    return ActivationBytes(stored * (not setup.offloads_activations), layer + passing, head)


def mlp_size(shape: ModelShape) -> Number:
    """Width inside the MLP that a token passes: of its experts, where there are some."""
    routed = shape.experts_per_token * shape.expert_size + shape.shared_size
    return (shape.experts > 0) * routed + (shape.experts == 0) * shape.intermediate_size


def saved_bytes_per_token(shape: ModelShape, setup: TrainingSetup) -> Number:
    """What one layer keeps of a token for the way back [bytes].

    frozen = 4 hidden for each norm + 4 queries + 4 keys + 6 MLP + 4 heads;
    trained adds the inputs of every matrix and norm, adapters their inputs in their own dtype

    Leaves out: adapters' middle under a kilobyte, routing of experts but for their copied inputs.

    Source: counted with saved_tensors_hooks in transformers 5.23, see the head of this module.

    >>> llama = ModelShape(28, 3072, 8192, 24, 8, 128, 128256, True, 3212749824)
    >>> saved_bytes_per_token(llama, TrainingSetup("full", 1))
    131168.0
    """
    q, kv = shape.q_size, shape.kv_size
    of_norm = 2.0 if setup.compiled else 4.0 - (4.0 - setup.stream_bytes) * shape.norm_biases
    norms = shape.norms_per_layer * of_norm * shape.hidden_size
    normed = 4.0 * (shape.head_norms + shape.wide_norms) * (q + kv)
    mlp = setup.stream_bytes * (2 * shape.mlp_matrices - 3) * mlp_size(shape)
    routed = 4.0 * shape.experts_per_token * shape.hidden_size
    kept = norms + normed + mlp + routed + _attention_bytes(shape, setup)
    return kept + (_trained_bytes(shape, setup) if setup.is_full else _adapted(shape, setup))


def _attention_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    q, heads, wide = shape.q_size, shape.attention_heads, 2.0 * setup.stream_bytes
    if setup.attention == "fused":
        return wide * (q + shape.kv_size) + 4.0 * heads
    if setup.attention == "masked":
        return 2.0 * wide * q + 4.0 * heads
    return 2.0 * wide * q + SCORE_BYTES * heads * np.asarray(setup.longest)


def _trained_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    wide = setup.stream_bytes
    inputs = 2.0 * wide * shape.hidden_size
    if setup.compiled:
        return inputs
    normed = wide * (shape.head_norms + shape.wide_norms) * (shape.q_size + shape.kv_size)
    norms = wide * (1 - shape.norm_biases) * shape.norms_per_layer * shape.hidden_size
    return inputs + norms + normed + wide * mlp_size(shape)


def _adapted(shape: ModelShape, setup: TrainingSetup) -> Number:
    widths = {"h": shape.hidden_size, "q": shape.q_size, "f": mlp_size(shape)}
    modules = [name for name in setup.targets if name != "head"]
    inputs = [widths[INPUTS[name]] for name in modules]
    middle = len(modules) * setup.rank * (2.0 if setup.autocast else setup.adapter_bytes)
    if setup.drops_out:
        return sum((1.0 + setup.stream_bytes) * width for width in inputs) + middle
    if setup.adapter_bytes > setup.stream_bytes:
        return sum((2.0 if setup.autocast else 4.0) * width for width in inputs) + middle
    shared = ({"q", "k", "v"} & {*modules}, {"gate", "up"} & {*modules})
    hidden = sum(map(bool, shared)) * shape.hidden_size
    return setup.stream_bytes * (hidden + ("down" in modules) * mlp_size(shape)) + middle


def backward_bytes_per_token(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Gradients on their way through one layer [bytes]."""
    if setup.attention != "eager":
        return 0.0
    of_score = EAGER_BACKWARD_BYTES[setup.upcast]
    return of_score * shape.attention_heads * np.asarray(setup.longest)


def head_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """What the loss takes: a tile and the gradients of the hidden states, or all logits [bytes].

    fused = tile + 4 positions with a label x hidden (+ 4 vocabulary x hidden if it is trained)

    Source: trl 1.16, add_fused_lm_head; logits of 14 bytes, 16 in float32, are those of
    transformers: 16-bit, float32, their log-softmax and its gradient.
    """
    positions = np.asarray(setup.positions, np.float64)
    if setup.objective == "classification":
        return 0.0 * positions
    trained = 4.0 * shape.vocabulary * shape.hidden_size * setup.is_full
    if setup.head == "fused":
        told = positions * setup.loss_share
        tile = np.minimum(told, 4096.0) * np.minimum(shape.vocabulary, 32768.0) * 2.0
        return tile + 4.0 * told * shape.hidden_size + trained
    if setup.head != "chunked":
        return LOGIT_BYTES[setup.head] * positions * shape.vocabulary
    of_logit = COMPILED_CHUNK_BYTES if setup.compiled else 2.0 * setup.stream_bytes
    return of_logit * positions * shape.vocabulary + trained
