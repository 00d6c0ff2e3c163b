"""The variants whose time is measured are those that the draws need, and equal single answers."""

from __future__ import annotations

from advisor.decision.sweep import sweep, variant_grid
from advisor.estimate.sampling import DRAWS
from advisor.loading import example_question
from benchmarks.engine import AXES
from benchmarks.sweep_speed import drawn_variants, equal_points


def test_variants_add_up_to_the_draws() -> None:
    question, variants = example_question("brand-voice"), variant_grid(AXES)

    some = drawn_variants(question, variants, 1_000_000)

    assert len(some) * DRAWS >= 1_000_000 > (len(some) - 1) * DRAWS
    assert len({tuple(variant.values()) for variant in some}) == len(some)


def test_points_that_differ_are_counted() -> None:
    question = example_question("brand-voice")
    variants = [{"horizon_months": 3}, {"horizon_months": 9}]
    columns = sweep(question, variants)

    assert equal_points(question, variants, columns, 2) == (2, 2)
    assert equal_points(question, variants[::-1], columns, 2) == (0, 2)
