"""`trainer export` and `trainer import`: train on another machine, and import the result."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from advisor.console import print_text
from advisor.errors import UsageError
from advisor.units import parse_usd
from trainer.cli.evaluation import show_evaluation
from trainer.cli.runs import PlanArgument, find_plan
from trainer.context import open_context
from trainer.errors import Refused
from trainer.export.export import EXPORT_FILE, write_export
from trainer.export.import_ import read_export, record_import


def export_plan(
    named: PlanArgument,
    out: Annotated[Path, typer.Argument(help="Folder to write; new or empty.")],
    with_base: Annotated[
        bool, typer.Option("--with-base", help="Copy the base model too.")
    ] = False,
) -> None:
    """Write the export folder of a plan, and print how to use it."""
    context = open_context()
    files = write_export(find_plan(context, named), context.files, out, with_base)
    size = sum(path.stat().st_size for path in files)
    base = "" if with_base else "BASE=FOLDER "
    print_text(
        f"{out}: {len(files)} files, {size} bytes. Nothing was started.\n"
        f"On the other machine: {base}sh run.sh, or sky launch task.yaml. "
        f"Afterwards: trainer import {out}"
    )


def import_folder(
    folder: Annotated[Path, typer.Argument(help="A completed export folder.")],
    usd: Annotated[str | None, typer.Option(help="Cost [USD]; by default from its hours.")] = None,
) -> None:
    """Check a completed export folder, and register its model."""
    context = open_context()
    amount = None if usd is None else parse_usd(usd, "--usd")
    plan = context.store.plan(_plan_id(folder))
    imported = read_export(folder, plan)
    run = record_import(context, imported, amount)
    spent, version = Decimal(run.said("settled", "usd")), run.said("registered", "version")
    if version is None:
        raise Refused(f"{run.run_id}: settled, but its model is not registered.")
    print_text(
        f"run {run.run_id} is settled: ${spent} ({run.said('settled', 'how')}). It made "
        f"{version}: {context.registry.version(version).model}"
    )
    if spent > Decimal(plan.cap_usd):
        print_text(f"That is more than the cap of the plan, ${plan.cap_usd}.")
    if imported.evaluation is not None:
        show_evaluation(dict(imported.evaluation))


def _plan_id(folder: Path) -> str:
    path = folder / EXPORT_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["plan_id"])
    except FileNotFoundError:
        raise UsageError(
            str(folder),
            f"{EXPORT_FILE} not found in it.",
            "Give a folder that `trainer export` wrote.",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(str(path), f"cannot be read ({error}).", "Download it again.") from error
