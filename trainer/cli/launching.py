"""`trainer launch`, `follow`, `cancel`, `resume`, `settle`: what moves a run."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from advisor.cli.console import console
from advisor.errors import UsageError
from advisor.plan import TrainingPlan, read_plan
from trainer import starting
from trainer.checks import check_plan
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.cli.evaluating import evaluation_of, show_evaluation
from trainer.cli.lines import line_of
from trainer.cli.planning import show_plan
from trainer.desk import open_office
from trainer.errors import LeaseLost, Refused
from trainer.office import Office, Pause
from trainer.people import Verb, answer, ask_for, settle
from trainer.reconcile import reconcile, reconcile_all
from trainer.starting import Agreed
from trainer.states import WORKING, Run

MOST_WAIT_SECONDS = 3600.0
UNTIL_MADE = WORKING | {"settled", "needs_human", "succeeded", "verified"}


def start(
    named: str, consent: Consent, prices: Path | None, keep_remote: bool, follow: bool
) -> None:
    """Show a plan, ask for the amount and for the rows, and start its job."""
    office = open_office(prices, keep_remote)
    plan = plan_of(office, named)
    show_plan(plan)
    agreed = Agreed(Decimal(plan.figure.at_most), consent.allow_egress)
    if office.store.run_of(plan) is None:
        check_plan(plan, office.book, office.clock.now())
        agree_to_pay(agreed.at_most_usd, consent)
        agreed = Agreed(agreed.at_most_usd, _agree_to_send(office, plan, consent))
    run_id, _ = starting.start(office, plan, agreed)
    console().print(f"\nrun {run_id}")
    run = _drive(office, run_id, lambda run: run.state in UNTIL_MADE and not follow)
    _what_next(office, run)


def plan_of(office: Office, named: str) -> TrainingPlan:
    """Read a plan from its file, or by its name from what was kept."""
    path = Path(named)
    if path.is_file():
        plan = read_plan(path.read_bytes(), named)
        office.store.keep_plan(plan)
        return plan
    return office.store.plan(named)


def _agree_to_send(office: Office, plan: TrainingPlan, consent: Consent) -> str | None:
    """Say what leaves this machine, and have that agreed to by itself."""
    leaving = starting.leaving_of(office, plan, wanted=consent.allow_egress is not None)
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


def watch(named: str | None, once: bool) -> None:
    """Watch one run or all that are open."""
    office = open_office()
    if named is not None:
        run = office.store.run(named)
        if once:
            _look(office, run.run_id)
            run = office.store.run(run.run_id)
        else:
            run = _drive(office, run.run_id, lambda run: run.state == "needs_human")
        _what_next(office, run)
        return
    while True:
        for run_id, pause in reconcile_all(office).items():
            line = line_of(office.store.run(run_id), pause.says if pause else "")
            console().print(f"{run_id}  {line}", soft_wrap=True)
        if once or not office.store.listed(open_only=True):
            return
        office.clock.sleep(office.limits.poll_seconds)


def _look(office: Office, run_id: str) -> Pause | None:
    try:
        return reconcile(office, run_id)
    except LeaseLost as error:
        return Pause(office.limits.poll_seconds, str(error))


def _drive(office: Office, run_id: str, enough: Callable[[Run], bool]) -> Run:
    """Go on until it is settled or enough, and print each event once."""
    shown = 0
    while True:
        pause = _look(office, run_id)
        run = office.store.run(run_id)
        for event in run.events[shown:]:
            console().print(line_of(run, event=event), soft_wrap=True)
        shown = len(run.events)
        if pause is None or enough(run):
            return run
        office.clock.sleep(min(pause.seconds, MOST_WAIT_SECONDS))


def _what_next(office: Office, run: Run) -> None:
    if run.state == "needs_human":
        raise Refused(f"{run.run_id}: {run.said('needs_human', 'why')} "
                      f"{run.said('needs_human', 'remedy')}")  # fmt: skip
    if run.state != "settled":
        console().print(f"The job goes on at {run.provider}. "
                        f"Watch it with: trainer follow {run.run_id}")  # fmt: skip
        return
    console().print(f"{run.outcome}, {run.said('settled', 'usd')} USD "
                    f"({run.said('settled', 'how')}).")  # fmt: skip
    found = evaluation_of(run)
    if found is not None:
        show_evaluation(found)
    if run.outcome == "succeeded" and office.store.plan(run.plan_id).serving == "per_hour":
        console().print(f"{run.tuned_model} is not deployed. It costs by the hour once it is: "
                        f"trainer deploy {run.run_id} --max-hours 1", soft_wrap=True)  # fmt: skip


def ask(named: str, verb: Verb) -> None:
    """Write down what a person asks of a run, and pass it on at once."""
    office = open_office()
    run = office.store.run(named)
    ask_for(office, run, verb)
    _look(office, run.run_id)
    console().print(line_of(office.store.run(run.run_id)))


def go_on(named: str, adopt: str | None) -> None:
    """Go on with a run that is held, or that asked for a person."""
    office = open_office()
    run = office.store.run(named)
    if run.state == "needs_human":
        answer(office, run, "adopt" if adopt else "go on", adopt)
    elif run.state in WORKING:
        office.store.note(run.run_id, "resume_asked")
    elif run.state == "settled":
        raise Refused(f"{run.run_id}: it is settled; plan again with --again.")
    run = _drive(office, run.run_id, lambda run: run.state in UNTIL_MADE)
    _what_next(office, run)


def settle_by_hand(named: str, usd: str) -> None:
    """Write down what a job cost, as its bill says."""
    office = open_office()
    run = office.store.run(named)
    if run.outcome is None or run.state == "settled":
        raise Refused(f"{run.run_id} is {run.state}: only an ended job is settled, once.")
    try:
        amount = Decimal(usd)
    except InvalidOperation as error:
        raise UsageError(f"--usd {usd}", "this is no amount.", "Write 3.50.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--usd {usd}", "a cost is 0 or more.", "Write 0 for nothing.")
    settle(office, run, amount)
    console().print(line_of(office.store.run(run.run_id)))
