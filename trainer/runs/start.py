"""Start a run of a plan: consent, preflight and the stored run, for every entry point."""

from __future__ import annotations

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
    """What the user agreed to before a run starts."""

    at_most_usd: Decimal
    """Maximum that may be spent."""
    egress: str | None = None
    """Provider that may receive the rows."""


def next_attempt(context: TrainerContext, plan: TrainingPlan, again: bool) -> TrainingPlan:
    """Return the plan, as its next attempt if it was launched already.

    Raises:
        Refused: it was launched, and no further attempt is requested.
    """
    run = context.store.run_of(plan)
    while run is not None:
        if not again:
            raise Refused(
                f"plan {plan.plan_id[:SHORT_ID_CHARACTERS]}: it was launched as {run}. "
                "See `trainer show`; another attempt needs --again."
            )
        plan = plan.model_validate({**plan.model_dump(), "attempt": plan.attempt + 1})
        run = context.store.run_of(plan)
    return plan


def egress_of(
    context: TrainerContext, plan: TrainingPlan, wanted: bool = False
) -> EgressSummary | None:
    """Return what a launch sends off this machine; None if nothing, unless it is *wanted*."""
    url = base_url_of(plan.provider, context.book)
    if is_loopback(url) and not wanted:
        return None
    files = [data for data in (plan.training, plan.validation) if data]
    known = context.book.provider(plan.provider)
    terms = (known.data_region or "not stated", known.data_retention or "not stated")
    size = (sum(data.rows for data in files), sum(data.bytes for data in files))
    personal = count_personal_data([context.files(data.sha256) for data in files])
    return EgressSummary(plan.provider, urlsplit(url).hostname or "", *terms, *size, personal)


def start_run(
    context: TrainerContext, plan: TrainingPlan, agreed: LaunchConsent
) -> tuple[str, bool]:
    """Store a run for the plan, and return its id and whether it is new; the reconciler takes over.

    Raises:
        Refused: a check failed, or the agreed amount is below the worst-case cost.
        NoConsent: rows would leave this machine without consent.
    """
    known = context.store.run_of(plan)
    if known is not None:
        return known, False
    check_plan(plan, context.book, context.clock.now())
    most = Decimal(plan.figure.at_most)
    if agreed.at_most_usd < most:
        raise Refused(
            f"plan {plan.plan_id[:SHORT_ID_CHARACTERS]}: it may cost up to ${most}, and "
            f"${agreed.at_most_usd} were agreed to. Agree to ${most}, or plan a smaller job."
        )
    leaving = egress_of(context, plan, wanted=agreed.egress is not None)
    if leaving and agreed.egress != plan.provider:
        raise NoConsent(
            f"rows would be sent to {plan.provider} ({leaving.host}): {leaving.rows} rows, "
            f"{leaving.bytes} bytes. Agree by naming the provider."
        )
    run_id, new = context.store.start(plan)
    if new and leaving:
        names = ("provider", "host", "rows", "bytes", "personal")
        agreed_to = {name: getattr(leaving, name) for name in names}
        context.store.note(run_id, "consented", **agreed_to)
    return run_id, new


def resume_launch(context: TrainerContext, plan_id: str) -> str:
    """Start a stored plan whose process ended before the run was stored; return its run."""
    plan = context.store.plan(plan_id)
    return start_run(context, plan, LaunchConsent(Decimal(plan.cap_usd)))[0]
