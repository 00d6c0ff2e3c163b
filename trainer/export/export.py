"""Export folder: a local plan written as a folder that trains on any machine.

It contains rows, scripts, pinned packages and `run.sh`, needs no part of this program, and has no
path of this machine in it. `export.json`, written last, has the plan id and the hash of each file.
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
from advisor.plan.training_plan import DataFile, LocalJob, TrainingPlan, plan_bytes, read_plan
from trainer.errors import Refused
from trainer.export.templates import README, RUN_SCRIPT, SKYPILOT_TASK, skypilot_accelerators
from trainer.local.provider import job_settings
from trainer.scripts.manifest import base_hash, sha256_of, write_json

EXPORT_FILE = "export.json"
BASE_FOLDER = "base"
"""Folder of the base in the export: a copy, or a link that `run.sh` creates."""
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
"""Tested versions of what the scripts import; a version installed on this machine is preferred."""
QUANTIZATION_VERSIONS = {"bitsandbytes": "0.50.2"}
BASE_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja", ".md"})
"""Files of a base that are copied: weights, config, tokenizer; nothing that can run code."""
VOCABULARIES = frozenset({"tokenizer.json", "vocab.json"})
"""Not searched for paths: large, and any string can be a token."""


def write_export(
    plan: TrainingPlan, file_of: Callable[[str], Path], out: Path, with_base: bool
) -> list[Path]:
    """Write everything that one training needs into a folder; return the files, sorted by name.

    The folder is new, empty, or an export of the same plan. Without the base, `run.sh` reads $BASE.

    Raises:
        UsageError: the plan is not a local plan, or the folder has other content.
        Refused: rows or base differ from the plan, or contain a path of this machine.
    """
    local = plan.local
    if local is None:
        raise UsageError(
            f"plan {plan.plan_id[:12]}",
            f"it is for {plan.provider}; only local plans can be exported.",
            "Plan with --base FOLDER to train on a GPU of yours.",
        )
    if local.is_plain:
        raise UsageError(
            f"plan {plan.plan_id[:12]}",
            "the TF-IDF baseline is not exported.",
            "Launch it on this machine; it trains in seconds.",
        )
    _check_free(plan, out)
    if with_base:
        _check_base(local)
    out.mkdir(parents=True, exist_ok=True)
    (out / EXPORT_FILE).unlink(missing_ok=True)
    body = json.loads(plan_bytes(plan))
    body["local"] |= {"base": BASE_FOLDER, "scorer": []}  # no paths of this machine
    text = json.dumps(body, indent=2, sort_keys=True) + "\n"
    written = [_write(out / "plan.json", text)]
    written += _rows(plan, file_of, out)
    written += [_copy(SCRIPTS_FOLDER / name, out / name) for name in SCRIPTS]
    written += list(_base(Path(local.base), out / BASE_FOLDER)) if with_base else []
    job = job_settings(plan) | {"base": BASE_FOLDER, "scorer": None}
    write_json(out / "job.json", job)
    written += [out / "job.json", *_text_files(plan, local, out, with_base)]
    files = {str(path.relative_to(out)): sha256_of(path) for path in written}
    write_json(out / EXPORT_FILE, {"plan_id": plan.plan_id, "with_base": with_base, "files": files})
    return sorted([*written, out / EXPORT_FILE])


def exported_plan_id(folder: Path, plan: TrainingPlan) -> str | None:
    """Return the id of the plan that a folder was exported from, or None if it has no plan.

    The id covers the paths of this machine, which an export leaves out, so they are restored
    from *plan* first.
    """
    path = folder / "plan.json"
    if not path.is_file() or plan.local is None:
        return None
    exported = read_plan(path.read_bytes(), str(path))
    if exported.local is None:
        return exported.plan_id
    paths = {"base": plan.local.base, "scorer": plan.local.scorer}
    return exported.model_copy(update={"local": exported.local.model_copy(update=paths)}).plan_id


def requirements(local: LocalJob) -> str:
    """Return requirements.txt: each package of the scripts at one version, for any GPU platform."""
    packages = dict(PINNED_VERSIONS)
    if local.recipe.method == "qlora" or local.recipe.optimizer == "adamw_8bit":
        packages |= QUANTIZATION_VERSIONS
    return "".join(f"{name}=={_version(name, pinned)}\n" for name, pinned in packages.items())


def _version(name: str, pinned: str) -> str:
    try:
        # the build suffix is of this machine
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return pinned


def _check_free(plan: TrainingPlan, out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(str(out), "this is a file.", "Use a new folder.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    try:
        exported = exported_plan_id(out, plan)
    except UsageError:
        exported = None
    if exported != plan.plan_id:
        raise UsageError(
            str(out), "the folder is not empty and not an export of this plan.", "Use a new folder."
        )


def _check_base(local: LocalJob) -> None:
    """Check that the base matches the plan and contains no path of this machine."""
    base = Path(local.base)
    if not base.is_dir():
        raise Refused(f"{base}: base not found. Restore it, or export without the base.")
    if base_hash(base) != local.base_sha256:
        raise Refused(f"{base}: the base has changed since the plan. Create a new plan.")
    for path in _base_files(base):
        if path.suffix != ".safetensors" and path.name not in VOCABULARIES:
            folder = _local_path_in(path.read_text(encoding="utf-8", errors="replace"), base)
            if folder:
                raise Refused(
                    f"{path}: it contains {folder}, a folder of this machine. Remove the path "
                    "and create a new plan, or export without the base."
                )


def _local_path_in(text: str, base: Path) -> str | None:
    folders = [base, base.resolve(), base.parent, Path.home()]
    # a path of one folder, such as /data, can be in any text by chance
    specific = (str(folder) for folder in folders if len(folder.parts) > 2)
    return next((path for path in specific if re.search(re.escape(path) + r"(?!\w)", text)), None)


def rows_of(plan: TrainingPlan) -> dict[str, DataFile]:
    """Return the files of rows that a plan uses, by their names in an export."""
    files = {"training": plan.training, "held_out": plan.held_out}
    if plan.local:
        files |= {"validation": plan.local.validation, "general": plan.local.general}
    return {name: data for name, data in files.items() if data is not None}


def _rows(plan: TrainingPlan, file_of: Callable[[str], Path], out: Path) -> Iterator[Path]:
    for name, data in rows_of(plan).items():
        source = file_of(data.sha256)
        if not source.is_file() or source.stat().st_size != data.bytes:
            raise Refused(f"{source}: the rows are missing or have changed. Create a new plan.")
        yield _copy(source, out / f"{name}.jsonl")


def _base(base: Path, target: Path) -> Iterator[Path]:
    if target.is_symlink():
        target.unlink()  # created by run.sh in an export without the base
    target.mkdir(exist_ok=True)
    for path in _base_files(base):
        yield _copy(path, target / path.name)


def _base_files(base: Path) -> list[Path]:
    files = (path for path in base.iterdir() if path.is_file() and path.suffix in BASE_SUFFIXES)
    return sorted(path for path in files if not path.name.startswith("."))


def _text_files(plan: TrainingPlan, local: LocalJob, out: Path, with_base: bool) -> Iterator[Path]:
    _, likely, most = local.hours
    values: dict[str, Any] = {
        "plan": plan.plan_id[:12],
        "model": " ".join(plan.base_model.split()),
        "cap": plan.cap_usd,
        "likely": plan.figure.likely,
        "at_most": plan.figure.at_most,
        "price": plan.figure.price,
        "hours": f"{_hours(likely)}, worst case {_hours(most)}",
        "gpu": local.gpu,
        "accelerators": skypilot_accelerators(local.gpu),
        "rows": plan.training.rows,
        "base_env": "",
        "base_note": "",
        "answer": "yes" if plan.held_out and plan.method != "dpo" else "no",
    }
    if not with_base:
        values["base_env"] = "\nenvs:\n  BASE: null  # folder of the base on that machine\n"
        values["base_note"] = (
            " Set `BASE` to the folder of the base on that machine first; the hash of its files "
            f"must begin with {local.base_sha256[:12]}."
        )
    yield _write(out / "requirements.txt", requirements(local))
    yield _write(out / "task.yaml", SKYPILOT_TASK.format(**values))
    yield _write(out / "README.md", README.format(**values))
    run = _write(out / "run.sh", RUN_SCRIPT.replace("ANSWER=yes", f"ANSWER={values['answer']}"))
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
