"""Arrival rate and lifetime -> share of prefix tokens that a provider bills at the cached price."""

from __future__ import annotations

import numpy as np

from advisor.units import SECONDS_PER_MONTH, Number


def hit_share_from_arrivals(requests_per_month: Number, ttl_seconds: Number) -> Number:
    """Share of requests that find the prefix still cached, if they come at random.

    hit share [1] = 1 - exp(-requests per second x lifetime), since each hit renews the lifetime

    Leaves out: bursts (they raise it) and requests spread over machines (they lower it).

    Source: waiting times of a Poisson process; lifetimes from the providers' caching guides.

    >>> round(float(hit_share_from_arrivals(3_000, 300)), 3)
    0.29
    """
    per_second = np.asarray(requests_per_month) / SECONDS_PER_MONTH
    return 1.0 - np.exp(-per_second * ttl_seconds)


def effective_hit_share(hit_share: Number, prefix_tokens: Number, minimum_tokens: Number) -> Number:
    """Share billed at the cached price: none where the prefix is under the provider's minimum.

    >>> float(effective_hit_share(0.9, 1_023, 1_024)), float(effective_hit_share(0.9, 1_024, 1_024))
    (0.0, 0.9)
    """
    return np.where(np.asarray(prefix_tokens) >= minimum_tokens, hit_share, 0.0)
