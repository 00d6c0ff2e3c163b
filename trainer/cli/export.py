"""`trainer export` and `trainer import`: a training run elsewhere, and its way back."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path

from advisor.console import console
from advisor.errors import UsageError
from trainer.cli.evaluation import show_evaluation
from trainer.cli.runs import find_plan
from trainer.context import TrainerContext, open_context
from trainer.errors import Refused
from trainer.export.export import EXPORT_FILE
from trainer.export.export import write_export as write_out
from trainer.export.import_ import read_export, record_import
from trainer.run_states import Run


def export_plan(named: str, out: Path, with_base: bool) -> None:
    """Write the folder of a plan, and say what to do with it."""
    context = open_context()
    plan = find_plan(context, named)
    files = write_out(plan, context.files, out, with_base)
    size = sum(path.stat().st_size for path in files)
    console().print(
        f"{out}: {len(files)} files, {size} bytes. Nothing was started.", soft_wrap=True
    )
    base = "" if with_base else "BASE=FOLDER "
    console().print(
        f"There: {base}sh run.sh, or sky launch task.yaml. Then: trainer import {out}",
        soft_wrap=True,
    )


def import_folder(folder: Path, usd: str | None) -> None:
    """Check a folder that came back, and put its model on record."""
    context = open_context()
    amount = _amount(usd)
    plan = context.store.plan(_named_in(folder))
    imported = read_export(folder, plan)
    run = record_import(context, imported, amount)
    _print_import(context, run, Decimal(plan.cap_usd))
    if imported.evaluation is not None:
        show_evaluation(dict(imported.evaluation))


def _named_in(folder: Path) -> str:
    path = folder / EXPORT_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["plan_id"])
    except FileNotFoundError:
        raise UsageError(
            str(folder),
            f"there is no {EXPORT_FILE} in it.",
            "Name a folder that `trainer export` wrote.",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(str(path), f"it cannot be read ({error}).", "Fetch it again.") from error


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"--usd {text}", "this is no amount.", "Write 3.50.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--usd {text}", "a cost is 0 or more.", "Write 0 for nothing.")
    return amount


def _print_import(context: TrainerContext, run: Run, cap: Decimal) -> None:
    usd, how = Decimal(run.said("settled", "usd")), run.said("settled", "how")
    version = run.said("registered", "version")
    if version is None:
        raise Refused(f"{run.run_id}: it is settled, and its model is not registered.")
    console().print(
        f"run {run.run_id} is settled: {usd} USD ({how}). It made {version}: "
        f"{context.registry.version(version).model}",
        soft_wrap=True,
    )
    if usd > cap:
        console().print(f"That is more than the cap of the plan, {cap} USD.")
