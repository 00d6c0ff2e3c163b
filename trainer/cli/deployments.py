"""`trainer deploy`, `deployments`, `stop`, `download`: what costs by the hour, and weights."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

from advisor.console import console, plain_table, write_json
from advisor.errors import UsageError
from trainer.context import TrainerContext, open_context
from trainer.errors import Refused, Unreachable
from trainer.home import home_folder
from trainer.providers.base import NotOffered, ProviderError
from trainer.providers.deployments import hosting_for
from trainer.runs import deployments as standing


def start_deployment(
    named: str, max_hours: float, keep: bool, yes: bool, max_usd: Decimal | None
) -> None:
    """Ask for the amount, deploy, try, and stop again unless it is to be kept."""
    if not 0 < max_hours <= 24 * 31:
        raise UsageError(f"--max-hours {max_hours}", "it is above 0 and at most 744.", "Give 1.")
    context = open_context()
    run = context.store.run(named)
    try:
        hosting = hosting_for(run.provider, context.book)
    except NotOffered as error:
        raise Refused(str(error)) from None
    price = standing.usd_per_hour(context, run)
    most = (price * Decimal(str(max_hours))).quantize(Decimal("0.01"))
    console().print(
        f"{run.tuned_model} at {run.provider}: {price} USD an hour, for at most "
        f"{max_hours:g} h: up to {most} USD. It sleeps after half an hour without a "
        f"request.",
        soft_wrap=True,
    )
    _agree(yes, max_usd, most)
    deployment = standing.begin(context, run, max_hours, keep)
    try:
        adapter = context.adapter(run.provider)
        job = adapter.job(str(run.job_id))
        adapter.close()
        deployment = standing.advance(context, deployment, hosting, job)
    except ProviderError as error:
        says = f"{deployment.deployment_id}: {error}. It may stand and cost: look with "
        raise Unreachable(says + "`trainer deployments`, end it with `trainer stop`.") from None
    finally:
        hosting.close()
    _print_deployment(context, deployment)


def _agree(yes: bool, max_usd: Decimal | None, most: Decimal) -> None:
    if yes and max_usd is None:
        raise UsageError("--yes", "no amount was agreed to.", "Give --max-usd N.")
    if yes and max_usd is not None:
        if max_usd < most:
            raise Refused(f"--max-usd {max_usd}: it may cost up to {most} USD.")
        return
    sys.stdout.write(f"Type {most} to spend up to {most} USD: ")
    sys.stdout.flush()
    if sys.stdin.readline().strip() != str(most):
        raise Refused("the amount was not typed: nothing was deployed.")


def _print_deployment(context: TrainerContext, deployment: standing.Deployment) -> None:
    now = context.clock.now()
    spent = deployment.spent(now).quantize(Decimal("0.01"))
    says = f"{deployment.deployment_id} is {deployment.state}: {deployment.says or 'not tried'}"
    console().print(f"{says}; {deployment.hours(now):.2f} h, {spent} USD", soft_wrap=True)


def show_deployments(as_json: bool) -> None:
    """List what costs by the hour, and what stands at providers that we do not know of."""
    context = open_context()
    ended = standing.end_overdue(context, lambda provider: hosting_for(provider, context.book))
    for one in ended:
        console().print(f"{one.deployment_id} had stood {one.max_hours:g} h and was stopped.")
    now, listed = context.clock.now(), standing.all_deployments(context)
    if as_json:
        return write_json([one.__dict__ | {"usd": one.spent(now)} for one in listed])
    if not listed:
        return console().print("Nothing is deployed, so nothing costs by the hour.")
    rows = [
        (
            one.deployment_id,
            one.run_id,
            one.provider,
            one.state,
            f"{one.usd_per_hour}",
            f"{one.hours(now):.2f} of {one.max_hours:g}",
            f"{one.spent(now):.2f}",
        )
        for one in listed
    ]
    head = ("deployment", "run", "provider", "state", "USD/h", "hours", "USD")
    console().print(plain_table(head, rows, {"USD/h", "hours", "USD"}))
    console().print(f"\nWhat stands now costs {standing.current_hourly_cost(context)} USD an hour.")
    return None


def end_deployment(named: str) -> None:
    """End a deployment."""
    context = open_context()
    deployment = standing.find_deployment(context, named)
    hosting = hosting_for(deployment.provider, context.book)
    try:
        _print_deployment(context, standing.stop(context, deployment, hosting))
    finally:
        hosting.close()


def download_weights(named: str, out: Path | None) -> None:
    """Fetch the tuned weights."""
    context = open_context()
    run = context.store.run(named)
    if run.outcome != "succeeded" or not run.job_id:
        raise Refused(f"{run.run_id} is {run.state}: there are no weights to fetch.")
    folder = out or home_folder() / "runs" / run.run_id / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    adapter = context.adapter(run.provider)
    try:
        for path in adapter.download(adapter.job(run.job_id), folder):
            console().print(f"{path}  {path.stat().st_size} bytes", soft_wrap=True)
    except NotOffered as error:
        raise Refused(str(error)) from None
    except ProviderError as error:
        raise Unreachable(f"{run.provider}: {error}. Ask again.") from None
    finally:
        adapter.close()
