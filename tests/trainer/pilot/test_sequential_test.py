"""When a pilot may stop: false results are as rare as promised, however often it is tested."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.support.pilots import ALPHA
from trainer.evaluation.statistics import wilson
from trainer.pilot.sequential_test import capital, difference, interval, standing

STREAMS, ROWS = 3000, 300


def random_streams(target: float, kind: str) -> Any:
    """Draw scores whose true mean is the target."""
    draw = np.random.default_rng(int(target * 100))
    size = (ROWS, STREAMS)
    if kind == "right or wrong":
        return (draw.random(size) < target).astype(float)
    return draw.beta(4 * target, 4 * (1 - target), size)


@pytest.mark.parametrize("kind", ["right or wrong", "shares"])
@pytest.mark.parametrize("target", [0.5, 0.85, 0.95])
def test_a_stop_is_false_no_more_often_than_was_agreed(target: float, kind: str) -> None:
    """At the target itself each word is false; looked at after every one of 300 rows."""
    made = capital(random_streams(target, kind), np.full(STREAMS, target))
    needed = np.log(2 / ALPHA)

    above, below = (float(np.mean(side >= needed)) for side in made)

    spread = 3 * (ALPHA / 2 / STREAMS) ** 0.5
    assert above <= ALPHA / 2 + spread
    assert below <= ALPHA / 2 + spread
    assert above + below > 0  # the test would see one


def test_a_plain_interval_that_is_looked_at_every_row_stops_falsely_far_more_often() -> None:
    scores = random_streams(0.85, "right or wrong").cumsum(axis=0)
    false = np.zeros(STREAMS, bool)
    for row in range(9, ROWS, 10):
        ends = {int(right): wilson(int(right), row + 1) for right in np.unique(scores[row])}
        false |= [not ends[int(right)][0] <= 0.85 <= ends[int(right)][1] for right in scores[row]]

    assert np.mean(false) > 3 * ALPHA


def test_the_interval_holds_the_mean_at_all_looks_together() -> None:
    draw = np.random.default_rng(5)
    missed = 0
    for _ in range(200):
        scores = (draw.random(120) < 0.7).astype(float).tolist()
        low, high = interval(scores, 0.1)  # of all looks together: it only grows tighter
        missed += not low <= 0.7 <= high

    assert missed / 200 <= 0.1 + 0.03
    looks = [interval(scores[:rows], 0.1) for rows in range(10, 121, 10)]
    assert all(one[0] <= two[0] and two[1] <= one[1] for one, two in pairwise(looks))


def test_what_is_clear_is_clear_after_few_rows() -> None:
    draw = np.random.default_rng(3)
    needed = []
    for mean in (0.3, 1.0):
        scores = (draw.random(200) < mean).astype(float).tolist()
        needed.append(next(n for n in range(1, 200) if standing(scores[:n], 0.85, ALPHA) != "open"))

    assert needed[0] <= 15
    assert needed[1] <= 45
    assert standing([0.85] * 500, 0.85, ALPHA) == "open"
    low, high = interval([0.85] * 500, ALPHA)
    assert 0.75 < low < 0.85 < high < 0.95
    assert difference([1.0] * 30, [1.0] * 30, ALPHA)[0] < 0 < difference([1.0], [0.0], ALPHA)[1]
