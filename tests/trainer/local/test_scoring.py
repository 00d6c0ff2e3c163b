"""What base and tuned model answered -> columns and a verdict; noise is never called better."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from trainer.cli.evaluation import show_evaluation
from trainer.local.run_folder import RunFolder
from trainer.local.scoring import score_run

LABELS = ("a", "b", "c", "d")


def folder(
    path: Path, base: list[str], tuned: list[str], expected: list[str], **job: object
) -> RunFolder:
    rows = [{"messages": [{"role": "user", "content": f"question {n} {right}"},
                          {"role": "assistant", "content": right}]}
            for n, right in enumerate(expected)]  # fmt: skip
    for name, lines in (
        ("training.jsonl", rows),
        ("held_out.jsonl", rows),
        ("answers.base.jsonl", [{"answer": one, "seconds": 0.5} for one in base]),
        ("answers.tuned.jsonl", [{"answer": one, "seconds": 0.25} for one in tuned]),
    ):
        (path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    body = {"training": "training.jsonl", "held_out": "held_out.jsonl", "usd_per_hour": "3.60",
            "recipe": {"objective": "sft"}, **job}  # fmt: skip
    (path / "job.json").write_text(json.dumps(body))
    return RunFolder(path)


def labels(count: int, seed: int, weights: tuple[int, ...] = (1, 1, 1, 1)) -> list[str]:
    return random.Random(seed).choices(LABELS, weights, k=count)


def test_a_model_that_beats_base_and_majority_is_better(tmp_path: Path) -> None:
    right = labels(200, 1)

    found = score_run(folder(tmp_path, ["?"] * 200, right[:180] + ["?"] * 20, right))

    assert found["verdict"]["word"] == "better"
    assert [column["name"] for column in found["columns"]] == [
        "majority", "tfidf-logreg", "base", "tuned"]  # fmt: skip
    tuned = found["columns"][-1]
    assert tuned["score"] == 0.9
    assert tuned["usd_per_answer"] == pytest.approx(0.25 * 3.6 / 3600)
    assert tuned["usd_per_correct_answer"] == pytest.approx(0.25 * 3.6 / 3600 / 0.9)


@pytest.mark.parametrize("seed", range(12))
def test_a_model_that_learned_noise_is_not_better(tmp_path: Path, seed: int) -> None:
    """It names labels, which a base that knows none does not: that alone is no merit."""
    right = labels(240, seed, (5, 3, 2, 1))

    found = score_run(folder(tmp_path, ["gibberish"] * 240, labels(240, seed + 100), right))

    assert found["against"] == "majority"
    assert found["verdict"]["word"] == "not better"


def test_a_model_below_its_base_is_worse(tmp_path: Path) -> None:
    right = labels(200, 1)

    found = score_run(folder(tmp_path, right[:150] + ["?"] * 50, right[:60] + ["?"] * 140, right))

    assert found["verdict"]["word"] == "worse"
    assert found["against"] == "base"


def test_a_schema_is_what_answers_have_to_fit(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
    expected = [json.dumps({"city": f"city {n}"}) for n in range(40)]

    found = score_run(
        folder(tmp_path, ["city"] * 40, ['{"city": "Rome"}'] * 40, expected, schema=schema)
    )

    assert found["metric"] == "json_schema"
    assert [column["score"] for column in found["columns"]] == [0.0, 1.0]


def test_a_command_of_the_users_scores_answers(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import json, sys\nfor line in sys.stdin:\n    row = json.loads(line)\n"
                      "    print(json.dumps({'score': float(len(row['answer']) > 3)}))\n")  # fmt: skip
    right = [f"a free answer of row {n}" for n in range(40)]

    found = score_run(folder(tmp_path, ["no"] * 40, ["indeed"] * 40, right,
                         scorer=["python3", str(script)]))  # fmt: skip

    assert [column["score"] for column in found["columns"][-2:]] == [0.0, 1.0]


@pytest.mark.parametrize("is_ahead", [True, False])
def test_a_plain_baseline_that_is_ahead_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_ahead: bool
) -> None:
    """The plain one reads the label in these questions, and is right each time."""
    right = labels(200, 1)
    tuned = right[: 120 if is_ahead else 200] + ["?"] * (80 if is_ahead else 0)
    found = score_run(folder(tmp_path, ["?"] * 200, tuned, right))

    show_evaluation(found)

    said = capsys.readouterr().out
    assert "Tuned against" in said
    assert ("TF-IDF baseline with logistic regression is better" in said) is is_ahead
