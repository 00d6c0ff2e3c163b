"""Scores of single answers, figures of labels, and scorers that a user brings."""

from __future__ import annotations

import os
import random
import select
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import CHRF
from sklearn.metrics import accuracy_score, f1_score

from advisor.errors import UsageError
from trainer.evaluation.custom_scorer import AnsweredRow, run_scorer
from trainer.evaluation.label_metrics import macro_f1, mean_score
from trainer.evaluation.metrics import (
    METRICS,
    chrf,
    exact,
    json_schema,
    label,
    metric_for,
    rouge_l,
    scores,
)

NEEDS_ID = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


HOSTILE = st.sampled_from(
    ["", "...", "[1]", "你好吗", "👍", "\0", "\ud800", "x" * 5000, "[" * 100_000]
)
"""Texts that once broke a metric."""
ANY_TEXT = st.text(st.characters(exclude_categories=())) | HOSTILE  # half characters among them


@given(st.sampled_from(list(METRICS)), ANY_TEXT, ANY_TEXT)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@example("json_schema", "[" * 100_000, "[1]")
@example("chrf", "\udfff", "\ud800")
def test_every_measure_gives_a_share_for_everything(name: str, answer: str, expected: str) -> None:
    assert 0 <= scores(name, [answer], [expected])[0] <= 1


@pytest.mark.parametrize("name", ["exact", "label", "rouge_l", "chrf"])
@pytest.mark.parametrize("text", ["", "Yes", "the cat sat on the mat", "东京", "!?", "naïve"])
def test_the_same_text_scores_one_and_an_empty_answer_none(name: str, text: str) -> None:
    assert scores(name, [text], [text]) == pytest.approx([1.0])
    assert scores(name, [""], [text]) == [float(text == "")]


def test_exact_minds_case_and_inner_spaces() -> None:
    assert exact("Cafe\u0301 ", "Caf\u00e9") == 1
    assert exact("a  b", "a b") == 0
    assert exact("A", "a") == 0


@pytest.mark.parametrize(("answer", "expected", "score"), [
    ("Refund.", "refund", 1), ("**lost_card**", "lost_card", 1), ("“Ja”", "ja", 1), ("STRASSE", "straße", 1),
    ("退款。", "退款", 1), ("lost  card\n", "Lost card", 1), ("refunds", "refund", 0), ("", "refund", 0),
    ("-", "+", 0), ("not refund", "refund", 0), ("c++", "c", 0),
])  # fmt: skip
def test_label(answer: str, expected: str, score: float) -> None:
    assert label(answer, expected) == score


def test_rouge_l_is_the_one_everybody_reports() -> None:
    draw, judge = random.Random(1), RougeScorer(["rougeL"])
    vocabulary = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "12", "and", "it"]
    for _ in range(200):
        one, other = (" ".join(draw.choices(vocabulary, k=draw.randint(1, 90))) for _ in range(2))
        assert rouge_l(one, other) == pytest.approx(judge.score(other, one)["rougeL"].fmeasure)


def test_rouge_l_reads_characters_where_there_are_no_spaces() -> None:
    assert rouge_l("我想退款", "我要退款") == pytest.approx(0.75)
    assert rouge_l("The CAT, sat!", "the cat sat") == 1


def test_chrf_is_the_one_of_sacrebleu() -> None:
    assert chrf("the cat is on mat", "the cat sat on the mat") == pytest.approx(
        CHRF().sentence_score("the cat is on mat", ["the cat sat on the mat"]).score / 100
    )
    assert 0.2 < chrf("the cat is on mat", "the cat sat on the mat") < 0.9
    assert chrf("退款", "退货款") > 0


@pytest.mark.parametrize(("answer", "expected", "score"), [
    ('{"a":1,"b":[1,2]}', ' {"b": [1, 2], "a": 1.0}\n', 1), ('{"a": true}', '{"a": 1}', 0), ("[1, 2]", "[2, 1]", 0),
    ('{"a": NaN}', '{"a": NaN}', 0), ("Here: {}", "{}", 0), ("", "", 0), ("null", "null", 1), ('{"é": "\\u00e9"}', '{"é": "é"}', 1),
    ("1e400", "1e400", 1), ("-0.0", "0", 1), ("9" * 5000, "1", 0),
])  # fmt: skip
def test_json_is_compared_by_what_it_says(answer: str, expected: str, score: float) -> None:
    assert json_schema(answer, expected) == score


@pytest.mark.parametrize(("answer", "score"), [
    ('{"id": 7}', 1), ('{"id": 7.0}', 1), ('{"id": "7"}', 0), ("{}", 0), ("[]", 0), ('{"id": 7', 0), ('{"id": true}', 0),
])  # fmt: skip
def test_json_is_checked_against_a_schema(answer: str, score: float) -> None:
    assert json_schema(answer, "whatever", NEEDS_ID) == score


def test_a_broken_schema_and_one_that_would_be_fetched_are_refused() -> None:
    with pytest.raises(UsageError, match="Fix the schema"):
        json_schema("{}", "", {"type": "objekt"})
    with pytest.raises(UsageError, match=r"refers to http://127\.0\.0\.1:9/a"):
        json_schema("{}", "", {"$ref": "http://127.0.0.1:9/a"})


def test_a_measure_nobody_knows_and_answers_that_miss_are_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'exact'"):
        scores("exakt", [], [])
    with pytest.raises(UsageError, match="1 answers for 2 rows"):
        scores("exact", ["a"], ["a", "b"])


@pytest.mark.parametrize(("expected", "name"), [
    (["yes"], "label"), (["yes", "no"], "label"), (["a", "b", "c"], "chrf"), (["a", "b", "c"] * 5, "label"),
    (["Yes", "yes.", "NO"], "label"), (['{"a": 1}'] * 9 + ["?"], "json_schema"), (['{"a": 1}'] * 8 + ["?", "?"], "label"),
    (["1", "2", "3"] * 9, "label"), (["this label has far more than eight words in it"] * 9, "chrf"), (["", ""], "label"),
    (["退款"] * 9, "label"), ([f"Dear {n}" for n in range(50)], "chrf"), (["[]", "{}"], "json_schema"),
])  # fmt: skip
def test_a_measure_is_chosen_by_what_is_expected(expected: list[str], name: str) -> None:
    assert metric_for(expected) == name


def test_no_measure_fits_no_rows() -> None:
    with pytest.raises(UsageError, match="no rows"):
        metric_for([])


def test_figures_of_labels_are_those_of_scikit_learn() -> None:
    draw = random.Random(2)
    wanted = [draw.choice("abcd") for _ in range(300)]
    given = [one if draw.random() < 0.6 else draw.choice("abce") for one in wanted]

    assert macro_f1(given, wanted) == pytest.approx(
        f1_score(wanted, given, labels=list("abcd"), average="macro", zero_division=0)
    )
    assert accuracy_score(wanted, given) == pytest.approx(
        mean_score(scores("label", given, wanted))
    )


def test_a_label_never_answered_counts_as_nothing() -> None:
    assert macro_f1(["a", "a", "zzz"], ["a", "b", "b"]) == pytest.approx(1 / 3)
    with pytest.raises(UsageError, match="0 answers for 0 rows"):
        macro_f1([], [])


def scorer(folder: Path, code: str) -> list[str]:
    path = folder / "scorer with spaces; $(no shell).py"
    path.write_text("import json, sys, time\n" + code)
    return [sys.executable, str(path)]


ROWS = [
    AnsweredRow("2 + 2?", "4", "4"),
    AnsweredRow("Hi\n\u2028", "你好", "\ud800"),
    AnsweredRow("", "", ""),
]
FAIR = "for line in sys.stdin:\n  r = json.loads(line)\n  print(json.dumps({'score': float(r['answer'] == r['expected'])}), flush=True)\n"


def test_a_scorer_scores_every_row_in_order(tmp_path: Path) -> None:
    assert run_scorer(scorer(tmp_path, FAIR), ROWS) == [1.0, 0.0, 1.0]
    assert run_scorer(["no such program"], []) == []


def test_a_scorer_takes_more_than_a_pipe_holds(tmp_path: Path) -> None:
    assert (
        sum(run_scorer(scorer(tmp_path, FAIR), [AnsweredRow("x" * 1000, "4", "4")] * 2000)) == 2000
    )


@pytest.mark.parametrize(("code", "says"), [
    ("for line in sys.stdin: print('{\"score\": 2}')", "row 1: found the score 2"),
    ("for line in sys.stdin: print('{\"score\": NaN}')", "row 1: found the score nan"),
    ("for line in sys.stdin: print('{\"score\": true}')", "row 1: expected a score"),
    ("for line in sys.stdin: print('{\"score\": \"1\"}')", "row 1: expected a score"),
    ("for line in sys.stdin: print('0.5')", "row 1: expected a score, found '0.5'"),
    ("print('{\"score\": 1}')\nfor line in sys.stdin: print('hello')", "4 lines for 3 rows: line 4 has no row"),
    ("print('{\"score\": 1}')\nprint('oops')\nprint('{\"score\": 1}')", "row 2: expected a score, found 'oops'"),
    ("print('{\"score\": 1}')", "1 lines for 3 rows: line 2 is missing"),
    ("print('{\"score\": 1}', flush=True); sys.exit('no key')", "code 1 at row 2 of 3: no key"),
])  # fmt: skip
def test_a_scorer_that_errs_is_told_the_row(tmp_path: Path, code: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        run_scorer(scorer(tmp_path, code), ROWS)


def test_a_scorer_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    code = (f"import os, subprocess\nos.set_inheritable(os.open({str(alive)!r}, os.O_WRONLY), True)\n"
            "print('{\"score\": 1}', flush=True)\n"
            "subprocess.run(['sleep', '600'], close_fds=False)")  # fmt: skip

    with pytest.raises(UsageError, match="1 of 3 rows were scored, row 2 was not"):
        run_scorer(scorer(tmp_path, code), ROWS, timeout_seconds=3)
    assert select.select([reader], [], [], 60)[0]  # readable once no process has the other end
    os.close(reader)


@pytest.mark.parametrize("command", [[], ["no such program"], ["a\0b"]])
def test_a_scorer_that_is_not_there(command: list[str]) -> None:
    with pytest.raises(UsageError, match="cannot be started"):
        run_scorer(command, ROWS)
