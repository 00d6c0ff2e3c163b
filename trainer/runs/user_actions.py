"""User actions on a run (cancel, pause, resume, settle), stored for the reconciler."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from trainer.context import TrainerContext
from trainer.errors import Refused
from trainer.run_states import Run
from trainer.storage.ledger import micro_usd, usd_text

UserAction = Literal["cancel", "pause", "resume"]


def request_action(context: TrainerContext, run: Run, verb: UserAction) -> None:
    """Record a request to cancel, pause or resume a run; the reconciler sends it on.

    Raises:
        Refused: it is settled.
    """
    if run.state == "settled":
        raise Refused(f"{run.run_id}: it is settled, there is nothing to {verb}.")
    if run.state == "needs_human" and verb != "pause":
        resolve_run(context, run, "cancelled" if verb == "cancel" else "go on")
    else:
        context.store.note(run.run_id, f"{verb}_asked")


def resolve_run(context: TrainerContext, run: Run, what: str, job_id: str | None = None) -> None:
    """Resume a run that needs a decision, adopt a job at the provider, or cancel the run."""
    lease = context.store.take(run.run_id)
    context.store.append(lease, "answered_by_human", what=what)
    if what == "cancelled":
        context.store.append(lease, "cancelled", why="cancelled by the user", model=None)
    elif job_id:
        context.store.append(lease, "created", job_id=job_id, how="adopted by the user")
    else:
        sent = {half: run.said("uploaded", half) for half in ("training", "validation")}
        context.store.append(lease, "uploaded", why="resumed by the user", **sent)
    context.store.release(lease)


def settle_with_bill(context: TrainerContext, run: Run, usd: Decimal) -> None:
    """Settle a run with the amount on the provider's bill."""
    plan, amount = context.store.plan(run.plan_id), micro_usd(usd)
    lease = context.store.take(run.run_id)
    context.ledger.settle(run.run_id, amount, "settled by hand")
    planned = {"likely_usd": plan.figure.likely, "cap_usd": plan.cap_usd}
    context.store.append(lease, "settled", usd=usd_text(amount), how="settled by hand", **planned)
    context.store.release(lease)
