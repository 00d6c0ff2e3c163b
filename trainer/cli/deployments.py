"""`trainer deploy`, `deployments`, `stop` and `download`: hourly serving, and tuned weights."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from advisor.console import console, plain_table, print_text, write_json
from advisor.errors import UsageError
from trainer.cli.consent import PaymentConsent, agree_to_pay
from trainer.cli.flags import JsonFlag, RunArgument
from trainer.context import TrainerContext, open_context
from trainer.errors import Refused, Unreachable
from trainer.home import home_folder
from trainer.providers.base import NotOffered, ProviderError
from trainer.providers.deployments import hosting_for
from trainer.runs import deployments
from trainer.runs.deployments import Deployment

MAX_HOURS = 24 * 31
CENT = Decimal("0.01")


def start_deployment(
    named: RunArgument,
    max_hours: Annotated[float, typer.Option(help="Hours after which it is stopped.")],
    consent: PaymentConsent,
    keep: Annotated[bool, typer.Option("--keep", help="Do not stop it after the test.")] = False,
) -> None:
    """Get consent for the worst case, deploy, test, and stop again unless *keep*."""
    if not 0 < max_hours <= MAX_HOURS:
        raise UsageError(
            f"--max-hours {max_hours}",
            f"expected a number above 0, at most {MAX_HOURS}.",
            "Set it to 1, for example.",
        )
    context = open_context()
    run = context.store.run(named)
    try:
        hosting = hosting_for(run.provider, context.book)
    except NotOffered as error:
        raise Refused(str(error)) from None
    price = deployments.usd_per_hour(context, run)
    most = (price * Decimal(str(max_hours))).quantize(CENT)
    print_text(
        f"{run.tuned_model} at {run.provider}: ${price} per hour for at most "
        f"{max_hours:g} h, worst case ${most}. It sleeps after half an hour without a request."
    )
    agree_to_pay(most, consent)
    deployment = deployments.begin(context, run, max_hours, keep)
    try:
        with closing(hosting), closing(context.adapter(run.provider)) as adapter:
            job = adapter.job(str(run.job_id))
            deployment = deployments.advance(context, deployment, hosting, job)
    except ProviderError as error:
        raise Unreachable(
            f"{deployment.deployment_id}: {error}. It might be running and cost money: check with "
            "`trainer deployments`, stop it with `trainer stop`."
        ) from None
    _print_deployment(context, deployment)


def _print_deployment(context: TrainerContext, deployment: Deployment) -> None:
    now = context.clock.now()
    print_text(
        f"{deployment.deployment_id} is {deployment.state}: {deployment.says or 'not tested'}; "
        f"{deployment.hours(now):.2f} h, ${deployment.spent(now).quantize(CENT)}"
    )


def show_deployments(as_json: JsonFlag = False) -> None:
    """List deployments with their cost, after stopping those over their hour limit."""
    context = open_context()
    stopped = deployments.end_overdue(context, lambda provider: hosting_for(provider, context.book))
    for deployment in stopped:
        print_text(
            f"{deployment.deployment_id} reached its limit of {deployment.max_hours:g} h and "
            "was stopped."
        )
    now, listed = context.clock.now(), deployments.all_deployments(context)
    if as_json:
        return write_json([each.__dict__ | {"usd": each.spent(now)} for each in listed])
    if not listed:
        return print_text("No deployments: nothing costs by the hour.")
    rows = [
        (
            each.deployment_id,
            each.run_id,
            each.provider,
            each.state,
            f"{each.usd_per_hour}",
            f"{each.hours(now):.2f} of {each.max_hours:g}",
            f"{each.spent(now):.2f}",
        )
        for each in listed
    ]
    head = ("deployment", "run", "provider", "state", "USD/h", "hours", "USD")
    console().print(plain_table(head, rows, {"USD/h", "hours", "USD"}))
    hourly = deployments.current_hourly_cost(context)
    return print_text(f"\nCurrent deployments cost ${hourly} per hour.")


def end_deployment(
    named: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Id of the deployment.")],
) -> None:
    """Stop a deployment."""
    context = open_context()
    deployment = deployments.find_deployment(context, named)
    with closing(hosting_for(deployment.provider, context.book)) as hosting:
        _print_deployment(context, deployments.stop(context, deployment, hosting))


def download_weights(
    named: RunArgument,
    out: Annotated[Path | None, typer.Option(help="Folder; the run's own by default.")] = None,
) -> None:
    """Download the tuned weights of a run."""
    context = open_context()
    run = context.store.run(named)
    if run.outcome != "succeeded" or not run.job_id:
        raise Refused(f"{run.run_id} is {run.state}: it has no weights to download.")
    folder = out or home_folder() / "runs" / run.run_id / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with closing(context.adapter(run.provider)) as adapter:
            for path in adapter.download(adapter.job(run.job_id), folder):
                print_text(f"{path}  {path.stat().st_size} bytes")
    except NotOffered as error:
        raise Refused(str(error)) from None
    except ProviderError as error:
        raise Unreachable(f"{run.provider}: {error}. Run the command again.") from None
