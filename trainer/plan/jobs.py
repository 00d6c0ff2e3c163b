"""What is to be trained here, for whom and for how much -> its plan, its run, and the request kept.

No door is known here: whoever takes requests writes down who asked, and says what was refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, Row, select
from sqlalchemy.exc import IntegrityError

from advisor.plan.training_plan import PlanSettings, TrainingPlan
from trainer.clock import Clock, utc_datetime
from trainer.context import TrainerContext
from trainer.errors import OverBudget, TrainerError
from trainer.plan.local import LocalOptions, plan_local
from trainer.plan.local_cost import CENT
from trainer.plan.provider import PlanRequest
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.schema import jobs


class NoSuchJob(TrainerError):
    """There is no job of this name that the caller may see."""

    code = "no-such-job"
    http_status = 404
    what_to_do = "List the jobs, and take the name of one."


@dataclass(frozen=True)
class TrainingRequest:
    """One training that somebody wants."""

    owner: str
    name: str
    """Name of the base."""
    base: Path | None
    """Its folder; nothing for the plain baseline."""
    rows: Path
    approach: str
    """As in `local_plan.APPROACHES`."""
    gpu: str
    usd_per_hour: Decimal
    cap_usd: Decimal
    plan_settings: PlanSettings = field(default_factory=PlanSettings)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of the recipe."""
    held_out: Path | None = None
    """Rows to measure with."""


@dataclass(frozen=True)
class StoredJob:
    """A job as it was asked for."""

    run_id: str
    owner: str
    request: Mapping[str, Any]
    made_at: float


def plan_job(context: TrainerContext, asked: TrainingRequest) -> TrainingPlan:
    """Lay a training down, with its price, under its cap.

    Raises:
        UsageError: base, rows or settings cannot be used.
        Refused: it would not fit this machine.
        OverBudget: it may cost more than its cap.
    """
    gpu = "" if asked.gpu == "cpu" else f":{asked.gpu}"
    option = f"{asked.approach}:local:{asked.name.replace(':', '-')}{gpu}"
    request = PlanRequest(
        {},
        "",
        option=option,
        dataset=asked.rows,
        held_out=asked.held_out,
        held_out_share=0.0,
        owner=asked.owner,
    )
    here = LocalOptions(asked.base, asked.usd_per_hour, asked.settings)
    made = plan_local(
        request, asked.plan_settings, here, context.book, utc_datetime(context.clock.now())
    )
    most = Decimal(made.figure.at_most)
    if most > asked.cap_usd:
        raise OverBudget(
            f"this job may cost up to {most} USD, and its cap is {asked.cap_usd} USD. "
            "Raise the cap, or train on fewer rows or epochs."
        )
    cap = str(asked.cap_usd.quantize(CENT))
    return made.model_validate({**made.model_dump(), "cap_usd": cap})


class JobStore:
    """The only door to the table of jobs."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def keep(self, run_id: str, owner: str, request: Mapping[str, Any]) -> StoredJob:
        """Keep what was asked for; a second time changes nothing."""
        text = orjson.dumps(request, option=orjson.OPT_SORT_KEYS).decode()
        try:
            with write_transaction(self.engine) as connection:
                made = {"run_id": run_id, "owner": owner, "made_at": self.clock.now()}
                connection.execute(jobs.insert().values(request=text, **made))
        except IntegrityError:
            pass  # it is kept already
        return self.job(run_id, None)

    def job(self, run_id: str, owner_filter: str | None) -> StoredJob:
        """Find a job.

        Raises:
            NoSuchJob: there is none that *owner_filter* may see.
        """
        with read_connection(self.engine) as connection:
            row = connection.execute(select(jobs).where(jobs.c.run_id == run_id)).one_or_none()
        if row is None or owner_filter not in (None, row.owner):
            raise NoSuchJob(f"run {run_id}: no such job is there for you.")
        return _stored_job(row)

    def listed(self, owner_filter: str | None) -> tuple[StoredJob, ...]:
        """List jobs, the newest first."""
        asked = select(jobs).order_by(jobs.c.made_at.desc(), jobs.c.run_id)
        if owner_filter is not None:
            asked = asked.where(jobs.c.owner == owner_filter)
        with read_connection(self.engine) as connection:
            return tuple(map(_stored_job, connection.execute(asked)))


def _stored_job(row: Row[Any]) -> StoredJob:
    return StoredJob(row.run_id, row.owner, orjson.loads(row.request), row.made_at)
