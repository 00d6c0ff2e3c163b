"""The commands of `trainer` for other machines: a teacher's answers, a rented GPU, a probe."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.app import PricesFlag, app


@app.command()
def export(
    plan: Annotated[str, typer.Argument(help="Name of the plan, or its file.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; empty, or not there yet.")],
    with_base: Annotated[bool, typer.Option("--with-base", help="Copy the base too.")] = False,
) -> None:
    """Write a folder that trains by itself on any machine: rows, script, requirements, task."""
    from trainer.cli.export import export_plan as write

    write(plan, out, with_base)


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="An exported folder that came back.")],
    usd: Annotated[str | None, typer.Option(help="What it cost; by its hours else.")] = None,
) -> None:
    """Take a training back that was run elsewhere: checked, scored, registered, paid for."""
    from trainer.cli.export import import_folder

    import_folder(folder, usd)


@app.command()
def distil(
    questions: Annotated[Path, typer.Argument(help="Rows with questions; answers are ignored.")],
    out: Annotated[Path, typer.Argument(help="Rows to learn from; goes on where it stopped.")],
    teacher: Annotated[str, typer.Option(help="PROVIDER/MODEL that answers.")],
    base_url: Annotated[str | None, typer.Option(help="Where it is asked.")] = None,
    usd_input: Annotated[str | None, typer.Option(help="USD a million tokens asked.")] = None,
    usd_output: Annotated[str | None, typer.Option(help="USD a million answered.")] = None,
    max_answer_tokens: Annotated[int, typer.Option(help="Longest answer.")] = 1024,
    temperature: Annotated[float | None, typer.Option(help="How freely it answers.")] = None,
    cap: Annotated[str | None, typer.Option(help="Most it may cost [USD].")] = None,
    review: Annotated[int, typer.Option(help="Answers to lay out for reading.")] = 20,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; needs --max-usd.")] = False,
    max_usd: Annotated[str | None, typer.Option(help="Most that may be spent [USD].")] = None,
    allow_egress: Annotated[
        str | None, typer.Option(help="Agree that questions go to this provider.")
    ] = None,
    prices: PricesFlag = None,
) -> None:
    """Have a teacher write the answers to learn from, under a cap, a row never paid twice."""
    from trainer.cli.consent import Consent
    from trainer.cli.distil import Teacher
    from trainer.cli.distil import distil_questions as go

    go(
        questions,
        out,
        Teacher(
            teacher, base_url, usd_input, usd_output, max_answer_tokens, temperature, cap, review
        ),
        Consent(yes, Decimal(max_usd) if max_usd else None, allow_egress),
        prices,
    )


@app.command()
def probe(
    gpu: Annotated[
        str | None, typer.Option(help="GPU of this machine, as the price book names it.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long it may begin new trainings.")] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    prices: PricesFlag = None,
) -> None:
    """Measure for 30 seconds how fast this machine trains; plans made here use it from then on."""
    from trainer.cli.machine import probe_machine as measure

    measure(gpu, seconds, json, prices)
