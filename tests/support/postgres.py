"""A real PostgreSQL server for the tests, in a temporary folder, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SEARCH_FOLDERS = ("/usr/lib/postgresql", "/usr/local/bin", "/usr/bin")


def postgres_folder() -> Path | None:
    """Return the folder with initdb and postgres, or None if not installed."""
    for folder in map(Path, SEARCH_FOLDERS):
        for initdb in (*folder.glob("*/bin/initdb"), *folder.glob("initdb")):
            return initdb.resolve().parent
    return None


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server; yield the URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="ton-pg-"))
    bin_, port, user = postgres_folder(), _free_port(), _user()
    assert bin_ is not None
    shutil.chown(folder, user.pw_name)
    runs_as = {"user": user.pw_uid, "group": user.pw_gid} if os.getuid() == 0 else {}
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    subprocess.run(
        [bin_ / "initdb", "-D", folder / "data", "-U", "ton", "-A", "trust", "-N", "-E", "UTF8"],
        check=True,
        capture_output=True,
        env=env,
        cwd=folder,
        **runs_as,
    )  # type: ignore[call-overload]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                bin_ / "postgres",
                "-D",
                folder / "data",
                "-p",
                str(port),
                "-k",
                folder,
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",  # the tests never cut the power
            ],
            stdout=log,
            stderr=log,
            env=env,
            cwd=folder,
            **runs_as,
        )  # type: ignore[call-overload]
    try:
        _wait(port, server, folder)
        yield f"postgresql://ton@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGQUIT)  # immediate shutdown: the data is deleted anyway
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> pwd.struct_passwd:
    """Return the user to run PostgreSQL as; it refuses to run as root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, server: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    for _ in range(200):
        if server.poll() is not None:
            raise AssertionError((folder / "log").read_text())
        try:
            psycopg.connect(f"postgresql://ton@127.0.0.1:{port}/postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("PostgreSQL did not start")
