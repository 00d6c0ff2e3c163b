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
from trainer.context import TrainerContext
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.run_states import WORKING, Run
from trainer.runs.messages import event_sentence, event_time, state_label
from trainer.runs.user_actions import UserAction, request_action
from trainer.storage.ledger import micro_usd, usd_text
from trainer.storage.model_version import ModelVersion
from trainer.storage.run_store import TimelineEvent, read_timeline
from ui import formatting, state
from ui.charts import training_curves
from ui.formatting import muted_text
from ui.launch.confirm import obstacles, spent_text

EVENTS_PER_READ = 1000


@dataclass(frozen=True)
class RunSpend:
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


def read_moments(context: TrainerContext, run_id: str) -> list[TimelineEvent]:
    """Return all that happened to a run; a visitor's page reads each event once."""
    kept: list[TimelineEvent] = st.session_state.setdefault(f"told {run_id}", [])
    while True:
        new = read_timeline(
            context.store.engine, run_id, kept[-1].seq if kept else 0, EVENTS_PER_READ
        )
        kept.extend(new)
        if len(new) < EVENTS_PER_READ:
            return kept


def run_spend(context: TrainerContext, run: Run, plan: TrainingPlan) -> RunSpend:
    """Say what a run has cost so far, and what it may cost."""
    entry = context.ledger.entry(run.run_id)
    settled = usd_text(entry.settled) if entry and entry.settled is not None else None
    return RunSpend(
        plan.cap_usd, usd_text(entry.reserved) if entry else None, _spent_so_far(run, plan), settled
    )


def run_version(context: TrainerContext, run_id: str) -> ModelVersion | None:
    """Return the version that a run made, if it made one."""
    return next((one for one in context.registry.listed() if one.run_id == run_id), None)


def _spent_so_far(run: Run, plan: TrainingPlan) -> str | None:
    if plan.local is None or run.job_id is None:
        return None
    folder = RunFolder(home_folder() / "runs" / run.job_id)
    if not folder.path.is_dir():
        return None
    return usd_text(micro_usd(folder.usd(Decimal(plan.figure.price)).quantize(Decimal("0.0001"))))


REFRESH_SECONDS = 1.0
NEWEST_EVENTS = 8
UNSENT_STATES = frozenset({"intent", "validated"})
"""Nothing has been asked of anybody yet, and no money is set aside."""
MAX_EVENTS = 500
ERROR_KEY = "run_trouble"


def draw_live_run(run_id: str) -> None:
    """Draw a run again and again until it is settled, then the whole page once more."""
    st.fragment(_draw_current, run_every=REFRESH_SECONDS)(run_id)


def _draw_current(run_id: str) -> None:
    context = state.trainer_context()
    run = context.store.run(run_id)
    plan = context.store.plan(run.plan_id)
    if run.state == "settled":
        st.rerun()
    if run.state in UNSENT_STATES:
        for problem in obstacles(context, plan):
            st.warning(f"It waits: {problem}")
    draw_progress(run, plan, read_moments(context, run_id), run_spend(context, run, plan))
    _draw_buttons(run)


def draw_progress(
    run: Run, plan: TrainingPlan, moments: Sequence[TimelineEvent], spend: RunSpend
) -> None:
    """Draw where a run stands: figures, loss, events."""
    trouble = st.session_state.pop(ERROR_KEY, None)
    if trouble:
        st.error(trouble)
    _draw_figures(run, moments, spend)
    if run.state == "needs_human":
        st.warning(f"{run.said('needs_human', 'why')} {run.said('needs_human', 'remedy')}")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _draw_loss(moments, is_plain=plan.local is not None and plan.local.is_plain)
    with right:
        _draw_events(moments)


def _draw_figures(run: Run, moments: Sequence[TimelineEvent], spend: RunSpend) -> None:
    locale = formatting.reader_locale()
    step, of = _latest_step(moments)
    cap = formatting.money_text(spend.cap, locale, cents=True)
    known = spend.settled or spend.so_far
    paid = spent_text(known, locale) if known else "not known yet"
    aside = formatting.money_text(spend.set_aside, locale, cents=True) if spend.set_aside else None
    note = f"of at most {cap}" + (f"; {aside} set aside" if aside and not spend.settled else "")
    points = [
        one
        for one in training_curves.loss_points(moments)
        if one["of"] == training_curves.TRAINING_ROWS
    ]
    columns = st.columns(4)
    measures = run.state == "running" and 0 < of == step
    columns[0].html(
        formatting.figure_tile(
            "State", state_label(run), "answers held-out rows" if measures else ""
        )
    )
    columns[1].html(
        formatting.figure_tile(
            "Step",
            formatting.number_text(step, locale) if step else "not begun",
            f"of {formatting.number_text(of, locale)}" if of else "",
        )
    )
    columns[2].html(
        formatting.figure_tile(
            "Loss",
            formatting.number_text(points[-1]["loss"], locale, 3) if points else "none yet",
            "on rows learned from",
        )
    )
    columns[3].html(formatting.figure_tile("Spent", paid, note))
    st.progress(spend.share, text=f"Spent of the cap of {cap}")


def _latest_step(moments: Sequence[TimelineEvent]) -> tuple[int, int]:
    """Return the newest step that was told, and of how many."""
    steps = [one.body for one in moments if isinstance(one.body.get("step"), int)]
    if not steps:
        return 0, 0
    return int(steps[-1]["step"]), max(int(body.get("of_steps") or 0) for body in steps)


def _draw_loss(moments: Sequence[TimelineEvent], is_plain: bool) -> None:
    st.markdown("**Loss**")
    points = training_curves.loss_points(moments)
    if points:
        says = training_curves.loss_summary(points)
        st.altair_chart(
            training_curves.loss_chart(points, formatting.theme()),
            width="stretch",
            key="loss_curve",
            alt=says,
        )
        muted_text(says)
    elif is_plain:
        muted_text("The plain baseline is fitted at once: it has no loss curve.")
    else:
        muted_text(
            "Nothing told yet. A provider tells it while it trains, this machine each few steps."
        )


def _draw_events(moments: Sequence[TimelineEvent]) -> None:
    st.markdown("**What happened** (UTC)")
    shown = list(moments)[::-1][:MAX_EVENTS]
    st.html(_events_table(shown[:NEWEST_EVENTS]))
    if len(shown) > NEWEST_EVENTS:
        with st.expander(f"All {len(moments)} events"):
            st.html(_events_table(shown))


def _events_table(moments: Sequence[TimelineEvent]) -> str:
    rows = "".join(
        f'<tr><td style="white-space:nowrap;vertical-align:top;padding:2px 12px 2px 0;width:1%">'
        f'{event_time(one)}</td><td style="overflow-wrap:anywhere;padding:2px 0">'
        f"{escape(event_sentence(one))}</td></tr>"
        for one in moments
    )
    return f'<table style="border-collapse:collapse;font-size:.875rem;width:100%">{rows}</table>'


def _draw_buttons(run: Run) -> None:
    row = st.container(horizontal=True)
    with row:
        if run.state in WORKING and run.state != "paused":
            _action_button("Hold", "pause", run, "It saves, and waits until you let it go on.")
        if run.state in ("paused", "needs_human"):
            _action_button("Go on", "resume", run, "It goes on where it was held.")
        with st.popover("End it"):
            st.write("What it learned so far is lost. What it cost so far stays spent.")
            _action_button("End this run for good", "cancel", run, "")


def _action_button(label: str, verb: str, run: Run, says: str) -> None:
    asked = run.last(f"{verb}_asked")
    done = run.last("asked_provider")
    waits = asked is not None and (done is None or done.seq < asked.seq)
    st.button(
        label,
        key=f"{verb} {run.run_id}",
        help=says or None,
        on_click=send_action,
        args=(run.run_id, verb),
        disabled=waits,
    )


def send_action(run_id: str, verb: UserAction) -> None:
    """Write down that a run is to be held, to go on or to end; the driver passes it on."""
    desk: Any = state.page_context()
    try:
        request_action(desk.context, desk.context.store.run(run_id), verb)
        desk.driver.wake()
    except AdvisorError as error:
        st.session_state[ERROR_KEY] = str(error)
