"""What `make run` does beside serving: it stops both children, and says why it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.paths import ROOT

RUN = [sys.executable, "-m", "ui.serve"]


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


def _environment(ports: list[int], **more: str) -> dict[str, str]:
    return {**os.environ, "PORT": str(ports[0]), "PAGE_PORT": str(ports[1]), **more}


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=2) as found:
            return bool(found.status == 200)
    except OSError:
        return False


def _until_served(ports: list[int]) -> None:
    for port, path in zip(ports, ("healthz", "_stcore/health"), strict=True):
        end = time.monotonic() + 60
        while not _answers(port, path):
            assert time.monotonic() < end, f"port {port} does not answer"
            time.sleep(0.1)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_both_servers_and_frees_their_ports(number: signal.Signals) -> None:
    ports = _free_ports()
    with subprocess.Popen(RUN, cwd=ROOT, env=_environment(ports), stdout=subprocess.PIPE) as run:
        try:
            _until_served(ports)
            run.send_signal(number)
            code = run.wait(timeout=12)
        finally:
            run.kill()

    assert code == 0
    assert [_is_free(port) for port in ports] == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")
def test_when_one_server_ends_the_other_is_stopped_and_it_is_said() -> None:
    ports = _free_ports()
    with subprocess.Popen(RUN, cwd=ROOT, env=_environment(ports), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as run:  # fmt: skip
        try:
            _until_served(ports)
            children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
            told = run.communicate(timeout=15)[1]
        finally:
            run.kill()

    assert run.returncode == 1
    assert "one of the two servers exited; the other was stopped." in told
    assert [_is_free(port) for port in ports] == [True, True]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"PORT": "eight"}, "PORT=eight is not a valid port. Use a number from 1 to 65535."),
        ({"PORT": "0"}, "PORT=0 is not a valid port. Use a number from 1 to 65535."),
        ({"PAGE_PORT": "65536"}, "PAGE_PORT=65536 is not a valid port. Use a number from 1 to 65535."),
        ({"PORT": "²"}, "PORT=² is not a valid port. Use a number from 1 to 65535."),
        ({"TUNE_OR_NOT_HOME": "/dev/null/home"},
         "home folder: [Errno 20] Not a directory: '/dev/null/home'. "
         "Set TUNE_OR_NOT_HOME to a writable folder."),
    ],
    ids=["a word", "nought", "too high", "a raised two", "no home"],
)  # fmt: skip
def test_what_cannot_be_served_is_told_before_anything_starts(
    changed: dict[str, str], says: str
) -> None:
    done = subprocess.run(RUN, cwd=ROOT, capture_output=True, text=True,
                          env=_environment(_free_ports()) | changed)  # fmt: skip

    assert (done.returncode, done.stderr) == (2, f"make run: {says}\n")


def test_one_port_for_both_is_told() -> None:
    port = _free_ports()[0]

    done = subprocess.run(RUN, cwd=ROOT, capture_output=True, text=True,
                          env=_environment([port, port]))  # fmt: skip

    says = f"make run: PORT and PAGE_PORT are both {port}. Use two different ports.\n"
    assert (done.returncode, done.stderr) == (2, says)
