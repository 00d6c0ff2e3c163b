"""An exported folder that came back trained -> checked, scored, and put beside the runs of here.

Nothing in the folder is believed unless a hash of the plan covers it: rows, base and settings are
compared, the model has to be sealed and whole, and the answers are scored here.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from advisor.plan import TrainingPlan
from trainer.errors import Refused
from trainer.exporting import plan_id_of
from trainer.local.adapter import lay_down
from trainer.local.folder import JobFolder
from trainer.local.scoring import score
from trainer.scripts.manifest import NAME as MANIFEST
from trainer.scripts.manifest import flaw_of, sha256_of, write_json

RUNS_CODE = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".py", ".so"})
DEGRADED = frozenset({"micro_batch_rows", "accumulation_steps"})
"""Settings that the script itself may change, where memory is short."""
ANSWERS = ("answers.base.jsonl", "answers.tuned.jsonl", "perplexity.json")
TOLD = ("result.json", "events.jsonl", "clock.jsonl", *ANSWERS)
"""What comes along beside the model, where it is there."""


@dataclass(frozen=True)
class Brought:
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


def read_back(folder: Path, plan: TrainingPlan) -> Brought:
    """Check a folder that came back, and score what its models answered.

    Raises:
        Refused: it is of another plan, not trained to its end, torn, or trained with other rows,
            another base or other settings than the plan says.
    """
    local = plan.local
    if local is None or plan_id_of(folder, plan) != plan.plan_id:
        raise Refused(f"{folder}: it is no export of the plan {plan.plan_id[:12]}, or its "
                      "plan.json was changed. Bring the folder that was exported.")  # fmt: skip
    result = _result(folder)
    _check_model(folder / "model", local.base_sha256)
    _check_rows(folder, plan)
    told = (("training_sha256", plan.training.sha256, "rows"),
            ("base_sha256", local.base_sha256, "base"))  # fmt: skip
    for name, wanted, what in told:
        if result.get(name) != wanted:
            raise Refused(f"{folder}: the model was trained with another {what} than the plan "
                          "says. Export and train again.")  # fmt: skip
    asked, done = local.recipe.model_dump(mode="json"), result.get("recipe") or {}
    other = [name for name in asked if name not in DEGRADED and done.get(name) != asked[name]]
    if other:
        raise Refused(f"{folder}: the model was trained with {other[0]} {done.get(other[0])}, and "
                      f"the plan says {asked[other[0]]}. Export and train again.")  # fmt: skip
    peak = result.get("peak_reserved_bytes") or result.get("peak_process_bytes")
    seconds = JobFolder(folder).seconds() or float(result.get("total_seconds") or 0.0)
    return Brought(folder, plan, result, seconds, peak, _scored(folder, plan))


def place(brought: Brought, target: Path) -> Path:
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
        _lay_down(brought.folder, brought.plan, part)
        for name in (*_named(brought.model), MANIFEST):
            copy = part / "model" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(brought.model / name, copy)
        flaw = flaw_of(part / "model")
        if flaw is not None:
            raise Refused(f"{part}: {flaw}. Look at the disk, and bring the folder again.")
        if brought.evaluation is not None:
            write_json(part / "evaluation.json", brought.evaluation)
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
        raise Refused(f"{folder}: there is no result.json: it was not trained to its end. Run "
                      "run.sh again there; it goes on where it was.")  # fmt: skip
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
    for name in _named(model):
        place = PurePosixPath(name)
        is_link = any((model / one).is_symlink() for one in (place, *place.parents[:-1]))
        if place.is_absolute() or ".." in place.parts or is_link or model.is_symlink():
            raise Refused(f"{model}: {name} leads out of the folder. It is no model of ours.")
        if place.suffix in RUNS_CODE:
            raise Refused(f"{model}: {name} can run code when it is read. It is no model of ours.")
    if (_json(model / MANIFEST) or {}).get("base_sha256") != base_sha256:
        raise Refused(f"{model}: it was made from another base. Export and train again.")


def _named(model: Path) -> list[str]:
    return sorted((_json(model / MANIFEST) or {})["files"])


def _check_rows(folder: Path, plan: TrainingPlan) -> None:
    for name, data in (("training", plan.training), ("held_out", plan.held_out)):
        path = folder / f"{name}.jsonl"
        if data is None:
            continue
        if not path.is_file():
            raise Refused(f"{path}: it is not there. Bring the whole folder.")
        if sha256_of(path) != data.sha256:
            raise Refused(f"{path}: the rows were changed. What they say of the model is worth "
                          "nothing: put the exported file back.")  # fmt: skip
    general = plan.local.general if plan.local else None
    path = folder / "general.jsonl"
    if general is not None and (not path.is_file() or path.stat().st_size != general.bytes):
        raise Refused(f"{path}: the rows were changed. Put the exported file back.")


def _scored(folder: Path, plan: TrainingPlan) -> Mapping[str, Any] | None:
    """Score the answers in a folder laid down anew: metric and rows are those of the plan."""
    there = [name for name in ANSWERS if (folder / name).is_file()]
    if plan.held_out is None or not there:
        return None
    missing = sorted(set(ANSWERS) - set(there))
    if missing:
        raise Refused(f"{folder}: {missing[0]} is missing. Run run.sh again there.")
    for name in ANSWERS[:2]:
        _check_answers(folder / name, plan.held_out.rows)
    _json(folder / ANSWERS[2])
    with tempfile.TemporaryDirectory() as aside:
        _lay_down(folder, plan, Path(aside))
        return score(JobFolder(Path(aside)))


def _check_answers(path: Path, rows: int) -> None:
    try:
        lines = [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines() if one]
        good = all(isinstance(one["answer"], str) and one["row"] == n and float(one["seconds"]) >= 0
                   for n, one in enumerate(lines))  # fmt: skip
    except (ValueError, KeyError, TypeError):
        lines, good = [], False
    if not good or len(lines) != rows:
        raise Refused(f"{path}: it does not hold one answer to each of the {rows} rows that "
                      "were held out. Delete it and perplexity.json there, and run run.sh "
                      "again.")  # fmt: skip


def _lay_down(folder: Path, plan: TrainingPlan, target: Path) -> None:
    """Make the folder of a run with the paths of this machine, and what was told of it there."""
    names = {data.sha256: name for name, data in (
        ("training", plan.training), ("held_out", plan.held_out),
        ("general", plan.local.general if plan.local else None)) if data}  # fmt: skip
    lay_down(target, plan, lambda sha256: folder / f"{names[sha256]}.jsonl")
    for name in TOLD:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)
