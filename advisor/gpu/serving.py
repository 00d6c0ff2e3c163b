"""Serving capacity: tokens per second, latency, and the number of GPUs for the peak."""

from __future__ import annotations

import numpy as np

from advisor.gpu.parameters import ModelShape
from advisor.gpu.roofline import (
    MEMORY_FOR_MODEL_SHARE,
    GpuSet,
    ServingSetup,
    concurrency_bound,
    decode_step_seconds,
    kv_bytes_per_token,
    prefill_seconds,
    served_weight_bytes,
    weight_bytes_read,
)
from advisor.gpu.serving_engines import (
    NEWEST_ENGINE,
    PRECISIONS,
    SIXTEEN_BIT,
    Precision,
    ServingEngine,
)
from advisor.units import MILLION, SECONDS_PER_MONTH, Number

LIVE_MARGIN = 1.05
"""Weights and the minimum that must fit next to them, over the weights; own judgement."""
ENCODER_SHARES = (0.05, 0.15, 0.35)
"""Share of the fp16 peak that a served encoder achieves; own judgement."""


def output_tokens_per_second(
    serving: ServingSetup,
    prompt_tokens: Number,
    completion_tokens: Number,
    sequences: Number = np.inf,
    streamed: Number = 1.0,
) -> Number:
    """Output tokens per second that one replica sustains.

    speed = 1 / (step / batch + prefill / answer)

    Leaves out: prefix caching, speculative decoding. *sequences* is limited to those that fit.
    """
    answer = np.maximum(np.asarray(completion_tokens, np.float64), 1.0)
    live = np.asarray(prompt_tokens) + answer / 2.0
    batch = np.minimum(concurrency_bound(serving, live), sequences)
    step = decode_step_seconds(serving, batch, live, streamed)
    return 1.0 / (step / batch + prefill_seconds(serving, prompt_tokens) / answer)


def output_range(
    serving: ServingSetup,
    prompt_tokens: Number,
    completion_tokens: Number,
    sequences: Number = np.inf,
    streamed: Number = 1.0,
) -> tuple[Number, Number, Number]:
    """Output tokens per second that one replica sustains: low, likely, high.

    Low and high have both host speed and achieved share of the GPU's peak at their bad or good end.
    """
    low, likely, high = (
        output_tokens_per_second(
            serving._replace(engine=serving.engine.at(end)),
            prompt_tokens,
            completion_tokens,
            sequences,
            streamed,
        )
        for end in (-1.0, 0.0, 1.0)
    )
    return low, likely, high


def first_token_seconds(serving: ServingSetup, prompt_tokens: Number) -> Number:
    """Seconds until the first token on an idle server: overhead of the engine and prefill."""
    weights = weight_bytes_read(serving, prompt_tokens) / (
        serving.engine.bandwidth_share * serving.cards.bandwidth * serving.cards.gpu_count
    )
    reading = prefill_seconds(serving, prompt_tokens)
    return serving.engine.first_seconds + np.maximum(weights, reading)


def answer_seconds(
    serving: ServingSetup, prompt_tokens: Number, completion_tokens: Number
) -> Number:
    """Seconds of one answer on an otherwise idle server."""
    answer = np.maximum(np.asarray(completion_tokens, np.float64), 1.0)
    step = decode_step_seconds(serving, 1.0, np.asarray(prompt_tokens) + answer / 2.0)
    return first_token_seconds(serving, prompt_tokens) + (answer - 1.0) * step


def with_adapters(speed: Number, unmerged: Number, engine: ServingEngine = NEWEST_ENGINE) -> Number:
    """Tokens per second with adapters that are unmerged (1) or merged into the weights (0).

    >>> float(with_adapters(1000.0, 1.0))
    800.0
    """
    return speed * (1.0 - (1.0 - engine.adapter_share) * np.asarray(unmerged, np.float64))


def usd_per_million_tokens(
    usd_per_hour: Number, tokens_per_second: Number, utilisation: Number
) -> Number:
    """USD per million output tokens of a GPU that is busy for a share of its time.

    USD = price / (3600 x tokens per second x utilisation) x 1,000,000

    >>> [round(float(usd_per_million_tokens(3.6, 1000.0, u)), 2) for u in (0.05, 0.2, 0.5, 0.8)]
    [20.0, 5.0, 2.0, 1.25]
    """
    return usd_per_hour / (3600.0 * np.asarray(tokens_per_second) * utilisation) * MILLION


def mean_output_tokens_per_second(requests_per_month: Number, completion_tokens: Number) -> Number:
    """Average output tokens per second over a month.

    >>> round(float(mean_output_tokens_per_second(2_000_000, 200)), 1)
    152.2
    """
    return np.asarray(requests_per_month) * completion_tokens / SECONDS_PER_MONTH


def gpus_per_copy(
    shape: ModelShape,
    gpu_memory_bytes: Number,
    live_tokens: Number = 0.0,
    precision: Precision = PRECISIONS[SIXTEEN_BIT],
) -> Number:
    """GPUs that one replica needs for the weights and one request: 1, 2, 4, 8 ...

    *live_tokens* are prompt and answer of the longest request; at least a twentieth of the weights
    is kept free for them.

    Source: vLLM splits attention heads evenly over the GPUs, which powers of two allow.

    >>> llama_70b = ModelShape(80, 8192, 28672, 64, 8, 128, 128256, False, 70_553_706_496)
    >>> [int(gpus_per_copy(llama_70b, gib * 2**30)) for gib in (80, 192)]
    [2, 1]
    """
    weights = served_weight_bytes(
        ServingSetup(shape, GpuSet(gpu_memory_bytes, 1.0, 1.0), precision=precision)
    )
    live = kv_bytes_per_token(shape) * np.asarray(live_tokens, np.float64)
    needed = np.maximum(LIVE_MARGIN * weights, weights + live)
    gpus = np.maximum(needed / (MEMORY_FOR_MODEL_SHARE * gpu_memory_bytes), 1.0)
    return np.asarray(2.0 ** np.ceil(np.log2(gpus)))


def replicas_needed(peak_output_tokens_per_second: Number, capacity: Number) -> Number:
    """Replicas that serve the peak, at least one.

    >>> float(replicas_needed(9 * 152.2, 1_500)), float(replicas_needed(10 * 152.2, 1_500))
    (1.0, 2.0)
    """
    return np.maximum(np.ceil(np.asarray(peak_output_tokens_per_second) / capacity), 1.0)


def encoder_requests_per_second(
    parameters: Number, tokens: Number, tflops: Number
) -> tuple[Number, Number, Number]:
    """Texts per second that an encoder classifies on one GPU: low, likely, high.

    speed = share x peak / (2 x parameters x tokens)

    >>> round(float(encoder_requests_per_second(124_645_632, 300, 65.0)[1]))
    130
    """
    flops = 2.0 * parameters * np.maximum(np.asarray(tokens, np.float64), 1.0)
    low, likely, high = (share * tflops * 1e12 / flops for share in ENCODER_SHARES)
    return low, likely, high
