"""Training time: seconds per step from FLOPs, bytes and launches, and the energy used."""

from __future__ import annotations

import numpy as np

from advisor.gpu.flops import (
    attention_flops,
    head_flops,
    matmul_flops,
    moved_bytes,
    optimizer_moved_bytes,
    tiled_logits,
    unpacked_bytes,
)
from advisor.gpu.memory import weights_bytes
from advisor.gpu.parameters import ModelShape
from advisor.gpu.throughput import NARROW_HIDDEN, Speeds
from advisor.gpu.training_setup import TrainingSetup
from advisor.units import Number

MOVED_FACTOR = 1.1
"""Time to move bytes over the time at full bandwidth; fit on 149 rows of T4 and A100."""
UNPACKED_FACTOR = 3.3
"""The same for 4-bit weights, where unpacking also computes; fit on 30 QLoRA rows, T4 and A100."""
OPTIMIZER_FACTOR = 1.25
"""The same for the optimizer, which achieves 80 % of the bandwidth. Own judgement."""
MODULE_LAUNCHES = 0.16
"""Kernels of one adapter over those of its layer: cast, two products, scale, add, of 35. Counted in
peft 0.21 and transformers 5.23."""
PACKED_LAUNCHES = 0.3
"""Kernels that 4-bit weights add to a layer: two per matrix, of 35. Counted."""
OPTIMIZER_PASSES = 0.5
"""Time for a CPU to start the optimizer for each weight separately, in passes through all layers; a
GPU needs only a few launches. Own judgement."""
GATHERS = {"none": 0.0, "ddp": 0.0, "zero1": 0.0, "zero2": 1.0, "zero3": 2.0}
"""How often the weights are sent in one micro-batch. Source: ZeRO, arXiv 1910.02054."""
HOST_POWER = 1.2
"""Power of the machine over that of its GPUs. Source: MLPerf 4.0, Llama-2-70B LoRA on eight H100:
843 W per GPU at the plug, of 700."""
LOADS = (0.5, 0.9)
"""Share of the board power while the GPU waits for the host, and while it computes. Own judgement
based on AnswerDotAI (RTX 4090, 375 to 400 of 450 W) and MLPerf."""


def step_seconds(
    shape: ModelShape, setup: TrainingSetup, speeds: Speeds, micro_batches: Number = 1.0
) -> Number:
    """Seconds of one step of the optimizer.

    step = micro-batches x micro-batch + optimizer + fixed overhead
    """
    shards = setup.gpus if setup.sharding in ("zero1", "zero2", "zero3") else 1.0
    moved = optimizer_moved_bytes(shape, setup) / shards
    optimizer = OPTIMIZER_FACTOR * moved / speeds.bandwidth
    sequential = 1.0 - np.asarray(speeds.overlaps, np.float64)
    started = OPTIMIZER_PASSES * sequential * shape.layers * speeds.launch_seconds
    overhead = optimizer + started + speeds.step_seconds
    return micro_batches * micro_batch_seconds(shape, setup, speeds) + overhead


def micro_batch_seconds(shape: ModelShape, setup: TrainingSetup, speeds: Speeds) -> Number:
    """Seconds of one micro-batch, forward and backward.

    On a GPU, computing, launching and sending overlap and the slowest dominates: the fourth root
    of the sum of fourth powers. Elsewhere they are added.
    """
    parts = (
        computing_seconds(shape, setup, speeds),
        launching_seconds(shape, setup, speeds),
        sending_seconds(shape, setup, speeds),
    )
    added = parts[0] + parts[1] + parts[2]
    if not np.any(speeds.overlaps):
        return added
    squares = [np.square(np.asarray(part, np.float64)) for part in parts]
    slowest = np.sqrt(np.sqrt(sum(np.square(square) for square in squares)))
    return speeds.overlaps * slowest + (1.0 - np.asarray(speeds.overlaps)) * added


def computing_seconds(shape: ModelShape, setup: TrainingSetup, speeds: Speeds) -> Number:
    """Seconds of products and memory traffic of one micro-batch.

    products = FLOPs / (speed x hidden / (hidden + 64)); traffic = bytes / bandwidth
    """
    narrow = shape.hidden_size / (shape.hidden_size + NARROW_HIDDEN)
    matmul = speeds.matmul * narrow
    head = head_flops(shape, setup) / (speeds.wide if setup.upcast else matmul)
    scores = attention_flops(shape, setup) / (speeds.wide if setup.upcast else speeds.attention)
    moved = MOVED_FACTOR * moved_bytes(shape, setup) + UNPACKED_FACTOR * unpacked_bytes(
        shape, setup
    )
    logits = tiled_logits(shape, setup) * speeds.logit_seconds
    return matmul_flops(shape, setup) / matmul + head + scores + moved / speeds.bandwidth + logits


def launching_seconds(shape: ModelShape, setup: TrainingSetup, speeds: Speeds) -> Number:
    """Seconds for the host to launch the kernels of one micro-batch.

    seconds = layers x passes x (1 + 0.16 per adapted matrix + 0.3 with 4-bit weights) x launch
    """
    modules = 0.0 if setup.is_full else MODULE_LAUNCHES * len(setup.targets)
    packed = PACKED_LAUNCHES if setup.method == "qlora" else 0.0
    passes = 3.0 + setup.checkpointing + (setup.objective == "dpo")
    return shape.layers * passes * (1.0 + modules + packed) * speeds.launch_seconds


def sending_seconds(shape: ModelShape, setup: TrainingSetup, speeds: Speeds) -> Number:
    """Seconds to send weights and gradients between GPUs in one micro-batch.

    bytes = gathers x weights + gradients of trained weights
    """
    apart = (setup.gpus - 1.0) / np.asarray(setup.gpus, np.float64)
    weights = weights_bytes(shape, setup.method, setup.double_quantised, setup.weight_bytes)
    gradients = weights * setup.is_full
    return apart * (GATHERS[setup.sharding] * weights + gradients) / speeds.link


def mean_watts(tdp_watts: Number, busy_share: Number) -> Number:
    """Mean power of a machine per GPU while it trains.

    Leaves out: cooling of the building, a factor of 1.1 to 1.55.

    >>> float(mean_watts(700.0, 1.0))
    756.0
    """
    idle, busy = LOADS
    return HOST_POWER * tdp_watts * (idle + (busy - idle) * np.asarray(busy_share, np.float64))


def busy_share(shape: ModelShape, setup: TrainingSetup, speeds: Speeds) -> Number:
    """Share of a micro-batch in which the GPU computes instead of waiting."""
    computing = np.asarray(computing_seconds(shape, setup, speeds))
    return computing / micro_batch_seconds(shape, setup, speeds)


def energy_kwh(hours: Number, watts: Number) -> Number:
    """Energy at a mean power [kWh].

    >>> float(energy_kwh(2.0, 450.0))
    0.9
    """
    return np.asarray(hours) * watts / 1000.0
