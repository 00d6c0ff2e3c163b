"""A training on this machine, by command line: from a plan to a champion; killed, held, ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import tiny_models
from tests.trainer.cli.test_runs import Shell
from trainer.evaluation.verdict import judge
from trainer.local.run_folder import RunFolder

SCENARIO = """
name: tiny
asked_on: 2026-11-21
task: classification
traffic: {requests_per_month: 1000}
"""
LONG = [
    word
    for setting in ("n_epochs=50", "most_steps=400", "save_steps=5", "log_steps=5")
    for word in ("--with", setting)
]


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base that has read general text."""
    return tiny_models.pretrain(tmp_path_factory.mktemp("reader"))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    tiny_models.write_rows(tmp_path / "general.jsonl", [
        {"messages": [{"role": "user", "content": "say something"},
                      {"role": "assistant", "content": row["text"]}]}
        for row in tiny_models.general_rows(40, seed=7)])  # fmt: skip
    return Shell(tmp_path / "home", TUNE_OR_NOT_THREADS="1")


def plan(shell: Shell, folder: Path, base: Path, rows: list[dict[str, Any]], *flags: str) -> str:
    """Plan a training on this machine; returns the name of the plan."""
    data = tiny_models.write_rows(folder / f"{len(rows)}-{abs(hash(str(rows[:3])))}.jsonl", rows)
    made = shell.json(
        "trainer", "plan", str(folder / "scenario.yaml"), "--option", "lora:local:tiny",
        "--base", str(base), "--dataset", str(data), "--usd-per-hour", "0.05",
        "--held-out", "0.2", "--general", str(folder / "general.jsonl"),
        "--with", "learning_rate=0.005", "--with", "batch_size=16", *flags, "--json",
    )  # fmt: skip
    return str(made["plan_id"])


def launch(shell: Shell, plan_id: str, *flags: str) -> str:
    """Launch a plan; returns the name of the run."""
    said = shell("trainer", "launch", plan_id, "--yes", "--max-usd", "5", *flags)
    return "run_" + said.split("run run_", 1)[1].split()[0]


def folder_of(shell: Shell, run_id: str) -> RunFolder:
    return RunFolder(Path(shell.env["TUNE_OR_NOT_HOME"]) / "runs" / run_id)


def wait_until(is_so: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def scores(evaluation: dict[str, Any]) -> dict[str, float]:
    return {column["name"]: column["score"] for column in evaluation["columns"]}


def test_a_base_that_has_read_foretells_text_far_better_than_chance(reader: Path) -> None:
    told = json.loads((reader.parent / "result.json").read_text())

    words = json.loads((reader / "config.json").read_text())["vocab_size"]
    assert 2.718281828 ** told["last_losses"][-1] < words / 2


@pytest.mark.usefixtures("started_for_real")
def test_from_a_plan_to_a_champion(shell: Shell, tmp_path: Path, reader: Path) -> None:
    plan_id = plan(shell, tmp_path, reader, tiny_models.task_rows(1200), "--with", "n_epochs=4",
                   "--suffix", "topics", "--validation", "0.1")  # fmt: skip

    run_id = launch(shell, plan_id, "--follow")

    told = shell.json("trainer", "show", run_id, "--json")
    assert (told["state"], told["outcome"]) == ("settled", "succeeded")
    assert 0 < told["money"]["settled"] <= told["money"]["reserved"]
    found = shell.json("trainer", "evaluate", run_id, "--json")
    assert found["rows"] >= 200
    assert list(scores(found)) == ["majority", "tfidf-logreg", "base", "tuned"]
    assert scores(found)["tuned"] > 0.8 > scores(found)["base"]
    assert found["verdict"]["word"] == "better"
    assert found["verdict"]["p_value"] < 0.05
    by_name = {column["name"]: column["scores"] for column in found["columns"]}
    against_base = judge(by_name["base"], by_name["tuned"], binary=True)
    assert against_base.p_value is not None
    assert against_base.p_value < 0.05
    assert found["forgetting"]["perplexity_before"] > 1

    (version,) = shell.json("trainer", "versions", "--json")
    assert version["version_id"] == "topics-v1"
    shell("trainer", "promote", "topics-v1")
    assert shell.json("trainer", "versions", "topics", "--json")[0]["stage"] == "champion"
    assert shell.json("trainer", "versions", "--ending", "2027-01-14", "--json") == []
    assert "not a valid date" in shell("trainer", "versions", "--ending", "soon", code=2)
    said = shell("trainer", "merge", run_id, "--out", str(tmp_path / "merged"))
    assert "merged in float32" in said
    assert "vllm serve" in (tmp_path / "merged" / "serve.sh").read_text()
    taught = yaml.safe_load(shell("trainer", "show", run_id, "--calibration"))
    (step,) = taught["train_time/cpu/lora"]["steps"]
    assert step["low"] < step["likely"] < step["high"] < 0.1
    assert step["run"] == run_id
    events = shell.json("trainer", "events", run_id, "--json")
    watched = [e["body"]["eval_loss"] for e in events["job_events"] if e["kind"] == "validation"]
    assert len(watched) >= 2
    assert watched[-1] < watched[0]
    losses = [e["body"]["loss"] for e in events["job_events"] if e["kind"] == "metric"]
    assert losses[-1] < losses[0]
    assert [e["kind"] for e in events["events"]][-4:] == ["succeeded", "verified", "registered",
                                                         "settled"]  # fmt: skip


def test_labels_that_mean_nothing_are_not_better(
    shell: Shell, tmp_path: Path, reader: Path
) -> None:
    rows = tiny_models.task_rows(1200, shuffled=True)

    run_id = launch(shell, plan(shell, tmp_path, reader, rows, "--with", "n_epochs=1"), "--follow")

    found = shell.json("trainer", "evaluate", run_id, "--json")
    assert found["verdict"]["word"] == "not better"
    assert found["rows"] >= 200


def test_one_trains_at_a_time_and_people_hold_and_end_them(
    shell: Shell, tmp_path: Path, reader: Path
) -> None:
    first = launch(shell, plan(shell, tmp_path, reader, tiny_models.task_rows(300), *LONG))
    second = launch(shell, plan(shell, tmp_path, reader, tiny_models.task_rows(301), *LONG))
    wait_until(lambda: folder_of(shell, second).word == "queued")
    wait_until(lambda: folder_of(shell, first).last_step() > 0)

    shell("trainer", "pause", first)
    assert shell.json("trainer", "show", first, "--json")["state"] == "paused"
    wait_until(lambda: folder_of(shell, second).word == "running")

    shell("trainer", "cancel", second)
    shell("trainer", "follow", second)
    assert shell.json("trainer", "show", second, "--json")["outcome"] == "cancelled"

    step = folder_of(shell, first).last_step()
    shell("trainer", "resume", first)
    wait_until(lambda: folder_of(shell, first).last_step() > step)
    shell("trainer", "cancel", first)
    shell("trainer", "follow", first)
    told = shell.json("trainer", "show", first, "--json")
    assert (told["state"], told["outcome"]) == ("settled", "cancelled")
    assert told["money"]["settled"] > 0


def test_a_killed_training_is_taken_up_again(shell: Shell, tmp_path: Path, reader: Path) -> None:
    steps = ("--with", "most_steps=40", "--with", "save_steps=5")
    run_id = launch(shell, plan(shell, tmp_path, reader, tiny_models.task_rows(302), *steps))
    folder = folder_of(shell, run_id)
    wait_until(lambda: folder.last_step() >= 5)
    pid = int(folder.read("process.json")["pid"])
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: not folder.is_locked())
    assert folder.word == "stopped"

    shell("trainer", "follow", run_id)

    assert shell.json("trainer", "show", run_id, "--json")["outcome"] == "succeeded"
    assert folder.read("result.json")["resumed"] is True
    assert folder.read("result.json")["steps_done"] == 40


def test_general_rows_mixed_in_keep_more_of_what_the_base_knew(
    tmp_path: Path, reader: Path
) -> None:
    after = {}
    general = tiny_models.general_rows(150, seed=11)
    chats = [{"messages": [{"role": "user", "content": "go on"},
                           {"role": "assistant", "content": row["text"]}]} for row in general]  # fmt: skip
    for share in (0.0, 0.5):
        folder = tiny_models.make_job(tmp_path / str(share), reader, tiny_models.task_rows(150), learning_rate=5e-3,
                          epochs=2.0, replay_share=share, save_steps=1000)  # fmt: skip
        tiny_models.write_rows(folder / "general.jsonl", chats[:75])
        tiny_models.write_rows(folder / "held.jsonl", tiny_models.task_rows(20, seed=8))
        body = json.loads((folder / "job.json").read_text())
        body |= {"general": "general.jsonl", "held_out": "held.jsonl"}
        (folder / "job.json").write_text(json.dumps(body))
        assert tiny_models.run_script(folder).returncode == 0
        tiny_models.write_rows(folder / "general.jsonl", chats[75:])
        assert tiny_models.run_script(folder, script="generate.py").returncode == 0
        told = json.loads((folder / "perplexity.json").read_text())
        after[share] = told["tuned"]["general"]["perplexity"]
        assert json.loads((folder / "result.json").read_text())["replayed_rows"] == 75 * (share > 0)

    assert after[0.5] < after[0.0]


def test_what_cannot_be_trained_is_told(shell: Shell, tmp_path: Path, reader: Path) -> None:
    for file in reader.glob("*"):
        (tmp_path / "odd").mkdir(exist_ok=True)
        if file.is_file() and file.suffix != ".safetensors":
            (tmp_path / "odd" / file.name).write_bytes(file.read_bytes())
    data = tiny_models.write_rows(tmp_path / "rows.jsonl", tiny_models.task_rows(50))
    asked = ("trainer", "plan", str(tmp_path / "scenario.yaml"), "--dataset", str(data))

    said = shell(*asked, "--option", "lora:local:tiny", "--base", str(tmp_path / "odd"),
                 "--usd-per-hour", "1", code=2)  # fmt: skip
    assert "no safetensors" in said
    said = shell(*asked, "--option", "lora:local:tiny", "--base", str(reader), code=2)
    assert "--usd-per-hour" in said
    said = shell(*asked, "--option", "lora:together:tiny", "--base", str(reader), code=2)
    assert "APPROACH:local:NAME" in said
    said = shell(*asked, "--option", "lora:local:tiny", "--base", str(reader),
                 "--usd-per-hour", "1", "--with", "epoch=2", code=2)  # fmt: skip
    assert "no such setting" in said
    said = shell(*asked, "--option", "lora:local:tiny", "--base", str(reader), "--usd-per-hour", "1",
                 "--with", "method=prefix", "--with", "use_dora=true", code=2)  # fmt: skip
    assert "need lora or qlora, not prefix" in said


def test_a_plan_for_a_rented_gpu_is_exported_and_not_launched_here(
    shell: Shell, tmp_path: Path, reader: Path
) -> None:
    data = tiny_models.write_rows(tmp_path / "rows.jsonl", tiny_models.task_rows(60))
    made = shell.json(
        "trainer", "plan", str(tmp_path / "scenario.yaml"), "--dataset", str(data), "--base",
        str(reader), "--option", "lora:runpod_secure:meta-llama/Llama-3.2-3B:RTX_4090", "--json",
    )  # fmt: skip
    assert made["plan"]["figure"]["source"].startswith("http")
    assert made["plan"]["local"]["recipe"]["dtype"] == "bfloat16"

    said = shell("trainer", "launch", made["plan_id"], "--yes", "--max-usd", "50", code=3)
    assert "this machine has no RTX_4090" in said
    said = shell("trainer", "export", made["plan_id"], str(tmp_path / "out"), "--with-base")
    assert "Nothing was started" in said
    assert "RTX4090" in (tmp_path / "out" / "task.yaml").read_text()
