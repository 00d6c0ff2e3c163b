"""A folder that came back -> a settled run: in the store, in the ledger, and in the registry."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

from advisor.plan import TrainingPlan
from trainer.clock import moment
from trainer.database import home_folder
from trainer.errors import OverBudget, Refused
from trainer.home import DAY_SECONDS
from trainer.importing import Brought, place
from trainer.ledger import Entry, Ledger, committed, in_usd, micro
from trainer.local.adapter import LocalAdapter
from trainer.office import Office, Work
from trainer.registering import register
from trainer.states import Run

HOW = "imported"
CHECKED = ("rows, base, settings and model are those of the plan",)
HOUR_SECONDS = Decimal(3600)


def check_new(office: Office, plan: TrainingPlan) -> None:
    """See that a plan has no job yet; an import that was broken off may go on.

    Raises:
        Refused: a job of the plan was started, or has ended.
    """
    run_id = office.store.run_of(plan)
    if run_id is None:
        return
    run = office.store.run(run_id)
    is_begun = run.said("validated", "how") == HOW and run.state != "settled"
    if run.state != "intent" and not is_begun:
        raise Refused(f"{run_id}: this plan was launched already, and the run is {run.state}. "
                      "Plan with --again for a further training.")  # fmt: skip


def cost_of(brought: Brought, usd: Decimal | None) -> tuple[Decimal, str]:
    """Return what the training cost and who says so: its bill, else its hours."""
    if usd is not None:
        return usd, "as its bill says"
    price = Decimal(brought.plan.figure.price)
    spent = price * Decimal(repr(round(brought.seconds, 3))) / HOUR_SECONDS
    exact = spent.quantize(Decimal("0.000001"), ROUND_UP)
    return exact, f"{brought.seconds:.0f} seconds at {price} USD an hour"


def record(office: Office, brought: Brought, usd: Decimal | None) -> Run:
    """Put what came back on record as a run of its plan, once; a run broken off goes on.

    Args:
        office: What to work with.
        brought: The folder, checked.
        usd: What it cost as its bill says; by default its hours at the price of the plan.

    Returns:
        The settled run.

    Raises:
        Refused: the plan was launched already, or a cap would be passed. Nothing was recorded.
        LeaseLost: another process works on the run.
    """
    plan = brought.plan
    check_new(office, plan)
    amount, how = cost_of(brought, usd)
    day = moment(office.clock.now()).date().isoformat()
    _check_caps(office.ledger, office.store.run_of(plan), micro(amount), day)
    run_id, _ = office.store.start(plan)
    lease = office.store.take(run_id)
    next_at = office.clock.now() + DAY_SECONDS  # broken off, it is brought again, and not trained
    try:
        check_new(office, plan)
        folder = home_folder() / "runs" / run_id
        place(brought, folder)
        adapter = LocalAdapter(home_folder(), office.store.run_of, office.files)
        work = Work(office, adapter, plan, lease)
        _bring(work, brought, folder, amount)
        with suppress(KeyError, TypeError, ValueError):  # told elsewhere, and no part of the record
            office.store.keep_job_events(run_id, adapter.events(run_id))
        run = _settled(work, folder, amount, how)
        next_at = 0.0
        return run
    finally:
        office.store.release(lease, next_at)


def _check_caps(ledger: Ledger, run_id: str | None, amount: int, day: str) -> None:
    """Refuse before anything is written, not even the intent: an open run would be worked on."""
    caps, entries = ledger.caps(), [one for one in ledger.entries() if one.subject != run_id]
    today = [entry for entry in entries if entry.day == day]
    for cap, counted, span in ((caps.per_day, today, "a day"), (caps.total, entries, "in all")):
        if cap is not None and committed(counted) + amount > cap:
            raise OverBudget(f"{in_usd(amount)} USD would pass the cap of {in_usd(cap)} USD "
                             f"{span}. Raise it with `trainer budget`, and bring the folder "
                             "again.")  # fmt: skip


def _bring(work: Work, brought: Brought, folder: Path, amount: Decimal) -> None:
    """Go from any state of an import to `succeeded`, and leave out what was done before."""
    plan, store, usd = work.plan, work.office.store, in_usd(micro(amount))
    held = plan.held_out.sha256 if plan.held_out else None
    steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("intent", "validated", {"how": HOW, "checked": CHECKED}),
        ("validated", "reserved", {"usd": usd, "day": work.day}),
        ("reserved", "uploaded", {"why": "trained elsewhere", "training": plan.training.sha256,
                                  "validation": held}),
        ("uploaded", "creating", {"key": plan.plan_id, **work.mark()}),
        ("creating", "created", {"job_id": folder.name, "how": HOW, "word": "succeeded"}),
        ("created", "succeeded", {"word": "succeeded", "model": str(folder / "model"),
                                  "trained_tokens": brought.result.get("tokens"), "usd": usd}),
    )  # fmt: skip
    for state, kind, body in steps:
        if store.run(folder.name).state != state:
            continue
        if kind == "reserved":
            work.office.ledger.reserve(Entry(
                folder.name, "training", plan.provider, work.day, micro(amount), None, ""
            ))  # fmt: skip
        work.append(kind, **body)
        work.stay()


def _settled(work: Work, folder: Path, amount: Decimal, how: str) -> Run:
    ledger, run = work.office.ledger, work.office.store.run(folder.name)
    if run.state == "succeeded":
        first = _first_answer(folder)
        if first is None:
            work.append("smoke_skipped", why="no rows were answered where it was trained")
        else:
            run = work.append("verified", model=run.tuned_model, characters=len(first))
    ledger.settle(run.run_id, micro(amount), how)
    entry = ledger.entry(run.run_id)
    usd = in_usd(entry.settled if entry and entry.settled is not None else micro(amount))
    register(work, run, usd)
    return work.append("settled", usd=usd, how=how, likely_usd=work.plan.figure.likely,
                       cap_usd=work.plan.cap_usd)  # fmt: skip


def _first_answer(folder: Path) -> str | None:
    path = folder / "answers.tuned.jsonl"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as lines:
        return str(json.loads(next(lines))["answer"])
