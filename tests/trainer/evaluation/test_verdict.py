"""Is it better: tests of significance against known values, and verdicts on chance alone."""

from __future__ import annotations

import json
import tracemalloc
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import bootstrap as their_bootstrap

from advisor.errors import UsageError
from trainer.evaluation import statistics
from trainer.evaluation.report import Evaluation, SystemScores, evaluation_table, forgetting
from trainer.evaluation.statistics import bootstrap, mcnemar, paired_bootstrap, wilson
from trainer.evaluation.verdict import judge, judge_forgetting


@pytest.mark.parametrize(("one", "other", "p"), [
    (10, 2, 0.03857421875), (2, 10, 0.03857421875), (0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (0, 5, 0.0625), (0, 6, 0.03125),
])  # fmt: skip
def test_mcnemar_by_known_values(one: int, other: int, p: float) -> None:
    assert mcnemar(one, other) == p


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (30, 55),
        (1001, 999),
        (1000, 1000),
        (900, 1101),
        (1, 1999),
        (1, 2000),
        (5000, 5300),
        (50_000, 51_000),
    ],
)
def test_mcnemar_is_the_binomial_test(one: int, other: int) -> None:
    assert mcnemar(one, other) == pytest.approx(binomtest(one, one + other).pvalue, rel=1e-8)


def test_mcnemar_is_exact_on_both_sides_of_the_change_to_logarithms() -> None:
    for rows in (statistics.WHOLE_NUMBERS, statistics.WHOLE_NUMBERS + 1):
        for least in (0, 1, 700, 950, 999):
            true = Fraction(2 * sum(comb(rows, k) for k in range(least + 1)), 2**rows)
            assert mcnemar(least, rows - least) == pytest.approx(float(true), rel=1e-9)


def test_mcnemar_of_huge_counts_is_quick_and_bounded() -> None:
    assert mcnemar(10_000_000, 10_000_000) == 1.0
    assert mcnemar(0, 10_000_000) == 0.0
    assert mcnemar(10_000_000, 10_020_000) == pytest.approx(7.77e-6, rel=0.02)


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (0, 0, 0, 1),
        (50, 100, 0.4038, 0.5962),
    ],
)
def test_wilson_by_known_values(right: int, rows: int, low: float, high: float) -> None:
    assert wilson(right, rows) == pytest.approx((low, high), abs=5e-5)
    if rows:
        theirs = binomtest(right, rows).proportion_ci(0.95, "wilson")
        assert wilson(right, rows) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_bootstrap_is_the_percentile_one() -> None:
    data = np.random.default_rng(3).beta(2, 5, 80)

    theirs = their_bootstrap(
        (data,), np.mean, method="percentile", random_state=np.random.default_rng(1)
    ).confidence_interval
    assert bootstrap(data) == pytest.approx((theirs.low, theirs.high), abs=0.003)
    assert bootstrap(data, seed=5) == bootstrap(data, seed=5) != bootstrap(data, seed=6)
    assert bootstrap([]) == (0.0, 0.0)
    assert bootstrap([0.25]) == (0.25, 0.25)


def test_bootstrap_holds_the_mean_as_often_as_it_says() -> None:
    draw = np.random.default_rng(11)
    held = 0
    for number in range(1000):
        before = draw.beta(2, 2, 50)
        after = np.clip(before + draw.normal(0.05, 0.15, 50), -1, 2)
        low, high = paired_bootstrap(before.tolist(), after.tolist(), seed=number, resamples=800)
        held += low <= 0.05 <= high
    assert 0.92 <= held / 1000 <= 0.97


def test_bootstrap_of_many_rows_stays_small() -> None:
    data = np.random.default_rng(0).random(200_000)
    tracemalloc.start()
    bootstrap(data, resamples=40)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 100e6


def repeated(*counts: tuple[float, float, int]) -> tuple[list[float], list[float]]:
    return [a for a, _, n in counts for _ in range(n)], [b for _, b, n in counts for _ in range(n)]


@pytest.mark.parametrize(("pairs", "word"), [
    ([(0, 1, 10), (1, 0, 2), (1, 1, 100)], "better"),
    ([(1, 0, 10), (0, 1, 2), (1, 1, 100)], "worse"),
    ([(0, 1, 10), (1, 0, 9), (1, 1, 981)], "not better"),
    ([(0, 1, 12), (1, 0, 9), (1, 1, 20)], "not enough evidence"),
    ([(0, 1, 9), (1, 0, 12), (1, 1, 20)], "not better"),
    ([(0, 1, 29)], "not enough evidence"),
    ([(1, 0, 29)], "not enough evidence"),
    ([(1, 1, 30)], "not better"),
    ([(0, 1, 30)], "better"),
    ([(0, 1, 1)], "not enough evidence"),
    ([], "not enough evidence"),
])  # fmt: skip
def test_verdicts_on_right_and_wrong(pairs: list[tuple[float, float, int]], word: str) -> None:
    verdict = judge(*repeated(*pairs), binary=True)

    assert verdict.word == word
    assert verdict.says.startswith(f"{word}: ")
    assert verdict.p_value is not None


@pytest.mark.parametrize(("pairs", "word"), [
    ([(0.5, 0.6, 40), (0.5, 0.5, 40)], "better"), ([(0.6, 0.5, 40), (0.5, 0.5, 40)], "worse"), ([(0.5, 0.5, 40)], "not better"),
    ([(0.0, 1.0, 22), (1.0, 0.1, 18)], "not enough evidence"), ([(0.5, 0.51, 20), (0.5, 0.49, 19)], "not better"),
    ([(0.5, 1.0, 1), (0.5, 0.5, 39)], "not better"),
])  # fmt: skip
def test_verdicts_on_scores_between(pairs: list[tuple[float, float, int]], word: str) -> None:
    verdict = judge(*repeated(*pairs), binary=False)

    assert verdict.word == word
    assert verdict.p_value is None


def test_a_verdict_says_its_numbers() -> None:
    verdict = judge(*repeated((0, 1, 10), (1, 0, 2), (1, 1, 88)), binary=True)

    assert verdict.says == ("better: 0.980 against 0.900 on 100 rows, +0.080 "
                            f"(95 % interval {verdict.low:+.3f} to {verdict.high:+.3f}, p = 0.039)")  # fmt: skip
    assert verdict.low < verdict.difference < verdict.high
    assert verdict.difference == pytest.approx(0.08)


@pytest.mark.parametrize("rows", [30, 200])
@pytest.mark.parametrize("binary", [True, False])
def test_a_model_that_learned_noise_is_hardly_ever_better(
    rows: int, binary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics.paired_bootstrap, "__defaults__", (0, 0.95, 500))
    draw = np.random.default_rng(rows)
    words = []
    for _ in range(1000):  # both guess, by labels that say nothing
        before, after = draw.random((2, rows)) if not binary else draw.integers(0, 2, (2, rows))
        words.append(judge(before.tolist(), after.tolist(), binary).word)

    assert words.count("better") / 1000 <= 0.04
    assert words.count("worse") / 1000 <= 0.04
    assert words.count("not better") / 1000 >= 0.4


def test_a_model_trained_on_shuffled_labels_is_never_better_than_one_that_knows() -> None:
    draw = np.random.default_rng(5)
    for _ in range(100):
        before = (draw.random(100) < 0.8).astype(float)
        after = (draw.random(100) < 1 / 4).astype(float)
        assert judge(before.tolist(), after.tolist(), binary=True).word == "worse"


@pytest.mark.parametrize(("before", "after", "binary", "says"), [
    ([0.5], [0.5, 0.5], False, "1 baseline scores and 2"), ([0.5], [1.5], False, "row 1 has the score 1.5"),
    ([0, 0.5], [0, 1], True, "row 2 has the score 0.5"), ([0.0, 0.0], [0.0, float("nan")], False, "row 2 has the score nan"),
])  # fmt: skip
def test_scores_that_do_not_fit_are_refused(
    before: list[float], after: list[float], binary: bool, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        judge(before, after, binary)


@pytest.mark.parametrize(("before", "after", "is_worse", "says"), [
    (10, 10.9, False, "rose from 10.00 to 10.90, by 9 %"), (10, 11.1, True, "forgot"), (10, 8, False, "fell from 10.00 to 8.00, by 20 %"),
    (10, 10, False, "stayed"), (10, float("inf"), True, "no longer finite"), (10, float("nan"), True, "no longer finite"),
])  # fmt: skip
def test_forgetting(before: float, after: float, is_worse: bool, says: str) -> None:
    found = judge_forgetting(before, after)

    assert found[0] is is_worse
    assert says in found[1]


@pytest.mark.parametrize("before", [0.0, -1.0, float("nan"), float("inf")])
def test_forgetting_needs_a_perplexity_to_start_from(before: float) -> None:
    with pytest.raises(UsageError, match="perplexity of the base model"):
        judge_forgetting(before, 10.0)


@pytest.fixture
def evaluation() -> Evaluation:
    columns = (
        SystemScores("majority", (0.0,) * 40),
        SystemScores("TF-IDF", (1.0,) * 20 + (0.0,) * 20, 0.5, 0.0001, 0.0),
        SystemScores("base", (0.5,) * 20 + (0.25,) * 20, None, 0.8, 0.00012),
        SystemScores("tuned", (1.0,) * 30 + (0.5,) * 10, 0.9, 12.34, 0.0021),
    )
    verdict = judge(columns[2].scores, columns[3].scores, binary=False)
    return Evaluation("chrf", 40, columns, verdict, forgetting(10.0, float("inf")))


def test_an_evaluation_comes_back_from_json(evaluation: Evaluation) -> None:
    text = json.dumps(evaluation.as_dict(), allow_nan=False)

    assert Evaluation.from_dict(json.loads(text)) == evaluation
    tuned = json.loads(text)["columns"][3]
    assert tuned["usd_per_correct_answer"] == pytest.approx(0.0021 / 0.875)
    assert tuned["score"] == 0.875
    assert tuned["score_low"] < 0.875 < tuned["score_high"]


def test_the_table_stands_side_by_side(evaluation: Evaluation) -> None:
    lines = evaluation_table(evaluation)

    assert [line[0] for line in lines] == ["system", "majority", "TF-IDF", "base", "tuned"]
    assert {len(line) for line in lines} == {6}
    assert lines[1] == ("majority", "0.000", "0.000 to 0.088", "-", "-", "-")
    assert lines[2] == ("TF-IDF", "0.500", "0.352 to 0.648", "0.500", "0.0001", "0")
    assert lines[3][4:] == ("0.8", "0.00032")
    assert lines[4][3:] == ("0.900", "12.3", "0.0024")


def test_an_evaluation_that_lacks_something_is_refused(evaluation: Evaluation) -> None:
    data = evaluation.as_dict()
    del data["columns"][0]["scores"]

    with pytest.raises(UsageError, match="the key 'scores' is missing"):
        Evaluation.from_dict(data)
    with pytest.raises(UsageError, match="tuned has 1 scores for 2 rows"):
        Evaluation("exact", 2, (SystemScores("tuned", (1.0,)),), evaluation.verdict)


def test_a_chance_too_small_to_write_is_not_called_none() -> None:
    verdict = judge([0.0] * 3000, [1.0] * 3000, binary=True)

    assert "p < 1e-300" in verdict.says
