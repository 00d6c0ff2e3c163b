"""Commands on runs: launch, follow, cancel, pause, resume, settle; list, show, events; budget."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from advisor.cli.flags import PricesFlag
from advisor.console import console, plain_table, print_text, write_json
from advisor.plan.training_plan import TrainingPlan, read_plan
from advisor.units import parse_usd
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.cli.evaluation import show_evaluation
from trainer.cli.flags import JsonFlag, RunArgument
from trainer.cli.plan import show_plan
from trainer.clock import utc_datetime
from trainer.context import RetryLater, TrainerContext, open_context
from trainer.errors import LeaseLost, Refused
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.run_states import WORKING, Event, JobEvent, Run
from trainer.runs.calibration import calibration_yaml, measured_factors
from trainer.runs.messages import EARLIEST_UNIX_TIME, event_line
from trainer.runs.preflight import check_plan
from trainer.runs.reconcile import reconcile, reconcile_all
from trainer.runs.start import LaunchConsent, egress_of, start_run
from trainer.runs.user_actions import UserAction, request_action, resolve_run, settle_with_bill
from trainer.storage.ledger import committed, usd_text

MAX_WAIT_SECONDS = 3600.0
JOB_EXISTS_STATES = WORKING | {"settled", "needs_human", "succeeded", "verified"}
JSON_FIELDS = ("run_id", "state", "outcome", "job_id", "tuned_model", "plan_id")
BAR_CELLS = 30
PlanArgument = Annotated[
    str, typer.Argument(metavar="PLAN", help="Id of the plan, its beginning, or its file.")
]


def launch_plan(
    named: PlanArgument,
    consent: Consent,
    keep_remote: Annotated[bool, typer.Option(help="Leave the files at the provider.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Follow the run until it is settled.")
    ] = False,
    prices: PricesFlag = None,
) -> None:
    """Show a plan, get consent for the amount and the rows, and start its job."""
    context = open_context(prices, keep_remote)
    plan = find_plan(context, named)
    show_plan(plan)
    agreed = LaunchConsent(Decimal(plan.figure.at_most), consent.allow_egress)
    if context.store.run_of(plan) is None:
        check_plan(plan, context.book, context.clock.now())
        agree_to_pay(agreed.at_most_usd, consent)
        agreed = LaunchConsent(agreed.at_most_usd, _agree_to_send(context, plan, consent))
    run_id, _ = start_run(context, plan, agreed)
    print_text(f"\nrun {run_id}")
    run = _follow_until(context, run_id, lambda run: run.state in JOB_EXISTS_STATES and not follow)
    _print_next_step(context, run)


def find_plan(context: TrainerContext, named: str) -> TrainingPlan:
    """Read a plan from its file, or from the store by its id."""
    path = Path(named)
    if path.is_file():
        plan = read_plan(path.read_bytes(), named)
        context.store.keep_plan(plan)
        return plan
    return context.store.plan(named)


def _agree_to_send(context: TrainerContext, plan: TrainingPlan, consent: Consent) -> str | None:
    """Show which data leaves this machine, and get consent for it."""
    leaving = egress_of(context, plan, wanted=consent.allow_egress is not None)
    if leaving is None:
        return None
    personal = ", ".join(f"{kind} in {rows} rows" for kind, rows in leaving.personal.items())
    print_text(
        f"\nData that leaves this machine: {leaving.rows} rows, {leaving.bytes} bytes, to "
        f"{leaving.provider} ({leaving.host}).\nRegion: {leaving.region}. Retention: "
        f"{leaving.retention}; we delete them after the job.\n"
        f"Possible personal data: {personal or 'none'}."
    )
    agree_to_send(plan.provider, consent)
    return plan.provider


def follow_runs(
    named: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Run; all open ones by default.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Advance once, then exit.")] = False,
) -> None:
    """Follow one run, or all open ones."""
    context = open_context()
    if named is not None:
        run = context.store.run(named)
        if once:
            _reconcile_once(context, run.run_id)
            run = context.store.run(run.run_id)
        else:
            run = _follow_until(context, run.run_id, lambda run: run.state == "needs_human")
        _print_next_step(context, run)
        return
    while True:
        for run_id, retry in reconcile_all(context).items():
            line = event_line(context.store.run(run_id), retry.says if retry else "")
            print_text(f"{run_id}  {line}")
        if once or not context.store.listed(open_only=True):
            return
        context.clock.sleep(context.limits.poll_seconds)


def _reconcile_once(context: TrainerContext, run_id: str) -> RetryLater | None:
    try:
        return reconcile(context, run_id)
    except LeaseLost as error:
        return RetryLater(context.limits.poll_seconds, str(error))


def _follow_until(context: TrainerContext, run_id: str, enough: Callable[[Run], bool]) -> Run:
    """Advance a run until it is settled or *enough*, and print each event once."""
    printed = 0
    while True:
        retry = _reconcile_once(context, run_id)
        run = context.store.run(run_id)
        for event in run.events[printed:]:
            print_text(event_line(run, event=event))
        printed = len(run.events)
        if retry is None or enough(run):
            return run
        context.clock.sleep(min(retry.seconds, MAX_WAIT_SECONDS))


def _print_next_step(context: TrainerContext, run: Run) -> None:
    if run.state == "needs_human":
        raise Refused(
            f"{run.run_id}: {run.said('needs_human', 'why')} {run.said('needs_human', 'remedy')}"
        )
    if run.state != "settled":
        print_text(
            f"The job continues at {run.provider}. Follow it with: trainer follow {run.run_id}"
        )
        return
    print_text(f"{run.outcome}, ${run.said('settled', 'usd')} ({run.said('settled', 'how')}).")
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    evaluation = folder.read("evaluation.json") if run.job_id else None
    if evaluation is not None:
        show_evaluation(evaluation)
    if run.outcome == "succeeded" and context.store.plan(run.plan_id).serving == "per_hour":
        print_text(
            f"{run.tuned_model} is not deployed. A deployment costs by the hour: "
            f"trainer deploy {run.run_id} --max-hours 1"
        )


def cancel(named: RunArgument) -> None:
    """Request that a run is cancelled."""
    _request_action(named, "cancel")


def pause(named: RunArgument) -> None:
    """Request that a run is paused."""
    _request_action(named, "pause")


def _request_action(named: str, action: UserAction) -> None:
    """Record the request of the user, and forward it to the provider if possible."""
    context = open_context()
    run = context.store.run(named)
    request_action(context, run, action)
    _reconcile_once(context, run.run_id)
    print_text(event_line(context.store.run(run.run_id)))


def resume_run(
    named: RunArgument,
    adopt: Annotated[
        str | None, typer.Option(help="Id of the job at the provider to link to this run.")
    ] = None,
) -> None:
    """Resume a run that is paused or needs a decision."""
    context = open_context()
    run = context.store.run(named)
    if run.state == "needs_human":
        resolve_run(context, run, "adopt" if adopt else "go on", adopt)
    elif run.state in WORKING:
        context.store.note(run.run_id, "resume_asked")
    elif run.state == "settled":
        raise Refused(f"{run.run_id} is settled. Create another plan with --again.")
    run = _follow_until(context, run.run_id, lambda run: run.state in JOB_EXISTS_STATES)
    _print_next_step(context, run)


def settle_by_hand(
    named: RunArgument, usd: Annotated[str, typer.Option(help="Cost of the job [USD].")]
) -> None:
    """Record what a job cost, according to its bill."""
    context = open_context()
    run = context.store.run(named)
    if run.outcome is None or run.state == "settled":
        raise Refused(f"{run.run_id} is {run.state}: only a finished job is settled, once.")
    settle_with_bill(context, run, parse_usd(usd, "--usd"))
    print_text(event_line(context.store.run(run.run_id)))


def show_runs(as_json: JsonFlag = False) -> None:
    """List runs, newest first."""
    context = open_context()
    summaries = context.store.listed()
    if as_json:
        return write_json([each.__dict__ | {"watched": each.watched} for each in summaries])
    if not summaries:
        return print_text("No runs yet. Create a plan with `trainer plan`.")
    money = {entry.subject: entry for entry in context.ledger.entries()}
    rows = []
    for summary in summaries:
        entry = money.get(summary.run_id)
        usd = "" if entry is None else usd_text(entry.counts)
        how = "" if entry is None else ("spent" if entry.settled is not None else "reserved")
        watched = "" if summary.watched else "not being advanced"
        made = utc_datetime(summary.made_at).strftime("%Y-%m-%d %H:%M")
        rows.append((summary.run_id, made, summary.provider, summary.state, usd, how, watched))
    head = ("run", "started (UTC)", "provider", "state", "USD", "", "")
    console().print(plain_table(head, rows, {"USD"}))
    if any(not summary.watched for summary in summaries):
        print_text("\nNo data is lost meanwhile; `trainer follow` continues these runs.")
    return None


def show_run(
    named: RunArgument,
    as_json: JsonFlag = False,
    as_calibration: Annotated[
        bool,
        typer.Option("--calibration", help="Measured time, memory and cost as YAML factors."),
    ] = False,
) -> None:
    """Show a run, or what it contributes to later estimates."""
    context = open_context()
    run = context.store.run(named)
    if as_calibration:
        return _print_calibration(context, run)
    plan = context.store.plan(run.plan_id)
    entry = context.ledger.entry(run.run_id)
    if as_json:
        return write_json(
            {name: getattr(run, name) for name in JSON_FIELDS}
            | {
                "plan": plan.model_dump(mode="json"),
                "money": entry.__dict__ if entry else None,
                "events": _event_dicts(run.events),
            }
        )
    show_plan(plan)
    outcome = f" ({run.outcome})" if run.state == "settled" else ""
    print_text(f"\n{run.run_id} is {run.state}{outcome}")
    if entry is not None:
        spent = "" if entry.settled is None else f", spent ${usd_text(entry.settled)} ({entry.how})"
        print_text(f"money    reserved ${usd_text(entry.reserved)}{spent}")
    return None


def _event_dicts(events: Sequence[Event | JobEvent]) -> list[dict[str, Any]]:
    return [event.__dict__ | {"body": dict(event.body)} for event in events]


def _print_calibration(context: TrainerContext, run: Run) -> None:
    plan, entry = context.store.plan(run.plan_id), context.ledger.entry(run.run_id)
    result = RunFolder(home_folder() / "runs" / str(run.job_id)).read("result.json")
    if plan.local is None or result is None or entry is None or entry.settled is None:
        raise Refused(
            f"{run.run_id}: only a settled training on this machine can calibrate estimates."
        )
    factors = measured_factors(plan, result, Decimal(usd_text(entry.settled)))
    for each in factors:
        ratio = f", ratio {each.ratio:.2f}" if each.ratio is not None else ""
        estimated = "none" if each.estimated is None else f"{each.estimated:.4g}"
        sys.stdout.write(
            f"# {each.factor}: measured {each.actual:.4g} {each.unit}, "
            f"estimated {estimated}{ratio}\n"
        )
    day = utc_datetime(context.clock.now()).date()
    sys.stdout.write(calibration_yaml(factors, run.run_id, result, day))


def show_events(named: RunArgument, as_json: JsonFlag = False) -> None:
    """List the events of a run, then those of its job, with the loss curve."""
    context = open_context()
    run = context.store.run(named)
    job_events = context.store.job_events(run.run_id)
    if as_json:
        return write_json(
            {"events": _event_dicts(run.events), "job_events": _event_dicts(job_events)}
        )
    for event in run.events:
        print_text(event_line(run, event=event))
    if job_events:
        print_text(f"\nEvents of the job at {run.provider}:")
    for each in job_events:
        is_dated = each.at > EARLIEST_UNIX_TIME
        when = utc_datetime(each.at).strftime("%Y-%m-%d %H:%M:%S") if is_dated else " " * 19
        loss = each.body.get("train_loss")
        cells = 0 if loss is None else max(1, min(BAR_CELLS, round(float(loss) * BAR_CELLS / 3)))
        curve = "" if loss is None else f"  loss {float(loss):.4f} {'#' * cells}"
        print_text(f"{when}  {each.level:<5} {each.message}{curve}")
    return None


def show_budget(
    per_day: Annotated[str | None, typer.Option(help="Daily cap [USD]; 'none' removes it.")] = None,
    total: Annotated[str | None, typer.Option(help="Total cap [USD]; 'none' removes it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Set the caps if given, and show them with the money spent or reserved."""
    context = open_context()
    ledger = context.ledger
    if per_day is not None or total is not None:
        old = ledger.caps()
        ledger.set_caps(_cap("--per-day", per_day, old.per_day), _cap("--total", total, old.total))
    caps, entries = ledger.caps(), ledger.entries()
    today = utc_datetime(context.clock.now()).date().isoformat()
    amounts = {
        "today_usd": usd_text(committed(entry for entry in entries if entry.day == today)),
        "per_day_cap_usd": None if caps.per_day is None else usd_text(caps.per_day),
        "total_usd": usd_text(committed(entries)),
        "total_cap_usd": None if caps.total is None else usd_text(caps.total),
    }
    if as_json:
        return write_json({**amounts, "entries": [entry.__dict__ for entry in entries]})
    for span, cap in (("today", "per_day_cap"), ("total", "total_cap")):
        cap_usd = amounts[f"{cap}_usd"]
        limit = "no cap" if cap_usd is None else f"cap ${cap_usd}"
        print_text(f"{span:<6} ${amounts[f'{span}_usd']} spent or reserved, {limit}")
    return None


def _cap(flag: str, text: str | None, old: int | None) -> Decimal | None:
    """Return the new cap; one that is not given stays as it is."""
    if text is None:
        return None if old is None else Decimal(usd_text(old))
    return None if text == "none" else parse_usd(text, flag)
