"""Every command of `trainer`, with its flags; what a command does is imported when it runs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="trainer",
    help="Start what the advisor recommends: one plan, one paid job, under a cap.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
RunArgument = Annotated[str, typer.Argument(help="Name of the run, or how it begins.")]
SetFlag = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one path of the scenario; repeatable."),
]
WithFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=VALUE",
        help="Hyperparameter: n_epochs, batch_size, learning_rate, "
        "learning_rate_multiplier, lora_rank, lora_alpha, beta, seed; repeatable.",
    ),
]
PricesFlag = Annotated[
    Path | None, typer.Option("--prices", help="Your own prices, laid over the book.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command()
def plan(
    asked: Annotated[Path, typer.Argument(help="Scenario, or an answer saved with --format json.")],
    option: Annotated[str | None, typer.Option(help="Option to take instead.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="File of examples.")] = None,
    set_: SetFlag = None,
    with_: WithFlag = None,
    method: Annotated[str, typer.Option(help="supervised, dpo or reinforcement.")] = "supervised",
    grader: Annotated[Path | None, typer.Option(help="JSON of a grader.")] = None,
    cap: Annotated[str | None, typer.Option(help="Most it may cost [USD].")] = None,
    suffix: Annotated[str | None, typer.Option(help="Name of the tuned model.")] = None,
    held_out: Annotated[float, typer.Option(help="Share of the rows to hold out.")] = 0.1,
    send_held_out: Annotated[bool, typer.Option(help="Let the provider measure on them.")] = False,
    again: Annotated[bool, typer.Option(help="A further job of a plan that was launched.")] = False,
    prices: PricesFlag = None,
    base: Annotated[Path | None, typer.Option(help="Folder of a base to tune here.")] = None,
    usd_per_hour: Annotated[
        str | None, typer.Option(help="What an hour of this machine costs, power too [USD].")
    ] = None,
    general: Annotated[
        Path | None, typer.Option(help="General rows: what is forgotten is measured on them.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(help="JSON schema that answers have to fit.")
    ] = None,
    validation: Annotated[
        float, typer.Option(help="Share of the rows whose loss is told in a training here.")
    ] = 0.0,
    scorer: Annotated[str | None, typer.Option(help="Command that scores answers.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="exact, label, rouge_l, chrf or json_schema.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Lay one job down: rows, settings, provider, price, cap. Nothing is sent."""
    from trainer.cli.plan import PlanFlags, make_plan

    wanted = PlanFlags(
        asked,
        option,
        dataset,
        tuple(set_ or ()),
        tuple(with_ or ()),
        method,
        grader,
        cap,
        suffix,
        held_out,
        send_held_out,
        again,
        prices,
        base,
        usd_per_hour,
        general,
        scorer,
        metric,
        schema,
        validation,
    )
    make_plan(wanted, json)


@app.command()
def launch(
    plan: Annotated[str, typer.Argument(help="Name of the plan, or its file.")],
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; needs --max-usd.")] = False,
    max_usd: Annotated[str | None, typer.Option(help="Most that may be spent [USD].")] = None,
    allow_egress: Annotated[
        str | None, typer.Option(help="Agree that rows go to this provider.")
    ] = None,
    keep_remote: Annotated[bool, typer.Option(help="Leave the files at the provider.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Watch until it is settled.")] = False,
    prices: PricesFlag = None,
) -> None:
    """Start the job of a plan, once, after the amount was typed."""
    from trainer.cli.consent import Consent
    from trainer.cli.runs import launch_plan

    launch_plan(
        plan,
        Consent(yes, Decimal(max_usd) if max_usd else None, allow_egress),
        prices,
        keep_remote,
        follow,
    )


@app.command()
def runs(json: JsonFlag = False) -> None:
    """List runs, and say which nobody is watching."""
    from trainer.cli.runs import show_runs

    show_runs(json)


@app.command()
def show(
    run: RunArgument,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="What it teaches the estimates, as YAML.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Say all that is known of a run: plan, state, money, model."""
    from trainer.cli.runs import show_run

    show_run(run, json, calibration)


@app.command()
def events(run: RunArgument, json: JsonFlag = False) -> None:
    """List what happened: our own record, and what the provider told."""
    from trainer.cli.runs import show_events

    show_events(run, json)


@app.command()
def follow(
    run: Annotated[str | None, typer.Argument(help="Run; all open ones by default.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
) -> None:
    """Watch a run until it is settled; Ctrl-C stops the watching, not the job."""
    from trainer.cli.runs import follow_runs

    follow_runs(run, once)


@app.command()
def cancel(run: RunArgument) -> None:
    """Ask that a run ends; the provider is asked at the next look."""
    from trainer.cli.runs import request_run_action

    request_run_action(run, "cancel")


@app.command()
def pause(run: RunArgument) -> None:
    """Ask that a job is held, where its provider sells that."""
    from trainer.cli.runs import request_run_action

    request_run_action(run, "pause")


@app.command()
def resume(
    run: RunArgument,
    adopt: Annotated[str | None, typer.Option(help="Name of the job at the provider.")] = None,
) -> None:
    """Go on with a run that is held, or that asked for a person."""
    from trainer.cli.runs import resume_run

    resume_run(run, adopt)


@app.command()
def settle(run: RunArgument, usd: Annotated[str, typer.Option(help="What it cost.")]) -> None:
    """Write down what a job cost where nobody else says so."""
    from trainer.cli.runs import settle_by_hand

    settle_by_hand(run, usd)


@app.command()
def budget(
    per_day: Annotated[str | None, typer.Option(help="Most a day [USD]; 'none' lifts it.")] = None,
    total: Annotated[str | None, typer.Option(help="Most in all [USD]; 'none' lifts it.")] = None,
    json: JsonFlag = False,
) -> None:
    """Show or set the caps over all runs, and what is spent and set aside."""
    from trainer.cli.runs import show_budget

    show_budget(per_day, total, json)


@app.command()
def deploy(
    run: RunArgument,
    max_hours: Annotated[float, typer.Option(help="Longest it may stand.")],
    keep: Annotated[bool, typer.Option("--keep", help="Do not stop it after the test.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; needs --max-usd.")] = False,
    max_usd: Annotated[str | None, typer.Option(help="Most that may be spent [USD].")] = None,
) -> None:
    """Serve a tuned model by the hour, try it, and stop it again unless it is to be kept."""
    from trainer.cli.deployments import start_deployment

    start_deployment(run, max_hours, keep, yes, Decimal(max_usd) if max_usd else None)


@app.command()
def deployments(json: JsonFlag = False) -> None:
    """List what costs by the hour."""
    from trainer.cli.deployments import show_deployments

    show_deployments(json)


@app.command()
def stop(deployment: Annotated[str, typer.Argument(help="Name of the deployment.")]) -> None:
    """End a deployment, and look whether it is gone."""
    from trainer.cli.deployments import end_deployment

    end_deployment(deployment)


@app.command()
def download(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option(help="Folder; the run's own by default.")] = None,
) -> None:
    """Fetch the tuned weights, where the provider lets them go."""
    from trainer.cli.deployments import download_weights

    download_weights(run, out)


@app.command()
def doctor() -> None:
    """Look at home folder, database, price book, keys and waits, and say what is wrong."""
    from trainer.cli.machine import run_doctor

    run_doctor()
