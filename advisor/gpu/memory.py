"""GPU memory of a training by phase and part, and the peak that the GPU reports [bytes]."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.gpu.activations import activation_bytes
from advisor.gpu.parameters import (
    ModelShape,
    embedding_parameters,
    linear_parameters,
    lora_parameters,
)
from advisor.gpu.training_setup import Method, TrainingSetup
from advisor.units import GIB, Number

NF4_BYTES = 0.5 + 0.0159
"""Per weight with double quantisation: 4 bits, and scales of 8 bits per 64 and 32 per 16,384.
Source: QLoRA, https://arxiv.org/abs/2305.14314."""
NF4_SINGLE_BYTES = 0.5625
EIGHT_BIT_STATE_BYTES = 2.03
"""Both states of a weight: 8 bits each, and a 32-bit scale per 256. Source: bitsandbytes."""
CONTEXT_BYTES = GIB * 0.47
"""Kernels and handles of a process. Source: ml-engineering, A100 with lazy loading; 0.14 on T4."""
COLLECTIVE_BYTES = 1.0 * GIB
"""Buffers of NCCL, 1 to 2 GiB once GPUs communicate. Source: ml-engineering."""
CACHED_TRANSIENT_SHARE = 0.50
CACHED_TOTAL_SHARE = 0.069
"""What the allocator caches beyond tensors: a share of the lower of the two peaks of layer and
loss, which use blocks of different sizes, and a share of the total. Fit on 49 rows of T4, where
reserved memory is 3.7 % off on average and 12 % at worst."""
MEMORY_RANGE = (0.90, 1.11)
"""Measured over estimated peak, 5th to 95th percentile. On the 49 rows of T4 it is 0.95 to 1.09 for
reserved memory; wider here for frameworks and GPUs that were not fitted, own judgement."""


class MemoryParts(NamedTuple):
    """Contents of the memory of one GPU at one moment [bytes]."""

    weights: Number
    adapters: Number
    gradients: Number
    optimizer: Number
    activations: Number
    head: Number
    copies: Number
    """16-bit copies of packed or float32 weights."""
    gathered: Number
    """Layers gathered from the shards of other GPUs."""

    @property
    def total(self) -> Number:
        """Sum of all parts: what torch reports as allocated."""
        return sum(self[1:], start=np.asarray(self.weights, np.float64))


def weights_bytes(
    shape: ModelShape,
    method: Method,
    double_quantised: bool = True,
    weight_bytes: Number = 2.0,
    upcast: bool = False,
) -> Number:
    """Memory of the base weights: 16-bit, or NF4 for the linear layers of QLoRA.

    >>> round(weights_bytes(ModelShape(28, 3584, 18944, 28, 4, 128, 152064, False, 7615616512),
    ...                     "qlora") / GIB, 2)
    5.17
    """
    if method != "qlora":
        return weight_bytes * shape.parameters
    per_weight = NF4_BYTES if double_quantised else NF4_SINGLE_BYTES
    kept = 4.0 if upcast else weight_bytes
    return per_weight * linear_parameters(shape) + kept * embedding_parameters(shape)


def base_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Memory of the base weights in a training, with a packed head if the loader packs it."""
    unpacked = weights_bytes(
        shape, setup.method, setup.double_quantised, setup.weight_bytes, setup.upcast
    )
    packed = NF4_BYTES if setup.double_quantised else NF4_SINGLE_BYTES
    saved = (setup.weight_bytes - packed) * shape.vocabulary * shape.hidden_size
    return unpacked - saved * (setup.packs_head and setup.method == "qlora")


def trained_parameters(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Number of trained weights."""
    if setup.is_full:
        return shape.parameters
    return lora_parameters(shape, setup.rank, setup.targets)


def optimizer_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Memory of the optimizer states; AdamW has two in the dtype of the weight."""
    width = setup.weight_bytes if setup.is_full else setup.adapter_bytes
    of_weight = {
        "adamw": 2.0 * width,
        "adamw_8bit": EIGHT_BIT_STATE_BYTES,
        "paged": 0.0,
        "sgd": 0.0,
    }[setup.optimizer]
    return of_weight * trained_parameters(shape, setup)


def resting_parts(shape: ModelShape, setup: TrainingSetup) -> MemoryParts:
    """Memory used in all phases on each GPU, with all gradients.

    full in 16 bits = 2 + 2 + 4 bytes per weight; adapters in float32 = 4 + 4 + 8 bytes per weight

    Source: peft's method comparison, full fine-tuning of Llama-3.2-3B in bf16, 23.9 GiB static.
    """
    weights = base_bytes(shape, setup)
    copies = 2 if setup.objective == "dpo" and setup.is_full else 1
    trained = trained_parameters(shape, setup)
    adapters = 0.0 * trained if setup.is_full else setup.adapter_bytes * trained
    gradients = (setup.weight_bytes if setup.is_full else setup.adapter_bytes) * trained
    shares = _shares(setup)
    none = 0.0 * np.asarray(adapters)
    return MemoryParts(
        weights * copies * shares["weights"],
        adapters * shares["weights"],
        gradients * shares["gradients"],
        optimizer_bytes(shape, setup) * shares["optimizer"],
        none,
        none,
        none,
        _gathered(shape, setup, weights),
    )


def memory_phases(shape: ModelShape, setup: TrainingSetup) -> Mapping[str, MemoryParts]:
    """Memory by part at each peak of a step.

    Returns:
        `loss`: all activations, the logits, and gradients of earlier micro-batches;
        `backward`: the first layer of backward; `last layer`: all gradients, few activations;
        `step`: gradients and optimizer states, no activations.
    """
    rest, moving = resting_parts(shape, setup), activation_bytes(shape, setup)
    before = rest.gradients * (setup.accumulates or not setup.is_full)
    after = rest.gradients * (not setup.optimizer_in_backward)
    copied = _copied(shape, setup)
    early = before * (not setup.optimizer_in_backward)
    last = moving.layer + (0.0 if setup.checkpointing else moving.stored / shape.layers)
    return {
        "loss": _with(rest, early, moving.stored, moving.head, copied),
        "backward": _with(rest, early, moving.stored + moving.layer, 0.0, copied),
        "last layer": _with(rest, after, last, 0.0, copied),
        "step": _with(rest, after, 0.0, 0.0, 0.0),
    }


def _with(
    rest: MemoryParts, gradients: Number, activations: Number, head: Number, copied: Number
) -> MemoryParts:
    return rest._replace(gradients=gradients, activations=activations, head=head, copies=copied)


def _copied(shape: ModelShape, setup: TrainingSetup) -> Number:
    """16-bit copies: one matrix of 4-bit weights; of float32 weights all stored for backward."""
    if setup.mixes:
        kept = setup.is_full or not setup.checkpointing
        return 2.0 * linear_parameters(shape) * (1.0 if kept else 1.0 / shape.layers)
    if setup.method != "qlora":
        return 0.0
    widest = np.maximum(shape.intermediate_size, shape.q_size)
    return 2.0 * shape.hidden_size * np.maximum(widest, shape.hidden_size)


def _shares(setup: TrainingSetup) -> Mapping[str, Number]:
    """Share of each part on one of the GPUs. Source: ZeRO, arXiv 1910.02054."""
    one = 1.0 / np.asarray(setup.gpus, np.float64) * (not setup.offloads_shards)
    level = {"none": 0, "ddp": 0, "zero1": 1, "zero2": 2, "zero3": 3}[setup.sharding]
    return {
        "weights": one if level >= 3 else 1.0,
        "gradients": one if level >= 2 else 1.0,
        "optimizer": one if level >= 1 else 1.0,
    }


def _gathered(shape: ModelShape, setup: TrainingSetup, weights: Number) -> Number:
    """Two layers, one in use and one being fetched, and the weights outside of the layers."""
    if setup.sharding != "zero3":
        return 0.0 * np.asarray(weights)
    outside = (2 - shape.tied_embeddings) * shape.vocabulary * shape.hidden_size * 2.0
    return outside + 2.0 * np.maximum(weights - outside, 0.0) / shape.layers


def allocator_cache_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Memory that the allocator has cached and no tensor uses."""
    moving = activation_bytes(shape, setup)
    lower = np.minimum(moving.layer, moving.head)
    if setup.empties_cache:
        return 0.0 * lower
    return CACHED_TRANSIENT_SHARE * lower + CACHED_TOTAL_SHARE * allocated_bytes(shape, setup)


def reserved_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Peak that torch reserves: tensors and the cache of its allocator."""
    return allocated_bytes(shape, setup) + allocator_cache_bytes(shape, setup)


def process_bytes(
    shape: ModelShape, setup: TrainingSetup, context_bytes: Number = CONTEXT_BYTES
) -> Number:
    """Peak that the GPU reports for the process: with kernels, and buffers between GPUs.

    >>> shape = ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248)
    >>> bool(process_bytes(shape, TrainingSetup("lora", tokens=2048)) < 24 * GIB)
    True
    """
    return reserved_bytes(shape, setup) + context_bytes + collective_bytes(setup)


def collective_bytes(setup: TrainingSetup) -> Number:
    """Buffers for communication between GPUs."""
    return np.where(np.asarray(setup.gpus) > 1, COLLECTIVE_BYTES, 0.0)


def peak_process_bytes(shape: ModelShape, method: Method, rank: Number, tokens: Number) -> Number:
    """Peak of the process with the settings of our script and a micro-batch of *tokens*."""
    return process_bytes(shape, TrainingSetup(method, tokens, rank=rank))


def fits_in_memory(process_bytes: Number, gpu_memory_bytes: Number) -> NDArray[np.bool_]:
    """Whether a process fits on a GPU."""
    return np.asarray(process_bytes) <= gpu_memory_bytes


def allocated_bytes(shape: ModelShape, setup: TrainingSetup) -> Number:
    """Peak memory of tensors: that of the highest phase."""
    return reduce(np.maximum, [parts.total for parts in memory_phases(shape, setup).values()])
