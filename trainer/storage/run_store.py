"""Run store: plans, append-only run events, and one lease with a fencing token per run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from advisor.plan.training_plan import TrainingPlan, plan_bytes, read_plan
from trainer.clock import Clock
from trainer.errors import LeaseLost
from trainer.run_states import ENDED, STATES, Event, JobEvent, Run, State, fold, next_state
from trainer.security.redact import redact
from trainer.storage.database import (
    execute,
    fetch_all,
    find_by_prefix,
    read_connection,
    write_transaction,
)
from trainer.storage.lease_owner import is_process_gone, own_lease_owner
from trainer.storage.schema import events, job_events, plans, runs

LEASE_SECONDS = 120.0
WATCHED_SECONDS = 300.0


@dataclass(frozen=True)
class Lease:
    """The exclusive right to act on one run; a lease with a higher fence supersedes it."""

    run_id: str
    fence: int
    taken_ticks: float


class RunStore:
    """Reads and writes the tables of plans, runs and their events."""

    def __init__(self, engine: Engine, clock: Clock, holder: str | None = None) -> None:
        self.engine, self.clock = engine, clock
        self.holder = holder or own_lease_owner()

    def keep_plan(self, plan: TrainingPlan) -> None:
        """Store a plan; storing it again updates its time and owner."""
        body, now = plan_bytes(plan).decode(), self.clock.now()
        values = {"body": body, "made_at": now, "owner": plan.owner}
        insert = sqlite.insert if self.engine.dialect.name == "sqlite" else postgresql.insert
        upsert: Any = insert(plans).values(plan_id=plan.plan_id, **values)
        execute(self.engine, upsert.on_conflict_do_update(index_elements=["plan_id"], set_=values))

    def run_of(self, plan: TrainingPlan) -> str | None:
        """Return the run of a plan, or None if the plan was never launched."""
        query = select(runs.c.run_id).where(runs.c.launch_key == plan.plan_id)
        return next((row.run_id for row in fetch_all(self.engine, query)), None)

    def plan(self, plan_id: str) -> TrainingPlan:
        """Read a plan by its hash or a unique prefix of it.

        Raises:
            UsageError: no plan matches, or several do.
        """
        row = find_by_prefix(self.engine, "plan", plans.c.plan_id, plan_id)
        return read_plan(row.body.encode(), f"plan {plan_id}")

    def start(self, plan: TrainingPlan) -> tuple[str, bool]:
        """Record the intent to run a plan; return the id of its run, and whether the run is new."""
        self.keep_plan(plan)
        run_id, now = f"run_{secrets.token_hex(8)}", self.clock.now()
        try:
            with write_transaction(self.engine) as connection:
                origin = {"provider": plan.provider, "owner": plan.owner, "made_at": now}
                row = {"run_id": run_id, "launch_key": plan.plan_id, "state": "intent", "seq": 1}
                connection.execute(runs.insert().values(**row, **origin))
                body = {"plan_id": plan.plan_id, "cap_usd": plan.cap_usd}
                self._add_event(connection, run_id, 1, "intent", body)
        except IntegrityError:  # the launch key is unique: another process was first
            return str(self.run_of(plan)), False
        return run_id, True

    def _add_event(
        self, connection: Connection, run_id: str, seq: int, kind: str, body: Mapping[str, Any]
    ) -> None:
        event = {"run_id": run_id, "seq": seq, "kind": kind, "body": body}
        connection.execute(events.insert().values(at=self.clock.now(), **event))

    def run(self, run_id: str) -> Run:
        """Read a run by its id or a unique prefix of it.

        Raises:
            UsageError: no run matches, or several do.
        """
        row = find_by_prefix(self.engine, "run", runs.c.run_id, run_id)
        columns = select(events.c.seq, events.c.kind, events.c.at, events.c.body)
        query = columns.where(events.c.run_id == row.run_id).order_by(events.c.seq)
        history = [Event(*event) for event in fetch_all(self.engine, query)]
        return fold(row.run_id, row.launch_key, row.provider, history)

    def take(self, run_id: str) -> Lease:
        """Acquire the lease of a run; the lease of a process that has exited can be replaced.

        Raises:
            LeaseLost: another process has the lease.
        """
        held_by = select(runs.c.lease_holder).where(runs.c.run_id == run_id)
        with write_transaction(self.engine) as connection:
            now = _now(connection, self.clock)
            owner = connection.execute(held_by).scalar()
            replaceable = owner if is_process_gone(owner) else self.holder
            free = or_(
                runs.c.lease_until < now,
                runs.c.lease_holder == replaceable,
                # the clock was set back after the lease was acquired
                runs.c.lease_until > now + 2 * LEASE_SECONDS,
            )
            lease = {"lease_holder": self.holder, "lease_until": now + LEASE_SECONDS}
            acquire = update(runs).where(runs.c.run_id == run_id, free)
            acquired = connection.execute(
                acquire.values(fence=runs.c.fence + 1, watched_at=now, **lease)
            )
            if acquired.rowcount != 1:
                raise LeaseLost(
                    f"{run_id}: another process ({owner}) has the lease. Follow the run, or "
                    f"wait up to {LEASE_SECONDS:.0f} s."
                )
            fence = select(runs.c.fence).where(runs.c.run_id == run_id)
            token = int(connection.execute(fence).scalar_one())
        return Lease(run_id, token, self.clock.ticks())

    def renew(self, lease: Lease) -> Lease:
        """Extend a lease by its full duration from now, or raise LeaseLost."""
        with write_transaction(self.engine) as connection:
            now = _now(connection, self.clock)
            values = {"lease_until": now + LEASE_SECONDS, "watched_at": now}
            self._update_fenced(connection, lease, values)
        return Lease(lease.run_id, lease.fence, self.clock.ticks())

    def release(self, lease: Lease, next_at: float = 0.0) -> None:
        """Release a lease; the run does not have to be polled before *next_at*."""
        own = (runs.c.run_id == lease.run_id, runs.c.fence == lease.fence)
        execute(self.engine, update(runs).where(*own).values(lease_until=0.0, next_at=next_at))

    def append(self, lease: Lease, kind: str, **body: Any) -> Run:
        """Append one event; it is on disk when this returns.

        Raises:
            LeaseLost: another process has the lease; nothing was written.
        """
        with write_transaction(self.engine) as connection:
            query = select(runs.c.state, runs.c.seq).where(runs.c.run_id == lease.run_id)
            row = connection.execute(query.with_for_update()).one()
            values: dict[str, Any] = {"state": next_state(row.state, kind), "seq": row.seq + 1}
            if "job_id" in body:
                values["job_id"] = body["job_id"]
            self._update_fenced(connection, lease, values)
            self._add_event(connection, lease.run_id, row.seq + 1, kind, body)
        return self.run(lease.run_id)

    def note(self, run_id: str, kind: str, **body: Any) -> None:
        """Record a user's request for a run, whichever process has its lease."""
        own = runs.c.run_id == run_id
        with write_transaction(self.engine) as connection:
            connection.execute(update(runs).where(own).values(seq=runs.c.seq + 1, next_at=0.0))
            row = connection.execute(select(runs.c.state, runs.c.seq).where(own)).one()
            next_state(row.state, kind)
            self._add_event(connection, run_id, row.seq, kind, body)

    def keep_job_events(self, run_id: str, told: Iterable[JobEvent]) -> None:
        """Store the events of a job, each once."""
        own = runs.c.run_id == run_id
        with write_transaction(self.engine) as connection:
            # locks the row first, so that no two processes assign the same sequence number
            connection.execute(update(runs).where(own).values(seq=runs.c.seq))
            stored = select(job_events.c.event_id).where(job_events.c.run_id == run_id)
            known = set(connection.execute(stored).scalars())
            new = {event.event_id: event for event in told if event.event_id not in known}
            if not new:
                return
            seq = int(connection.execute(select(runs.c.seq).where(own)).scalar_one())
            rows = [
                {**vars(event), "run_id": run_id, "message": redact(event.message), "seq": number}
                for number, event in enumerate(new.values(), start=seq + 1)
            ]
            connection.execute(job_events.insert(), rows)
            connection.execute(update(runs).where(own).values(seq=seq + len(new)))

    def job_events(self, run_id: str) -> tuple[JobEvent, ...]:
        """Return the events of a job, in the order of the provider's clock."""
        columns = job_events.c["event_id", "at", "kind", "level", "message", "body"]
        query = select(*columns).where(job_events.c.run_id == run_id)
        rows = fetch_all(self.engine, query.order_by(job_events.c.at, job_events.c.event_id))
        return tuple(JobEvent(*row) for row in rows)

    def listed(self, open_only: bool = False, owner: str | None = None) -> tuple[RunSummary, ...]:
        """List runs, newest first: all, or those that are open or belong to one owner."""
        query = select(runs).order_by(runs.c.made_at.desc())
        if open_only:
            query = query.where(runs.c.state != "settled")
        if owner is not None:
            query = query.where(runs.c.owner == owner)
        with read_connection(self.engine) as connection:
            now = _now(connection, self.clock)
            return tuple(RunSummary.from_row(row, now) for row in connection.execute(query))

    def _update_fenced(self, at: Connection, lease: Lease, values: Mapping[str, Any]) -> None:
        own = (runs.c.run_id == lease.run_id, runs.c.fence == lease.fence)
        if at.execute(update(runs).where(*own).values(**values)).rowcount != 1:
            raise LeaseLost(
                f"{lease.run_id}: another process acquired the lease and continues the run. "
                f"Follow it with 'trainer follow {lease.run_id}'."
            )


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs."""

    run_id: str
    plan_id: str
    provider: str
    state: State
    job_id: str | None
    made_at: float
    next_at: float
    watched: bool
    owner: str | None = None

    @classmethod
    def from_row(cls, row: Row[Any], now: float) -> RunSummary:
        """Return a row of the table as a line."""
        watched = now - row.watched_at < WATCHED_SECONDS or row.state == "settled"
        names = ("run_id", "provider", "state", "job_id", "made_at", "next_at", "owner")
        values = {name: row._mapping[name] for name in names}
        return cls(plan_id=row.launch_key, watched=watched, **values)

    @property
    def ended(self) -> bool:
        """Whether the job has ended, settled or not."""
        return self.state in ENDED or self.state in {"verified", "settled"}


def _now(connection: Connection, clock: Clock) -> float:
    """Return the time that all processes of the database share."""
    if connection.dialect.name == "sqlite":
        return clock.now()
    query = "SELECT extract(epoch FROM clock_timestamp())::float8"
    return float(connection.exec_driver_sql(query).scalar_one())


TimelineKind = Literal["state", "metric", "log"]
LOSS_FIELDS = frozenset({"train_loss", "loss", "eval_loss", "valid_loss"})


@dataclass(frozen=True)
class TimelineEvent:
    """One event of a run or of its job, with its sequence number in the run."""

    seq: int
    at: float
    what: TimelineKind
    kind: str
    body: Mapping[str, Any]


def read_timeline(
    engine: Engine, run_id: str, after: int = 0, most: int = 1000
) -> list[TimelineEvent]:
    """Return the events of a run and of its job after a sequence number, in order."""
    timeline = []
    own = select(events).where(events.c.run_id == run_id, events.c.seq > after)
    for row in fetch_all(engine, own.order_by(events.c.seq).limit(most)):
        what: TimelineKind = "state" if row.kind in STATES else "log"
        timeline.append(TimelineEvent(row.seq, row.at, what, row.kind, row.body))
    provider = select(job_events).where(job_events.c.run_id == run_id, job_events.c.seq > after)
    for row in fetch_all(engine, provider.order_by(job_events.c.seq).limit(most)):
        body = {**row.body, "message": row.message, "level": row.level}
        what = "metric" if LOSS_FIELDS & body.keys() else "log"
        timeline.append(TimelineEvent(row.seq, row.at, what, row.kind, body))
    return sorted(timeline, key=lambda event: event.seq)[:most]
