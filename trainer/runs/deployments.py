"""Deployments billed by the hour: start, list and stop them, each with a cap in hours and USD."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update

from advisor.errors import unknown_name
from advisor.gpu.parameters import ModelShape
from advisor.gpu.serving import gpus_per_copy
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import Refused, Unreachable
from trainer.providers.base import Job, ProviderError
from trainer.providers.deployments import PREFIX, Hosting
from trainer.run_states import Run
from trainer.storage.database import execute, fetch_all
from trainer.storage.ledger import LedgerEntry, micro_usd, usd_text
from trainer.storage.schema import deployments

HOUR_SECONDS = 3600.0
POLL_SECONDS = 5.0
OPEN_STATES = ("intent", "creating", "ready", "stopping")


@dataclass(frozen=True)
class Deployment:
    """One deployment that was started here."""

    deployment_id: str
    run_id: str
    provider: str
    state: str
    usd_per_hour: Decimal
    max_hours: float
    keep: bool
    made_at: float
    stopped_at: float | None
    says: str

    def hours(self, now: float) -> float:
        """Return the hours since it started, up to its stop; every started minute is billed."""
        seconds = max((self.stopped_at or now) - self.made_at, 0.0)
        return math.ceil(seconds / 60.0) / 60.0

    def spent(self, now: float) -> Decimal:
        """Return its cost so far, without scale-to-zero pauses [USD]."""
        return self.usd_per_hour * Decimal(repr(self.hours(now)))


def usd_per_hour(context: TrainerContext, run: Run) -> Decimal:
    """Return the hourly price of this model, for all GPUs it needs.

    Raises:
        Refused: it is not served by the hour, or has no hourly price.
    """
    plan = context.store.plan(run.plan_id)
    for offer in context.book.offers:
        if (offer.provider, offer.base) == (plan.provider, plan.base_model) and offer.hosting_item:
            day = utc_datetime(context.clock.now()).date()
            price = Decimal(context.book.prices.on(offer.hosting_item, day).value)
            card = context.book.models.get(offer.served_like or "")
            gpu = context.book.gpus.get(offer.gpu or "")
            gpus = 1
            if card and card.architecture and gpu:
                gpus = int(gpus_per_copy(ModelShape.of(card.architecture), gpu.memory_bytes))
            return price * gpus
    raise Refused(f"{plan.provider} serves {plan.base_model} by the token: nothing to deploy.")


def begin(context: TrainerContext, run: Run, max_hours: float, keep: bool) -> Deployment:
    """Store the intent and reserve its worst-case cost; no request is sent yet.

    Raises:
        Refused: the run has no tuned model, or a cap would be passed.
    """
    if run.outcome != "succeeded" or not run.tuned_model:
        raise Refused(f"{run.run_id} is {run.state}: there is no tuned model to deploy.")
    price, now = usd_per_hour(context, run), context.clock.now()
    deployment_id = f"{PREFIX}{secrets.token_hex(6)}"
    most = micro_usd(price * Decimal(str(max_hours)))
    day = utc_datetime(now).date().isoformat()
    context.ledger.reserve(LedgerEntry(deployment_id, "hosting", run.provider, day, most))
    intent = (deployment_id, run.run_id, run.provider, "intent", price, max_hours, keep, now)
    deployment = Deployment(*intent, stopped_at=None, says="")
    values = {**vars(deployment), "usd_per_hour": str(price)}
    execute(context.store.engine, deployments.insert().values(**values))
    return deployment


def advance(
    context: TrainerContext, deployment: Deployment, hosting: Hosting, job: Job
) -> Deployment:
    """Start a deployment, smoke-test it, and stop it again unless it is to be kept."""
    deployment = _update(context, deployment, state="creating")
    status = hosting.deploy(deployment.deployment_id, job)
    while not status.ready:
        if status.failed or _is_overdue(context, deployment):
            return stop(context, find_deployment(context, deployment.deployment_id), hosting)
        context.clock.sleep(min(POLL_SECONDS, context.limits.poll_seconds))
        status = hosting.look(deployment.deployment_id) or status
    try:
        answer = f"answers as {status.model} ({len(hosting.smoke(status.model))} characters)"
    except ProviderError as error:
        answer = f"does not answer: {error}"
    deployment = _update(context, deployment, state="ready", says=answer)
    if deployment.keep and answer.startswith("answers"):
        return deployment
    return stop(context, deployment, hosting)


def _is_overdue(context: TrainerContext, deployment: Deployment) -> bool:
    return deployment.hours(context.clock.now()) >= deployment.max_hours


def stop(context: TrainerContext, deployment: Deployment, hosting: Hosting) -> Deployment:
    """Stop a deployment, check that it no longer exists, and settle its cost; safe to repeat.

    Raises:
        Unreachable: it may still be running; nothing is settled.
    """
    if deployment.state == "stopped":
        return deployment
    _update(context, deployment, state="stopping")
    try:
        hosting.stop(deployment.deployment_id)
        status = hosting.look(deployment.deployment_id)
    except ProviderError as error:
        raise Unreachable(
            f"{deployment.deployment_id}: it may still be running at "
            f"${deployment.usd_per_hour} per hour: {error}. Try again with "
            f"`trainer stop {deployment.deployment_id}`."
        ) from None
    if status is not None:
        raise Unreachable(
            f"{deployment.deployment_id}: it is still {status.word}, and billed. "
            f"Try again with `trainer stop {deployment.deployment_id}`."
        )
    now = context.clock.now()
    ended = _update(context, deployment, state="stopped", stopped_at=now)
    how = f"{ended.hours(now):.2f} h at ${ended.usd_per_hour} per hour, without pauses"
    context.ledger.settle(ended.deployment_id, micro_usd(ended.spent(now)), how)
    return ended


def end_overdue(context: TrainerContext, hosting: Callable[[str], Hosting]) -> list[Deployment]:
    """Stop every deployment that has reached its hour limit; return those that were stopped."""
    ended = []
    for deployment in all_deployments(context):
        if deployment.state in OPEN_STATES and _is_overdue(context, deployment):
            with closing(hosting(deployment.provider)) as way:
                ended.append(stop(context, deployment, way))
    return ended


def all_deployments(context: TrainerContext) -> list[Deployment]:
    """List every deployment, newest first."""
    columns = [deployments.c[field.name] for field in fields(Deployment)]
    query = select(*columns).order_by(deployments.c.made_at.desc())
    rows = fetch_all(context.store.engine, query)
    return [
        Deployment(**{**row._mapping, "usd_per_hour": Decimal(row.usd_per_hour)}) for row in rows
    ]


def find_deployment(context: TrainerContext, deployment_id: str) -> Deployment:
    """Return one deployment.

    Raises:
        UsageError: there is no such deployment.
    """
    known = {each.deployment_id: each for each in all_deployments(context)}
    if deployment_id not in known:
        raise unknown_name("deployment", deployment_id, known)
    return known[deployment_id]


def current_hourly_cost(context: TrainerContext) -> str:
    """Return the total hourly cost of all open deployments [USD]."""
    prices = [each.usd_per_hour for each in all_deployments(context) if each.state in OPEN_STATES]
    return usd_text(micro_usd(sum(prices, Decimal(0))))


def _update(context: TrainerContext, deployment: Deployment, **values: Any) -> Deployment:
    own = deployments.c.deployment_id == deployment.deployment_id
    execute(context.store.engine, update(deployments).where(own).values(**values))
    return find_deployment(context, deployment.deployment_id)
