"""A run -> all that happened to it in one order: our own record, and what its job told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Engine, select

from trainer.database import reading
from trainer.states import STATES
from trainer.tables import events, job_events

What = Literal["state", "metric", "log"]
METRICS = frozenset({"train_loss", "loss", "eval_loss", "valid_loss"})


@dataclass(frozen=True)
class Moment:
    """One thing that happened, with its number in the run."""

    seq: int
    at: float
    what: What
    kind: str
    body: Mapping[str, Any]


def timeline(engine: Engine, run_id: str, after: int = 0, most: int = 1000) -> list[Moment]:
    """Return what happened to a run after a number, in order; what a job told comes as it came."""
    found = []
    with reading(engine) as connection:
        ours = select(events).where(events.c.run_id == run_id, events.c.seq > after)
        for row in connection.execute(ours.order_by(events.c.seq).limit(most)):
            what: What = "state" if row.kind in STATES else "log"
            found.append(Moment(row.seq, row.at, what, row.kind, orjson.loads(row.body)))
        told = select(job_events).where(job_events.c.run_id == run_id, job_events.c.seq > after)
        for row in connection.execute(told.order_by(job_events.c.seq).limit(most)):
            body = {**orjson.loads(row.body), "message": row.message, "level": row.level}
            kind: What = "metric" if METRICS & body.keys() else "log"
            found.append(Moment(row.seq, row.at, kind, row.kind, body))
    return sorted(found, key=lambda one: one.seq)[:most]
