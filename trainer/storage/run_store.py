"""Runs on disk: plans, append-only events, and one lease with a fencing token per run.

A run -> all that happened to it in one order: our own record, and what its job told.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, Engine, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from advisor.errors import UsageError, did_you_mean
from advisor.plan.training_plan import TrainingPlan, plan_bytes, read_plan
from trainer.clock import Clock
from trainer.errors import LeaseLost
from trainer.run_states import ENDED, STATES, Event, JobEvent, Run, State, fold, next_state
from trainer.security.redact import redact
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.lease_owner import is_process_gone, own_lease_owner
from trainer.storage.schema import events, job_events, plans, runs

LEASE_SECONDS = 120.0
WATCHED_SECONDS = 300.0


@dataclass(frozen=True)
class Lease:
    """The right to act on one run; whoever holds a later fence has taken it over."""

    run_id: str
    fence: int
    taken_ticks: float


class RunStore:
    """The only door to the tables of runs."""

    def __init__(self, engine: Engine, clock: Clock, holder: str | None = None) -> None:
        self.engine, self.clock = engine, clock
        self.holder = holder or own_lease_owner()

    def keep_plan(self, plan: TrainingPlan) -> None:
        """Write a plan down; the same plan twice is one plan, of the later hour."""
        new = {"body": plan_bytes(plan).decode(), "made_at": self.clock.now(), "owner": plan.owner}
        with write_transaction(self.engine) as connection:
            asked = _insert(connection)(plans).values(plan_id=plan.plan_id, **new)
            connection.execute(asked.on_conflict_do_update(index_elements=["plan_id"], set_=new))

    def run_of(self, plan: TrainingPlan) -> str | None:
        """Return the run of a plan, if it was ever launched."""
        asked = select(runs.c.run_id).where(runs.c.launch_key == plan.plan_id)
        with read_connection(self.engine) as connection:
            return connection.execute(asked).scalar()

    def plan(self, plan_id: str) -> TrainingPlan:
        """Read a plan by its hash, or the beginning of it.

        Raises:
            UsageError: there is none, or more than one begins so.
        """
        with read_connection(self.engine) as connection:
            rows = connection.execute(
                select(plans.c.plan_id, plans.c.body).where(plans.c.plan_id.startswith(plan_id))
            ).all()
            if len(rows) != 1:
                known = [row[0][:12] for row in connection.execute(select(plans.c.plan_id))]
                found = "there is no such plan." if not rows else "several plans begin so."
                raise UsageError(f"plan {plan_id}", found, did_you_mean(plan_id, known).strip())
        return read_plan(rows[0][1].encode(), f"plan {plan_id}")

    def start(self, plan: TrainingPlan) -> tuple[str, bool]:
        """Put the intent on record; the second to ask for the same plan gets the first's run.

        Returns:
            The name of the run, and whether it is new.
        """
        self.keep_plan(plan)
        run_id, now = f"run_{secrets.token_hex(8)}", self.clock.now()
        try:
            with write_transaction(self.engine) as connection:
                connection.execute(
                    runs.insert().values(
                        run_id=run_id,
                        launch_key=plan.plan_id,
                        provider=plan.provider,
                        state="intent",
                        seq=1,
                        made_at=now,
                        next_at=0.0,
                        fence=0,
                        lease_until=0.0,
                        watched_at=0.0,
                        owner=plan.owner,
                    )
                )
                body = {"plan_id": plan.plan_id, "cap_usd": plan.cap_usd}
                connection.execute(
                    events.insert().values(
                        run_id=run_id, seq=1, kind="intent", at=now, body=_json(body)
                    )
                )
        except IntegrityError:
            return str(self.run_of(plan)), False
        return run_id, True

    def run(self, run_id: str) -> Run:
        """Read a run by its name, or the beginning of it.

        Raises:
            UsageError: there is none, or more than one begins so.
        """
        with read_connection(self.engine) as connection:
            rows = connection.execute(
                select(runs).where(runs.c.run_id.startswith(run_id)).limit(2)
            ).all()
            if len(rows) != 1:
                known = [row[0] for row in connection.execute(select(runs.c.run_id).limit(1000))]
                found = "there is no such run." if not rows else "several runs begin so."
                raise UsageError(f"run {run_id}", found, did_you_mean(run_id, known).strip())
            row = rows[0]
            said = connection.execute(
                select(events).where(events.c.run_id == row.run_id).order_by(events.c.seq)
            ).all()
        listed = [Event(e.seq, e.kind, e.at, orjson.loads(e.body)) for e in said]
        return fold(row.run_id, row.launch_key, row.provider, listed)

    def take(self, run_id: str) -> Lease:
        """Take the lease of a run; that of a process which is gone need not end first.

        Raises:
            LeaseLost: somebody else holds it.
        """
        held_by = select(runs.c.lease_holder).where(runs.c.run_id == run_id)
        with write_transaction(self.engine) as connection:
            now = _now(connection, self.clock)
            who = connection.execute(held_by).scalar()
            mine = who if is_process_gone(who) else self.holder
            free = or_(
                runs.c.lease_until < now,
                runs.c.lease_holder == mine,
                runs.c.lease_until > now + 2 * LEASE_SECONDS,
            )
            done = connection.execute(
                update(runs)
                .where(runs.c.run_id == run_id, free)
                .values(
                    fence=runs.c.fence + 1,
                    lease_holder=self.holder,
                    lease_until=now + LEASE_SECONDS,
                    watched_at=now,
                )
            )
            if done.rowcount != 1:
                raise LeaseLost(
                    f"{run_id}: {who} works on it now. Follow it, or wait "
                    f"{LEASE_SECONDS:.0f} s for its lease to end."
                )
            fence = select(runs.c.fence).where(runs.c.run_id == run_id)
            token = int(connection.execute(fence).scalar_one())
        return Lease(run_id, token, self.clock.ticks())

    def renew(self, lease: Lease) -> Lease:
        """Make a lease last from now.

        Raises:
            LeaseLost: somebody else has it.
        """
        with write_transaction(self.engine) as connection:
            now = _now(connection, self.clock)
            values = {"lease_until": now + LEASE_SECONDS, "watched_at": now}
            self._fenced(connection, lease, values)
        return Lease(lease.run_id, lease.fence, self.clock.ticks())

    def release(self, lease: Lease, next_at: float = 0.0) -> None:
        """Give a lease back; the run need not be looked at before *next_at*."""
        with write_transaction(self.engine) as connection:
            connection.execute(
                update(runs)
                .where(runs.c.run_id == lease.run_id, runs.c.fence == lease.fence)
                .values(lease_until=0.0, next_at=next_at)
            )

    def append(self, lease: Lease, kind: str, **body: Any) -> Run:
        """Write one event down; it is on disk when this returns.

        Raises:
            LeaseLost: somebody else has taken the run over; nothing was written.
            NotAllowed: the event does not follow from the state.
        """
        with write_transaction(self.engine) as connection:
            asked = select(runs.c.state, runs.c.seq).where(runs.c.run_id == lease.run_id)
            row = connection.execute(asked.with_for_update()).one()
            state = next_state(row.state, kind)
            values: dict[str, Any] = {"state": state, "seq": row.seq + 1}
            if "job_id" in body:
                values["job_id"] = body["job_id"]
            self._fenced(connection, lease, values)
            connection.execute(
                events.insert().values(
                    run_id=lease.run_id,
                    seq=row.seq + 1,
                    kind=kind,
                    at=self.clock.now(),
                    body=_json(body),
                )
            )
        return self.run(lease.run_id)

    def note(self, run_id: str, kind: str, **body: Any) -> None:
        """Write down what a person asks of a run, whoever works on it."""
        with write_transaction(self.engine) as connection:
            connection.execute(
                update(runs).where(runs.c.run_id == run_id).values(seq=runs.c.seq + 1, next_at=0.0)
            )
            row = connection.execute(
                select(runs.c.state, runs.c.seq).where(runs.c.run_id == run_id)
            ).one()
            next_state(row.state, kind)
            connection.execute(
                events.insert().values(
                    run_id=run_id, seq=row.seq, kind=kind, at=self.clock.now(), body=_json(body)
                )
            )

    def keep_job_events(self, run_id: str, told: Iterable[JobEvent]) -> int:
        """Keep what the provider told, each event once; return how many were new."""
        with write_transaction(self.engine) as connection:
            mine = runs.c.run_id == run_id  # held first: two must not give one number twice
            connection.execute(update(runs).where(mine).values(seq=runs.c.seq))
            asked = select(job_events.c.event_id).where(job_events.c.run_id == run_id)
            known = set(connection.execute(asked).scalars())
            new = list({one.event_id: one for one in told if one.event_id not in known}.values())
            if not new:
                return 0
            seq = int(connection.execute(select(runs.c.seq).where(mine)).scalar_one())
            connection.execute(
                job_events.insert(),
                [
                    {
                        "run_id": run_id,
                        "event_id": one.event_id,
                        "at": one.at,
                        "kind": one.kind,
                        "level": one.level,
                        "message": redact(one.message),
                        "body": _json(dict(one.body)),
                        "seq": number,
                    }
                    for number, one in enumerate(new, start=seq + 1)
                ],
            )
            connection.execute(update(runs).where(mine).values(seq=seq + len(new)))
        return len(new)

    def job_events(self, run_id: str) -> tuple[JobEvent, ...]:
        """Return what the provider told, in the order of its clock."""
        order = (job_events.c.at, job_events.c.event_id)
        with read_connection(self.engine) as connection:
            rows = connection.execute(
                select(job_events).where(job_events.c.run_id == run_id).order_by(*order)
            ).all()
        return tuple(
            JobEvent(r.event_id, r.at, r.kind, r.level, r.message, orjson.loads(r.body))
            for r in rows
        )

    def listed(self, open_only: bool = False, owner: str | None = None) -> tuple[RunSummary, ...]:
        """List runs, newest first; all of them, or those of one owner."""
        asked = select(runs).order_by(runs.c.made_at.desc())
        if open_only:
            asked = asked.where(runs.c.state != "settled")
        if owner is not None:
            asked = asked.where(runs.c.owner == owner)
        with read_connection(self.engine) as connection:
            now = _now(connection, self.clock)
            return tuple(
                RunSummary(
                    r.run_id,
                    r.launch_key,
                    r.provider,
                    r.state,
                    r.job_id,
                    r.made_at,
                    r.next_at,
                    now - r.watched_at < WATCHED_SECONDS or r.state == "settled",
                    r.owner,
                )
                for r in connection.execute(asked)
            )

    def _fenced(self, connection: Connection, lease: Lease, values: Mapping[str, Any]) -> None:
        mine = (runs.c.run_id == lease.run_id, runs.c.fence == lease.fence)
        if connection.execute(update(runs).where(*mine).values(**values)).rowcount != 1:
            raise LeaseLost(
                f"{lease.run_id}: another process took this run over. "
                "It goes on there; follow it with `trainer follow`."
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

    @property
    def ended(self) -> bool:
        """Whether the job has ended, settled or not."""
        return self.state in ENDED or self.state in {"verified", "settled"}


def _now(connection: Connection, clock: Clock) -> float:
    """Return the time that all who share the database agree on."""
    if connection.dialect.name == "sqlite":
        return clock.now()
    return float(
        connection.exec_driver_sql(
            "SELECT extract(epoch FROM clock_timestamp())::float8"
        ).scalar_one()
    )


def _insert(connection: Connection) -> Any:
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _json(body: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write a body as JSON without a secret or a person's address in it."""
    return redact(orjson.dumps(body, option=orjson.OPT_SORT_KEYS, default=str).decode())


TimelineKind = Literal["state", "metric", "log"]
LOSS_FIELDS = frozenset({"train_loss", "loss", "eval_loss", "valid_loss"})


@dataclass(frozen=True)
class TimelineEvent:
    """One thing that happened, with its number in the run."""

    seq: int
    at: float
    what: TimelineKind
    kind: str
    body: Mapping[str, Any]


def read_timeline(
    engine: Engine, run_id: str, after: int = 0, most: int = 1000
) -> list[TimelineEvent]:
    """Return what happened to a run after a number, in order; what a job told comes as it came."""
    found = []
    with read_connection(engine) as connection:
        ours = select(events).where(events.c.run_id == run_id, events.c.seq > after)
        for row in connection.execute(ours.order_by(events.c.seq).limit(most)):
            what: TimelineKind = "state" if row.kind in STATES else "log"
            found.append(TimelineEvent(row.seq, row.at, what, row.kind, orjson.loads(row.body)))
        told = select(job_events).where(job_events.c.run_id == run_id, job_events.c.seq > after)
        for row in connection.execute(told.order_by(job_events.c.seq).limit(most)):
            body = {**orjson.loads(row.body), "message": row.message, "level": row.level}
            kind: TimelineKind = "metric" if LOSS_FIELDS & body.keys() else "log"
            found.append(TimelineEvent(row.seq, row.at, kind, row.kind, body))
    return sorted(found, key=lambda one: one.seq)[:most]
