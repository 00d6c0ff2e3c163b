"""The commands of `trainer` that look at, choose and delete tuned models, with their flags."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.app import JsonFlag, RunArgument, app


@app.command()
def evaluate(
    run: RunArgument,
    log_to: Annotated[
        str | None,
        typer.Option("--log-to", help="MLflow store on this machine: sqlite:///FILE."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Lay base, tuned model and plain baselines side by side on held-out rows."""
    from trainer.cli.evaluation import evaluate_run as look

    look(run, json, log_to)


@app.command()
def versions(
    name: Annotated[str | None, typer.Argument(help="Name of a model; all by default.")] = None,
    ending: Annotated[
        str | None, typer.Option(help="Only those that their provider ends by this day.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List tuned models, with stage and verdict."""
    from trainer.cli.versions import show_versions

    show_versions(name, json, ending)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="Version, or how it begins.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Even if it is worse.")] = False,
) -> None:
    """Make an evaluated version the champion of its name."""
    from trainer.cli.versions import promote_version as go

    go(version, _user(), anyway)


@app.command()
def rollback(name: Annotated[str, typer.Argument(help="Name of a model.")]) -> None:
    """Make the champion before this one champion again."""
    from trainer.cli.versions import rollback_model as go

    go(name, _user())


@app.command()
def retire(version: Annotated[str, typer.Argument(help="Version, or how it begins.")]) -> None:
    """Take a version out of use."""
    from trainer.cli.versions import retire_version as go

    go(version, _user())


@app.command()
def compare(
    one: Annotated[str, typer.Argument(help="Version.")],
    other: Annotated[str, typer.Argument(help="Version.")],
    json: JsonFlag = False,
) -> None:
    """Lay two versions side by side."""
    from trainer.cli.versions import compare_versions as go

    go(one, other, json)


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: JsonFlag = False,
) -> None:
    """Delete what nothing refers to any more, and say how much that was."""
    from trainer.cli.versions import delete_garbage as go

    go(dry_run, json)


@app.command()
def disk(json: JsonFlag = False) -> None:
    """Say what takes room in the home folder, and what uses it."""
    from trainer.cli.versions import show_disk

    show_disk(json)


@app.command()
def delete(
    kind: Annotated[str, typer.Argument(help="dataset, run or version.")],
    name: Annotated[str, typer.Argument(help="Hash, run or version.")],
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Delete a dataset, a run or a version, everywhere on this machine."""
    from trainer.cli.versions import delete_item as go

    go(kind, name, yes)


@app.command()
def merge(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option(help="Folder; in the home folder by default.")] = None,
) -> None:
    """Make adapter and base one model in 16 bits, compared before it is kept."""
    from trainer.cli.versions import merge_run as go

    go(run, out)


def _user() -> str:
    return getpass.getuser()
