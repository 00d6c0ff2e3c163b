"""A run that goes on -> its state, loss, money and events, drawn anew each second."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from advisor.errors import AdvisorError
from advisor.plan import TrainingPlan
from trainer.people import Verb, ask_for
from trainer.states import WORKING, Run
from trainer.timeline import Moment
from ui import look, work
from ui.launch import curves
from ui.launch.blocks import quiet
from ui.launch.obstacles import obstacles
from ui.launch.plan_words import spent_words
from ui.launch.watching import Spend, spend_of, told
from ui.launch.wording import at, happened, state_of

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
    office = work.office()
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
    locale = look.reader()
    step, of = _step(moments)
    cap = look.money(spend.cap, locale, cents=True)
    known = spend.settled or spend.so_far
    paid = spent_words(known, locale) if known else "not known yet"
    aside = look.money(spend.set_aside, locale, cents=True) if spend.set_aside else None
    note = f"of at most {cap}" + (f"; {aside} set aside" if aside and not spend.settled else "")
    points = [one for one in curves.points_of(moments) if one["of"] == curves.LEARNED]
    columns = st.columns(4)
    measures = run.state == "running" and 0 < of == step
    columns[0].html(look.tile("State", state_of(run), "answers held-out rows" if measures else ""))
    columns[1].html(look.tile("Step", look.number(step, locale) if step else "not begun",
                              f"of {look.number(of, locale)}" if of else ""))  # fmt: skip
    columns[2].html(look.tile("Loss", look.number(points[-1]["loss"], locale, 3) if points
                              else "none yet", "on rows learned from"))  # fmt: skip
    columns[3].html(look.tile("Spent", paid, note))
    st.progress(spend.share, text=f"Spent of the cap of {cap}")


def _step(moments: Sequence[Moment]) -> tuple[int, int]:
    """Return the newest step that was told, and of how many."""
    steps = [one.body for one in moments if isinstance(one.body.get("step"), int)]
    if not steps:
        return 0, 0
    return int(steps[-1]["step"]), max(int(body.get("of_steps") or 0) for body in steps)


def _loss(moments: Sequence[Moment], is_plain: bool) -> None:
    st.markdown("**Loss**")
    points = curves.points_of(moments)
    if points:
        says = curves.loss_says(points)
        st.altair_chart(curves.loss_chart(points, look.theme()), width="stretch",
                        key="loss_curve", alt=says)  # fmt: skip
        quiet(says)
    elif is_plain:
        quiet("The plain baseline is fitted at once: it has no loss curve.")
    else:
        quiet("Nothing told yet. A provider tells it while it trains, this machine each few "
                   "steps.")  # fmt: skip


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
    st.button(label, key=f"{verb} {run.run_id}", help=says or None, on_click=ask,
              args=(run.run_id, verb), disabled=waits)  # fmt: skip


def ask(run_id: str, verb: Verb) -> None:
    """Write down that a run is to be held, to go on or to end; the driver passes it on."""
    desk: Any = work.desk()
    try:
        ask_for(desk.office, desk.office.store.run(run_id), verb)
        desk.driver.wake()
    except AdvisorError as error:
        st.session_state[TROUBLE] = str(error)
