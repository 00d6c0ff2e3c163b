"""Home folder cleanup: disk usage, garbage collection, and deletion of a dataset, run or version.

Nothing outside the home folder is ever deleted: a link is never followed, only removed itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import orjson
from sqlalchemy import delete, select, update

from advisor.errors import UsageError, did_you_mean
from trainer.errors import Refused
from trainer.home import (
    DAY_SECONDS,
    PILOT_DATASET_FILE,
    HomeEntry,
    disk_bytes,
    entries_in,
    is_old,
    is_real_folder,
    is_within,
    part_files,
    remove,
)
from trainer.storage.database import execute, fetch_all, write_transaction
from trainer.storage.model_registry import Registry
from trainer.storage.model_version import ModelVersion, check_not_champion
from trainer.storage.run_store import RunStore, RunSummary
from trainer.storage.schema import events, files, job_events, plans

DeletionKind = Literal["dataset", "run", "version"]
USER_FOLDERS = {
    "files": "uploaded file",
    "page": "page upload",
    "bases": "base",
    "pilots": "pilot",
}
"""Folders of the home folder with content from users -> what an entry of it is."""
MIN_PREFIX = 8
KEPT_KEYS = frozenset(
    {"plan_id", "cap_usd", "usd", "ours_usd", "likely_usd", "day", "job_id", "how"}
)
"""Fields that stay in the events of a deleted run: its money, and the provider's job id."""


@dataclass(frozen=True)
class PlanReferences:
    """The data files that a plan refers to, by hash."""

    plan_id: str
    made_at: float
    files: frozenset[str]
    """Canonical rows: training and held-out."""
    datasets: frozenset[str]
    """The dataset as it was uploaded, and its canonical form."""


@dataclass(frozen=True)
class HomeReferences:
    """Everything that refers to a file or folder in the home folder."""

    now: float
    plans: dict[str, PlanReferences]
    runs: dict[str, RunSummary]
    versions: dict[str, ModelVersion]
    deleted: frozenset[str]

    def users(self, sha256: str) -> list[str]:
        """Return the versions, open runs and recent plans that need a file of rows."""
        uses = {plan.plan_id: plan for plan in self.plans.values() if sha256 in plan.files}
        users = [v.version_id for v in self.versions.values() if v.plan_id in uses]
        open_runs = (run for run in self.runs.values() if run.state != "settled")
        users += [run.run_id for run in open_runs if run.plan_id in uses]
        recent = (plan for plan in uses.values() if self.now - plan.made_at < DAY_SECONDS)
        return users + [f"plan {plan.plan_id[:12]}" for plan in recent]

    def versions_of(self, runs: Iterable[str]) -> list[ModelVersion]:
        """Return the versions that these runs produced."""
        run_ids = set(runs)
        return [version for version in self.versions.values() if version.run_id in run_ids]


@dataclass(frozen=True)
class DeletionPlan:
    """Everything that a deletion removes."""

    pieces: tuple[HomeEntry, ...]
    runs: tuple[str, ...]
    versions: tuple[str, ...]


def _entry(what: str, path: Path, used_by: str = "") -> HomeEntry:
    return HomeEntry(what, path, disk_bytes(path), used_by)


def disk_usage(home: Path, store: RunStore, registry: Registry) -> list[HomeEntry]:
    """List the content of the home folder, largest entry first."""
    references = _read_references(store, registry)
    entries = []
    for path in entries_in(home, "runs"):
        run = references.runs.get(path.name)
        versions = [version.version_id for version in references.versions_of([path.name])]
        entries.append(_entry("run", path, ", ".join([run.state, *versions] if run else [])))
    for path in entries_in(home, "models"):
        version = references.versions.get(path.name)
        entries.append(_entry("model", path, version.stage if version else ""))
    for path in entries_in(home, "uploads"):
        entries.append(_entry("upload", path, ", ".join(references.users(path.stem))))
    for folder, what in USER_FOLDERS.items():
        entries += [_entry(what, path) for path in entries_in(home, folder)]
    return sorted(entries, key=lambda entry: (-entry.bytes, str(entry.path)))


def garbage(home: Path, store: RunStore, registry: Registry) -> list[HomeEntry]:
    """List what nothing refers to; anything written within the last day is kept."""
    references = _read_references(store, registry)
    entries = [*_unused_checkpoints(home, references)]
    for path in entries_in(home, "uploads"):
        is_unused = path.suffix == ".jsonl" and is_old(path, references.now)
        if is_unused and not references.users(path.stem):
            entries.append(_entry("upload", path, "no recent plan, no open run, no version"))
    for path in entries_in(home, "models"):
        if path.name in references.deleted:
            entries.append(_entry("model", path, "version is deleted"))
    covered = {entry.path for entry in entries}
    for path in part_files(home):
        if is_old(path, references.now) and not covered & {path, *path.parents}:
            entries.append(_entry("part file", path, "never finished"))
    return [entry for entry in entries if is_within(home, entry.path)]


def _unused_checkpoints(home: Path, references: HomeReferences) -> Iterator[HomeEntry]:
    models = [home / version.folder for version in references.versions.values() if version.folder]
    for path in entries_in(home, "runs"):
        run, folder = references.runs.get(path.name), path / "checkpoints"
        is_model = any(folder in (model, *model.parents) for model in models)
        if run and run.state == "settled" and not is_model and is_real_folder(folder):
            yield _entry("checkpoints", folder, "run is settled")


def collect_garbage(home: Path, store: RunStore, registry: Registry, dry_run: bool = False) -> int:
    """Delete what nothing refers to; return how many bytes were freed, or would be."""
    entries = garbage(home, store, registry)
    return sum(entry.bytes for entry in entries) if dry_run else remove(home, entries)


def plan_deletion(
    kind: DeletionKind, name: str, home: Path, store: RunStore, registry: Registry
) -> DeletionPlan:
    """List what would be deleted with a dataset, a run or a version; nothing is deleted.

    Raises:
        UsageError: nothing has this name or prefix, or several do.
        Refused: one of its runs is not settled, or one of its versions is the champion.
    """
    references = _read_references(store, registry)
    runs: list[str] = []
    rows: set[str] = set()
    if kind == "version":
        versions = [registry.version(name)]
        _check_settled(references, [versions[0].run_id])
    else:
        if kind == "run":
            runs = [store.run(name).run_id]
            rows = _rows_only_of(references, runs[0])
        else:
            runs, rows = _runs_of_dataset(references, name)
        versions = references.versions_of(runs)
        _check_settled(references, runs)
    for version in versions:
        check_not_champion(version)
    paths = [("model", folder) for version in versions for folder in _folders(home, version)]
    paths += [("run", home / "runs" / run_id) for run_id in runs]
    paths += [("upload", home / "uploads" / f"{sha256}.jsonl") for sha256 in sorted(rows)]
    if kind == "dataset":
        paths += _dataset_copies(home, store, references, rows)
    entries = tuple(_entry(what, path) for what, path in paths if os.path.lexists(path))
    return DeletionPlan(entries, tuple(runs), tuple(version.version_id for version in versions))


def delete_everywhere(
    kind: DeletionKind, name: str, home: Path, store: RunStore, registry: Registry
) -> DeletionPlan:
    """Delete a dataset, a run or a version everywhere; return what was deleted.

    A dataset is deleted with its runs, and a run with its version. The ledger and the states, times
    and amounts of a run are kept, so that its plan cannot be launched and paid for again; all text
    is erased.

    Raises:
        UsageError: nothing has this name or prefix, or several do.
        Refused: one of its runs is not settled, one of its versions is the champion, or one of
            its folders leads out of the home folder. Nothing was deleted.
    """
    deletion = plan_deletion(kind, name, home, store, registry)
    for entry in deletion.pieces:
        if not is_within(home, entry.path):
            raise Refused(
                f"{entry.path}: it leads out of {home}. Delete it yourself, or replace the "
                "link by the folder."
            )
    for version_id in deletion.versions:
        registry.forget(version_id, "trainer delete")
    remove(home, deletion.pieces)
    uploaded = [entry.path.name for entry in deletion.pieces if entry.path.parent.name == "files"]
    execute(store.engine, delete(files).where(files.c.file_id.in_(uploaded)))
    for run_id in deletion.runs:
        _erase_event_text(store, run_id)
    _truncate_journal(store)
    return deletion


def _read_references(store: RunStore, registry: Registry) -> HomeReferences:
    stored = {}
    for row in fetch_all(store.engine, select(plans)):
        plan: dict[str, Any] = orjson.loads(row.body)
        rows = frozenset(
            plan[half]["sha256"] for half in ("training", "held_out") if plan.get(half)
        )
        datasets = frozenset((plan["source_sha256"], plan["dataset_sha256"]))
        stored[row.plan_id] = PlanReferences(row.plan_id, row.made_at, rows, datasets)
    return HomeReferences(
        store.clock.now(),
        stored,
        {run.run_id: run for run in store.listed()},
        {version.version_id: version for version in registry.listed()},
        frozenset(registry.deleted()),
    )


def _rows_only_of(references: HomeReferences, run_id: str) -> set[str]:
    """Return the files of rows that only this run needs."""
    plan = references.plans[references.runs[run_id].plan_id]
    others = replace(
        references,
        plans={k: other for k, other in references.plans.items() if k != plan.plan_id},
        runs={k: other for k, other in references.runs.items() if k != run_id},
    )
    return {sha256 for sha256 in plan.files if not others.users(sha256)}


def _runs_of_dataset(references: HomeReferences, name: str) -> tuple[list[str], set[str]]:
    """Return all runs of a dataset, and its files of rows."""
    stored = references.plans.values()
    datasets = sorted({sha256 for plan in stored for sha256 in plan.datasets})
    matches = [sha256 for sha256 in datasets if sha256.startswith(name)]
    if len(matches) != 1 or (len(name) < MIN_PREFIX and name not in matches):
        problem = {0: "dataset not found.", 1: "the prefix is too short to delete by."}.get(
            len(matches), "prefix matches several datasets."
        )
        raise UsageError(
            f"dataset {name}",
            problem,
            "Use the hash of the file or of its rows, or at least the first "
            f"{MIN_PREFIX} characters of it.{did_you_mean(name, datasets)}",
        )
    rows = {sha256 for plan in stored if matches[0] in plan.datasets for sha256 in plan.files}
    plan_ids = {plan.plan_id for plan in stored if plan.files & rows}
    return [run.run_id for run in references.runs.values() if run.plan_id in plan_ids], rows


def _dataset_copies(
    home: Path, store: RunStore, references: HomeReferences, rows: set[str]
) -> list[tuple[str, Path]]:
    """Return the uploaded copies of a dataset: over HTTP, on the page, and in pilots."""
    users = [plan for plan in references.plans.values() if plan.files & rows]
    hashes = {sha256 for plan in users for sha256 in plan.datasets}
    uploaded = fetch_all(store.engine, select(files.c.file_id).where(files.c.sha256.in_(hashes)))
    copies = [path for row in uploaded for path in sorted((home / "files").glob(f"{row.file_id}*"))]
    copies += [path for path in entries_in(home, "page") if path.name in hashes]
    pilots = [path for path in entries_in(home, "pilots") if _pilot_dataset(path) in hashes]
    return [("file", path) for path in copies] + [("pilot", path) for path in pilots]


def _pilot_dataset(pilot: Path) -> str:
    """Return the hash of the dataset of a pilot."""
    path = pilot / PILOT_DATASET_FILE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _check_settled(references: HomeReferences, runs: Iterable[str]) -> None:
    for run_id in runs:
        state = references.runs[run_id].state
        if state != "settled":
            raise Refused(
                f"{run_id}: the run is {state}; only a settled run can be deleted. Wait with "
                f"'trainer follow {run_id}', or cancel it with 'trainer cancel {run_id}'."
            )


def _folders(home: Path, version: ModelVersion) -> list[Path]:
    """Return the folders of a version in the home folder; other folders belong to the user."""
    own = home / "models" / version.version_id
    if version.folder is None:
        return [own]
    folder = home / version.folder
    tops = (home / "models", home / "runs")
    is_inside = any(folder.is_relative_to(top) and folder != top for top in tops)
    return [own, folder] if is_inside and folder != own else [own]


def _erase_event_text(store: RunStore, run_id: str) -> None:
    """Erase all text from the events of a run; SQLite overwrites what it deletes."""
    with write_transaction(store.engine) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        connection.execute(delete(job_events).where(job_events.c.run_id == run_id))
        for event in connection.execute(select(events).where(events.c.run_id == run_id)).all():
            body = {key: value for key, value in event.body.items() if key in KEPT_KEYS}
            own = (events.c.run_id == run_id, events.c.seq == event.seq)
            connection.execute(update(events).where(*own).values(body=body | {"deleted": True}))


def _truncate_journal(store: RunStore) -> None:
    """Remove deleted content from the journal of SQLite too."""
    if store.engine.dialect.name == "sqlite":
        raw = store.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
