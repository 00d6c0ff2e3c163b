"""Import of a trained export folder: checked, scored, and recorded as a settled run.

Nothing in the folder is trusted unless a hash in the plan covers it: rows, base and settings are
compared, the model must be sealed and complete, and the answers are scored on this machine.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path, PurePosixPath
from typing import Any

from advisor.plan.training_plan import TrainingPlan
from trainer.clock import utc_datetime
from trainer.context import RunSession, TrainerContext
from trainer.errors import Refused
from trainer.export.export import exported_plan_id, rows_of
from trainer.home import DAY_SECONDS, home_folder
from trainer.local.provider import LocalAdapter, create_run_folder
from trainer.local.run_folder import RunFolder
from trainer.local.scoring import score_run
from trainer.run_states import Run
from trainer.runs.follow import close_run
from trainer.scripts.manifest import NAME as MANIFEST
from trainer.scripts.manifest import flaw_of, sha256_of, write_json
from trainer.storage.ledger import LedgerEntry, micro_usd, usd_text

EXECUTABLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".py", ".so"})
BATCH_SETTINGS = frozenset({"micro_batch_rows", "accumulation_steps"})
"""Settings that the script itself changes if memory is short."""
ANSWER_FILES = ("answers.base.jsonl", "answers.tuned.jsonl", "perplexity.json")
COPIED_FILES = ("result.json", "events.jsonl", "clock.jsonl", *ANSWER_FILES)
"""Files that are copied with the model, if they exist."""


@dataclass(frozen=True)
class ImportedTraining:
    """A trained folder that passed all checks."""

    folder: Path
    plan: TrainingPlan
    result: Mapping[str, Any]
    seconds: float
    """How long the machine was used."""
    evaluation: Mapping[str, Any] | None
    """Scores of the answers; None if no rows were answered."""

    @property
    def model(self) -> Path:
        """The folder of the tuned weights."""
        return self.folder / "model"


def read_export(folder: Path, plan: TrainingPlan) -> ImportedTraining:
    """Check a trained folder, and score the answers of its models.

    Raises:
        Refused: it is incomplete, or was trained for another plan, rows, base or settings.
    """
    local = plan.local
    if local is None or exported_plan_id(folder, plan) != plan.plan_id:
        raise Refused(
            f"{folder}: not an export of plan {plan.plan_id[:12]}, or its plan.json was "
            "changed. Import the folder that was exported."
        )
    result = _result(folder)
    _check_model(folder / "model", local.base_sha256)
    _check_rows(folder, plan)
    for name, expected, what in (
        ("training_sha256", plan.training.sha256, "other rows"),
        ("base_sha256", local.base_sha256, "another base"),
    ):
        if result.get(name) != expected:
            raise Refused(
                f"{folder}: the model was trained with {what} than the plan has. Export and "
                "train again."
            )
    recipe = local.recipe.model_dump(mode="json", exclude=set(BATCH_SETTINGS))
    used = result.get("recipe") or {}
    for name, expected in recipe.items():
        if used.get(name) != expected:
            raise Refused(
                f"{folder}: the model was trained with {name} {used.get(name)}, the plan has "
                f"{expected}. Export and train again."
            )
    seconds = RunFolder(folder).seconds() or float(result.get("total_seconds") or 0.0)
    return ImportedTraining(folder, plan, result, seconds, _score_answers(folder, plan))


def copy_into_run(imported: ImportedTraining, target: Path) -> None:
    """Copy model, result and evaluation into the folder of a run, completely or not at all.

    Raises:
        Refused: it cannot be written, or the copy differs from the original.
    """
    if target.exists():
        return  # an earlier attempt copied it
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _rebuild_run_folder(imported.folder, imported.plan, part)
        for name in (*_module_names(imported.model), MANIFEST):
            copy = part / "model" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(imported.model / name, copy)
        flaw = flaw_of(part / "model")
        if flaw is not None:
            raise Refused(f"{part}: {flaw}. Check the disk, then import the folder again.")
        if imported.evaluation is not None:
            write_json(part / "evaluation.json", imported.evaluation)
        write_json(part / "done.json", {"at": time.time(), "how": "imported"})
        part.replace(target)
    except OSError as error:
        raise Refused(f"{part}: {error}. Free disk space, then import again.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _result(folder: Path) -> dict[str, Any]:
    failed = _json(folder / "failed.json")
    if failed is not None:
        raise Refused(f"{folder}: the training failed: {str(failed.get('why'))[:500]}")
    result = _json(folder / "result.json")
    if result is None:
        raise Refused(
            f"{folder}: no result.json: the training is not complete. Run run.sh there again; "
            "it resumes."
        )
    return result


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(f"{path}: not valid JSON ({error}). Copy the folder again.") from error
    if not isinstance(body, dict):
        raise Refused(f"{path}: not a JSON object. Copy the folder again.")
    return body


def _check_model(model: Path, base_sha256: str) -> None:
    flaw = flaw_of(model)
    if flaw is not None:
        raise Refused(f"{model}: {flaw}. The model is incomplete. Copy the folder again.")
    for name in _module_names(model):
        place = PurePosixPath(name)
        is_link = any((model / path).is_symlink() for path in (place, *place.parents[:-1]))
        if place.is_absolute() or ".." in place.parts or is_link or model.is_symlink():
            raise Refused(f"{model}: {name} leads out of the folder. The model is not accepted.")
        if place.suffix in EXECUTABLE_SUFFIXES:
            raise Refused(f"{model}: {name} can run code when loaded. The model is not accepted.")
    if (_json(model / MANIFEST) or {}).get("base_sha256") != base_sha256:
        raise Refused(f"{model}: made from another base. Export and train again.")


def _module_names(model: Path) -> list[str]:
    return sorted((_json(model / MANIFEST) or {})["files"])


def _check_rows(folder: Path, plan: TrainingPlan) -> None:
    for name, data in rows_of(plan).items():
        path = folder / f"{name}.jsonl"
        if not path.is_file():
            raise Refused(f"{path}: file not found. Copy the complete folder.")
        if sha256_of(path) != data.sha256:
            raise Refused(f"{path}: the rows were changed. Restore the exported file.")


def _score_answers(folder: Path, plan: TrainingPlan) -> Mapping[str, Any] | None:
    """Score the answers in a run folder rebuilt from the plan, with its metric and rows."""
    missing = [name for name in ANSWER_FILES if not (folder / name).is_file()]
    if plan.held_out is None or len(missing) == len(ANSWER_FILES):
        return None
    if missing:
        raise Refused(f"{folder}: {missing[0]} is missing. Run run.sh there again.")
    for name in ANSWER_FILES[:2]:
        _check_answers(folder / name, plan.held_out.rows)
    _json(folder / ANSWER_FILES[2])
    with tempfile.TemporaryDirectory() as rebuilt:
        _rebuild_run_folder(folder, plan, Path(rebuilt))
        return score_run(RunFolder(Path(rebuilt)))


def _check_answers(path: Path, rows: int) -> None:
    try:
        lines = filter(None, path.read_text(encoding="utf-8").splitlines())
        answers = [json.loads(line) for line in lines]
        is_valid = len(answers) == rows and all(
            isinstance(answer["answer"], str)
            and answer["row"] == number
            and float(answer["seconds"]) >= 0
            for number, answer in enumerate(answers)
        )
    except (ValueError, KeyError, TypeError):
        is_valid = False
    if not is_valid:
        raise Refused(
            f"{path}: expected one answer to each of the {rows} held-out rows. Delete this file "
            "and perplexity.json there, and run run.sh again."
        )


def _rebuild_run_folder(folder: Path, plan: TrainingPlan, target: Path) -> None:
    """Create a run folder with the paths of this machine and the recorded results."""
    names = {data.sha256: name for name, data in rows_of(plan).items()}
    create_run_folder(target, plan, lambda sha256: folder / f"{names[sha256]}.jsonl")
    for name in COPIED_FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)


HOW_IMPORTED = "imported"
IMPORT_CHECKS = ("rows, base, settings and model match the plan",)
HOUR_SECONDS = Decimal(3600)


def check_not_launched(context: TrainerContext, plan: TrainingPlan) -> None:
    """Check that a plan was not launched; an interrupted import can be resumed.

    Raises:
        Refused: the plan was launched, or its import is settled.
    """
    run_id = context.store.run_of(plan)
    if run_id is None:
        return
    run = context.store.run(run_id)
    is_import = run.said("validated", "how") == HOW_IMPORTED and run.state != "settled"
    if run.state != "intent" and not is_import:
        raise Refused(
            f"{run_id}: this plan was launched already; the run is {run.state}. Plan with "
            "--again for another training."
        )


def import_cost(imported: ImportedTraining, usd: Decimal | None) -> tuple[Decimal, str]:
    """Return the cost of the training and its basis: the bill, or the hours used."""
    if usd is not None:
        return usd, "as billed"
    price = Decimal(imported.plan.figure.price)
    spent = price * Decimal(repr(round(imported.seconds, 3))) / HOUR_SECONDS
    exact = spent.quantize(Decimal("0.000001"), ROUND_UP)
    return exact, f"{imported.seconds:.0f} seconds at ${price} per hour"


def record_import(context: TrainerContext, imported: ImportedTraining, usd: Decimal | None) -> Run:
    """Record a trained folder as the run of its plan, once; an interrupted import is resumed.

    The cost is the billed one, by default the hours used at the price of the plan.

    Raises:
        Refused: the plan was launched already, or a cap would be exceeded. Nothing was recorded.
        LeaseLost: another process has the lease of the run.
    """
    plan = imported.plan
    check_not_launched(context, plan)
    amount, how = import_cost(imported, usd)
    day = utc_datetime(context.clock.now()).date().isoformat()
    # before the intent is recorded: a background process would act on an open run
    subject = context.store.run_of(plan) or f"plan {plan.plan_id[:12]}"
    context.ledger.check(_ledger_entry(subject, plan, day, amount))
    run_id, _ = context.store.start(plan)
    lease = context.store.take(run_id)
    next_at = context.clock.now() + DAY_SECONDS  # if interrupted: resumed by an import, not trained
    try:
        check_not_launched(context, plan)
        folder = home_folder() / "runs" / run_id
        copy_into_run(imported, folder)
        adapter = LocalAdapter(home_folder(), context.store.run_of, context.files)
        session = RunSession(context, adapter, plan, lease)
        _advance_import(session, imported, folder, amount)
        with suppress(KeyError, TypeError, ValueError):  # events of the other machine are optional
            context.store.keep_job_events(run_id, adapter.events(run_id))
        run = _settle(session, folder, amount, how)
        next_at = 0.0
        return run
    finally:
        context.store.release(lease, next_at)


def _ledger_entry(subject: str, plan: TrainingPlan, day: str, amount: Decimal) -> LedgerEntry:
    return LedgerEntry(subject, "training", plan.provider, day, micro_usd(amount))


def _advance_import(
    session: RunSession, imported: ImportedTraining, folder: Path, amount: Decimal
) -> None:
    """Advance an import from any state to `succeeded`, without repeating completed steps."""
    plan, store, usd = session.plan, session.context.store, usd_text(micro_usd(amount))
    files = {
        "training": plan.training.sha256,
        "validation": plan.held_out.sha256 if plan.held_out else None,
    }
    result = {
        "model": str(folder / "model"),
        "trained_tokens": imported.result.get("tokens"),
        "usd": usd,
    }
    job = {"job_id": folder.name, "how": HOW_IMPORTED}
    steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("intent", "validated", {"how": HOW_IMPORTED, "checked": IMPORT_CHECKS}),
        ("validated", "reserved", {"usd": usd, "day": session.day}),
        ("reserved", "uploaded", {"why": "trained elsewhere", **files}),
        ("uploaded", "creating", {"key": plan.plan_id, **session.mark()}),
        ("creating", "created", {**job, "word": "succeeded"}),
        ("created", "succeeded", {**result, "word": "succeeded"}),
    )
    for state, kind, body in steps:
        if store.run(folder.name).state != state:
            continue
        if kind == "reserved":
            session.context.ledger.reserve(_ledger_entry(folder.name, plan, session.day, amount))
        session.append(kind, **body)
        session.renew_lease()


def _settle(session: RunSession, folder: Path, amount: Decimal, how: str) -> Run:
    run = session.context.store.run(folder.name)
    if run.state == "succeeded":
        answers = folder / "answers.tuned.jsonl"
        if answers.is_file():
            with answers.open(encoding="utf-8") as lines:
                first = str(json.loads(next(lines))["answer"])
            run = session.append("verified", model=run.tuned_model, characters=len(first))
        else:
            session.append("smoke_skipped", why="no held-out rows were answered")
    return close_run(session, run, micro_usd(amount), how)
