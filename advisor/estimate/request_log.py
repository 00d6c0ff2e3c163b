"""What a log of requests shows about traffic: share of cached tokens, peak factor."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.units import Number

Array = NDArray[np.float64]
BLOCK_TOKENS = 512
"""Tokens of one hashed block, as in Mooncake's traces."""


def cached_tokens_of_trace(
    times: Sequence[float] | Array,
    block_hashes: Sequence[Sequence[Hashable]],
    tokens: Sequence[float] | Array,
    lifetime_seconds: float,
    minimum_tokens: float = 0.0,
    block_tokens: float = BLOCK_TOKENS,
) -> Array:
    """Input tokens of each request that a prefix cache has, in the order of the log.

    cached = tokens of the leading blocks that an earlier request sent within the lifetime

    Each request renews the lifetime of all of its blocks. A prefix that is shorter than the minimum
    is not billed at the cached price, but stays in the cache.

    Leaves out: requests that reach another machine of the provider, and eviction under load; both
    lower the share.

    Args:
        times: When each request arrived [s].
        block_hashes: Hash of each block of the input, in order; a hash covers everything before it.
        tokens: Input tokens of each request; the last block may be partly filled.
        lifetime_seconds: How long a block is cached after its last use.
        minimum_tokens: Shortest prefix that the provider caches.
        block_tokens: Tokens of a complete block.

    Source: https://github.com/kvcache-ai/Mooncake, whose traces have hashes of 512 tokens.

    >>> log = [0.0, 10.0, 200.0], [["a", "b"], ["a", "c"], ["a", "b"]], [1000, 900, 1000]
    >>> cached_tokens_of_trace(*log, lifetime_seconds=195).tolist()
    [0.0, 512.0, 512.0]
    >>> cached_tokens_of_trace(*log, lifetime_seconds=300).tolist()
    [0.0, 512.0, 1000.0]
    """
    moments, sent = np.asarray(times, np.float64), np.asarray(tokens, np.float64)
    last_used: dict[Hashable, float] = {}
    cached = np.zeros(len(sent))
    for place in np.argsort(moments, kind="stable").tolist():
        now, blocks = float(moments[place]), block_hashes[place]
        known = 0
        for block in blocks:
            if now - last_used.get(block, -np.inf) > lifetime_seconds:
                break
            known += 1
        cached[place] = min(known * block_tokens, sent[place])
        last_used.update(dict.fromkeys(blocks, now))
    return np.where(cached >= minimum_tokens, cached, 0.0)


def cached_share_of_trace(
    times: Sequence[float] | Array,
    block_hashes: Sequence[Sequence[Hashable]],
    tokens: Sequence[float] | Array,
    lifetime_seconds: float,
    minimum_tokens: float = 0.0,
) -> float:
    """Share of all input tokens that a prefix cache has; see `cached_tokens_of_trace`.

    >>> log = [0.0, 10.0, 200.0], [["a", "b"], ["a", "c"], ["a", "b"]], [1000, 900, 1000]
    >>> round(cached_share_of_trace(*log, lifetime_seconds=300, minimum_tokens=1000), 3)
    0.345
    """
    cached = cached_tokens_of_trace(times, block_hashes, tokens, lifetime_seconds, minimum_tokens)
    total = float(np.sum(np.asarray(tokens, np.float64)))
    return float(cached.sum()) / total if total else 0.0


def peak_factor_of_trace(
    times: Sequence[float] | Array, window_seconds: float, weights: Number = 1.0
) -> float:
    """Load of the busiest window over the mean load; windows start with the first request.

    The last window is left out, since the log ends within it, unless it is the only one. *weights*:
    load of each request, such as its output tokens.

    >>> peak_factor_of_trace([0.0, 1.0, 2.0, 3.0, 61.0, 119.0, 120.0], 60.0)
    1.3333333333333333
    """
    moments = np.asarray(times, np.float64)
    if not moments.size:
        return 1.0
    window = np.floor((moments - moments.min()) / window_seconds).astype(np.intp)
    load = np.bincount(window, np.broadcast_to(np.asarray(weights, np.float64), moments.shape))
    complete = load[:-1] if len(load) > 1 else load
    return float(complete.max() / complete.mean()) if complete.sum() else 1.0
