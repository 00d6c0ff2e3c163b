"""Versions of tuned models: what each was made from, and which one of a name is the champion.

A run that has ended comes in; a version comes out, a candidate first. What happens to a version
is written down beside it and never changed, also after the version is deleted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from advisor.errors import UsageError, did_you_mean
from trainer.clock import Clock
from trainer.errors import Refused
from trainer.security.redact import redact
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.ledger import micro_usd, usd_text
from trainer.storage.model_version import (
    ModelVersion,
    ModelVersionInput,
    VersionEvent,
    check_promotable,
    comparison_fields,
    json_text,
    verdict_of,
    version_of,
)
from trainer.storage.schema import version_events, versions

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,52}")
LOCK = 7402214
MAX_BEFORE = 100
"""How many champions back a rollback can go."""


class Registry:
    """The only door to the tables of versions."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def register(
        self, run_id: str, name: str, made: ModelVersionInput, by: str = ""
    ) -> ModelVersion:
        """Write down what a run made, as a candidate; a second time returns the first's version.

        Raises:
            UsageError: the name cannot be one, or there is no such run.
        """
        if not NAME.fullmatch(name):
            raise UsageError(
                f"name '{name}'",
                "this cannot be the name of a model.",
                "Use up to 53 of a-z 0-9 . _ - and begin with no sign.",
            )
        try:
            with self._holding(name) as connection:
                if _of_run(connection, run_id) is None:
                    self._insert(connection, run_id, name, made, by)
        except IntegrityError:  # the run is registered under another name now, or is none
            pass
        with read_connection(self.engine) as connection:
            row = _of_run(connection, run_id)
        if row is None:
            raise UsageError(f"run {run_id}", "there is no such run.", "`trainer runs` lists them.")
        return version_of(row)

    def _insert(
        self, connection: Connection, run_id: str, name: str, made: ModelVersionInput, by: str
    ) -> None:
        number = 1 + _last_number(connection, name)
        version_id = f"{name}-v{number}"
        connection.execute(
            versions.insert().values(
                version_id=version_id,
                name=name,
                number=number,
                run_id=run_id,
                plan_id=made.plan_id,
                provider=made.provider,
                base_model=made.base_model,
                base_sha256=made.base_sha256,
                dataset_sha256=made.dataset_sha256,
                source_sha256=made.source_sha256,
                model=made.model,
                kind=made.kind,
                stage="candidate",
                usd=None if made.usd is None else usd_text(micro_usd(made.usd)),
                facts=json_text(made.facts),
                shutdown_on=made.shutdown_on and made.shutdown_on.isoformat(),
                made_at=self.clock.now(),
            )
        )
        self._tell(
            connection,
            version_id,
            "registered",
            by,
            run_id=run_id,
            plan_id=made.plan_id,
            dataset_sha256=made.dataset_sha256,
        )

    def evaluated(
        self, version_id: str, evaluation: Mapping[str, Any], by: str = ""
    ) -> ModelVersion:
        """Keep what an evaluation found; a later one takes the place of an earlier one.

        Raises:
            UsageError: there is no such version.
        """
        version, text = self.version(version_id), json_text(evaluation)
        with self._holding(version.name) as connection:
            _set(connection, version.version_id, evaluation=text)
            self._tell(
                connection,
                version.version_id,
                "evaluated",
                by,
                verdict=verdict_of(evaluation),
                score=evaluation.get("score"),
                sha256=hashlib.sha256(text.encode()).hexdigest(),
            )
            return version_of(_one(connection, version.version_id))

    def promote(self, version_id: str, by: str, anyway: bool = False) -> ModelVersion:
        """Make a version the champion of its name; the one before it is retired.

        Raises:
            UsageError: there is no such version.
            Refused: it was never evaluated, or is worse and *anyway* was not said.
        """
        version = self.version(version_id)
        with self._holding(version.name) as connection:
            now = _one(connection, version.version_id)
            if now.stage != "champion":
                check_promotable(now, anyway)
                old = _champion(connection, now.name)
                before = [*_before(connection, old), old.version_id] if old else []
                if old:
                    self._retire(connection, old, by, "retired", instead=now.version_id)
                self._crown(connection, now, by, before[-MAX_BEFORE:], anyway=anyway)
            return version_of(_one(connection, now.version_id))

    def rollback(self, name: str, by: str) -> ModelVersion:
        """Make the champion before this one champion again.

        Raises:
            Refused: there is no champion, or none before it that is still there.
        """
        with self._holding(name) as connection:
            old = _champion(connection, name)
            if old is None:
                known = connection.execute(select(versions.c.name).distinct()).scalars()
                raise Refused(
                    f"{name}: there is no champion to roll back. Make one with `trainer "
                    f"promote VERSION`.{did_you_mean(name, known)}"
                )
            before = _before(connection, old)
            while before:
                row = _row(connection, before.pop())
                if row is not None:
                    self._retire(connection, old, by, "rolled_back", instead=row.version_id)
                    self._crown(connection, row, by, before, rolled_back=old.version_id)
                    return version_of(_one(connection, row.version_id))
        raise Refused(
            f"{name}: there is no champion before {old.version_id} that is still there. "
            "Promote another version, or retire this one."
        )

    def retire(self, named: str, by: str) -> ModelVersion:
        """Take a version out of use; a second time changes nothing.

        Raises:
            UsageError: there is no such version.
        """
        version = self.version(named)
        with self._holding(version.name) as connection:
            row = _one(connection, version.version_id)
            if row.stage != "retired":
                self._retire(connection, row, by, "retired")
            return version_of(_one(connection, row.version_id))

    def version(self, named: str) -> ModelVersion:
        """Read a version by its name, or the beginning of it.

        Raises:
            UsageError: there is none, or more than one begins so.
        """
        with read_connection(self.engine) as connection:
            begins = versions.c.version_id.startswith(named, autoescape=True)
            rows = connection.execute(select(versions).where(begins)).all()
            rows = [row for row in rows if row.version_id == named] or list(rows)
            if len(rows) != 1:
                names = connection.execute(select(versions.c.version_id).limit(1000)).scalars()
                known = [row.version_id for row in rows] or list(names)
                found = "there is no such version." if not rows else "several versions begin so."
                raise UsageError(f"version {named}", found, did_you_mean(named, known).strip())
        return version_of(rows[0])

    def listed(self, name: str | None = None) -> tuple[ModelVersion, ...]:
        """List versions, of one name or all; the newest of a name first."""
        asked = select(versions).order_by(versions.c.name, versions.c.number.desc())
        with read_connection(self.engine) as connection:
            rows = connection.execute(
                asked if name is None else asked.where(versions.c.name == name)
            )
            return tuple(version_of(row) for row in rows)

    def compare(self, a: str, b: str) -> list[tuple[str, str, str]]:
        """Lay two versions side by side: what, of the one, of the other."""
        one, other = (comparison_fields(self.version(named)) for named in (a, b))
        return [(what, one.get(what, ""), other.get(what, "")) for what in {**one, **other}]

    def ending(self, on_or_before: date) -> tuple[ModelVersion, ...]:
        """List versions that their provider ends by a day, the soonest first."""
        asked = select(versions).where(versions.c.shutdown_on <= on_or_before.isoformat())
        with read_connection(self.engine) as connection:
            rows = connection.execute(asked.order_by(versions.c.shutdown_on, versions.c.version_id))
            return tuple(version_of(row) for row in rows)

    def history(self, version_id: str) -> tuple[VersionEvent, ...]:
        """Return what happened to a version, also to one that is deleted.

        Raises:
            UsageError: there was never such a version.
        """
        asked = select(version_events).where(version_events.c.version_id == version_id)
        with read_connection(self.engine) as connection:
            rows = connection.execute(asked.order_by(version_events.c.seq)).all()
        if not rows:
            return self.history(self.version(version_id).version_id)
        return tuple(
            VersionEvent(r.version_id, r.seq, r.kind, r.at, r.by, orjson.loads(r.body))
            for r in rows
        )

    def deleted(self) -> tuple[str, ...]:
        """Name the versions that were here and are deleted."""
        asked = select(version_events.c.version_id).where(version_events.c.kind == "deleted")
        with read_connection(self.engine) as connection:
            return tuple(sorted(connection.execute(asked).scalars()))

    def forget(self, version_id: str, by: str = "") -> Path | None:
        """Take a version out of the registry; what happened to it stays written down.

        Returns:
            Its folder, which the caller deletes; nothing where its weights are not here.

        Raises:
            UsageError: there is no such version.
            Refused: it is the champion.
        """
        version = self.version(version_id)
        with self._holding(version.name) as connection:
            row = _one(connection, version.version_id)
            if row.stage == "champion":
                raise Refused(
                    f"{row.version_id}: it is the champion. Promote another one first, "
                    f"or say `trainer retire {row.version_id}`."
                )
            connection.execute(delete(versions).where(versions.c.version_id == row.version_id))
            self._tell(connection, row.version_id, "deleted", by)
        return version.folder

    @contextmanager
    def _holding(self, name: str) -> Iterator[Connection]:
        """Give a transaction in which nobody else changes the versions of a name."""
        with write_transaction(self.engine) as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                connection.execute(select(func.pg_advisory_xact_lock(LOCK, func.hashtext(name))))
            else:
                connection.exec_driver_sql("PRAGMA secure_delete=ON")  # deleted is overwritten
            yield connection

    def _crown(self, at: Connection, row: Row[Any], by: str, before: list[str], **why: Any) -> None:
        _set(at, row.version_id, stage="champion")
        self._tell(at, row.version_id, "promoted", by, before=before, **why)

    def _retire(self, at: Connection, row: Row[Any], by: str, kind: str, **why: Any) -> None:
        _set(at, row.version_id, stage="retired")
        self._tell(at, row.version_id, kind, by, **why)

    def _tell(self, at: Connection, version_id: str, kind: str, by: str, **body: Any) -> None:
        mine = version_events.c.version_id == version_id
        last = select(func.max(version_events.c.seq)).where(mine)
        at.execute(
            version_events.insert().values(
                version_id=version_id,
                seq=1 + (at.execute(last).scalar() or 0),
                kind=kind,
                at=self.clock.now(),
                by=redact(by),
                body=json_text(body),
            )
        )


def _set(connection: Connection, version_id: str, **values: Any) -> None:
    connection.execute(update(versions).where(versions.c.version_id == version_id).values(**values))


def _row(connection: Connection, version_id: str) -> Row[Any] | None:
    mine = versions.c.version_id == version_id
    return connection.execute(select(versions).where(mine)).one_or_none()


def _one(connection: Connection, version_id: str) -> Row[Any]:
    row = _row(connection, version_id)
    if row is None:
        raise UsageError(f"version {version_id}", "it was deleted just now.", "Name another one.")
    return row


def _of_run(connection: Connection, run_id: str) -> Row[Any] | None:
    return connection.execute(select(versions).where(versions.c.run_id == run_id)).one_or_none()


def _champion(connection: Connection, name: str) -> Row[Any] | None:
    mine = (versions.c.name == name, versions.c.stage == "champion")
    return connection.execute(select(versions).where(*mine)).one_or_none()


def _before(connection: Connection, champion: Row[Any]) -> list[str]:
    """Name the champions before this one, the latest last, as its promotion wrote them down."""
    asked = select(version_events.c.body).where(
        version_events.c.version_id == champion.version_id, version_events.c.kind == "promoted"
    )
    body = connection.execute(asked.order_by(version_events.c.seq.desc()).limit(1)).scalar_one()
    return list(orjson.loads(body)["before"])


def _last_number(connection: Connection, name: str) -> int:
    """Return the highest number a version of this name ever had; a number is never used again."""
    asked = select(version_events.c.version_id).where(
        version_events.c.version_id.startswith(f"{name}-v", autoescape=True),
        version_events.c.kind == "registered",
    )
    tails = (one.removeprefix(f"{name}-v") for one in connection.execute(asked).scalars())
    return max((int(tail) for tail in tails if tail.isdigit()), default=0)
