"""A run that goes on -> its state, loss, money and events, drawn anew each second.

A run -> all that is known of it now: events, money, version; each reading takes what is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any

import streamlit as st

from advisor.errors import AdvisorError
from advisor.plan.training_plan import TrainingPlan
from trainer.context import Office
from trainer.home import home_folder
from trainer.local.run_folder import JobFolder
from trainer.run_states import WORKING, Run
from trainer.runs.user_actions import Verb, ask_for
from trainer.storage.ledger import in_usd, micro
from trainer.storage.model_version import Version
from trainer.storage.run_store import Moment, timeline
from ui import formatting, state
from ui.charts import training_curves
from ui.formatting import quiet
from ui.launch.confirm import obstacles, spent_words
from ui.launch.wording import at, happened, state_of

AT_ONCE = 1000


@dataclass(frozen=True)
class Spend:
    """Money of a run against its cap [USD]."""

    cap: str
    """What it may never pass."""
    set_aside: str | None
    """Taken from the budget until it is settled."""
    so_far: str | None
    """What its hours have cost, where this machine counts them."""
    settled: str | None
    """What it was in the end."""

    @property
    def share(self) -> float:
        """How much of the cap is spent, or set aside where nobody counts yet [0..1]."""
        known = self.settled or self.so_far or "0"
        return min(float(Decimal(known) / Decimal(self.cap)), 1.0)


def told(office: Office, run_id: str) -> list[Moment]:
    """Return all that happened to a run; a visitor's page reads each event once."""
    kept: list[Moment] = st.session_state.setdefault(f"told {run_id}", [])
    while True:
        new = timeline(office.store.engine, run_id, kept[-1].seq if kept else 0, AT_ONCE)
        kept.extend(new)
        if len(new) < AT_ONCE:
            return kept


def spend_of(office: Office, run: Run, plan: TrainingPlan) -> Spend:
    """Say what a run has cost so far, and what it may cost."""
    entry = office.ledger.entry(run.run_id)
    settled = in_usd(entry.settled) if entry and entry.settled is not None else None
    return Spend(
        plan.cap_usd, in_usd(entry.reserved) if entry else None, _so_far(run, plan), settled
    )


def version_of(office: Office, run_id: str) -> Version | None:
    """Return the version that a run made, if it made one."""
    return next((one for one in office.registry.listed() if one.run_id == run_id), None)


def _so_far(run: Run, plan: TrainingPlan) -> str | None:
    if plan.local is None or run.job_id is None:
        return None
    folder = JobFolder(home_folder() / "runs" / run.job_id)
    if not folder.path.is_dir():
        return None
    return in_usd(micro(folder.usd(Decimal(plan.figure.price)).quantize(Decimal("0.0001"))))


EACH_SECONDS = 1.0
NEWEST = 8
UNSENT = frozenset({"intent", "validated"})
"""Nothing has been asked of anybody yet, and no money is set aside."""
MOST_EVENTS = 500
TROUBLE = "run_trouble"


def live(run_id: str) -> None:
    """Draw a run again and again until it is settled, then the whole page once more."""
    st.fragment(_look, run_every=EACH_SECONDS)(run_id)


def _look(run_id: str) -> None:
    office = state.office()
    run = office.store.run(run_id)
    plan = office.store.plan(run.plan_id)
    if run.state == "settled":
        st.rerun()
    if run.state in UNSENT:
        for problem in obstacles(office, plan):
            st.warning(f"It waits: {problem}")
    draw(run, plan, told(office, run_id), spend_of(office, run, plan))
    _buttons(run)


def draw(run: Run, plan: TrainingPlan, moments: Sequence[Moment], spend: Spend) -> None:
    """Draw where a run stands: figures, loss, events."""
    trouble = st.session_state.pop(TROUBLE, None)
    if trouble:
        st.error(trouble)
    _figures(run, moments, spend)
    if run.state == "needs_human":
        st.warning(f"{run.said('needs_human', 'why')} {run.said('needs_human', 'remedy')}")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _loss(moments, is_plain=plan.local is not None and plan.local.is_plain)
    with right:
        _events(moments)


def _figures(run: Run, moments: Sequence[Moment], spend: Spend) -> None:
    locale = formatting.reader()
    step, of = _step(moments)
    cap = formatting.money(spend.cap, locale, cents=True)
    known = spend.settled or spend.so_far
    paid = spent_words(known, locale) if known else "not known yet"
    aside = formatting.money(spend.set_aside, locale, cents=True) if spend.set_aside else None
    note = f"of at most {cap}" + (f"; {aside} set aside" if aside and not spend.settled else "")
    points = [
        one for one in training_curves.points_of(moments) if one["of"] == training_curves.LEARNED
    ]
    columns = st.columns(4)
    measures = run.state == "running" and 0 < of == step
    columns[0].html(
        formatting.tile("State", state_of(run), "answers held-out rows" if measures else "")
    )
    columns[1].html(
        formatting.tile(
            "Step",
            formatting.number(step, locale) if step else "not begun",
            f"of {formatting.number(of, locale)}" if of else "",
        )
    )
    columns[2].html(
        formatting.tile(
            "Loss",
            formatting.number(points[-1]["loss"], locale, 3) if points else "none yet",
            "on rows learned from",
        )
    )
    columns[3].html(formatting.tile("Spent", paid, note))
    st.progress(spend.share, text=f"Spent of the cap of {cap}")


def _step(moments: Sequence[Moment]) -> tuple[int, int]:
    """Return the newest step that was told, and of how many."""
    steps = [one.body for one in moments if isinstance(one.body.get("step"), int)]
    if not steps:
        return 0, 0
    return int(steps[-1]["step"]), max(int(body.get("of_steps") or 0) for body in steps)


def _loss(moments: Sequence[Moment], is_plain: bool) -> None:
    st.markdown("**Loss**")
    points = training_curves.points_of(moments)
    if points:
        says = training_curves.loss_says(points)
        st.altair_chart(
            training_curves.loss_chart(points, formatting.theme()),
            width="stretch",
            key="loss_curve",
            alt=says,
        )
        quiet(says)
    elif is_plain:
        quiet("The plain baseline is fitted at once: it has no loss curve.")
    else:
        quiet("Nothing told yet. A provider tells it while it trains, this machine each few steps.")


def _events(moments: Sequence[Moment]) -> None:
    st.markdown("**What happened** (UTC)")
    shown = list(moments)[::-1][:MOST_EVENTS]
    st.html(_table(shown[:NEWEST]))
    if len(shown) > NEWEST:
        with st.expander(f"All {len(moments)} events"):
            st.html(_table(shown))


def _table(moments: Sequence[Moment]) -> str:
    rows = "".join(
        f'<tr><td style="white-space:nowrap;vertical-align:top;padding:2px 12px 2px 0;width:1%">'
        f'{at(one)}</td><td style="overflow-wrap:anywhere;padding:2px 0">'
        f"{escape(happened(one))}</td></tr>"
        for one in moments
    )
    return f'<table style="border-collapse:collapse;font-size:.875rem;width:100%">{rows}</table>'


def _buttons(run: Run) -> None:
    row = st.container(horizontal=True)
    with row:
        if run.state in WORKING and run.state != "paused":
            _button("Hold", "pause", run, "It saves, and waits until you let it go on.")
        if run.state in ("paused", "needs_human"):
            _button("Go on", "resume", run, "It goes on where it was held.")
        with st.popover("End it"):
            st.write("What it learned so far is lost. What it cost so far stays spent.")
            _button("End this run for good", "cancel", run, "")


def _button(label: str, verb: str, run: Run, says: str) -> None:
    asked = run.last(f"{verb}_asked")
    done = run.last("asked_provider")
    waits = asked is not None and (done is None or done.seq < asked.seq)
    st.button(
        label,
        key=f"{verb} {run.run_id}",
        help=says or None,
        on_click=ask,
        args=(run.run_id, verb),
        disabled=waits,
    )


def ask(run_id: str, verb: Verb) -> None:
    """Write down that a run is to be held, to go on or to end; the driver passes it on."""
    desk: Any = state.desk()
    try:
        ask_for(desk.office, desk.office.store.run(run_id), verb)
        desk.driver.wake()
    except AdvisorError as error:
        st.session_state[TROUBLE] = str(error)
