"""Start, find and stop the process of a local run; it outlives the process that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from trainer.local.run_folder import RunFolder

KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "TUNE_OR_NOT_HOME",
    "TUNE_OR_NOT_THREADS",
)
"""Environment variables that a training inherits; none of them is an API key."""
START_SECONDS = 5.0
STOP_SECONDS = 30.0


def environment() -> Mapping[str, str]:
    """Return the environment of a training: no API keys, no model hub, no telemetry."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }


def start(folder: RunFolder) -> None:
    """Start the detached process of a run, unless it is running already."""
    if folder.is_locked():
        return
    with (folder.path / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "trainer.local.worker", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment()),
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # to leave no zombie process
    (folder.path / "process.json").write_text(
        json.dumps({"pid": process.pid, "started_at": time.time()})
    )
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None and not folder.is_locked():
        time.sleep(0.02)


def stop(folder: RunFolder, seconds: float = STOP_SECONDS) -> None:
    """Request that the process end at its next step, and kill it if it does not."""
    until = time.monotonic() + seconds
    while folder.is_locked() and time.monotonic() < until:
        time.sleep(0.05)
    if not folder.is_locked():
        return
    told = folder.read("process.json") or {}
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(int(told.get("pid", 0)) or -1, signal.SIGKILL)


def devices() -> list[str]:
    """List the devices that can train, one run at a time each: the GPUs, or the CPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [one.strip() for one in visible.split(",") if one.strip()] or ["cpu"]
    gpus = sorted(path.name for path in Path("/proc/driver/nvidia/gpus").glob("*"))
    return [str(number) for number in range(len(gpus))] or ["cpu"]
