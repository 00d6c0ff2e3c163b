"""Table of fine-tuning jobs created under /v1, each with its request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Engine, Row, select
from sqlalchemy.exc import IntegrityError

from trainer.clock import Clock
from trainer.errors import TrainerError
from trainer.storage.database import execute, fetch_all
from trainer.storage.schema import jobs


class NoSuchJob(TrainerError):
    """There is no job of this name that the caller may see."""

    code = "no-such-job"
    http_status = 404
    what_to_do = "List the jobs, and use the name of one."


@dataclass(frozen=True)
class StoredJob:
    """A job with its request."""

    run_id: str
    owner: str
    request: Mapping[str, Any]
    made_at: float


class JobStore:
    """Access to the table of jobs."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def keep(self, run_id: str, owner: str, request: Mapping[str, Any]) -> StoredJob:
        """Store the request of a job; storing it again changes nothing."""
        text = orjson.dumps(request, option=orjson.OPT_SORT_KEYS).decode()
        row = {"run_id": run_id, "owner": owner, "made_at": self.clock.now(), "request": text}
        with suppress(IntegrityError):
            execute(self.engine, jobs.insert().values(row))
        return self.job(run_id, None)

    def job(self, run_id: str, owner_filter: str | None) -> StoredJob:
        """Return a job.

        Raises:
            NoSuchJob: there is none that *owner_filter* may see.
        """
        rows = fetch_all(self.engine, select(jobs).where(jobs.c.run_id == run_id))
        if not rows or owner_filter not in (None, rows[0].owner):
            raise NoSuchJob(f"run {run_id}: job not found.")
        return _stored_job(rows[0])

    def listed(self, owner_filter: str | None) -> tuple[StoredJob, ...]:
        """List jobs, the newest first."""
        query = select(jobs).order_by(jobs.c.made_at.desc(), jobs.c.run_id)
        if owner_filter is not None:
            query = query.where(jobs.c.owner == owner_filter)
        return tuple(map(_stored_job, fetch_all(self.engine, query)))


def _stored_job(row: Row[Any]) -> StoredJob:
    return StoredJob(row.run_id, row.owner, orjson.loads(row.request), row.made_at)
