"""`advisor serve`: the planning API over HTTP, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from advisor.cli.flags import PricesFlag
from advisor.errors import UsageError
from advisor.prices.loader import load_prices

BACKLOG = 2048
MIB = 1024**2
WORKER_START_SECONDS = 60
"""A worker that does not answer for so long is replaced; a busy machine takes long to start one."""
BIND_ERRORS = {
    errno.EADDRINUSE: ("the port is in use.", "Use another one: --port N."),
    errno.EACCES: ("permission denied.", "Use a port from 1024 on: --port N."),
    errno.EADDRNOTAVAIL: ("not an address of this machine.", "Use --host 127.0.0.1."),
}


@dataclass(frozen=True)
class PlanningServerFlags:
    """Settings of the planning API."""

    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000
    prices: PricesFlag = None
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of worker processes.")] = 1
    most_upload_mb: Annotated[int, typer.Option(min=1, help="Largest dataset, in MiB.")] = 1024


def serve(flags: PlanningServerFlags) -> None:
    """Serve the planning API until Ctrl-C."""
    load_prices(overlay=flags.prices)  # report an error here, not in each worker
    listener, is_loopback = bind_port(flags.host, flags.port)
    if not is_loopback:
        sys.stderr.write(
            f"advisor: {flags.host} can be reached from other machines; this API has no "
            "authentication.\n"
        )
    shown = f"[{flags.host}]" if ":" in flags.host else flags.host
    sys.stdout.write(
        f"planning API  http://{shown}:{flags.port}/api/v1/openapi.json\nPress Ctrl-C to stop.\n"
    )
    sys.stdout.flush()
    with listener, _environment(flags):
        _run(listener, flags.workers)


def bind_port(host: str, port: int) -> tuple[socket.socket, bool]:
    """Bind the port, and return whether only this machine can reach it."""
    where = f"--host {host} --port {port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(where, "host not found.", "Use --host 127.0.0.1.") from error
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        unknown = (f"{error.strerror}.", "Use another --port.")
        raise UsageError(where, *BIND_ERRORS.get(error.errno or 0, unknown)) from error
    ip = str(address[0])
    return listener, ip == "::1" or ip.startswith("127.")


@contextmanager
def _environment(flags: PlanningServerFlags) -> Iterator[None]:
    """Set the variables that configure the workers; several share a folder for metrics."""
    from advisor.api.app import MAX_UPLOAD_VARIABLE, PRICES_VARIABLE
    from advisor.api.observability import MULTIPROCESS_VARIABLE

    os.environ[MAX_UPLOAD_VARIABLE] = str(flags.most_upload_mb * MIB)
    if flags.prices:
        os.environ[PRICES_VARIABLE] = str(flags.prices.resolve())
    if flags.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tune-or-not-") as folder:
        os.environ[MULTIPROCESS_VARIABLE] = folder
        yield


def _run(listener: socket.socket, workers: int) -> None:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(
        "advisor.api.app:app_from_environment",
        factory=True,
        workers=workers,
        http="httptools",
        loop="auto" if sys.platform == "win32" else "uvloop",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_worker_healthcheck=WORKER_START_SECONDS,
        server_header=False,
    )
    try:
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listener])
        else:
            Multiprocess(config, sockets=[listener]).run()
    except KeyboardInterrupt:
        return  # uvicorn has answered open requests before it re-raises the signal
