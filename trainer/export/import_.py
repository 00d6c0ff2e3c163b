"""An exported folder that came back trained -> checked, scored, and put beside the runs of here.

Nothing in the folder is believed unless a hash of the plan covers it: rows, base and settings are
compared, the model has to be sealed and whole, and the answers are scored here.

A folder that came back -> a settled run: in the store, in the ledger, and in the registry.
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
from trainer.errors import OverBudget, Refused
from trainer.export.export import exported_plan_id
from trainer.home import DAY_SECONDS, home_folder
from trainer.local.provider import LocalAdapter, create_run_folder
from trainer.local.run_folder import RunFolder
from trainer.local.scoring import score_run
from trainer.run_states import Run
from trainer.runs.follow import register_version
from trainer.scripts.manifest import NAME as MANIFEST
from trainer.scripts.manifest import flaw_of, sha256_of, write_json
from trainer.storage.ledger import Ledger, LedgerEntry, committed, micro_usd, usd_text

EXECUTABLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".py", ".so"})
BATCH_SETTINGS = frozenset({"micro_batch_rows", "accumulation_steps"})
"""Settings that the script itself may change, where memory is short."""
ANSWER_FILES = ("answers.base.jsonl", "answers.tuned.jsonl", "perplexity.json")
COPIED_FILES = ("result.json", "events.jsonl", "clock.jsonl", *ANSWER_FILES)
"""What comes along beside the model, where it is there."""


@dataclass(frozen=True)
class ImportedTraining:
    """What came back, checked."""

    folder: Path
    plan: TrainingPlan
    result: Mapping[str, Any]
    seconds: float
    """How long the machine was at work."""
    peak_bytes: int | None
    evaluation: Mapping[str, Any] | None
    """What the answers are worth; nothing where no rows were answered."""

    @property
    def model(self) -> Path:
        """The folder of the tuned weights."""
        return self.folder / "model"


def read_export(folder: Path, plan: TrainingPlan) -> ImportedTraining:
    """Check a folder that came back, and score what its models answered.

    Raises:
        Refused: it is of another plan, not trained to its end, torn, or trained with other rows,
            another base or other settings than the plan says.
    """
    local = plan.local
    if local is None or exported_plan_id(folder, plan) != plan.plan_id:
        raise Refused(
            f"{folder}: it is no export of the plan {plan.plan_id[:12]}, or its "
            "plan.json was changed. Bring the folder that was exported."
        )
    result = _result(folder)
    _check_model(folder / "model", local.base_sha256)
    _check_rows(folder, plan)
    told = (
        ("training_sha256", plan.training.sha256, "rows"),
        ("base_sha256", local.base_sha256, "base"),
    )
    for name, wanted, what in told:
        if result.get(name) != wanted:
            raise Refused(
                f"{folder}: the model was trained with another {what} than the plan "
                "says. Export and train again."
            )
    asked, done = local.recipe.model_dump(mode="json"), result.get("recipe") or {}
    other = [name for name in asked if name not in BATCH_SETTINGS and done.get(name) != asked[name]]
    if other:
        raise Refused(
            f"{folder}: the model was trained with {other[0]} {done.get(other[0])}, and "
            f"the plan says {asked[other[0]]}. Export and train again."
        )
    peak = result.get("peak_reserved_bytes") or result.get("peak_process_bytes")
    seconds = RunFolder(folder).seconds() or float(result.get("total_seconds") or 0.0)
    return ImportedTraining(folder, plan, result, seconds, peak, _score_answers(folder, plan))


def copy_into_run(imported: ImportedTraining, target: Path) -> Path:
    """Copy model, result and evaluation into the folder of a run, whole or not at all.

    Returns:
        The folder of the model.

    Raises:
        Refused: it cannot be written, or what was written is not what was read.
    """
    model = target / "model"
    if target.exists():
        return model  # an earlier try came this far
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
            raise Refused(f"{part}: {flaw}. Look at the disk, and bring the folder again.")
        if imported.evaluation is not None:
            write_json(part / "evaluation.json", imported.evaluation)
        write_json(part / "done.json", {"at": time.time(), "how": "imported"})
        part.replace(target)
    except OSError as error:
        raise Refused(f"{part}: {error}. Free the disk, and bring the folder again.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return model


def _result(folder: Path) -> dict[str, Any]:
    failed = _json(folder / "failed.json")
    if failed is not None:
        raise Refused(f"{folder}: the training failed: {str(failed.get('why'))[:500]}")
    result = _json(folder / "result.json")
    if result is None:
        raise Refused(
            f"{folder}: there is no result.json: it was not trained to its end. Run "
            "run.sh again there; it goes on where it was."
        )
    return result


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(f"{path}: it is no JSON ({error}). Fetch the folder again.") from error
    if not isinstance(found, dict):
        raise Refused(f"{path}: it is no JSON object. Fetch the folder again.")
    return found


def _check_model(model: Path, base_sha256: str) -> None:
    flaw = flaw_of(model)
    if flaw is not None:
        raise Refused(f"{model}: {flaw}. The model is torn: fetch the folder again.")
    for name in _module_names(model):
        place = PurePosixPath(name)
        is_link = any((model / one).is_symlink() for one in (place, *place.parents[:-1]))
        if place.is_absolute() or ".." in place.parts or is_link or model.is_symlink():
            raise Refused(f"{model}: {name} leads out of the folder. It is no model of ours.")
        if place.suffix in EXECUTABLE_SUFFIXES:
            raise Refused(f"{model}: {name} can run code when it is read. It is no model of ours.")
    if (_json(model / MANIFEST) or {}).get("base_sha256") != base_sha256:
        raise Refused(f"{model}: it was made from another base. Export and train again.")


def _module_names(model: Path) -> list[str]:
    return sorted((_json(model / MANIFEST) or {})["files"])


def _check_rows(folder: Path, plan: TrainingPlan) -> None:
    for name, data in (("training", plan.training), ("held_out", plan.held_out)):
        path = folder / f"{name}.jsonl"
        if data is None:
            continue
        if not path.is_file():
            raise Refused(f"{path}: it is not there. Bring the whole folder.")
        if sha256_of(path) != data.sha256:
            raise Refused(
                f"{path}: the rows were changed. What they say of the model is worth "
                "nothing: put the exported file back."
            )
    general = plan.local.general if plan.local else None
    path = folder / "general.jsonl"
    if general is not None and (not path.is_file() or path.stat().st_size != general.bytes):
        raise Refused(f"{path}: the rows were changed. Put the exported file back.")


def _score_answers(folder: Path, plan: TrainingPlan) -> Mapping[str, Any] | None:
    """Score the answers in a folder laid down anew: metric and rows are those of the plan."""
    there = [name for name in ANSWER_FILES if (folder / name).is_file()]
    if plan.held_out is None or not there:
        return None
    missing = sorted(set(ANSWER_FILES) - set(there))
    if missing:
        raise Refused(f"{folder}: {missing[0]} is missing. Run run.sh again there.")
    for name in ANSWER_FILES[:2]:
        _check_answers(folder / name, plan.held_out.rows)
    _json(folder / ANSWER_FILES[2])
    with tempfile.TemporaryDirectory() as aside:
        _rebuild_run_folder(folder, plan, Path(aside))
        return score_run(RunFolder(Path(aside)))


def _check_answers(path: Path, rows: int) -> None:
    try:
        lines = [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines() if one]
        good = all(
            isinstance(one["answer"], str) and one["row"] == n and float(one["seconds"]) >= 0
            for n, one in enumerate(lines)
        )
    except (ValueError, KeyError, TypeError):
        lines, good = [], False
    if not good or len(lines) != rows:
        raise Refused(
            f"{path}: it does not hold one answer to each of the {rows} rows that "
            "were held out. Delete it and perplexity.json there, and run run.sh "
            "again."
        )


def _rebuild_run_folder(folder: Path, plan: TrainingPlan, target: Path) -> None:
    """Make the folder of a run with the paths of this machine, and what was told of it there."""
    names = {
        data.sha256: name
        for name, data in (
            ("training", plan.training),
            ("held_out", plan.held_out),
            ("general", plan.local.general if plan.local else None),
        )
        if data
    }
    create_run_folder(target, plan, lambda sha256: folder / f"{names[sha256]}.jsonl")
    for name in COPIED_FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)


HOW_IMPORTED = "imported"
IMPORT_CHECKS = ("rows, base, settings and model are those of the plan",)
HOUR_SECONDS = Decimal(3600)


def check_not_launched(context: TrainerContext, plan: TrainingPlan) -> None:
    """See that a plan has no job yet; an import that was broken off may go on.

    Raises:
        Refused: a job of the plan was started, or has ended.
    """
    run_id = context.store.run_of(plan)
    if run_id is None:
        return
    run = context.store.run(run_id)
    is_begun = run.said("validated", "how") == HOW_IMPORTED and run.state != "settled"
    if run.state != "intent" and not is_begun:
        raise Refused(
            f"{run_id}: this plan was launched already, and the run is {run.state}. "
            "Plan with --again for a further training."
        )


def import_cost(imported: ImportedTraining, usd: Decimal | None) -> tuple[Decimal, str]:
    """Return what the training cost and who says so: its bill, else its hours."""
    if usd is not None:
        return usd, "as its bill says"
    price = Decimal(imported.plan.figure.price)
    spent = price * Decimal(repr(round(imported.seconds, 3))) / HOUR_SECONDS
    exact = spent.quantize(Decimal("0.000001"), ROUND_UP)
    return exact, f"{imported.seconds:.0f} seconds at {price} USD an hour"


def record_import(context: TrainerContext, imported: ImportedTraining, usd: Decimal | None) -> Run:
    """Put what came back on record as a run of its plan, once; a run broken off goes on.

    Args:
        context: What to work with.
        imported: The folder, checked.
        usd: What it cost as its bill says; by default its hours at the price of the plan.

    Returns:
        The settled run.

    Raises:
        Refused: the plan was launched already, or a cap would be passed. Nothing was recorded.
        LeaseLost: another process works on the run.
    """
    plan = imported.plan
    check_not_launched(context, plan)
    amount, how = import_cost(imported, usd)
    day = utc_datetime(context.clock.now()).date().isoformat()
    _check_caps(context.ledger, context.store.run_of(plan), micro_usd(amount), day)
    run_id, _ = context.store.start(plan)
    lease = context.store.take(run_id)
    next_at = context.clock.now() + DAY_SECONDS  # broken off, it is brought again, and not trained
    try:
        check_not_launched(context, plan)
        folder = home_folder() / "runs" / run_id
        copy_into_run(imported, folder)
        adapter = LocalAdapter(home_folder(), context.store.run_of, context.files)
        session = RunSession(context, adapter, plan, lease)
        _advance_import(session, imported, folder, amount)
        with suppress(KeyError, TypeError, ValueError):  # told elsewhere, and no part of the record
            context.store.keep_job_events(run_id, adapter.events(run_id))
        run = _settled(session, folder, amount, how)
        next_at = 0.0
        return run
    finally:
        context.store.release(lease, next_at)


def _check_caps(ledger: Ledger, run_id: str | None, amount: int, day: str) -> None:
    """Refuse before anything is written, not even the intent: an open run would be worked on."""
    caps, entries = ledger.caps(), [one for one in ledger.entries() if one.subject != run_id]
    today = [entry for entry in entries if entry.day == day]
    for cap, counted, span in ((caps.per_day, today, "a day"), (caps.total, entries, "in all")):
        if cap is not None and committed(counted) + amount > cap:
            raise OverBudget(
                f"{usd_text(amount)} USD would pass the cap of {usd_text(cap)} USD "
                f"{span}. Raise it with `trainer budget`, and bring the folder "
                "again."
            )


def _advance_import(
    session: RunSession, imported: ImportedTraining, folder: Path, amount: Decimal
) -> None:
    """Go from any state of an import to `succeeded`, and leave out what was done before."""
    plan, store, usd = session.plan, session.context.store, usd_text(micro_usd(amount))
    held = plan.held_out.sha256 if plan.held_out else None
    steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("intent", "validated", {"how": HOW_IMPORTED, "checked": IMPORT_CHECKS}),
        ("validated", "reserved", {"usd": usd, "day": session.day}),
        (
            "reserved",
            "uploaded",
            {"why": "trained elsewhere", "training": plan.training.sha256, "validation": held},
        ),
        ("uploaded", "creating", {"key": plan.plan_id, **session.mark()}),
        ("creating", "created", {"job_id": folder.name, "how": HOW_IMPORTED, "word": "succeeded"}),
        (
            "created",
            "succeeded",
            {
                "word": "succeeded",
                "model": str(folder / "model"),
                "trained_tokens": imported.result.get("tokens"),
                "usd": usd,
            },
        ),
    )
    for state, kind, body in steps:
        if store.run(folder.name).state != state:
            continue
        if kind == "reserved":
            session.context.ledger.reserve(
                LedgerEntry(
                    folder.name, "training", plan.provider, session.day, micro_usd(amount), None, ""
                )
            )
        session.append(kind, **body)
        session.renew_lease()


def _settled(session: RunSession, folder: Path, amount: Decimal, how: str) -> Run:
    ledger, run = session.context.ledger, session.context.store.run(folder.name)
    if run.state == "succeeded":
        first = _first_answer(folder)
        if first is None:
            session.append("smoke_skipped", why="no rows were answered where it was trained")
        else:
            run = session.append("verified", model=run.tuned_model, characters=len(first))
    ledger.settle(run.run_id, micro_usd(amount), how)
    entry = ledger.entry(run.run_id)
    usd = usd_text(entry.settled if entry and entry.settled is not None else micro_usd(amount))
    register_version(session, run, usd)
    return session.append(
        "settled",
        usd=usd,
        how=how,
        likely_usd=session.plan.figure.likely,
        cap_usd=session.plan.cap_usd,
    )


def _first_answer(folder: Path) -> str | None:
    path = folder / "answers.tuned.jsonl"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as lines:
        return str(json.loads(next(lines))["answer"])
