"""The process of one local run: waits for a device, trains, answers, scores.

`python -m trainer.local.worker FOLDER`. Each stage ends with a file, so that a killed process can
be started again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from trainer.local import baseline
from trainer.local.process import devices
from trainer.local.run_folder import WANT_CANCEL, WANT_PAUSE, RunFolder, lock_file
from trainer.local.scoring import score_run
from trainer.scripts.manifest import write_json

SCRIPTS = Path(__file__).parent.parent / "scripts"
PAUSED, CANCELLED = 4, 5
WAIT_SECONDS = 0.5
CAP_SECONDS = 1.0


def main(path: Path) -> int:
    """Advance a run as far as possible; return 0 also if another process works on it."""
    folder = RunFolder(path)
    with lock_file(path / "lock") as lock:
        if lock is None:
            return 0
        with _device(folder) as (device, device_lock):
            if device is None:
                return 0
            with _clock(folder):
                return _stages(folder, device, [lock, device_lock])


def _stages(folder: RunFolder, device: str, locks: list[IO[bytes]]) -> int:
    is_plain = folder.read("job.json").get("plain")
    if not folder.is_trained():
        code = (
            baseline.train_baseline(folder) if is_plain else _run("train.py", folder, device, locks)
        )
        if code:
            action = {PAUSED: WANT_PAUSE, CANCELLED: WANT_CANCEL}.get(code) or folder.wants()
            return 0 if _obey(folder, action) else code
    if folder.wants() == WANT_CANCEL:
        _obey(folder, WANT_CANCEL)
        return 0
    if folder.read("job.json").get("held_out") and not folder.has("evaluation.json"):
        answered = is_plain or folder.has("perplexity.json")
        code = 0 if answered else _run("generate.py", folder, device, locks)
        if code == 0:
            write_json(folder.path / "evaluation.json", score_run(folder))
        else:
            write_json(folder.path / "evaluation_failed.json", {"code": code})
    write_json(folder.path / "done.json", {"at": time.time()})
    return 0


def _obey(folder: RunFolder, action: str) -> bool:
    """Mark the run as paused or cancelled; return False for any other action."""
    if action == WANT_PAUSE:
        (folder.path / "paused").touch()
        folder.set_request("")
    elif action == WANT_CANCEL:
        write_json(folder.path / "cancelled.json", {"at": time.time()})
    return action in (WANT_PAUSE, WANT_CANCEL)


def _run(script: str, folder: RunFolder, device: str, locks: list[IO[bytes]]) -> int:
    """Run a script that inherits our locks: while it lives, no other process starts one."""
    env = dict(os.environ)
    env["CUDA_VISIBLE_DEVICES"] = "" if device == "cpu" else device
    command = [sys.executable, str(SCRIPTS / script), str(folder.path)]
    with subprocess.Popen(command, env=env, pass_fds=[lock.fileno() for lock in locks]) as child:
        while True:
            try:
                return child.wait(CAP_SECONDS)
            except subprocess.TimeoutExpired:
                if script == "train.py" and not folder.has("capped.json"):
                    _hold_at_cap(folder)


def _hold_at_cap(folder: RunFolder) -> None:
    """Pause the training when its cost reaches the cap."""
    job = folder.read("job.json")
    usd = float(folder.usd(Decimal(str(job["usd_per_hour"]))))
    if usd >= float(job["cap_usd"]):
        write_json(folder.path / "capped.json", {"usd": usd, "cap_usd": job["cap_usd"]})
        folder.set_request(WANT_PAUSE)


@contextmanager
def _device(folder: RunFolder) -> Iterator[tuple[str | None, Any]]:
    """Wait for a free device; None if the run is cancelled or paused meanwhile."""
    place = folder.path.parent
    waiting = folder.path / "waiting"
    while True:
        for device in devices():
            with lock_file(place / f".device-{device}.lock") as lock:
                if lock is not None:
                    waiting.unlink(missing_ok=True)
                    (folder.path / "paused").unlink(missing_ok=True)
                    yield device, lock
                    return
        waiting.touch()
        action = folder.wants()
        if action:
            waiting.unlink(missing_ok=True)
            _obey(folder, action if action == WANT_PAUSE else WANT_CANCEL)
            yield None, None
            return
        time.sleep(WAIT_SECONDS)


@contextmanager
def _clock(folder: RunFolder) -> Iterator[None]:
    """Record from when to when a device was used: hours are money."""
    beat = folder.last_heartbeat()
    if folder.is_open() and beat is not None:  # the previous process was killed
        _add(folder, {"to": beat})
    (folder.path / "heartbeat").touch()
    _add(folder, {"from": time.time()})
    try:
        yield
    finally:
        _add(folder, {"to": time.time()})


def _add(folder: RunFolder, entry: dict[str, float]) -> None:
    with (folder.path / "clock.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
