"""Token counts of trainings and conversations, and the hit share of prompt caches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from advisor.units import SECONDS_PER_MONTH, Number


def trained_tokens(tokens_per_epoch: Number, epochs: Number) -> Number:
    """Tokens that a hosted training job is billed for.

    trained tokens = tokens per epoch x epochs

    Leaves out: validation tokens, which some providers bill in addition.

    Source: https://developers.openai.com/api/docs/pricing

    >>> float(trained_tokens(600 * 2_450, 3))
    4410000.0
    """
    return np.asarray(tokens_per_epoch, np.float64) * epochs


def longest_of_batch(lengths: NDArray[np.int64], rows: int) -> float:
    """Expected tokens of the longest of *rows* random rows.

    longest = sum over lengths, in order, of length x chance that it is reached and none is longer

    Args:
        lengths: Tokens of each row.
        rows: Of a micro-batch, all padded to its longest.

    >>> round(longest_of_batch(np.array([100, 100, 100, 400]), 4))
    305
    """
    ordered = np.sort(np.asarray(lengths, np.float64))
    reached = (np.arange(ordered.size + 1) / ordered.size) ** rows
    return float(ordered @ np.diff(reached))


def evaluated_tokens(evaluations: Number, rows: Number, tokens_per_row: Number) -> Number:
    """Validation tokens of a job that bills them; they are never padded.

    >>> float(evaluated_tokens(5, 2_500, 900))
    11250000.0
    """
    return np.asarray(evaluations, np.float64) * rows * tokens_per_row


def history_tokens(turns: Number, user_tokens: Number, completion_tokens: Number) -> Number:
    """Average tokens of earlier turns in a request of a conversation.

    history = (turns - 1) / 2 x (user + completion) [tokens per call]

    Leaves out: caching of the history, which makes it cheaper.

    >>> float(history_tokens(5, 100, 200))
    600.0
    """
    return (np.asarray(turns) - 1.0) / 2.0 * (np.asarray(user_tokens) + completion_tokens)


def hit_share_from_arrivals(requests_per_month: Number, ttl_seconds: Number) -> Number:
    """Share of requests that find the prefix cached, if they arrive at random.

    hit share [1] = 1 - exp(-requests per second x lifetime), since each hit renews the lifetime

    With more than one request per lifetime the misses of a month stay at their highest number
    instead of falling to none: requests are spread over machines. More traffic never costs less.
    Leaves out: bursts, which raise the share.

    Source: waiting times of a Poisson process; lifetimes from the providers' caching guides.

    >>> round(float(hit_share_from_arrivals(3_000, 300)), 3)
    0.29
    """
    per_second = np.asarray(requests_per_month) / SECONDS_PER_MONTH
    per_lifetime = per_second * ttl_seconds
    return 1.0 - np.exp(-np.minimum(per_lifetime, 1.0)) / np.maximum(per_lifetime, 1.0)


def effective_hit_share(hit_share: Number, prefix_tokens: Number, minimum_tokens: Number) -> Number:
    """Share billed at the cached price: 0 if the prefix is below the provider's minimum.

    >>> float(effective_hit_share(0.9, 1_023, 1_024)), float(effective_hit_share(0.9, 1_024, 1_024))
    (0.0, 0.9)
    """
    return np.where(np.asarray(prefix_tokens) >= minimum_tokens, hit_share, 0.0)
