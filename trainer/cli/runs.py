"""`trainer launch`, `follow`, `cancel`, `resume`, `settle`: what moves a run.

`trainer runs`, `show`, `events`, `budget`: what is known, as text or JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from advisor.console import console, plain_table, write_json
from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan, read_plan
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.cli.evaluation import evaluation_of, show_evaluation
from trainer.cli.plan import show_plan
from trainer.clock import utc_datetime
from trainer.context import RetryLater, TrainerContext, open_context
from trainer.errors import LeaseLost, Refused
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.run_states import WORKING, Run
from trainer.runs import start as run_start
from trainer.runs.calibration import calibration_yaml, measured_factors
from trainer.runs.messages import event_line
from trainer.runs.preflight import check_plan
from trainer.runs.reconcile import reconcile, reconcile_all
from trainer.runs.start import LaunchConsent
from trainer.runs.user_actions import UserAction, request_action, resolve_run, settle_with_bill
from trainer.storage.ledger import committed, usd_text

MAX_WAIT_SECONDS = 3600.0
JOB_EXISTS_STATES = WORKING | {"settled", "needs_human", "succeeded", "verified"}


def launch_plan(
    named: str, consent: Consent, prices: Path | None, keep_remote: bool, follow: bool
) -> None:
    """Show a plan, ask for the amount and for the rows, and start its job."""
    context = open_context(prices, keep_remote)
    plan = find_plan(context, named)
    show_plan(plan)
    agreed = LaunchConsent(Decimal(plan.figure.at_most), consent.allow_egress)
    if context.store.run_of(plan) is None:
        check_plan(plan, context.book, context.clock.now())
        agree_to_pay(agreed.at_most_usd, consent)
        agreed = LaunchConsent(agreed.at_most_usd, _agree_to_send(context, plan, consent))
    run_id, _ = run_start.start_run(context, plan, agreed)
    console().print(f"\nrun {run_id}")
    run = _follow_until(context, run_id, lambda run: run.state in JOB_EXISTS_STATES and not follow)
    _print_next_step(context, run)


def find_plan(context: TrainerContext, named: str) -> TrainingPlan:
    """Read a plan from its file, or by its name from what was kept."""
    path = Path(named)
    if path.is_file():
        plan = read_plan(path.read_bytes(), named)
        context.store.keep_plan(plan)
        return plan
    return context.store.plan(named)


def _agree_to_send(context: TrainerContext, plan: TrainingPlan, consent: Consent) -> str | None:
    """Say what leaves this machine, and have that agreed to by itself."""
    leaving = run_start.egress_of(context, plan, wanted=consent.allow_egress is not None)
    if leaving is None:
        return None
    found = ", ".join(f"{kind} in {rows} rows" for kind, rows in leaving.personal.items())
    console().print(
        f"\nWhat leaves this machine: {leaving.rows} rows, {leaving.bytes} bytes, to "
        f"{leaving.provider} ({leaving.host}).\nRegion: {leaving.region}. Kept there: "
        f"{leaving.retention}; deleted by us after the job.\n"
        f"What looks personal in them: {found or 'nothing'}.",
        soft_wrap=True,
    )
    agree_to_send(plan.provider, consent)
    return plan.provider


def follow_runs(named: str | None, once: bool) -> None:
    """Watch one run or all that are open."""
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
        for run_id, pause in reconcile_all(context).items():
            line = event_line(context.store.run(run_id), pause.says if pause else "")
            console().print(f"{run_id}  {line}", soft_wrap=True)
        if once or not context.store.listed(open_only=True):
            return
        context.clock.sleep(context.limits.poll_seconds)


def _reconcile_once(context: TrainerContext, run_id: str) -> RetryLater | None:
    try:
        return reconcile(context, run_id)
    except LeaseLost as error:
        return RetryLater(context.limits.poll_seconds, str(error))


def _follow_until(context: TrainerContext, run_id: str, enough: Callable[[Run], bool]) -> Run:
    """Go on until it is settled or enough, and print each event once."""
    shown = 0
    while True:
        pause = _reconcile_once(context, run_id)
        run = context.store.run(run_id)
        for event in run.events[shown:]:
            console().print(event_line(run, event=event), soft_wrap=True)
        shown = len(run.events)
        if pause is None or enough(run):
            return run
        context.clock.sleep(min(pause.seconds, MAX_WAIT_SECONDS))


def _print_next_step(context: TrainerContext, run: Run) -> None:
    if run.state == "needs_human":
        raise Refused(
            f"{run.run_id}: {run.said('needs_human', 'why')} {run.said('needs_human', 'remedy')}"
        )
    if run.state != "settled":
        console().print(
            f"The job goes on at {run.provider}. Watch it with: trainer follow {run.run_id}"
        )
        return
    console().print(
        f"{run.outcome}, {run.said('settled', 'usd')} USD ({run.said('settled', 'how')})."
    )
    found = evaluation_of(run)
    if found is not None:
        show_evaluation(found)
    if run.outcome == "succeeded" and context.store.plan(run.plan_id).serving == "per_hour":
        console().print(
            f"{run.tuned_model} is not deployed. It costs by the hour once it is: "
            f"trainer deploy {run.run_id} --max-hours 1",
            soft_wrap=True,
        )


def request_run_action(named: str, verb: UserAction) -> None:
    """Write down what a person asks of a run, and pass it on at once."""
    context = open_context()
    run = context.store.run(named)
    request_action(context, run, verb)
    _reconcile_once(context, run.run_id)
    console().print(event_line(context.store.run(run.run_id)))


def resume_run(named: str, adopt: str | None) -> None:
    """Go on with a run that is held, or that asked for a person."""
    context = open_context()
    run = context.store.run(named)
    if run.state == "needs_human":
        resolve_run(context, run, "adopt" if adopt else "go on", adopt)
    elif run.state in WORKING:
        context.store.note(run.run_id, "resume_asked")
    elif run.state == "settled":
        raise Refused(f"{run.run_id}: it is settled; plan again with --again.")
    run = _follow_until(context, run.run_id, lambda run: run.state in JOB_EXISTS_STATES)
    _print_next_step(context, run)


def settle_by_hand(named: str, usd: str) -> None:
    """Write down what a job cost, as its bill says."""
    context = open_context()
    run = context.store.run(named)
    if run.outcome is None or run.state == "settled":
        raise Refused(f"{run.run_id} is {run.state}: only an ended job is settled, once.")
    try:
        amount = Decimal(usd)
    except InvalidOperation as error:
        raise UsageError(f"--usd {usd}", "this is no amount.", "Write 3.50.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--usd {usd}", "a cost is 0 or more.", "Write 0 for nothing.")
    settle_with_bill(context, run, amount)
    console().print(event_line(context.store.run(run.run_id)))


BAR_CELLS = 30
EARLIEST = 1e9
"""Seconds since 1970 under which a time is a step's number and no hour."""


def show_runs(as_json: bool) -> None:
    """List runs, newest first."""
    context = open_context()
    listed = context.store.listed()
    if as_json:
        return write_json([one.__dict__ | {"watched": one.watched} for one in listed])
    if not listed:
        return console().print("No run yet. `trainer plan` makes a plan.")
    money = {entry.subject: entry for entry in context.ledger.entries()}
    rows = []
    for one in listed:
        entry = money.get(one.run_id)
        usd = "" if entry is None else usd_text(entry.counts)
        how = "" if entry is None else ("spent" if entry.settled is not None else "set aside")
        watched = "" if one.watched else "nobody is watching"
        made = utc_datetime(one.made_at).strftime("%Y-%m-%d %H:%M")
        rows.append((one.run_id, made, one.provider, one.state, usd, how, watched))
    head = ("run", "started (UTC)", "provider", "state", "USD", "", "")
    console().print(plain_table(head, rows, {"USD"}))
    if any(not one.watched for one in listed):
        console().print("\nNothing is lost while nobody watches; `trainer follow` goes on.")
    return None


def show_run(named: str, as_json: bool, as_calibration: bool = False) -> None:
    """Say all that is known of a run, or what it teaches the estimates."""
    context = open_context()
    run = context.store.run(named)
    if as_calibration:
        return _calibration(context, run)
    plan = context.store.plan(run.plan_id)
    entry = context.ledger.entry(run.run_id)
    if as_json:
        events = [
            {"seq": e.seq, "kind": e.kind, "at": e.at, "body": dict(e.body)} for e in run.events
        ]
        return write_json(
            {
                "run_id": run.run_id,
                "state": run.state,
                "outcome": run.outcome,
                "job_id": run.job_id,
                "tuned_model": run.tuned_model,
                "plan_id": run.plan_id,
                "plan": plan.model_dump(mode="json"),
                "money": entry.__dict__ if entry else None,
                "events": events,
            }
        )
    show_plan(plan)
    console().print(
        f"\n{run.run_id} is {run.state}" + (f" ({run.outcome})" if run.state == "settled" else "")
    )
    for name, value in (
        ("job", run.job_id),
        ("model", run.tuned_model),
        ("ends", run.said("verified", "shutdown_on")),
        ("served", run.said("smoke_skipped", "why")),
        ("problem", run.said("needs_human", "why")),
    ):
        if value:
            console().print(f"{name:<8} {value}", soft_wrap=True)
    if entry is not None:
        spent = "" if entry.settled is None else f", spent {usd_text(entry.settled)} ({entry.how})"
        console().print(f"money    set aside {usd_text(entry.reserved)} USD{spent}", soft_wrap=True)
    return None


def _calibration(context: TrainerContext, run: Run) -> None:
    plan, entry = context.store.plan(run.plan_id), context.ledger.entry(run.run_id)
    result = RunFolder(home_folder() / "runs" / str(run.job_id)).read("result.json")
    if plan.local is None or result is None or entry is None or entry.settled is None:
        raise Refused(
            f"{run.run_id}: only a settled training on this machine teaches the estimates."
        )
    found = measured_factors(plan, result, Decimal(usd_text(entry.settled)))
    for one in found:
        ratio = f", {one.ratio:.2f} times" if one.ratio is not None else ""
        said = "nothing" if one.estimated is None else f"{one.estimated:.4g}"
        sys.stdout.write(
            f"# {one.factor}: {one.actual:.4g} {one.unit}, and {said} was reckoned{ratio}\n"
        )
    day = utc_datetime(context.clock.now()).date()
    sys.stdout.write(calibration_yaml(found, run.run_id, result, day))


def show_events(named: str, as_json: bool) -> None:
    """List our own record, then what the provider told, with its loss curve."""
    context = open_context()
    run = context.store.run(named)
    told = context.store.job_events(run.run_id)
    if as_json:
        return write_json(
            {
                "events": [
                    {"seq": e.seq, "kind": e.kind, "at": e.at, "body": dict(e.body)}
                    for e in run.events
                ],
                "job_events": [one.__dict__ | {"body": dict(one.body)} for one in told],
            }
        )
    for event in run.events:
        console().print(event_line(run, event=event), soft_wrap=True)
    if told:
        console().print(f"\nWhat {run.provider} told:")
    for one in told:
        dated = one.at > EARLIEST
        when = utc_datetime(one.at).strftime("%Y-%m-%d %H:%M:%S") if dated else " " * 19
        loss = one.body.get("train_loss")
        curve = "" if loss is None else f"  loss {float(loss):.4f} {_bar(float(loss))}"
        console().print(f"{when}  {one.level:<5} {one.message}{curve}", soft_wrap=True)
    return None


def _bar(loss: float) -> str:
    return "#" * max(1, min(BAR_CELLS, round(loss * BAR_CELLS / 3)))


def show_budget(per_day: str | None, total: str | None, as_json: bool) -> None:
    """Show or set the caps."""
    context = open_context()
    if per_day is not None or total is not None:
        _set(context, per_day, total)
    caps, entries = context.ledger.caps(), context.ledger.entries()
    today = utc_datetime(context.clock.now()).date().isoformat()
    now = {
        "today_usd": usd_text(committed(e for e in entries if e.day == today)),
        "per_day_cap_usd": None if caps.per_day is None else usd_text(caps.per_day),
        "total_usd": usd_text(committed(entries)),
        "total_cap_usd": None if caps.total is None else usd_text(caps.total),
    }
    if as_json:
        return write_json({**now, "entries": [entry.__dict__ for entry in entries]})
    for span, cap in (("today", "per_day_cap"), ("total", "total_cap")):
        most = now[f"{cap}_usd"]
        limit = f"of at most {most} USD" if most is not None else "without a cap"
        console().print(f"{span:<6} {now[f'{span}_usd']} USD spent or set aside, {limit}")
    return None


def _set(context: TrainerContext, per_day: str | None, total: str | None) -> None:
    caps = context.ledger.caps()
    context.ledger.set_caps(
        _amount("--per-day", per_day, caps.per_day), _amount("--total", total, caps.total)
    )


def _amount(flag: str, text: str | None, now: int | None) -> Decimal | None:
    if text is None:
        return None if now is None else Decimal(usd_text(now))
    if text == "none":
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{flag} {text}", "this is no amount.", "Write 50, or none.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{flag} {text}", "a cap is 0 or more.", "Write 50, or none.")
    return amount
