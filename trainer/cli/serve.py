"""`trainer serve`: the working API until Ctrl-C. `trainer token`: access tokens for it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, cast

import typer

from advisor.cli.flags import PricesFlag
from advisor.cli.serve import bind_port
from advisor.console import console, plain_table, print_text
from advisor.errors import UsageError
from advisor.units import parse_usd
from trainer.clock import utc_datetime
from trainer.context import open_context
from trainer.home import home_folder
from trainer.server.context import ServerSettings
from trainer.storage.access_tokens import Role, TokenStore, ensure_admin_token

MIB = 1024**2


@dataclass(frozen=True)
class ServeFlags:
    """Address and settings of the server."""

    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000
    bases: Annotated[
        list[str],
        typer.Option(
            "--base", metavar="NAME=FOLDER", help="Base model to tune on this server; repeatable."
        ),
    ] = field(default_factory=list)
    gpu: Annotated[str, typer.Option(help="What trains here, as named in the price book.")] = "cpu"
    usd_per_hour: Annotated[
        str, typer.Option(help="Cost of an hour of this machine, with power [USD].")
    ] = "0.10"
    job_cap: Annotated[str, typer.Option(help="Cap of a job that sets none [USD].")] = "25"
    most_file_mb: Annotated[int, typer.Option(help="Largest file that is accepted [MiB].")] = 2048
    requests_per_minute: Annotated[int, typer.Option(help="Rate limit per token.")] = 600
    prices: PricesFlag = None


def run_server(flags: ServeFlags) -> None:
    """Serve the working API until Ctrl-C.

    Raises:
        UsageError: a flag is invalid, or the port is not available.
    """
    settings = server_settings(flags)
    context = open_context(flags.prices)
    listener, is_loopback = bind_port(flags.host, flags.port)
    import uvicorn

    from advisor.api.service import PlanningService
    from trainer.server.app import create_app
    from trainer.server.context import open_server_context

    server = open_server_context(context, settings)
    token, is_new = ensure_admin_token(server.tokens, home_folder())
    host = f"[{flags.host}]" if ":" in flags.host else flags.host
    url = f"http://{host}:{flags.port}"
    sys.stdout.write(
        f"working API     {url}/api/v1/openapi.json\n"
        f"OpenAI surface  {url}/v1\n"
        f"admin token     {token}{': ' + token.read_text().strip() if is_new else ''}\n"
    )
    if not server.bases():
        sys.stdout.write("No base model to tune; add one with --base NAME=FOLDER.\n")
    sys.stdout.write("Press Ctrl-C to stop; trainings on this machine continue.\n")
    sys.stdout.flush()
    if not is_loopback:
        sys.stderr.write(
            f"trainer: {flags.host} is reachable from other machines, and tokens are sent "
            "unencrypted. Put a TLS proxy in front of it.\n"
        )
    planner = PlanningService(context.book, most_upload_bytes=settings.max_file_bytes)
    config = uvicorn.Config(
        create_app(server, planner),
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
            return  # open requests have been answered by then


def server_settings(flags: ServeFlags) -> ServerSettings:
    """Return the settings of the server.

    Raises:
        UsageError: a folder has no base model, an amount is invalid, or a limit is below 1.
    """
    if flags.most_file_mb < 1 or flags.requests_per_minute < 1:
        raise UsageError(
            "--most-file-mb, --requests-per-minute", "found a number below 1.", "Set 1 or more."
        )
    return ServerSettings(
        bases=dict(_base(flag) for flag in flags.bases),
        gpu=flags.gpu,
        usd_per_hour=_positive_usd("--usd-per-hour", flags.usd_per_hour),
        job_cap_usd=_positive_usd("--job-cap", flags.job_cap),
        max_file_bytes=flags.most_file_mb * MIB,
        requests_per_minute=flags.requests_per_minute,
    )


def _base(flag: str) -> tuple[str, Path]:
    name, equals, folder = flag.partition("=")
    path = Path(folder).resolve()
    if not equals or not name:
        raise UsageError(f"--base {flag}", "expected NAME=FOLDER.", "Write --base NAME=FOLDER.")
    if not (path / "config.json").is_file():
        raise UsageError(
            f"--base {flag}",
            f"config.json not found in {path}.",
            "Give a folder with config.json, safetensors and tokenizer.",
        )
    return name, path


def _positive_usd(flag: str, text: str) -> Decimal:
    amount = parse_usd(text, flag)
    if amount <= 0:
        raise UsageError(f"{flag} {text}", "expected an amount above 0.", "Write 0.10.")
    return amount


def make_token(
    owner: Annotated[str, typer.Argument(help="Owner of the token.")],
    role: Annotated[str, typer.Option(help="view, propose, spend or admin.")] = "view",
    days: Annotated[
        float | None, typer.Option(help="Days until it expires; never by default.")
    ] = None,
) -> None:
    """Create a token, and print its secret this once."""
    token, secret = _token_store().make(owner, cast("Role", role), days)
    sys.stderr.write(
        f"token {token.token_id} of {token.owner}, role {token.role}; it is not shown again:\n"
    )
    sys.stdout.write(secret + "\n")


def show_tokens() -> None:
    """List all tokens."""
    rows = [
        (
            token.token_id,
            token.owner,
            token.role,
            _time(token.made_at),
            _time(token.expires_at),
            _time(token.revoked_at),
        )
        for token in _token_store().listed()
    ]
    if not rows:
        return print_text("No tokens yet. Create one with `trainer token make OWNER`.")
    head = ("token", "owner", "role", "created", "expires", "revoked")
    return console().print(plain_table(head, rows, set()))


def end_token(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Id of the token.")],
) -> None:
    """Revoke a token."""
    token = _token_store().revoke(token_id)
    print_text(f"token {token.token_id} of {token.owner} is revoked.")


def _token_store() -> TokenStore:
    context = open_context()
    return TokenStore(context.store.engine, context.clock)


def _time(at: float | None) -> str:
    return "" if at is None else utc_datetime(at).strftime("%Y-%m-%d %H:%M")
