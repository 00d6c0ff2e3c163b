"""A real `trainer serve` for tests: a separate process on a free port, with its admin token."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT


@dataclass(frozen=True)
class RunningServer:
    """A running server."""

    url: str
    token: str
    home: Path
    pid: int
    log: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a client."""
        return {**os.environ, "OPENAI_API_KEY": self.token, **more}


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_server(folder: Path, *flags: str, program: str = "trainer") -> Iterator[RunningServer]:
    """Run `trainer serve` (or `advisor serve`) with its own home folder."""
    port, home, log = free_port(), folder / "home", folder / "serve.log"
    environment = {**os.environ, "TUNE_OR_NOT_HOME": str(home), "TUNE_OR_NOT_THREADS": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", program, "serve", "--port", str(port), *flags],
            cwd=ROOT, env=environment, stdout=out, stderr=out,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _until_it_answers(url, process, log)
        token = home / "token"
        secret = token.read_text().strip() if token.is_file() else ""
        yield RunningServer(url, secret, home, process.pid, log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
