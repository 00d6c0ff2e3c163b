"""Cached share and peak factor of a log, with the sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from advisor.estimate.request_log import (
    cached_share_of_trace,
    cached_tokens_of_trace,
    peak_factor_of_trace,
)


def test_a_hit_renews_the_lifetime_of_its_blocks() -> None:
    times, blocks, tokens = [0, 50, 100, 150], [["a"]] * 4, [512] * 4

    assert cached_share_of_trace(times, blocks, tokens, lifetime_seconds=60) == 0.75
    assert cached_share_of_trace(times, blocks, tokens, lifetime_seconds=40) == 0


def test_a_known_block_after_an_unknown_one_is_not_cached() -> None:
    cached = cached_tokens_of_trace([0, 1], [["a", "b"], ["x", "b"]], [1024, 1024], 60)

    assert cached.tolist() == [0, 0]


def test_a_prefix_below_the_minimum_is_billed_in_full_and_still_fills_the_cache() -> None:
    log = [0, 1, 2], [["a"], ["a", "b"], ["a", "b"]], [512, 1024, 1024]

    assert cached_tokens_of_trace(*log, 60, minimum_tokens=600).tolist() == [0, 0, 1024]


def test_the_order_of_the_log_does_not_matter() -> None:
    times, blocks, tokens = [5, 0, 9], [["a"], ["a"], ["a"]], [512, 512, 512]

    assert cached_tokens_of_trace(times, blocks, tokens, 60).tolist() == [512, 0, 512]


def test_an_empty_log_has_no_share_and_no_peak() -> None:
    assert cached_share_of_trace([], [], [], 300) == 0
    assert peak_factor_of_trace([], 60) == 1


def test_a_peak_is_weighted_by_the_load_of_each_request() -> None:
    times, written = np.array([0.0, 70.0, 130.0]), np.array([10.0, 30.0, 1.0])

    assert peak_factor_of_trace(times, 60) == 1
    assert peak_factor_of_trace(times, 60, written) == pytest.approx(1.5)
