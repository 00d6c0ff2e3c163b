"""Flags of `trainer serve` -> a server that runs until Ctrl-C, and drives open runs meanwhile.

`trainer token`: make, list and end the tokens that the working API asks for.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast

from advisor.cli.serve import bind_port
from advisor.console import console, plain_table
from advisor.errors import UsageError
from trainer.clock import utc_datetime
from trainer.context import open_context
from trainer.home import home_folder
from trainer.server.context import ServerSettings
from trainer.storage.access_tokens import Role, TokenStore, ensure_admin_token

MIB = 1024**2


@dataclass(frozen=True)
class ServeFlags:
    """What is to be served, and where."""

    host: str
    port: int
    bases: tuple[str, ...]
    gpu: str
    usd_per_hour: str
    job_cap: str
    most_file_mb: int
    requests_per_minute: int
    prices: Path | None


def run_server(wanted: ServeFlags) -> None:
    """Serve the working API until Ctrl-C.

    Raises:
        UsageError: a flag cannot be used, or the port cannot be had.
    """
    settings = server_settings(wanted)
    context = open_context(wanted.prices)
    listener, is_loopback = bind_port(wanted.host, wanted.port)
    import uvicorn

    from advisor.api.service import PlanningService
    from trainer.server.app import create_app
    from trainer.server.context import open_server_context

    server = open_server_context(context, settings)
    token, is_new = ensure_admin_token(server.tokens, home_folder())
    shown = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    where = f"http://{shown}:{wanted.port}"
    sys.stdout.write(f"working API   {where}/api/v1/openapi.json\nOpenAI's way  {where}/v1\n")
    sys.stdout.write(f"admin's token {token}{': ' + token.read_text().strip() if is_new else ''}\n")
    if not server.bases():
        sys.stdout.write("no base is here to tune: --base NAME=FOLDER names one.\n")
    sys.stdout.write("Ctrl-C stops it; runs that train on this machine go on.\n")
    sys.stdout.flush()
    if not is_loopback:
        sys.stderr.write(
            f"trainer: {wanted.host} can be reached from other machines, and tokens "
            "travel over it in the clear. Put TLS before it.\n"
        )
    config = uvicorn.Config(
        create_app(
            server, PlanningService(context.book, most_upload_bytes=settings.max_file_bytes)
        ),
        http="httptools",
        loop="auto" if sys.platform == "win32" else "uvloop",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    with listener:
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            return  # what was asked has been answered by then


def server_settings(wanted: ServeFlags) -> ServerSettings:
    """Read what whoever runs the server decides.

    Raises:
        UsageError: a base is no folder of one, an amount is none, or a limit is below 1.
    """
    if wanted.most_file_mb < 1 or wanted.requests_per_minute < 1:
        raise UsageError(
            "--most-file-mb, --requests-per-minute", "found a number below 1.", "Give 1 or more."
        )
    return ServerSettings(
        bases=dict(_base(flag) for flag in wanted.bases),
        gpu=wanted.gpu,
        usd_per_hour=_amount("--usd-per-hour", wanted.usd_per_hour),
        job_cap_usd=_amount("--job-cap", wanted.job_cap),
        max_file_bytes=wanted.most_file_mb * MIB,
        requests_per_minute=wanted.requests_per_minute,
    )


def _base(flag: str) -> tuple[str, Path]:
    name, equals, folder = flag.partition("=")
    path = Path(folder).resolve()
    if not equals or not name:
        raise UsageError(f"--base {flag}", "this is not NAME=FOLDER.", "Write --base NAME=FOLDER.")
    if not (path / "config.json").is_file():
        raise UsageError(
            f"--base {flag}",
            f"{path} holds no config.json.",
            "Name a folder with config.json, safetensors and tokenizer.",
        )
    return name, path


def _amount(flag: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{flag} {text}", "this is no amount.", "Write 0.10.") from error
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"{flag} {text}", "an amount is more than 0.", "Write 0.10.")
    return amount


def make_token(owner: str, role: str, days: float | None) -> None:
    """Make a token and write its secret, this once."""
    token, secret = _tokens().make(owner, cast("Role", role), days)
    sys.stderr.write(
        f"token {token.token_id} of {token.owner}, role {token.role}; it is not shown again:\n"
    )
    sys.stdout.write(secret + "\n")


def show_tokens() -> None:
    """List every token."""
    rows = [
        (
            token.token_id,
            token.owner,
            token.role,
            _day(token.made_at),
            _day(token.expires_at),
            _day(token.revoked_at),
        )
        for token in _tokens().listed()
    ]
    if not rows:
        return console().print("No token yet. `trainer token make OWNER` makes one.")
    head = ("token", "owner", "role", "made", "ends", "ended")
    console().print(plain_table(head, rows, set()))
    return None


def end_token(token_id: str) -> None:
    """End a token now."""
    token = _tokens().revoke(token_id)
    console().print(f"token {token.token_id} of {token.owner} has ended.")


def _tokens() -> TokenStore:
    context = open_context()
    return TokenStore(context.store.engine, context.clock)


def _day(at: float | None) -> str:
    return "" if at is None else utc_datetime(at).strftime("%Y-%m-%d %H:%M")
