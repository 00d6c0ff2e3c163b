"""Memory of activations in training: stored for backward, used in one layer, used by the loss.

Bytes per token of one layer were counted, not fitted: what autograd saves in one layer of
transformers 5.23 in bfloat16 is exactly linear in the sizes, over eight sizes of each family.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from advisor.gpu.parameters import ModelShape, Module
from advisor.gpu.training_setup import TrainingSetup
from advisor.units import Number

SCORE_BYTES = 6.0
"""Saved per attention score without a fused kernel: float32 softmax and its 16-bit copy."""
EAGER_BACKWARD_BYTES = {False: 8.8, True: 12.0}
"""Per attention score in backward, without and with float32 norms; fit on 23 eager T4 rows."""
LOGIT_BYTES = {
    "all": 14.0,
    "all_copied": 18.0,
    "all_fp32": 16.0,
    "all_plain": 12.0,
    "all_bf16": 6.0,
}
"""Per logit. all: 16-bit, float32, its log-softmax and the gradient of that; all_copied: before
transformers 4.46, float32 was copied once more when shifted; all_fp32: a float32 head over 16-bit
layers, four times four bytes; all_plain: all in float32 as on a CPU, log-softmax and two
gradients; all_bf16: 16 bits throughout. Source: ForCausalLMLoss of transformers, Liger 6.13."""
COMPILED_CHUNK_BYTES = 2.0
"""Per logit in compiled chunks; fit on the last 5 rows of torchtune's table (A100). Other chunks
keep logits and their log-softmax, as chunked_cross_entropy of litgpt does."""
INPUTS: dict[Module, str] = {
    "q": "h",
    "k": "h",
    "v": "h",
    "o": "q",
    "gate": "h",
    "up": "h",
    "down": "f",
}
"""Input width of each matrix: hidden, queries or MLP."""


class ActivationBytes(NamedTuple):
    """Memory of activations at the three peaks of a step [bytes]."""

    stored: Number
    """Stored of all layers for backward."""
    layer: Number
    """During backward of one layer."""
    head: Number
    """While the loss is computed."""


def activation_bytes(shape: ModelShape, setup: TrainingSetup) -> ActivationBytes:
    """Memory of activations during forward and backward."""
    layer = saved_bytes_per_token(shape, setup) * setup.positions
    passing = backward_bytes_per_token(shape, setup) * setup.positions
    head = head_bytes(shape, setup)
    if not setup.checkpointing:
        return ActivationBytes(layer * shape.layers, passing, head)
    kept = 4.0 if setup.upcast else setup.stream_bytes
    stored = kept * shape.layers * np.asarray(setup.positions, np.float64) * shape.hidden_size
    return ActivationBytes(stored * (not setup.offloads_activations), layer + passing, head)


def mlp_size(shape: ModelShape) -> Number:
    """Width inside the MLP for one token: that of its experts in a mixture of experts."""
    routed = shape.experts_per_token * shape.expert_size + shape.shared_size
    return (shape.experts > 0) * routed + (shape.experts == 0) * shape.intermediate_size


def saved_bytes_per_token(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes that one layer stores per token for backward.

    frozen = 4 hidden for each norm + 4 queries + 4 keys + 6 MLP + 4 heads;
    trained adds the inputs of every matrix and norm, adapters their inputs in their own dtype

    Leaves out: intermediate values of adapters under a kilobyte, and expert routing except for
    the copied inputs.

    Source: counted with saved_tensors_hooks in transformers 5.23, see the module docstring.

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
    """Bytes per token of gradients in one layer."""
    if setup.attention != "eager":
        return 0.0
    of_score = EAGER_BACKWARD_BYTES[setup.upcast]
    return of_score * shape.attention_heads * np.asarray(setup.longest)


def head_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Bytes of the loss: a tile and the gradients of the hidden states, or all logits.

    fused = tile + 4 labelled positions x hidden (+ 4 vocabulary x hidden if the head is trained)

    Source: trl 1.16, add_fused_lm_head; logits of 14 bytes, 16 in float32, are those of
    transformers: 16-bit, float32, their log-softmax and its gradient.
    """
    positions = np.asarray(setup.positions, np.float64)
    if setup.objective == "classification":
        return 0.0 * positions
    trained = 4.0 * shape.vocabulary * shape.hidden_size * setup.is_full
    if setup.head == "fused":
        labelled = positions * setup.loss_share
        tile = np.minimum(labelled, 4096.0) * np.minimum(shape.vocabulary, 32768.0) * 2.0
        return tile + 4.0 * labelled * shape.hidden_size + trained
    if setup.head != "chunked":
        return LOGIT_BYTES[setup.head] * positions * shape.vocabulary
    of_logit = COMPILED_CHUNK_BYTES if setup.compiled else 2.0 * setup.stream_bytes
    return of_logit * positions * shape.vocabulary + trained
