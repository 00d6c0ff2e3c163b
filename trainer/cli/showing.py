"""`trainer runs`, `show`, `events`, `budget`: what is known, as text or JSON."""

from __future__ import annotations

import json
import sys
from decimal import Decimal, InvalidOperation
from typing import Any

from advisor.cli.console import console, plain_table
from advisor.errors import UsageError
from trainer.calibrating import actuals, calibration
from trainer.cli.lines import line_of
from trainer.cli.planning import show_plan
from trainer.clock import moment
from trainer.database import home_folder
from trainer.desk import open_office
from trainer.errors import Refused
from trainer.ledger import committed, in_usd
from trainer.local.folder import JobFolder
from trainer.office import Office
from trainer.states import Run

BAR_CELLS = 30
EARLIEST = 1e9
"""Seconds since 1970 under which a time is a step's number and no hour."""


def write_json(body: Any) -> None:
    """Write JSON for machines."""
    sys.stdout.write(json.dumps(body, indent=2, sort_keys=True, default=str) + "\n")


def show_runs(as_json: bool) -> None:
    """List runs, newest first."""
    office = open_office()
    listed = office.store.listed()
    if as_json:
        return write_json([one.__dict__ | {"watched": one.watched} for one in listed])
    if not listed:
        return console().print("No run yet. `trainer plan` makes a plan.")
    money = {entry.subject: entry for entry in office.ledger.entries()}
    rows = []
    for one in listed:
        entry = money.get(one.run_id)
        usd = "" if entry is None else in_usd(entry.counts)
        how = "" if entry is None else ("spent" if entry.settled is not None else "set aside")
        watched = "" if one.watched else "nobody is watching"
        made = moment(one.made_at).strftime("%Y-%m-%d %H:%M")
        rows.append((one.run_id, made, one.provider, one.state, usd, how, watched))
    head = ("run", "started (UTC)", "provider", "state", "USD", "", "")
    console().print(plain_table(head, rows, {"USD"}))
    if any(not one.watched for one in listed):
        console().print("\nNothing is lost while nobody watches; `trainer follow` goes on.")
    return None


def show_run(named: str, as_json: bool, as_calibration: bool = False) -> None:
    """Say all that is known of a run, or what it teaches the estimates."""
    office = open_office()
    run = office.store.run(named)
    if as_calibration:
        return _calibration(office, run)
    plan = office.store.plan(run.plan_id)
    entry = office.ledger.entry(run.run_id)
    if as_json:
        events = [{"seq": e.seq, "kind": e.kind, "at": e.at, "body": dict(e.body)}
                  for e in run.events]  # fmt: skip
        return write_json({
            "run_id": run.run_id, "state": run.state, "outcome": run.outcome,
            "job_id": run.job_id, "tuned_model": run.tuned_model, "plan_id": run.plan_id,
            "plan": plan.model_dump(mode="json"), "money": entry.__dict__ if entry else None,
            "events": events,
        })  # fmt: skip
    show_plan(plan)
    console().print(f"\n{run.run_id} is {run.state}"
                    + (f" ({run.outcome})" if run.state == "settled" else ""))  # fmt: skip
    for name, value in (("job", run.job_id), ("model", run.tuned_model),
                        ("ends", run.said("verified", "shutdown_on")),
                        ("served", run.said("smoke_skipped", "why")),
                        ("problem", run.said("needs_human", "why"))):  # fmt: skip
        if value:
            console().print(f"{name:<8} {value}", soft_wrap=True)
    if entry is not None:
        spent = "" if entry.settled is None else f", spent {in_usd(entry.settled)} ({entry.how})"
        console().print(f"money    set aside {in_usd(entry.reserved)} USD{spent}", soft_wrap=True)
    return None


def _calibration(office: Office, run: Run) -> None:
    plan, entry = office.store.plan(run.plan_id), office.ledger.entry(run.run_id)
    result = JobFolder(home_folder() / "runs" / str(run.job_id)).read("result.json")
    if plan.local is None or result is None or entry is None or entry.settled is None:
        raise Refused(f"{run.run_id}: only a settled training on this machine teaches the "
                      "estimates.")  # fmt: skip
    found = actuals(plan, result, Decimal(in_usd(entry.settled)))
    for one in found:
        ratio = f", {one.ratio:.2f} times" if one.ratio is not None else ""
        said = "nothing" if one.estimated is None else f"{one.estimated:.4g}"
        sys.stdout.write(f"# {one.factor}: {one.actual:.4g} {one.unit}, and {said} was reckoned"
                         f"{ratio}\n")  # fmt: skip
    day = moment(office.clock.now()).date()
    sys.stdout.write(calibration(found, run.run_id, result, day))


def show_events(named: str, as_json: bool) -> None:
    """List our own record, then what the provider told, with its loss curve."""
    office = open_office()
    run = office.store.run(named)
    told = office.store.job_events(run.run_id)
    if as_json:
        return write_json({
            "events": [{"seq": e.seq, "kind": e.kind, "at": e.at, "body": dict(e.body)}
                       for e in run.events],
            "job_events": [one.__dict__ | {"body": dict(one.body)} for one in told],
        })  # fmt: skip
    for event in run.events:
        console().print(line_of(run, event=event), soft_wrap=True)
    if told:
        console().print(f"\nWhat {run.provider} told:")
    for one in told:
        dated = one.at > EARLIEST
        when = moment(one.at).strftime("%Y-%m-%d %H:%M:%S") if dated else " " * 19
        loss = one.body.get("train_loss")
        curve = "" if loss is None else f"  loss {float(loss):.4f} {_bar(float(loss))}"
        console().print(f"{when}  {one.level:<5} {one.message}{curve}", soft_wrap=True)
    return None


def _bar(loss: float) -> str:
    return "#" * max(1, min(BAR_CELLS, round(loss * BAR_CELLS / 3)))


def show_budget(per_day: str | None, total: str | None, as_json: bool) -> None:
    """Show or set the caps."""
    office = open_office()
    if per_day is not None or total is not None:
        _set(office, per_day, total)
    caps, entries = office.ledger.caps(), office.ledger.entries()
    today = moment(office.clock.now()).date().isoformat()
    now = {
        "today_usd": in_usd(committed(e for e in entries if e.day == today)),
        "per_day_cap_usd": None if caps.per_day is None else in_usd(caps.per_day),
        "total_usd": in_usd(committed(entries)),
        "total_cap_usd": None if caps.total is None else in_usd(caps.total),
    }
    if as_json:
        return write_json({**now, "entries": [entry.__dict__ for entry in entries]})
    for span, cap in (("today", "per_day_cap"), ("total", "total_cap")):
        most = now[f"{cap}_usd"]
        limit = f"of at most {most} USD" if most is not None else "without a cap"
        console().print(f"{span:<6} {now[f'{span}_usd']} USD spent or set aside, {limit}")
    return None


def _set(office: Office, per_day: str | None, total: str | None) -> None:
    caps = office.ledger.caps()
    office.ledger.set_caps(
        _amount("--per-day", per_day, caps.per_day), _amount("--total", total, caps.total)
    )


def _amount(flag: str, text: str | None, now: int | None) -> Decimal | None:
    if text is None:
        return None if now is None else Decimal(in_usd(now))
    if text == "none":
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{flag} {text}", "this is no amount.", "Write 50, or none.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{flag} {text}", "a cap is 0 or more.", "Write 50, or none.")
    return amount
