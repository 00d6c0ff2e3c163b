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
    PILOT_OF,
    Piece,
    inside,
    is_old,
    is_real_folder,
    is_within,
    part_files,
    remove,
    size,
)
from trainer.storage.database import reading, writing
from trainer.storage.model_registry import Registry
from trainer.storage.model_version import Version
from trainer.storage.run_store import Listed, Store
from trainer.storage.schema import events, files, job_events, plans

FOLDERS = {
    "files": "file sent",
    "page": "file of the page",
    "bases": "base",
    "pilots": "pilot",
}
"""Folders of the home folder that hold what people brought, and what was asked of it."""


def brought(home: Path) -> list[Piece]:
    """List what people brought: over HTTP, on the page, and bases."""
    return [
        Piece(what, path, size(path), "")
        for top, what in FOLDERS.items()
        for path in inside(home, top)
    ]


def copies_of(home: Path, store: Store, hashes: Iterable[str]) -> list[tuple[str, Path]]:
    """Find every file as it was sent that has one of these hashes."""
    wanted = set(hashes)
    with reading(store.engine) as connection:
        sent = connection.execute(select(files.c.file_id).where(files.c.sha256.in_(wanted)))
        found = [
            ("file", path)
            for file_id in sent.scalars()
            for path in sorted((home / "files").glob(f"{file_id}*"))
        ]
    page = [("file", path) for path in inside(home, "page") if path.name in wanted]
    pilots = [("pilot", path) for path in inside(home, "pilots") if _of(path) in wanted]
    return found + page + pilots


def _of(pilot: Path) -> str:
    """Read the hash of the file whose rows a pilot asked."""
    named = pilot / PILOT_OF
    return named.read_text(encoding="utf-8").strip() if named.is_file() else ""


def forget(store: Store, paths: Iterable[Path]) -> None:
    """Take files out of the table of files."""
    names = [path.name for path in paths if path.parent.name == "files"]
    with writing(store.engine) as connection:
        connection.execute(delete_rows(files).where(files.c.file_id.in_(names)))


Doomed = Literal["dataset", "run", "version"]
LEAST_PREFIX = 8
KEPT = frozenset({"plan_id", "cap_usd", "usd", "ours_usd", "likely_usd", "day", "job_id", "how"})
"""What stays of the events of a deleted run: its money, and the provider's name of the job."""


@dataclass(frozen=True)
class Plan:
    """What a plan says of data."""

    plan_id: str
    made_at: float
    files: frozenset[str]
    datasets: frozenset[str]


@dataclass(frozen=True)
class Known:
    """All that refers to what lies in the home folder."""

    now: float
    plans: dict[str, Plan]
    runs: dict[str, Listed]
    versions: dict[str, Version]
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
class Going:
    """What a deletion takes away."""

    pieces: tuple[Piece, ...]
    runs: tuple[str, ...]
    versions: tuple[str, ...]


def disk_used(home: Path, store: Store, registry: Registry) -> list[Piece]:
    """List what lies in the home folder, the largest first."""
    known = _known(store, registry)
    pieces = []
    for path in inside(home, "runs"):
        run = known.runs.get(path.name)
        by = [] if run is None else [run.state, *known.of_run(run.run_id)]
        pieces.append(Piece("run", path, size(path), ", ".join(by)))
    for path in inside(home, "models"):
        version = known.versions.get(path.name)
        pieces.append(Piece("model", path, size(path), version.stage if version else ""))
    for path in inside(home, "uploads"):
        pieces.append(Piece("upload", path, size(path), ", ".join(known.users(path.stem))))
    pieces += brought(home)
    return sorted(pieces, key=lambda piece: (-piece.bytes, str(piece.path)))


def garbage(home: Path, store: Store, registry: Registry) -> list[Piece]:
    """List what nothing refers to any more; anything written within a day stays."""
    known = _known(store, registry)
    found = [*_checkpoints(home, known)]
    for path in inside(home, "uploads"):
        if path.suffix == ".jsonl" and is_old(path, known.now) and not known.users(path.stem):
            found.append(Piece("upload", path, size(path), "no plan of today, no run, no version"))
    found += [
        Piece("model", path, size(path), "version is deleted")
        for path in inside(home, "models")
        if path.name in known.deleted
    ]
    covered = {piece.path for piece in found}
    found += [
        Piece("part file", path, size(path), "never finished")
        for path in part_files(home)
        if is_old(path, known.now) and not covered & {path, *path.parents}
    ]
    return [piece for piece in found if is_within(home, piece.path)]


def _checkpoints(home: Path, known: Known) -> Iterator[Piece]:
    held = [home / one.folder for one in known.versions.values() if one.folder]
    for path in inside(home, "runs"):
        run, folder = known.runs.get(path.name), path / "checkpoints"
        needed = any(folder in (one, *one.parents) for one in held)
        if run and run.state == "settled" and not needed and is_real_folder(folder):
            yield Piece("checkpoints", folder, size(folder), "run is settled")


def gc(home: Path, store: Store, registry: Registry, dry_run: bool = False) -> int:
    """Delete what nothing refers to any more.

    Returns:
        The bytes that were freed, or would be.
    """
    pieces = garbage(home, store, registry)
    return sum(piece.bytes for piece in pieces) if dry_run else remove(home, pieces)


def going(kind: Doomed, name: str, home: Path, store: Store, registry: Registry) -> Going:
    """Say what would be deleted with a dataset, a run or a version; nothing is touched.

    Raises:
        UsageError: there is none of this name, or several begin so.
        Refused: a run of it is not settled, or a version of it is the champion.
    """
    known = _known(store, registry)
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
        paths += copies_of(home, store, _hashes(known, files))
    pieces = tuple(
        Piece(what, path, size(path), "") for what, path in paths if os.path.lexists(path)
    )
    return Going(pieces, tuple(runs), tuple(one.version_id for one in made))


def delete(kind: Doomed, name: str, home: Path, store: Store, registry: Registry) -> Going:
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
    gone = going(kind, name, home, store, registry)
    for piece in gone.pieces:
        if not is_within(home, piece.path):
            raise Refused(
                f"{piece.path}: it leads out of {home}. Delete it yourself, or put the "
                "folder back in place of the link."
            )
    for version_id in gone.versions:
        registry.forget(version_id, "trainer delete")
    remove(home, gone.pieces)
    forget(store, (piece.path for piece in gone.pieces))
    _silence(store, gone.runs)
    _flush(store)
    return gone


def _known(store: Store, registry: Registry) -> Known:
    with reading(store.engine) as connection:
        rows = connection.execute(select(plans)).all()
    return Known(
        store.clock.now(),
        {row.plan_id: _plan(row.plan_id, row.made_at, orjson.loads(row.body)) for row in rows},
        {run.run_id: run for run in store.listed()},
        {one.version_id: one for one in registry.listed()},
        frozenset(registry.deleted()),
    )


def _plan(plan_id: str, made_at: float, body: dict[str, Any]) -> Plan:
    halves = (body[half] for half in ("training", "held_out") if body.get(half))
    return Plan(
        plan_id,
        made_at,
        frozenset(half["sha256"] for half in halves),
        frozenset((body["source_sha256"], body["dataset_sha256"])),
    )


def _of_run(known: Known, run_id: str) -> tuple[list[str], set[str]]:
    """Return a run, and the files of rows that nobody else needs."""
    plan = known.plans[known.runs[run_id].plan_id]
    rest = replace(
        known,
        plans={name: one for name, one in known.plans.items() if name != plan.plan_id},
        runs={name: one for name, one in known.runs.items() if name != run_id},
    )
    return [run_id], {sha for sha in plan.files if not rest.users(sha)}


def _of_data(known: Known, name: str) -> tuple[list[str], set[str]]:
    """Return every run that a dataset was given to, and its files of rows."""
    datasets = sorted({sha for plan in known.plans.values() for sha in plan.datasets})
    hits = [sha for sha in datasets if sha.startswith(name)]
    if len(hits) != 1 or (len(name) < LEAST_PREFIX and name not in hits):
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


def _hashes(known: Known, files: set[str]) -> set[str]:
    """Return every hash that a dataset goes by, as it was sent and as it was written anew."""
    return {sha for plan in known.plans.values() if plan.files & files for sha in plan.datasets}


def _check_settled(known: Known, runs: Iterable[str]) -> None:
    for run_id in runs:
        state = known.runs[run_id].state
        if state != "settled":
            raise Refused(
                f"{run_id}: it is {state}, and only what is settled is deleted. Wait "
                f"with `trainer follow {run_id}`, or end it with `trainer cancel "
                f"{run_id}`."
            )


def _folders(home: Path, version: Version) -> list[Path]:
    """Return where a version lies in the home folder; a folder anywhere else is its owner's."""
    own = home / "models" / version.version_id
    if version.folder is None:
        return [own]
    named = home / version.folder
    inside = any(
        named.is_relative_to(home / top) and named != home / top for top in ("models", "runs")
    )
    return [own, named] if inside and named != own else [own]


def _silence(store: Store, runs: Iterable[str]) -> None:
    """Take every word out of the events of runs; SQLite overwrites what it deletes."""
    for run_id in runs:
        with writing(store.engine) as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            connection.execute(delete_rows(job_events).where(job_events.c.run_id == run_id))
            told = connection.execute(select(events).where(events.c.run_id == run_id)).all()
            for event in told:
                kept = {k: v for k, v in orjson.loads(event.body).items() if k in KEPT}
                mine = (events.c.run_id == run_id, events.c.seq == event.seq)
                connection.execute(
                    update(events)
                    .where(*mine)
                    .values(body=orjson.dumps(kept | {"deleted": True}).decode())
                )


def _flush(store: Store) -> None:
    """Let nothing that was deleted lie on in the journal of SQLite."""
    if store.engine.dialect.name == "sqlite":
        raw = store.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
