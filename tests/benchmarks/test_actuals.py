"""Twelve synthetic months of exports: every planted deviation is found, and nothing else."""

from __future__ import annotations

import pytest

from benchmarks.actuals import FORMATS, PLANTED, comparison_of, found, planted

VALUES = {"traffic": 1.3, "output": 1.4, "cached": 0.5, "price": 18.0}
SINCE = {"traffic": 3, "output": 12, "cached": 12, "price": 5, "model": 9, "line": 4}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("seed", range(1, 11))
def test_noise_alone_is_no_finding(format_: str, seed: int) -> None:
    assert comparison_of(planted(), format_, seed).drifts == ()


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", PLANTED)
def test_a_single_deviation_is_the_only_finding(name: str, format_: str) -> None:
    drifts = comparison_of(planted(name), format_).drifts

    assert len(drifts) == 1
    assert found(name, drifts) == list(drifts)
    assert drifts[0].since.month == SINCE[name]
    if name in VALUES:
        assert drifts[0].likely == pytest.approx(VALUES[name], rel=0.03)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("seed", range(1, 6))
def test_all_deviations_at_once_are_told_apart(format_: str, seed: int) -> None:
    drifts = comparison_of(planted(*PLANTED), format_, seed).drifts

    assert len(drifts) == len(PLANTED)
    for name in PLANTED:
        (drift,) = found(name, drifts)
        assert drift.since.month == SINCE[name]
        if name in VALUES:
            assert drift.likely == pytest.approx(VALUES[name], rel=0.05)


def test_a_difference_within_the_tolerance_or_of_two_months_is_no_finding() -> None:
    small = planted("traffic")
    assert comparison_of(type(small)(traffic=(1.015, 1)), "OpenAI").drifts == ()
    assert comparison_of(type(small)(traffic=(1.3, 11)), "OpenAI").drifts == ()
