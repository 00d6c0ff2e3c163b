"""A plan and what was agreed to -> its run on record; every door starts runs through here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from advisor.plan.training_plan import TrainingPlan
from trainer.context import Office
from trainer.errors import NoConsent, Refused
from trainer.providers import base_url_of
from trainer.runs.preflight import check_plan
from trainer.security.egress import Leaving, personal_in, stays_here

SHORT = 12


@dataclass(frozen=True)
class Agreed:
    """What somebody agreed to before a run starts."""

    at_most_usd: Decimal
    """Most that may be spent."""
    egress: str | None = None
    """Who may get the rows."""


def next_attempt(office: Office, plan: TrainingPlan, again: bool) -> TrainingPlan:
    """Count attempts: a plan that was launched is not launched again by accident.

    Raises:
        Refused: it was launched, and *again* was not said.
    """
    run = office.store.run_of(plan)
    while run is not None:
        if not again:
            raise Refused(
                f"plan {plan.plan_id[:SHORT]}: it was launched as {run}. Look at it with "
                "`trainer show`; a further job needs --again."
            )
        plan = plan.model_validate({**plan.model_dump(), "attempt": plan.attempt + 1})
        run = office.store.run_of(plan)
    return plan


def leaving_of(office: Office, plan: TrainingPlan, wanted: bool = False) -> Leaving | None:
    """Say what of a plan leaves this machine; nothing where it stays, unless it is *wanted*."""
    url = base_url_of(plan.provider, office.book)
    if stays_here(url) and not wanted:
        return None
    files = [data for data in (plan.training, plan.validation) if data]
    known = office.book.provider(plan.provider)
    return Leaving(
        plan.provider,
        urlsplit(url).hostname or "",
        known.data_region or "not stated",
        known.data_retention or "not stated",
        sum(data.rows for data in files),
        sum(data.bytes for data in files),
        personal_in([office.files(d.sha256) for d in files]),
    )


def start(office: Office, plan: TrainingPlan, agreed: Agreed) -> tuple[str, bool]:
    """Put the run of a plan on record; whoever drives runs brings it further.

    Returns:
        The name of the run, and whether it is new.

    Raises:
        Refused: a rule forbids it, or less was agreed to than it may cost.
        NoConsent: rows would leave this machine, and nobody agreed.
    """
    known = office.store.run_of(plan)
    if known is not None:
        return known, False
    check_plan(plan, office.book, office.clock.now())
    most = Decimal(plan.figure.at_most)
    if agreed.at_most_usd < most:
        raise Refused(
            f"plan {plan.plan_id[:SHORT]}: it may cost up to {most} USD, and "
            f"{agreed.at_most_usd} were agreed to. Agree to {most}, or plan "
            "something smaller."
        )
    leaving = leaving_of(office, plan, wanted=agreed.egress is not None)
    if leaving and agreed.egress != plan.provider:
        raise NoConsent(
            f"rows would go to {plan.provider} ({leaving.host}): {leaving.rows} rows, "
            f"{leaving.bytes} bytes. Agree to that by its name."
        )
    run_id, new = office.store.start(plan)
    if new and leaving:
        office.store.note(
            run_id,
            "consented",
            provider=leaving.provider,
            host=leaving.host,
            rows=leaving.rows,
            bytes=leaving.bytes,
            personal=dict(leaving.personal),
        )
    return run_id, new


def launch(office: Office, plan: TrainingPlan, before: Callable[[TrainingPlan], None]) -> str:
    """Start a job of a plan, a further one if there is one already; return its run.

    Args:
        office: What to work with.
        plan: What to start.
        before: Called with the plan as it will start, once that is on disk.
    """
    while True:
        plan = next_attempt(office, plan, again=True)
        office.store.keep_plan(plan)
        before(plan)
        run_id, is_new = start(office, plan, Agreed(Decimal(plan.cap_usd)))
        if is_new:
            return run_id


def launch_again(office: Office, plan_id: str) -> str:
    """Go on where a process ended that had kept a plan to start it; return its run."""
    plan = office.store.plan(plan_id)
    return start(office, plan, Agreed(Decimal(plan.cap_usd)))[0]
