"""Model registry: versions of tuned models, and the champion of each name.

A run adds a version as a candidate. The history of a version is append-only and is kept after
the version is deleted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from advisor.errors import UsageError, did_you_mean
from trainer.clock import Clock
from trainer.errors import Refused
from trainer.security.redact import redact
from trainer.storage.database import fetch_all, find_by_prefix, read_connection, write_transaction
from trainer.storage.ledger import micro_usd, usd_text
from trainer.storage.model_version import (
    ModelVersion,
    ModelVersionInput,
    VersionEvent,
    check_not_champion,
    check_promotable,
    comparison_fields,
    verdict_of,
    version_of,
)
from trainer.storage.schema import json_text, version_events, versions

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,52}")
LOCK = 7402214
MAX_BEFORE = 100
"""Maximum number of earlier champions that a promotion records for rollbacks."""


class Registry:
    """Reads and writes the tables of versions and their events."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def register(
        self, run_id: str, name: str, made: ModelVersionInput, by: str = ""
    ) -> ModelVersion:
        """Add the model of a run as a candidate; a run that has a version keeps it.

        Raises:
            UsageError: the name is invalid, or there is no such run.
        """
        if not NAME.fullmatch(name):
            raise UsageError(
                f"name '{name}'",
                "not a valid model name.",
                "Use up to 53 of a-z 0-9 . _ - and start with a letter or digit.",
            )
        try:
            with self._locked(name) as connection:
                if _find(connection, run_id=run_id) is None:
                    self._insert(connection, run_id, name, made, by)
        except IntegrityError:  # registered under another name meanwhile, or not a run
            pass
        with read_connection(self.engine) as connection:
            version = _find(connection, run_id=run_id)
        if version is None:
            raise UsageError(f"run {run_id}", "run not found.", "List runs with 'trainer runs'.")
        return version

    def _insert(
        self, connection: Connection, run_id: str, name: str, made: ModelVersionInput, by: str
    ) -> None:
        number = 1 + _last_number(connection, name)
        version_id = f"{name}-v{number}"
        values = vars(made) | {
            "version_id": version_id,
            "name": name,
            "number": number,
            "run_id": run_id,
            "stage": "candidate",
            "usd": None if made.usd is None else usd_text(micro_usd(made.usd)),
            "shutdown_on": made.shutdown_on and made.shutdown_on.isoformat(),
            "made_at": self.clock.now(),
        }
        connection.execute(versions.insert().values(**values))
        body = {key: values[key] for key in ("run_id", "plan_id", "dataset_sha256")}
        self._add_event(connection, version_id, "registered", by, **body)

    def evaluated(self, version_id: str, evaluation: Mapping[str, Any]) -> ModelVersion:
        """Store an evaluation; it replaces an earlier one."""
        version = self.version(version_id)
        with self._locked(version.name) as connection:
            _set(connection, version.version_id, evaluation=evaluation)
            body = {"verdict": verdict_of(evaluation), "score": evaluation.get("score")}
            body["sha256"] = hashlib.sha256(json_text(evaluation).encode()).hexdigest()
            self._add_event(connection, version.version_id, "evaluated", "", **body)
            return _get(connection, version.version_id)

    def promote(self, version_id: str, by: str, anyway: bool = False) -> ModelVersion:
        """Make a version the champion of its name; the previous champion is retired.

        Raises:
            Refused: it was never evaluated, or is worse and *anyway* is not set.
        """
        version = self.version(version_id)
        with self._locked(version.name) as connection:
            version = _get(connection, version.version_id)
            if version.stage != "champion":
                check_promotable(version, anyway)
                old = _find(connection, name=version.name, stage="champion")
                before: list[str] = []
                if old:
                    before = [*_champions_before(connection, old), old.version_id]
                    self._set_stage(connection, old, by, "retired", instead=version.version_id)
                why = {"before": before[-MAX_BEFORE:], "anyway": anyway}
                self._set_stage(connection, version, by, "promoted", **why)
            return _get(connection, version.version_id)

    def rollback(self, name: str, by: str) -> ModelVersion:
        """Make the previous champion the champion again.

        Raises:
            Refused: there is no champion, or no previous one that still exists.
        """
        with self._locked(name) as connection:
            old = _find(connection, name=name, stage="champion")
            if old is None:
                known = connection.execute(select(versions.c.name).distinct()).scalars()
                raise Refused(
                    f"{name}: there is no champion to roll back. Promote a version with "
                    f"'trainer promote VERSION'.{did_you_mean(name, known)}"
                )
            before = _champions_before(connection, old)
            while before:
                version = _find(connection, version_id=before.pop())
                if version is not None:
                    self._set_stage(connection, old, by, "rolled_back", instead=version.version_id)
                    why = {"before": before, "rolled_back": old.version_id}
                    self._set_stage(connection, version, by, "promoted", **why)
                    return _get(connection, version.version_id)
        raise Refused(
            f"{name}: no champion before {old.version_id} still exists. Promote another "
            "version, or retire this one."
        )

    def retire(self, named: str, by: str) -> ModelVersion:
        """Retire a version; a retired version stays unchanged."""
        version = self.version(named)
        with self._locked(version.name) as connection:
            version = _get(connection, version.version_id)
            if version.stage != "retired":
                self._set_stage(connection, version, by, "retired")
            return _get(connection, version.version_id)

    def version(self, named: str) -> ModelVersion:
        """Read a version by its id or a unique prefix of it.

        Raises:
            UsageError: no version matches, or several do.
        """
        return version_of(find_by_prefix(self.engine, "version", versions.c.version_id, named))

    def listed(self, name: str | None = None) -> tuple[ModelVersion, ...]:
        """List the versions of one name or of all, newest first within a name."""
        query = select(versions).order_by(versions.c.name, versions.c.number.desc())
        if name is not None:
            query = query.where(versions.c.name == name)
        return tuple(map(version_of, fetch_all(self.engine, query)))

    def compare(self, a: str, b: str) -> list[tuple[str, str, str]]:
        """Compare two versions: for each field its name and both values."""
        first, second = (comparison_fields(self.version(named)) for named in (a, b))
        return [(name, first.get(name, ""), second.get(name, "")) for name in {**first, **second}]

    def ending(self, on_or_before: date) -> tuple[ModelVersion, ...]:
        """List versions that their provider shuts down by a day, soonest first."""
        query = select(versions).where(versions.c.shutdown_on <= on_or_before.isoformat())
        ordered = query.order_by(versions.c.shutdown_on, versions.c.version_id)
        return tuple(map(version_of, fetch_all(self.engine, ordered)))

    def history(self, version_id: str) -> tuple[VersionEvent, ...]:
        """Return the events of a version, also of a deleted one."""
        query = select(version_events).where(version_events.c.version_id == version_id)
        rows = fetch_all(self.engine, query.order_by(version_events.c.seq))
        if not rows:
            return self.history(self.version(version_id).version_id)
        return tuple(VersionEvent(*row) for row in rows)

    def deleted(self) -> tuple[str, ...]:
        """Return the ids of the deleted versions."""
        query = select(version_events.c.version_id).where(version_events.c.kind == "deleted")
        return tuple(sorted(row.version_id for row in fetch_all(self.engine, query)))

    def forget(self, version_id: str, by: str = "") -> Path | None:
        """Delete a version from the registry and return its folder; its history is kept.

        Raises:
            Refused: it is the champion.
        """
        version = self.version(version_id)
        with self._locked(version.name) as connection:
            check_not_champion(_get(connection, version.version_id))
            connection.execute(delete(versions).where(versions.c.version_id == version.version_id))
            self._add_event(connection, version.version_id, "deleted", by)
        return version.folder

    @contextmanager
    def _locked(self, name: str) -> Iterator[Connection]:
        """Open a transaction in which no other process changes the versions of a name."""
        with write_transaction(self.engine) as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                connection.execute(select(func.pg_advisory_xact_lock(LOCK, func.hashtext(name))))
            else:
                connection.exec_driver_sql("PRAGMA secure_delete=ON")  # overwrite deleted rows
            yield connection

    def _set_stage(
        self, at: Connection, version: ModelVersion, by: str, kind: str, **why: Any
    ) -> None:
        _set(at, version.version_id, stage="champion" if kind == "promoted" else "retired")
        self._add_event(at, version.version_id, kind, by, **why)

    def _add_event(self, at: Connection, version_id: str, kind: str, by: str, **body: Any) -> None:
        own = version_events.c.version_id == version_id
        last = at.execute(select(func.max(version_events.c.seq)).where(own)).scalar() or 0
        event = VersionEvent(version_id, 1 + last, kind, self.clock.now(), redact(by), body)
        at.execute(version_events.insert().values(**vars(event)))


def _set(connection: Connection, version_id: str, **values: Any) -> None:
    connection.execute(update(versions).where(versions.c.version_id == version_id).values(**values))


def _find(connection: Connection, **columns: str) -> ModelVersion | None:
    """Return the version with these values in these columns, or None."""
    row = connection.execute(select(versions).filter_by(**columns)).one_or_none()
    return None if row is None else version_of(row)


def _get(connection: Connection, version_id: str) -> ModelVersion:
    version = _find(connection, version_id=version_id)
    if version is None:
        raise UsageError(f"version {version_id}", "it was deleted meanwhile.", "Use another one.")
    return version


def _champions_before(connection: Connection, champion: ModelVersion) -> list[str]:
    """Return the earlier champions, newest last, as recorded by the champion's promotion."""
    query = select(version_events).filter_by(version_id=champion.version_id, kind="promoted")
    newest = query.order_by(version_events.c.seq.desc()).limit(1)
    return list(connection.execute(newest).one().body["before"])


def _last_number(connection: Connection, name: str) -> int:
    """Return the highest number a version of this name ever had; numbers are not reused."""
    query = select(version_events.c.version_id).where(
        version_events.c.version_id.startswith(f"{name}-v", autoescape=True),
        version_events.c.kind == "registered",
    )
    suffixes = [row.version_id.removeprefix(f"{name}-v") for row in connection.execute(query)]
    return max((int(suffix) for suffix in suffixes if suffix.isdigit()), default=0)
