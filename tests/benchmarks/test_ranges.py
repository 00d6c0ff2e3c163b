"""The 90% ranges of bills contain nine of ten truths."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.stats import triang

from advisor.estimate.costs import AMOUNTS
from advisor.estimate.sampling import Sampling
from advisor.prices.book import PriceBook
from benchmarks.random_questions import random_question
from benchmarks.ranges import TARGET, TrueValues, coverages, true_values


def test_ranges_contain_nine_of_ten_truths(book: PriceBook) -> None:
    found = [
        coverage
        for number in range(12)
        for coverage in coverages(
            random_question(f"test-{number}", book), true_values(number, 1000)
        )
    ]

    for amount in AMOUNTS:
        shares = [coverage.share for coverage in found if coverage.amount == amount]
        assert len(shares) > 100
        assert TARGET[0] <= np.mean(shares) <= TARGET[1]


@pytest.mark.parametrize(
    ("low", "likely", "high"), [(1.0, 2.0, 6.0), (0.0, 0.0, 3.0), (-2.0, 5.0, 5.0)]
)
def test_truths_follow_the_stated_distribution(low: float, likely: float, high: float) -> None:
    shares = np.linspace(0.001, 0.999, 999)
    truth = TrueValues("draws", 0, {"cache": shares})

    values = truth.value("cache", low, likely, high)

    known = triang((likely - low) / (high - low), low, high - low).ppf(shares)
    assert values == pytest.approx(known)


def test_an_input_that_is_certain_has_one_value() -> None:
    truth = true_values(1, 50)

    assert truth.value("cache", 2.0, 2.0, 2.0) == pytest.approx(2.0)


def test_truths_replace_every_way_to_draw() -> None:
    draws = [name for name, _ in inspect.getmembers(Sampling, inspect.isfunction) if name[0] != "_"]

    assert draws == ["of_percentiles", "value"]
