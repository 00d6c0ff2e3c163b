"""The folder of a local run: its state is read from its files and its lock, whatever was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.local.process import devices, environment
from trainer.local.provider import MAX_STARTS, LocalAdapter
from trainer.local.run_folder import RunFolder, lock_file
from trainer.local.worker import _clock, _hold_at_cap

HOLDER = """
import sys, time
from pathlib import Path
from trainer.local.run_folder import lock_file
with lock_file(Path(sys.argv[1]) / "lock") as lock:
    print(lock is not None, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "runs" / "run_1"
    path.mkdir(parents=True)
    (path / "job.json").write_text(json.dumps(
        {"usd_per_hour": "2.00", "cap_usd": "3.00", "base_model": "tiny", "plan_id": "p"}))  # fmt: skip
    return RunFolder(path)


def adapter(folder: RunFolder) -> LocalAdapter:
    return LocalAdapter(folder.path.parent.parent, lambda plan: "run_1", lambda sha: Path(sha))


@pytest.mark.parametrize(
    ("files", "word"),
    [((), "stopped"), (("paused",), "paused"), (("done.json",), "succeeded"),
     (("failed.json", "done.json"), "failed"), (("cancelled.json", "done.json"), "cancelled")],
)  # fmt: skip
def test_a_state_follows_from_files(folder: RunFolder, files: tuple[str, ...], word: str) -> None:
    for name in files:
        (folder.path / name).write_text("{}")

    assert folder.word == word


def test_a_lock_goes_with_its_process(folder: RunFolder) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder.path)],
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert folder.word == "running"
        (folder.path / "waiting").touch()
        assert folder.word == "queued"
        with lock_file(folder.path / "lock") as lock:
            assert lock is None

        os.kill(holder.pid, signal.SIGKILL)
    assert folder.word == "stopped"


def test_hours_of_a_killed_process_count_to_its_last_beat(folder: RunFolder) -> None:
    entries = [{"from": 1000.0}, {"to": 1060.0}, {"from": 2000.0}]
    (folder.path / "clock.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    (folder.path / "heartbeat").touch()
    os.utime(folder.path / "heartbeat", (2100.0, 2100.0))
    assert folder.seconds() == 60 + 100

    with _clock(folder):
        began = time.time()

    assert 160 <= folder.seconds() <= 160 + time.time() - began + 0.1
    assert not folder.is_open()


def test_a_torn_line_of_events_is_left_out(folder: RunFolder) -> None:
    (folder.path / "events.jsonl").write_text(
        '{"seq": 1, "at": 5, "kind": "metric", "step": 5, "of_steps": 9, "loss": 2.5}\n{"seq": 2, '
    )

    (event,) = adapter(folder).events("run_1")

    assert (event.kind, event.message, event.body["train_loss"]) == ("metric", "step 5 of 9", 2.5)


def test_a_run_that_ends_again_and_again_at_one_step_has_failed(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[RunFolder] = []
    monkeypatch.setattr("trainer.local.process.start", started.append)
    (folder.path / "log").write_text("CUDA driver is gone\n")

    words = [adapter(folder).job("run_1").word for _ in range(MAX_STARTS)]

    assert words == ["stopped"] * (MAX_STARTS - 1) + ["failed"]
    assert len(started) == MAX_STARTS - 1
    assert "CUDA driver is gone" in str(adapter(folder).job("run_1").error)


def test_a_training_is_held_once_its_hours_have_cost_the_cap(folder: RunFolder) -> None:
    (folder.path / "clock.jsonl").write_text(json.dumps({"from": time.time() - 3600}) + "\n")
    (folder.path / "heartbeat").touch()
    _hold_at_cap(folder)
    assert not folder.wants()

    (folder.path / "clock.jsonl").write_text(json.dumps({"from": time.time() - 5490}) + "\n")
    _hold_at_cap(folder)

    assert folder.wants() == "pause"
    (folder.path / "paused").touch()
    assert "3.05 USD, and the cap is 3.00" in str(adapter(folder).job("run_1").error)


def test_a_training_sees_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db/x")

    assert not {"OPENAI_API_KEY", "DATABASE_URL"} & set(environment())
    assert environment()["HF_HUB_OFFLINE"] == "1"


def test_a_device_is_a_gpu_or_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 3")
    assert devices() == ["0", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices() == ["cpu"]
