"""The home folder: what lies there and for whom, what nobody needs, and an end to all of one thing.

The home folder, the store and the registry come in; lines of what lies there go out. Nothing
outside the home folder is ever deleted: a link is never followed, only taken away itself.

Files that people sent, by any door -> the copies of a dataset among them, and an end to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import orjson
from sqlalchemy import delete as delete_rows
from sqlalchemy import select, update

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
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.model_registry import Registry
from trainer.storage.model_version import ModelVersion
from trainer.storage.run_store import RunStore, RunSummary
from trainer.storage.schema import events, files, job_events, plans

USER_FOLDERS = {
    "files": "file sent",
    "page": "file of the page",
    "bases": "base",
    "pilots": "pilot",
}
"""Folders of the home folder that hold what people brought, and what was asked of it."""


def user_files(home: Path) -> list[HomeEntry]:
    """List what people brought: over HTTP, on the page, and bases."""
    return [
        HomeEntry(what, path, disk_bytes(path), "")
        for top, what in USER_FOLDERS.items()
        for path in entries_in(home, top)
    ]


def dataset_copies(home: Path, store: RunStore, hashes: Iterable[str]) -> list[tuple[str, Path]]:
    """Find every file as it was sent that has one of these hashes."""
    wanted = set(hashes)
    with read_connection(store.engine) as connection:
        sent = connection.execute(select(files.c.file_id).where(files.c.sha256.in_(wanted)))
        found = [
            ("file", path)
            for file_id in sent.scalars()
            for path in sorted((home / "files").glob(f"{file_id}*"))
        ]
    page = [("file", path) for path in entries_in(home, "page") if path.name in wanted]
    pilots = [
        ("pilot", path) for path in entries_in(home, "pilots") if _pilot_dataset(path) in wanted
    ]
    return found + page + pilots


def _pilot_dataset(pilot: Path) -> str:
    """Read the hash of the file whose rows a pilot asked."""
    named = pilot / PILOT_DATASET_FILE
    return named.read_text(encoding="utf-8").strip() if named.is_file() else ""


def delete_file_records(store: RunStore, paths: Iterable[Path]) -> None:
    """Take files out of the table of files."""
    names = [path.name for path in paths if path.parent.name == "files"]
    with write_transaction(store.engine) as connection:
        connection.execute(delete_rows(files).where(files.c.file_id.in_(names)))


DeletionKind = Literal["dataset", "run", "version"]
MIN_PREFIX = 8
KEPT_KEYS = frozenset(
    {"plan_id", "cap_usd", "usd", "ours_usd", "likely_usd", "day", "job_id", "how"}
)
"""What stays of the events of a deleted run: its money, and the provider's name of the job."""


@dataclass(frozen=True)
class PlanReferences:
    """What a plan says of data."""

    plan_id: str
    made_at: float
    files: frozenset[str]
    datasets: frozenset[str]


@dataclass(frozen=True)
class HomeReferences:
    """All that refers to what lies in the home folder."""

    now: float
    plans: dict[str, PlanReferences]
    runs: dict[str, RunSummary]
    versions: dict[str, ModelVersion]
    deleted: frozenset[str] = field(default_factory=frozenset)

    def users(self, sha256: str) -> list[str]:
        """Name who still needs a file of rows."""
        mine = {plan.plan_id: plan for plan in self.plans.values() if sha256 in plan.files}
        return [
            *(one.version_id for one in self.versions.values() if one.plan_id in mine),
            *(
                one.run_id
                for one in self.runs.values()
                if one.plan_id in mine and one.state != "settled"
            ),
            *(
                f"plan {plan_id[:12]}"
                for plan_id, plan in mine.items()
                if self.now - plan.made_at < DAY_SECONDS
            ),
        ]

    def of_run(self, run_id: str) -> list[str]:
        """Name the versions that a run made."""
        return [one.version_id for one in self.versions.values() if one.run_id == run_id]


@dataclass(frozen=True)
class DeletionPlan:
    """What a deletion takes away."""

    pieces: tuple[HomeEntry, ...]
    runs: tuple[str, ...]
    versions: tuple[str, ...]


def disk_usage(home: Path, store: RunStore, registry: Registry) -> list[HomeEntry]:
    """List what lies in the home folder, the largest first."""
    known = _read_references(store, registry)
    pieces = []
    for path in entries_in(home, "runs"):
        run = known.runs.get(path.name)
        by = [] if run is None else [run.state, *known.of_run(run.run_id)]
        pieces.append(HomeEntry("run", path, disk_bytes(path), ", ".join(by)))
    for path in entries_in(home, "models"):
        version = known.versions.get(path.name)
        pieces.append(HomeEntry("model", path, disk_bytes(path), version.stage if version else ""))
    for path in entries_in(home, "uploads"):
        pieces.append(
            HomeEntry("upload", path, disk_bytes(path), ", ".join(known.users(path.stem)))
        )
    pieces += user_files(home)
    return sorted(pieces, key=lambda piece: (-piece.bytes, str(piece.path)))


def garbage(home: Path, store: RunStore, registry: Registry) -> list[HomeEntry]:
    """List what nothing refers to any more; anything written within a day stays."""
    known = _read_references(store, registry)
    found = [*_checkpoints(home, known)]
    for path in entries_in(home, "uploads"):
        if path.suffix == ".jsonl" and is_old(path, known.now) and not known.users(path.stem):
            found.append(
                HomeEntry("upload", path, disk_bytes(path), "no plan of today, no run, no version")
            )
    found += [
        HomeEntry("model", path, disk_bytes(path), "version is deleted")
        for path in entries_in(home, "models")
        if path.name in known.deleted
    ]
    covered = {piece.path for piece in found}
    found += [
        HomeEntry("part file", path, disk_bytes(path), "never finished")
        for path in part_files(home)
        if is_old(path, known.now) and not covered & {path, *path.parents}
    ]
    return [piece for piece in found if is_within(home, piece.path)]


def _checkpoints(home: Path, known: HomeReferences) -> Iterator[HomeEntry]:
    held = [home / one.folder for one in known.versions.values() if one.folder]
    for path in entries_in(home, "runs"):
        run, folder = known.runs.get(path.name), path / "checkpoints"
        needed = any(folder in (one, *one.parents) for one in held)
        if run and run.state == "settled" and not needed and is_real_folder(folder):
            yield HomeEntry("checkpoints", folder, disk_bytes(folder), "run is settled")


def collect_garbage(home: Path, store: RunStore, registry: Registry, dry_run: bool = False) -> int:
    """Delete what nothing refers to any more.

    Returns:
        The bytes that were freed, or would be.
    """
    pieces = garbage(home, store, registry)
    return sum(piece.bytes for piece in pieces) if dry_run else remove(home, pieces)


def plan_deletion(
    kind: DeletionKind, name: str, home: Path, store: RunStore, registry: Registry
) -> DeletionPlan:
    """Say what would be deleted with a dataset, a run or a version; nothing is touched.

    Raises:
        UsageError: there is none of this name, or several begin so.
        Refused: a run of it is not settled, or a version of it is the champion.
    """
    known = _read_references(store, registry)
    runs: list[str] = []
    files: set[str] = set()
    if kind == "version":
        made = [registry.version(name)]
        _check_settled(known, [made[0].run_id])
    else:
        run_id = store.run(name).run_id if kind == "run" else None
        runs, files = _of_run(known, run_id) if run_id else _of_data(known, name)
        made = [one for one in known.versions.values() if one.run_id in runs]
        _check_settled(known, runs)
    for one in made:
        if one.stage == "champion":
            raise Refused(
                f"{one.version_id}: it is the champion. Promote another one first, or "
                f"say `trainer retire {one.version_id}`."
            )
    paths = [("model", folder) for one in made for folder in _folders(home, one)]
    paths += [("run", home / "runs" / run_id) for run_id in runs]
    paths += [("upload", home / "uploads" / f"{sha}.jsonl") for sha in sorted(files)]
    if kind == "dataset":
        paths += dataset_copies(home, store, _hashes(known, files))
    pieces = tuple(
        HomeEntry(what, path, disk_bytes(path), "") for what, path in paths if os.path.lexists(path)
    )
    return DeletionPlan(pieces, tuple(runs), tuple(one.version_id for one in made))


def delete_everywhere(
    kind: DeletionKind, name: str, home: Path, store: RunStore, registry: Registry
) -> DeletionPlan:
    """Delete a dataset, a run or a version everywhere; the ledger keeps its lines.

    With a dataset go its runs, and with a run its version. Of a run the states, their hours and
    the money stay, so that its plan is not paid for a second time unasked; all words go.

    Returns:
        What was deleted.

    Raises:
        UsageError: there is none of this name, or several begin so.
        Refused: a run of it is not settled, a version of it is the champion, or a folder of it
            leads out of the home folder. Nothing was deleted.
    """
    gone = plan_deletion(kind, name, home, store, registry)
    for piece in gone.pieces:
        if not is_within(home, piece.path):
            raise Refused(
                f"{piece.path}: it leads out of {home}. Delete it yourself, or put the "
                "folder back in place of the link."
            )
    for version_id in gone.versions:
        registry.forget(version_id, "trainer delete")
    remove(home, gone.pieces)
    delete_file_records(store, (piece.path for piece in gone.pieces))
    _erase_event_text(store, gone.runs)
    _truncate_journal(store)
    return gone


def _read_references(store: RunStore, registry: Registry) -> HomeReferences:
    with read_connection(store.engine) as connection:
        rows = connection.execute(select(plans)).all()
    return HomeReferences(
        store.clock.now(),
        {
            row.plan_id: _plan_references(row.plan_id, row.made_at, orjson.loads(row.body))
            for row in rows
        },
        {run.run_id: run for run in store.listed()},
        {one.version_id: one for one in registry.listed()},
        frozenset(registry.deleted()),
    )


def _plan_references(plan_id: str, made_at: float, body: dict[str, Any]) -> PlanReferences:
    halves = (body[half] for half in ("training", "held_out") if body.get(half))
    return PlanReferences(
        plan_id,
        made_at,
        frozenset(half["sha256"] for half in halves),
        frozenset((body["source_sha256"], body["dataset_sha256"])),
    )


def _of_run(known: HomeReferences, run_id: str) -> tuple[list[str], set[str]]:
    """Return a run, and the files of rows that nobody else needs."""
    plan = known.plans[known.runs[run_id].plan_id]
    rest = replace(
        known,
        plans={name: one for name, one in known.plans.items() if name != plan.plan_id},
        runs={name: one for name, one in known.runs.items() if name != run_id},
    )
    return [run_id], {sha for sha in plan.files if not rest.users(sha)}


def _of_data(known: HomeReferences, name: str) -> tuple[list[str], set[str]]:
    """Return every run that a dataset was given to, and its files of rows."""
    datasets = sorted({sha for plan in known.plans.values() for sha in plan.datasets})
    hits = [sha for sha in datasets if sha.startswith(name)]
    if len(hits) != 1 or (len(name) < MIN_PREFIX and name not in hits):
        found = "several datasets begin so." if hits else "there is no such dataset."
        short = "it is too short to delete by." if len(hits) == 1 else found
        raise UsageError(
            f"dataset {name}",
            short,
            "Give the hash of the file or its rows, or the "
            f"first 8 characters of it.{did_you_mean(name, datasets)}",
        )
    files = {sha for plan in known.plans.values() if hits[0] in plan.datasets for sha in plan.files}
    mine = {plan.plan_id for plan in known.plans.values() if plan.files & files}
    return [one.run_id for one in known.runs.values() if one.plan_id in mine], files


def _hashes(known: HomeReferences, files: set[str]) -> set[str]:
    """Return every hash that a dataset goes by, as it was sent and as it was written anew."""
    return {sha for plan in known.plans.values() if plan.files & files for sha in plan.datasets}


def _check_settled(known: HomeReferences, runs: Iterable[str]) -> None:
    for run_id in runs:
        state = known.runs[run_id].state
        if state != "settled":
            raise Refused(
                f"{run_id}: it is {state}, and only what is settled is deleted. Wait "
                f"with `trainer follow {run_id}`, or end it with `trainer cancel "
                f"{run_id}`."
            )


def _folders(home: Path, version: ModelVersion) -> list[Path]:
    """Return where a version lies in the home folder; a folder anywhere else is its owner's."""
    own = home / "models" / version.version_id
    if version.folder is None:
        return [own]
    named = home / version.folder
    inside = any(
        named.is_relative_to(home / top) and named != home / top for top in ("models", "runs")
    )
    return [own, named] if inside and named != own else [own]


def _erase_event_text(store: RunStore, runs: Iterable[str]) -> None:
    """Take every word out of the events of runs; SQLite overwrites what it deletes."""
    for run_id in runs:
        with write_transaction(store.engine) as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            connection.execute(delete_rows(job_events).where(job_events.c.run_id == run_id))
            told = connection.execute(select(events).where(events.c.run_id == run_id)).all()
            for event in told:
                kept = {k: v for k, v in orjson.loads(event.body).items() if k in KEPT_KEYS}
                mine = (events.c.run_id == run_id, events.c.seq == event.seq)
                connection.execute(
                    update(events)
                    .where(*mine)
                    .values(body=orjson.dumps(kept | {"deleted": True}).decode())
                )


def _truncate_journal(store: RunStore) -> None:
    """Let nothing that was deleted lie on in the journal of SQLite."""
    if store.engine.dialect.name == "sqlite":
        raw = store.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
