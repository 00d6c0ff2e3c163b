"""What costs by the hour: an intent, a cap in hours and USD, a list of it all, and an end."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update

from advisor.errors import UsageError, did_you_mean
from advisor.gpu.parameters import ModelShape
from advisor.gpu.serving import gpus_per_replica
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import Refused, Unreachable
from trainer.providers.base import Job, ProviderError
from trainer.providers.deployments import PREFIX, DeploymentStatus, Hosting
from trainer.run_states import Run
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.ledger import LedgerEntry, micro_usd, usd_text
from trainer.storage.schema import deployments

HOUR_SECONDS = 3600.0
POLL_SECONDS = 5.0
OPEN_STATES = ("intent", "creating", "ready", "stopping")


@dataclass(frozen=True)
class Deployment:
    """One deployment of ours."""

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
        """Return the hours it has stood, or stood in all; whole minutes are billed."""
        seconds = max((self.stopped_at or now) - self.made_at, 0.0)
        return math.ceil(seconds / 60.0) / 60.0

    def spent(self, now: float) -> Decimal:
        """Return what it has cost, were it never asleep [USD]."""
        return self.usd_per_hour * Decimal(repr(self.hours(now)))


def usd_per_hour(context: TrainerContext, run: Run) -> Decimal:
    """Return the price of an hour of this model: of every GPU that it takes.

    Raises:
        Refused: it is not served by the hour, or the hour has no price.
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
                gpus = gpus_per_replica(ModelShape.of(card.architecture), gpu.memory_bytes)
            return price * gpus
    raise Refused(f"{plan.provider} serves {plan.base_model} by the token: nothing to deploy.")


def begin(context: TrainerContext, run: Run, max_hours: float, keep: bool) -> Deployment:
    """Put the intent on record and set its dear end aside; nothing is asked of anybody yet.

    Raises:
        Refused: the run has no tuned model, or a cap would be passed.
    """
    if run.outcome != "succeeded" or not run.tuned_model:
        raise Refused(f"{run.run_id} is {run.state}: there is no tuned model to deploy.")
    price, now = usd_per_hour(context, run), context.clock.now()
    deployment_id = f"{PREFIX}{secrets.token_hex(6)}"
    most = micro_usd(price * Decimal(str(max_hours)))
    context.ledger.reserve(
        LedgerEntry(
            deployment_id,
            "hosting",
            run.provider,
            utc_datetime(now).date().isoformat(),
            most,
            None,
            "",
        )
    )
    with write_transaction(context.store.engine) as connection:
        connection.execute(
            deployments.insert().values(
                deployment_id=deployment_id,
                run_id=run.run_id,
                provider=run.provider,
                state="intent",
                usd_per_hour=str(price),
                max_hours=max_hours,
                keep=keep,
                made_at=now,
                says="",
            )
        )
    return find_deployment(context, deployment_id)


def advance(
    context: TrainerContext, deployment: Deployment, hosting: Hosting, job: Job
) -> Deployment:
    """Start it, wait until it answers, and end it again unless it is to be kept."""
    _write(context, deployment, state="creating")
    there = hosting.deploy(deployment.deployment_id, job)
    while not there.ready:
        if there.failed or _is_overdue(context, deployment):
            return stop(context, find_deployment(context, deployment.deployment_id), hosting)
        context.clock.sleep(min(POLL_SECONDS, context.limits.poll_seconds))
        there = hosting.look(deployment.deployment_id) or there
    answer = _smoke(hosting, there)
    _write(context, deployment, state="ready", says=answer)
    if deployment.keep and answer.startswith("answers"):
        return find_deployment(context, deployment.deployment_id)
    return stop(context, find_deployment(context, deployment.deployment_id), hosting)


def _smoke(hosting: Hosting, there: DeploymentStatus) -> str:
    try:
        return f"answers as {there.model} ({len(hosting.smoke(there.model))} characters)"
    except ProviderError as error:
        return f"does not answer: {error}"


def _is_overdue(context: TrainerContext, deployment: Deployment) -> bool:
    return deployment.hours(context.clock.now()) >= deployment.max_hours


def stop(context: TrainerContext, deployment: Deployment, hosting: Hosting) -> Deployment:
    """End it, look whether it is gone, and settle what it cost; asked twice, it ends once.

    Raises:
        Unreachable: it may still stand; nothing is settled.
    """
    if deployment.state == "stopped":
        return deployment
    _write(context, deployment, state="stopping")
    try:
        hosting.stop(deployment.deployment_id)
        there = hosting.look(deployment.deployment_id)
    except ProviderError as error:
        raise Unreachable(
            f"{deployment.deployment_id}: it may still stand and cost "
            f"{deployment.usd_per_hour} USD an hour: {error}. Ask again with "
            f"`trainer stop {deployment.deployment_id}`."
        ) from None
    if there is not None:
        raise Unreachable(
            f"{deployment.deployment_id}: it is still {there.word}, and costs. "
            f"Ask again with `trainer stop {deployment.deployment_id}`."
        )
    now = context.clock.now()
    _write(context, deployment, state="stopped", stopped_at=now)
    ended = find_deployment(context, deployment.deployment_id)
    how = f"{ended.hours(now):.2f} h at {ended.usd_per_hour} USD, as if it never slept"
    context.ledger.settle(ended.deployment_id, micro_usd(ended.spent(now)), how)
    return ended


def end_overdue(context: TrainerContext, hosting: Callable[[str], Hosting]) -> list[Deployment]:
    """End every deployment that has stood as long as it may; return those that ended."""
    ended = []
    for deployment in all_deployments(context):
        if deployment.state in OPEN_STATES and _is_overdue(context, deployment):
            way = hosting(deployment.provider)
            try:
                ended.append(stop(context, deployment, way))
            finally:
                way.close()
    return ended


def all_deployments(context: TrainerContext) -> list[Deployment]:
    """List every deployment, newest first."""
    with read_connection(context.store.engine) as connection:
        rows = connection.execute(select(deployments).order_by(deployments.c.made_at.desc())).all()
    return [
        Deployment(
            r.deployment_id,
            r.run_id,
            r.provider,
            r.state,
            Decimal(r.usd_per_hour),
            r.max_hours,
            r.keep,
            r.made_at,
            r.stopped_at,
            r.says,
        )
        for r in rows
    ]


def find_deployment(context: TrainerContext, deployment_id: str) -> Deployment:
    """Return one deployment.

    Raises:
        UsageError: there is none of this name.
    """
    known = {each.deployment_id: each for each in all_deployments(context)}
    if deployment_id not in known:
        raise UsageError(
            f"deployment {deployment_id}",
            "there is no such deployment.",
            did_you_mean(deployment_id, known).strip(),
        )
    return known[deployment_id]


def current_hourly_cost(context: TrainerContext) -> str:
    """Return what stands now costs by the hour, in all [USD]."""
    prices = [each.usd_per_hour for each in all_deployments(context) if each.state in OPEN_STATES]
    return usd_text(micro_usd(sum(prices, Decimal(0))))


def _write(context: TrainerContext, deployment: Deployment, **values: Any) -> None:
    with write_transaction(context.store.engine) as connection:
        connection.execute(
            update(deployments)
            .where(deployments.c.deployment_id == deployment.deployment_id)
            .values(**values)
        )
