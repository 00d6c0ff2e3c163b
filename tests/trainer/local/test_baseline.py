"""The plain baseline, as a model that is kept, and as a run from plan to version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from advisor.errors import UsageError
from tests.support import tiny_models
from tests.trainer.cli.test_runs import Shell
from trainer.evaluation.baselines import TfidfClassifier
from trainer.local.provider import ask_model
from trainer.providers.base import ProviderError

SCENARIO = """
name: tiny
asked_on: 2026-11-21
task: classification
traffic: {requests_per_month: 1000}
"""


def texts(rows: list[dict[str, object]]) -> tuple[list[str], list[str]]:
    turns = [row["messages"] for row in rows]
    return [t[0]["content"] for t in turns], [t[1]["content"] for t in turns]  # type: ignore[index]


@pytest.mark.parametrize("labels", [2, 4])
def test_what_was_kept_answers_as_what_was_learned(tmp_path: Path, labels: int) -> None:
    asked, right = texts(tiny_models.task_rows(400))
    kept = [n for n, label in enumerate(right) if label in sorted(set(right))[:labels]]
    asked, right = [asked[n] for n in kept], [right[n] for n in kept]
    model = TfidfClassifier.fit(asked[:-50], right[:-50])

    model.save(tmp_path)
    again = TfidfClassifier.load(tmp_path)

    assert again.answer(asked[-50:]) == model.answer(asked[-50:])
    assert sum(a == b for a, b in zip(again.answer(asked[-50:]), right[-50:], strict=True)) > 45
    assert np.array_equal(again.weights, model.weights)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npz"}


def test_one_label_cannot_be_learned() -> None:
    with pytest.raises(UsageError, match="at least one other label"):
        TfidfClassifier.fit(["a b", "c d"], ["x", "x"])


def test_the_plain_baseline_is_planned_launched_and_registered(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home")
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    data = tiny_models.write_rows(tmp_path / "rows.jsonl", tiny_models.task_rows(600))
    made = shell.json(
        "trainer", "plan", str(tmp_path / "scenario.yaml"), "--option",
        "encoder:local:tfidf-logreg", "--dataset", str(data), "--usd-per-hour", "0.05",
        "--held-out", "0.3", "--suffix", "plain", "--json",
    )  # fmt: skip

    said = shell("trainer", "launch", made["plan_id"], "--yes", "--max-usd", "1", "--follow")

    assert "plain-v1 registered: better" in said
    (version,) = shell.json("trainer", "versions", "--json")
    found = version["evaluation"]
    assert [column["name"] for column in found["columns"]] == ["majority", "tfidf-logreg", "tuned"]
    assert found["score"] > 0.95
    assert version["kind"] == "encoder"
    assert json.loads((Path(version["model"]) / "plain.json").read_text())["labels"] == sorted(
        tiny_models.TOPICS
    )
    said = shell("trainer", "export", made["plan_id"], str(tmp_path / "out"), code=2)
    assert "trains in seconds" in said
    said = shell("trainer", "merge", version["run_id"], code=3)
    assert "only a model tuned on this machine" in said


def test_labels_that_are_all_one_fail_and_say_so(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home")
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    rows = [{"messages": [{"role": "user", "content": f"row {n} of many"},
                          {"role": "assistant", "content": "yes"}]} for n in range(40)]  # fmt: skip
    data = tiny_models.write_rows(tmp_path / "rows.jsonl", rows)
    made = shell.json(
        "trainer", "plan", str(tmp_path / "scenario.yaml"), "--option",
        "encoder:local:tfidf-logreg", "--dataset", str(data), "--usd-per-hour", "0.05", "--json",
    )  # fmt: skip

    said = shell("trainer", "launch", made["plan_id"], "--yes", "--max-usd", "1", "--follow")

    assert "all rows have the label 'yes'" in said
    told = shell.json("trainer", "show", str(shell.json("trainer", "runs", "--json")[0]["run_id"]),
                      "--json")  # fmt: skip
    assert (told["state"], told["outcome"]) == ("settled", "failed")


def test_a_folder_without_a_model_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="does not answer"):
        ask_model(tmp_path, "hello")
