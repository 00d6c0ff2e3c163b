"""`make run`: start the API and the page on loopback, and stop both on Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from trainer.errors import TrainerError
from trainer.storage.database import open_database

HOST = "127.0.0.1"
PAGE = Path(__file__).parent / "app.py"
EXIT_BAD_INPUT = 2


def port_from_env(name: str, default: int) -> int:
    """Return a port from the environment; exit with a message if it is invalid or busy."""
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        _exit_with(f"{name}={text} is not a valid port. Use a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
        except OSError:
            _exit_with(f"port {text} is busy. Set {name} to a free one: make run {name}=...")
    return int(text)


def _exit_with(message: str) -> None:
    sys.stderr.write(f"make run: {message}\n")
    raise SystemExit(EXIT_BAD_INPUT)


def server_commands(port: int, page_port: int) -> list[list[str]]:
    """Return the two commands: the API, and the page."""
    api = [sys.executable, "-m", "trainer", "serve", "--host", HOST, "--port", str(port)]
    page = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(PAGE),
        "--server.address",
        HOST,
        "--server.port",
        str(page_port),
        "--server.headless",
        "true",
        "--browser.gatherUsageStats",
        "false",
        "--server.fileWatcherType",
        "none",
    ]
    return [api, page]


def main() -> int:
    """Serve until Ctrl-C or until one of the two processes exits."""
    port, page_port = port_from_env("PORT", 8000), port_from_env("PAGE_PORT", 8501)
    if port == page_port:
        _exit_with(f"PORT and PAGE_PORT are both {port}. Use two different ports.")
    try:
        open_database().dispose()
    except (OSError, TrainerError) as error:
        _exit_with(f"home folder: {error}. Set TUNE_OR_NOT_HOME to a writable folder.")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    children: list[subprocess.Popen[bytes]] = []
    try:
        for command in server_commands(port, page_port):
            children.append(subprocess.Popen(command, start_new_session=True))
        sys.stdout.write(
            f"\nAPI  http://{HOST}:{port}\npage http://{HOST}:{page_port}\nCtrl-C stops both.\n"
        )
        sys.stdout.flush()
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
    except KeyboardInterrupt:
        return 0
    finally:
        stop_children(children)
    sys.stderr.write("make run: one of the two servers exited; the other was stopped.\n")
    return 1


def stop_children(children: list[subprocess.Popen[bytes]]) -> None:
    """Terminate every child; kill those still running after five seconds."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave a child running
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


if __name__ == "__main__":
    raise SystemExit(main())
