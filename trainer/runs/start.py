"""A plan and what was agreed to -> its run on record; every door starts runs through here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from advisor.plan.training_plan import TrainingPlan
from trainer.context import TrainerContext
from trainer.errors import NoConsent, Refused
from trainer.providers import base_url_of
from trainer.runs.preflight import check_plan
from trainer.security.egress import EgressSummary, count_personal_data, is_loopback

SHORT_ID_CHARACTERS = 12


@dataclass(frozen=True)
class LaunchConsent:
    """What somebody agreed to before a run starts."""

    at_most_usd: Decimal
    """Most that may be spent."""
    egress: str | None = None
    """Who may get the rows."""


def next_attempt(context: TrainerContext, plan: TrainingPlan, again: bool) -> TrainingPlan:
    """Count attempts: a plan that was launched is not launched again by accident.

    Raises:
        Refused: it was launched, and *again* was not said.
    """
    run = context.store.run_of(plan)
    while run is not None:
        if not again:
            raise Refused(
                f"plan {plan.plan_id[:SHORT_ID_CHARACTERS]}: it was launched as {run}. "
                "Look at it with "
                "`trainer show`; a further job needs --again."
            )
        plan = plan.model_validate({**plan.model_dump(), "attempt": plan.attempt + 1})
        run = context.store.run_of(plan)
    return plan


def egress_of(
    context: TrainerContext, plan: TrainingPlan, wanted: bool = False
) -> EgressSummary | None:
    """Say what of a plan leaves this machine; nothing where it stays, unless it is *wanted*."""
    url = base_url_of(plan.provider, context.book)
    if is_loopback(url) and not wanted:
        return None
    files = [data for data in (plan.training, plan.validation) if data]
    known = context.book.provider(plan.provider)
    return EgressSummary(
        plan.provider,
        urlsplit(url).hostname or "",
        known.data_region or "not stated",
        known.data_retention or "not stated",
        sum(data.rows for data in files),
        sum(data.bytes for data in files),
        count_personal_data([context.files(d.sha256) for d in files]),
    )


def start_run(
    context: TrainerContext, plan: TrainingPlan, agreed: LaunchConsent
) -> tuple[str, bool]:
    """Put the run of a plan on record; whoever drives runs brings it further.

    Returns:
        The name of the run, and whether it is new.

    Raises:
        Refused: a rule forbids it, or less was agreed to than it may cost.
        NoConsent: rows would leave this machine, and nobody agreed.
    """
    known = context.store.run_of(plan)
    if known is not None:
        return known, False
    check_plan(plan, context.book, context.clock.now())
    most = Decimal(plan.figure.at_most)
    if agreed.at_most_usd < most:
        raise Refused(
            f"plan {plan.plan_id[:SHORT_ID_CHARACTERS]}: it may cost up to {most} USD, and "
            f"{agreed.at_most_usd} were agreed to. Agree to {most}, or plan "
            "something smaller."
        )
    leaving = egress_of(context, plan, wanted=agreed.egress is not None)
    if leaving and agreed.egress != plan.provider:
        raise NoConsent(
            f"rows would go to {plan.provider} ({leaving.host}): {leaving.rows} rows, "
            f"{leaving.bytes} bytes. Agree to that by its name."
        )
    run_id, new = context.store.start(plan)
    if new and leaving:
        context.store.note(
            run_id,
            "consented",
            provider=leaving.provider,
            host=leaving.host,
            rows=leaving.rows,
            bytes=leaving.bytes,
            personal=dict(leaving.personal),
        )
    return run_id, new


def launch_job(
    context: TrainerContext, plan: TrainingPlan, before: Callable[[TrainingPlan], None]
) -> str:
    """Start a job of a plan, a further one if there is one already; return its run.

    Args:
        context: What to work with.
        plan: What to start.
        before: Called with the plan as it will start, once that is on disk.
    """
    while True:
        plan = next_attempt(context, plan, again=True)
        context.store.keep_plan(plan)
        before(plan)
        run_id, is_new = start_run(context, plan, LaunchConsent(Decimal(plan.cap_usd)))
        if is_new:
            return run_id


def resume_launch(context: TrainerContext, plan_id: str) -> str:
    """Go on where a process ended that had kept a plan to start it; return its run."""
    plan = context.store.plan(plan_id)
    return start_run(context, plan, LaunchConsent(Decimal(plan.cap_usd)))[0]
