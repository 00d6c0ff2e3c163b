"""A plan for one's own GPU -> a folder that trains by itself on any machine, without this program.

Rows, scripts, pinned packages and `run.sh` go out; `export.json`, written last, names the plan and
the hash of every file. No path of this machine is in any of them.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from advisor.errors import UsageError
from advisor.plan.training_plan import LocalJob, TrainingPlan, plan_bytes, read_plan
from trainer.errors import Refused
from trainer.export.templates import README, RUN_SCRIPT, SKYPILOT_TASK, skypilot_accelerators
from trainer.local.provider import job_settings
from trainer.scripts.manifest import base_hash, sha256_of, write_json

EXPORT_FILE = "export.json"
BASE_FOLDER = "base"
"""Where the base stands in the folder: a copy of it, or a link that `run.sh` makes."""
SCRIPTS = ("train.py", "generate.py", "merge.py", "tokenize_rows.py", "rewards.py", "manifest.py")
SCRIPTS_FOLDER = Path(__file__).parent.parent / "scripts"
PINNED_VERSIONS = {
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "peft": "0.21.2",
    "trl": "1.16.0",
    "accelerate": "1.15.0",
    "datasets": "5.2.0",
    "safetensors": "0.8.0",
    "tokenizers": "0.23.3",
    "numpy": "2.4.6",
    "jinja2": "3.1.6",
}
"""What the scripts import, as this program was tested; what is installed here comes before it."""
QUANTIZATION_VERSIONS = {"bitsandbytes": "0.50.2"}
BASE_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja", ".md"})
"""What is copied of a base: weights, config, tokenizer; nothing that can run code."""
VOCABULARIES = frozenset({"tokenizer.json", "vocab.json"})
"""Large, and made of words: a path in them is no place."""


def write_export(
    plan: TrainingPlan, file_of: Callable[[str], Path], out: Path, with_base: bool
) -> list[Path]:
    """Write everything that one training needs into a folder, `export.json` last.

    Args:
        plan: A plan for one's own GPU.
        file_of: Hash of rows -> the file that holds them.
        out: The folder: new, empty, or an export of the same plan.
        with_base: Whether the base is copied into it; else `run.sh` takes it from $BASE.

    Returns:
        The files, in the order of their names.

    Raises:
        UsageError: the plan is none for a GPU of one's own, or the folder is taken.
        Refused: rows or base are not what the plan was made with, or name this machine.
    """
    local = plan.local
    if local is None:
        raise UsageError(
            f"plan {plan.plan_id[:12]}",
            f"it is for {plan.provider}, and trains there.",
            "Plan with --base FOLDER to train on your own GPU.",
        )
    if local.is_plain:
        raise UsageError(
            f"plan {plan.plan_id[:12]}", "the plain baseline trains in seconds.", "Launch it here."
        )
    _check_free(plan, out)
    if with_base:
        _check_base(local)
    out.mkdir(parents=True, exist_ok=True)
    (out / EXPORT_FILE).unlink(missing_ok=True)
    written = [_write(out / "plan.json", _plan_text(plan))]
    written += _rows(plan, local, file_of, out)
    written += [_copy(SCRIPTS_FOLDER / name, out / name) for name in SCRIPTS]
    written += list(_base(Path(local.base), out / BASE_FOLDER)) if with_base else []
    job = job_settings(plan) | {"base": BASE_FOLDER, "scorer": None}
    write_json(out / "job.json", job)
    written += [out / "job.json", *_text_files(plan, local, out, with_base)]
    files = {str(path.relative_to(out)): sha256_of(path) for path in written}
    write_json(out / EXPORT_FILE, {"plan_id": plan.plan_id, "with_base": with_base, "files": files})
    return sorted([*written, out / EXPORT_FILE])


def exported_plan_id(folder: Path, plan: TrainingPlan) -> str | None:
    """Return whose plan a folder was exported from, with this machine's paths put back into it.

    Args:
        folder: An exported folder.
        plan: Whose paths are put back: the hash of a plan covers them, and an export leaves
            them out.

    Returns:
        The hash of the folder's plan; nothing where there is none.
    """
    path = folder / "plan.json"
    if not path.is_file() or plan.local is None:
        return None
    told = read_plan(path.read_bytes(), str(path))
    if told.local is None:
        return told.plan_id
    ours = {"base": plan.local.base, "scorer": plan.local.scorer}
    return told.model_copy(update={"local": told.local.model_copy(update=ours)}).plan_id


def requirements(local: LocalJob) -> str:
    """List the packages of the scripts, each with one version, for the platform of any GPU."""
    wanted = dict(PINNED_VERSIONS)
    if local.recipe.method == "qlora" or local.recipe.optimizer == "adamw_8bit":
        wanted |= QUANTIZATION_VERSIONS
    return "".join(f"{name}=={_version(name, pinned)}\n" for name, pinned in wanted.items())


def _version(name: str, pinned: str) -> str:
    try:
        return importlib.metadata.version(name).partition("+")[0]  # a build is of one machine
    except importlib.metadata.PackageNotFoundError:
        return pinned


def _check_free(plan: TrainingPlan, out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(str(out), "this is a file.", "Name a new folder.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    try:
        found = exported_plan_id(out, plan)
    except UsageError:
        found = None
    if found != plan.plan_id:
        raise UsageError(
            str(out), "the folder is not empty, and no export of this plan.", "Name a new folder."
        )


def _check_base(local: LocalJob) -> None:
    """See that the base is that of the plan, and that no file of it names this machine."""
    base = Path(local.base)
    if not base.is_dir():
        raise Refused(
            f"{base}: the base of the plan is not there. Put it back, or export without the base."
        )
    if base_hash(base) != local.base_sha256:
        raise Refused(f"{base}: it is not the base of the plan. Plan again.")
    for path in _base_files(base):
        if path.suffix != ".safetensors" and path.name not in VOCABULARIES:
            place = _place_in(path.read_text(encoding="utf-8", errors="replace"), base)
            if place:
                raise Refused(
                    f"{path}: it names {place}, a folder of this machine. Take that out "
                    "and plan again, or export without the base."
                )


def _place_in(text: str, base: Path) -> str | None:
    home = Path.home()
    places = [str(base), str(base.resolve()), str(base.parent), str(home)]
    long = (place for place in places if len(Path(place).parts) > 2)
    return next((place for place in long if re.search(re.escape(place) + r"(?!\w)", text)), None)


def _plan_text(plan: TrainingPlan) -> str:
    """Write a plan without the paths of this machine, which its hash covers."""
    body = json.loads(plan_bytes(plan))
    body["local"] |= {"base": BASE_FOLDER, "scorer": []}
    return json.dumps(body, indent=2, sort_keys=True) + "\n"


def _rows(
    plan: TrainingPlan, local: LocalJob, file_of: Callable[[str], Path], out: Path
) -> Iterator[Path]:
    halves = (("training", plan.training), ("held_out", plan.held_out), ("general", local.general))
    for name, data in halves:
        if data is None:
            continue
        source = file_of(data.sha256)
        if not source.is_file() or source.stat().st_size != data.bytes:
            raise Refused(f"{source}: the rows of the plan are gone or changed. Plan again.")
        yield _copy(source, out / f"{name}.jsonl")


def _base(base: Path, target: Path) -> Iterator[Path]:
    if target.is_symlink():
        target.unlink()  # that of a run without the base
    target.mkdir(exist_ok=True)
    for path in _base_files(base):
        yield _copy(path, target / path.name)


def _base_files(base: Path) -> list[Path]:
    return sorted(
        path
        for path in base.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.suffix in BASE_SUFFIXES
    )


def _text_files(plan: TrainingPlan, local: LocalJob, out: Path, with_base: bool) -> Iterator[Path]:
    _, likely, most = local.hours
    words: dict[str, Any] = {
        "plan": plan.plan_id[:12],
        "model": " ".join(plan.base_model.split()),
        "cap": plan.cap_usd,
        "likely": plan.figure.likely,
        "at_most": plan.figure.at_most,
        "price": plan.figure.price,
        "hours": f"{_hours(likely)} likely, {_hours(most)} at most",
        "gpu": local.gpu,
        "accelerators": skypilot_accelerators(local.gpu),
        "rows": plan.training.rows,
        "base_env": "" if with_base else "\nenvs:\n  BASE: null  # folder of the base there\n",
        "base_says": ""
        if with_base
        else " Set `BASE` to the folder of the base there first; its "
        f"files have to hash to {local.base_sha256[:12]}.",
        "answer": "yes" if plan.held_out and plan.method != "dpo" else "no",
    }
    yield _write(out / "requirements.txt", requirements(local))
    yield _write(out / "task.yaml", SKYPILOT_TASK.format(**words))
    yield _write(out / "README.md", README.format(**words))
    run = _write(out / "run.sh", RUN_SCRIPT.replace("ANSWER=yes", f"ANSWER={words['answer']}"))
    run.chmod(0o755)
    yield run


def _hours(hours: float) -> str:
    return f"{hours:.2f} h" if hours < 10 else f"{hours:.0f} h"


def _write(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    return part.replace(path)


def _copy(source: Path, target: Path) -> Path:
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    os.replace(part, target)
    return target
