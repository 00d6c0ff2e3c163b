"""A model, a GPU and traffic -> tokens a second it sustains, and how many GPUs carry the peak."""

from __future__ import annotations

import numpy as np

from advisor.estimate.memory import Shape
from advisor.units import SECONDS_PER_MONTH, Number

MEMORY_FOR_MODEL_SHARE = 0.90
BANDWIDTH_SHARE = 0.84
"""Share of bandwidth that decoding meets. Source: fit on AccelMark's rows, 8B bf16, 15 pairs."""
STEP_SECONDS = 0.002
"""What an engine adds to each step; 1.1 to 4.9 ms measured. Source: AccelMark."""
PREFILL_SHARE = 0.45
MOST_SEQUENCES = 256.0
LIVE_MARGIN = 1.05
"""Weights and the least that must fit beside them, over the weights; own judgement."""
ENCODER_SHARES = (0.05, 0.15, 0.35)
"""Share of the fp16 peak an encoder meets when served; own judgement."""


def kv_bytes_per_token(shape: Shape) -> Number:
    """Memory of keys and values of one token in 16 bit.

    bytes = 2 x layers x kv heads x head width x 2

    >>> kv_bytes_per_token(Shape(32, 4096, 14336, 32, 8, 128, 128256, False, 8030261248))
    131072.0
    """
    return 2.0 * shape.layers * shape.kv_heads * shape.head_dim * 2.0


def concurrency_bound(shape: Shape, gpu_memory_bytes: Number, live_tokens: Number) -> Number:
    """Sequences that fit beside the weights, at least one and at most what engines batch."""
    room = MEMORY_FOR_MODEL_SHARE * gpu_memory_bytes - 2.0 * shape.parameters
    each = kv_bytes_per_token(shape) * np.maximum(np.asarray(live_tokens, np.float64), 1.0)
    return np.clip(room / each, 1.0, MOST_SEQUENCES)


def decode_tokens_per_second(
    shape: Shape,
    memory_bytes: Number,
    bandwidth_bytes_per_second: Number,
    tflops: Number,
    prompt_tokens: Number,
    completion_tokens: Number,
) -> Number:
    """Output tokens a second that one GPU sustains with as many sequences as fit.

    step = t0 + max((weights + batch x length x KV) / bandwidth, 2 N batch / FLOPs);
    each answer also waits for its prompt: 2 N prompt / FLOPs

    Leaves out: quantised weights, prefix caching, adapters that are not merged (10 to 35 % slower).

    Args:
        shape: Numbers of the model.
        memory_bytes: Of the GPU.
        bandwidth_bytes_per_second: Of that memory.
        tflops: Dense peak in the serving dtype.
        prompt_tokens: Read per answer.
        completion_tokens: Written per answer.

    Source: roofline of decoding; single streams of 15 GPU and engine pairs came out within 9 %.
    """
    answer = np.maximum(np.asarray(completion_tokens, np.float64), 1.0)
    live = np.asarray(prompt_tokens) + answer / 2.0
    batch = concurrency_bound(shape, memory_bytes, live)
    read = 2.0 * shape.parameters + batch * live * kv_bytes_per_token(shape)
    compute = 2.0 * shape.parameters * batch / (PREFILL_SHARE * tflops * 1e12)
    step = STEP_SECONDS + np.maximum(read / (BANDWIDTH_SHARE * bandwidth_bytes_per_second), compute)
    prefill = 2.0 * shape.parameters * np.asarray(prompt_tokens) / (PREFILL_SHARE * tflops * 1e12)
    return 1.0 / (step / batch + prefill / answer)


def mean_output_tokens_per_second(requests_per_month: Number, completion_tokens: Number) -> Number:
    """Output tokens a second over the whole month.

    >>> round(float(mean_output_tokens_per_second(2_000_000, 200)), 1)
    152.2
    """
    return np.asarray(requests_per_month) * completion_tokens / SECONDS_PER_MONTH


def gpus_of_a_copy(shape: Shape, gpu_memory_bytes: Number) -> Number:
    """GPUs that one copy of the weights in 16 bit takes, with a twentieth kept for what is live."""
    room = MEMORY_FOR_MODEL_SHARE * gpu_memory_bytes
    return np.asarray(np.ceil(LIVE_MARGIN * 2.0 * shape.parameters / room))


def gpus_per_replica(shape: Shape, gpu_memory_bytes: float) -> int:
    """Count the GPUs of a copy of one model on one kind of GPU.

    >>> llama_70b = Shape(80, 8192, 28672, 64, 8, 128, 128256, False, 70_553_706_496)
    >>> gpus_per_replica(llama_70b, 80 * 2**30), gpus_per_replica(llama_70b, 192 * 2**30)
    (2, 1)
    """
    return int(gpus_of_a_copy(shape, gpu_memory_bytes))


def replicas_needed(peak_output_tokens_per_second: Number, capacity: Number) -> Number:
    """Copies of the model that carry the peak, at least one.

    >>> float(replicas_needed(9 * 152.2, 1_500)), float(replicas_needed(10 * 152.2, 1_500))
    (1.0, 2.0)
    """
    return np.maximum(np.ceil(np.asarray(peak_output_tokens_per_second) / capacity), 1.0)


def encoder_requests_per_second(
    parameters: Number, tokens: Number, tflops: Number
) -> tuple[Number, Number, Number]:
    """Texts a second that an encoder labels on one GPU: low, likely, high.

    speed = share x peak / (2 x parameters x tokens)

    >>> round(float(encoder_requests_per_second(124_645_632, 300, 65.0)[1]))
    130
    """
    flops = 2.0 * parameters * np.maximum(np.asarray(tokens, np.float64), 1.0)
    low, likely, high = (share * tflops * 1e12 / flops for share in ENCODER_SHARES)
    return low, likely, high
