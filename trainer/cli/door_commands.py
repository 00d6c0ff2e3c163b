"""The commands of `trainer` that open its doors over HTTP, and say who may come in."""

from __future__ import annotations

from typing import Annotated

import typer

from trainer.cli.app import PricesFlag, app

tokens = typer.Typer(
    help="Make, list and end the tokens that the working API asks for.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(tokens, name="token")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    base: Annotated[
        list[str] | None,
        typer.Option("--base", metavar="NAME=FOLDER", help="A base to tune here; repeatable."),
    ] = None,
    gpu: Annotated[str, typer.Option(help="What trains here, as the price book names it.")] = "cpu",
    usd_per_hour: Annotated[
        str, typer.Option(help="What an hour of this machine costs, power too [USD].")
    ] = "0.10",
    job_cap: Annotated[
        str, typer.Option(help="Most that a job may cost which names no cap [USD].")
    ] = "25",
    most_file_mb: Annotated[int, typer.Option(help="Largest file that is taken [MiB].")] = 2048,
    requests_per_minute: Annotated[int, typer.Option(help="Of one token.")] = 600,
    prices: PricesFlag = None,
) -> None:
    """Serve planning, launching and OpenAI's fine-tuning protocol, each under a token."""
    from trainer.cli.serve import ServeFlags
    from trainer.cli.serve import run_server as run

    run(
        ServeFlags(
            host,
            port,
            tuple(base or ()),
            gpu,
            usd_per_hour,
            job_cap,
            most_file_mb,
            requests_per_minute,
            prices,
        )
    )


@tokens.command("make")
def token_make(
    owner: Annotated[str, typer.Argument(help="Who uses it.")],
    role: Annotated[str, typer.Option(help="view, propose, spend or admin.")] = "view",
    days: Annotated[float | None, typer.Option(help="How long it lives.")] = None,
) -> None:
    """Make a token, and write it once."""
    from trainer.cli.serve import make_token

    make_token(owner, role, days)


@tokens.command("list")
def token_list() -> None:
    """List every token that was ever made, without its secret."""
    from trainer.cli.serve import show_tokens

    show_tokens()


@tokens.command("revoke")
def token_revoke(token: Annotated[str, typer.Argument(help="Name of the token.")]) -> None:
    """End a token now."""
    from trainer.cli.serve import end_token

    end_token(token)
