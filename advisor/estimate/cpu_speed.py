"""Speed of an encoder on CPU cores."""

from __future__ import annotations

import numpy as np

from advisor.units import Number

REFERENCE_TOKENS, REFERENCE_HIDDEN_SIZE = 128.0, 768.0
"""Request and encoder (BERT-base) at which GFLOP/s per core are stated."""


def encoder_cpu_requests_per_second(
    parameters_without_embeddings: Number,
    tokens: Number,
    gflops_per_core: Number,
    cores: Number,
    relative_cost: Number = 1.0,
) -> Number:
    """Texts per second that an encoder classifies on CPU cores, one text per call and core.

    speed [1/s] = cores x GFLOP/s x 1e9 / (2 x parameters x tokens x relative cost)

    *relative_cost* is `relative_token_cost`; without it the speed of short and long texts is
    overestimated, by up to a factor of three.

    Leaves out: tokenizing, HTTP, and waiting of requests for a free core.

    Source: benchmarks/encoder_cpu.py, whose rows it is compared with in
    tests/advisor/estimate/test_cpu_speed.py.

    >>> round(float(encoder_cpu_requests_per_second(85_054_464, 128, 250.0, 2)), 1)
    23.0
    """
    flops = 2.0 * np.asarray(parameters_without_embeddings, np.float64) * _at_least_one(tokens)
    return cores * np.asarray(gflops_per_core) * 1e9 / (flops * relative_cost)


def relative_token_cost(
    tokens: Number, hidden_size: Number, fixed_tokens: Number, attention_cost: Number
) -> Number:
    """Time per token of a request, relative to 128 tokens in an encoder as wide as BERT-base.

    cost = (1 + fixed / tokens + attention cost x tokens / (6 x width)) / the same for the reference

    *fixed_tokens*: time of a request that does not depend on its length (reading weights, calling
    kernels), in tokens. *attention_cost*: time of a FLOP of attention, relative to a FLOP of the
    matrices, which has 6 x width / tokens times as many.

    >>> round(float(relative_token_cost(512, 768, 20.0, 10.0)), 2)
    1.5
    """
    reference = _token_cost(REFERENCE_TOKENS, REFERENCE_HIDDEN_SIZE, fixed_tokens, attention_cost)
    return _token_cost(tokens, hidden_size, fixed_tokens, attention_cost) / reference


def _token_cost(
    tokens: Number, hidden_size: Number, fixed_tokens: Number, attention_cost: Number
) -> Number:
    length = _at_least_one(tokens)
    attention = length / (6.0 * np.asarray(hidden_size, np.float64))
    return 1.0 + fixed_tokens / length + attention_cost * attention


def _at_least_one(tokens: Number) -> Number:
    return np.maximum(np.asarray(tokens, np.float64), 1.0)
