"""Live view of a run: state, loss, cost and events, redrawn every second."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from advisor.plan.training_plan import TrainingPlan
from trainer.context import TrainerContext
from trainer.home import home_folder
from trainer.local.run_folder import RunFolder
from trainer.run_states import WORKING, Run
from trainer.runs.messages import event_sentence, event_time, state_label
from trainer.runs.user_actions import UserAction, request_action
from trainer.storage.ledger import micro_usd, usd_text
from trainer.storage.run_store import TimelineEvent, read_timeline
from ui import formatting, state
from ui.charts.base import ChartStyle, draw_chart
from ui.charts.training_curves import TRAINING_ROWS, loss_chart, loss_points
from ui.formatting import facts_table, muted_text
from ui.launch.confirm import obstacles, spent_text

EVENTS_PER_READ = 1000
REFRESH_SECONDS = 1.0
NEWEST_EVENTS = 8
UNSENT_STATES = frozenset({"intent", "validated"})
"""No request was sent yet, and no money is reserved."""
MAX_EVENTS = 500


def read_events(context: TrainerContext, run_id: str) -> list[TimelineEvent]:
    """Return all events of a run; a session reads each event once."""
    events: list[TimelineEvent] = st.session_state.setdefault(f"events {run_id}", [])
    while True:
        last = events[-1].seq if events else 0
        new = read_timeline(context.store.engine, run_id, last, EVENTS_PER_READ)
        events.extend(new)
        if len(new) < EVENTS_PER_READ:
            return events


def _spent_so_far(run: Run, plan: TrainingPlan) -> str | None:
    if plan.local is None or run.job_id is None:
        return None
    folder = RunFolder(home_folder() / "runs" / run.job_id)
    if not folder.path.is_dir():
        return None
    return usd_text(micro_usd(folder.usd(Decimal(plan.figure.price)).quantize(Decimal("0.0001"))))


def draw_current(run_id: str) -> None:
    """Draw the current state of a run; once it is settled, rerun the page."""
    context = state.trainer_context()
    run = context.store.run(run_id)
    plan = context.store.plan(run.plan_id)
    if run.state == "settled":
        st.rerun()
    if run.state in UNSENT_STATES:
        for problem in obstacles(context, plan):
            st.warning(f"Waiting: {problem}")
    draw_progress(run, plan)
    _draw_buttons(run)


def draw_progress(run: Run, plan: TrainingPlan) -> None:
    """Draw state, cost, loss and events."""
    state.draw_kept_error()
    events = read_events(state.trainer_context(), run.run_id)
    points = loss_points(events)
    losses = [point["loss"] for point in points if point["of"] == TRAINING_ROWS]
    _draw_figures(run, plan, _latest_step(events), losses)
    if run.state == "needs_human":
        st.warning(f"{run.said('needs_human', 'why')} {run.said('needs_human', 'remedy')}")
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Loss**")
        if points:
            style = ChartStyle(formatting.theme(), formatting.reader_locale())
            draw_chart(loss_chart(points, style))
        elif plan.local is not None and plan.local.is_plain:
            muted_text("The TF-IDF baseline is fitted in one step and has no loss curve.")
        else:
            muted_text("No loss reported yet.")
    with right:
        _draw_events(events)


def _draw_figures(
    run: Run, plan: TrainingPlan, progress: tuple[int, int], losses: Sequence[float]
) -> None:
    locale = formatting.reader_locale()
    step, steps = progress
    entry = state.trainer_context().ledger.entry(run.run_id)
    cap, spent = formatting.money_text(plan.cap_usd, locale, cents=True), _spent_so_far(run, plan)
    limit = f"cap {cap}"
    if entry and entry.settled is not None:
        spent = usd_text(entry.settled)
    elif entry:
        reserved = formatting.money_text(usd_text(entry.reserved), locale, cents=True)
        limit += f"; {reserved} reserved"
    is_evaluating = run.state == "running" and 0 < steps == step
    tiles = (
        ("State", state_label(run), "evaluating on held-out rows" if is_evaluating else ""),
        (
            "Step",
            formatting.number_text(step, locale) if step else "not started",
            f"of {formatting.number_text(steps, locale)}" if steps else "",
        ),
        (
            "Loss",
            formatting.number_text(losses[-1], locale, 3) if losses else "none yet",
            f"on {TRAINING_ROWS}",
        ),
        ("Spent", spent_text(spent, locale) if spent else "unknown", limit),
    )
    for column, tile in zip(st.columns(4), tiles, strict=True):
        column.html(formatting.figure_tile(*tile))
    share = min(float(Decimal(spent or "0") / Decimal(plan.cap_usd)), 1.0)
    st.progress(share, text=formatting.escape_dollars(f"Spent of the cap of {cap}"))


def _latest_step(events: Sequence[TimelineEvent]) -> tuple[int, int]:
    """Return the last step reported, and the number of steps."""
    steps = [event.body for event in events if isinstance(event.body.get("step"), int)]
    if not steps:
        return 0, 0
    return int(steps[-1]["step"]), max(int(body.get("of_steps") or 0) for body in steps)


def _draw_events(events: Sequence[TimelineEvent]) -> None:
    st.markdown("**Events** (UTC)")
    newest = [(event_time(event), event_sentence(event)) for event in events[::-1][:MAX_EVENTS]]
    st.html(facts_table(newest[:NEWEST_EVENTS], "ton-facts events"))
    if len(newest) > NEWEST_EVENTS:
        with st.expander(f"All {len(events)} events"):
            st.html(facts_table(newest, "ton-facts events"))


def _draw_buttons(run: Run) -> None:
    with st.container(horizontal=True):
        if run.state in WORKING and run.state != "paused":
            _action_button("Pause", "pause", run, "Save a checkpoint and wait until you resume.")
        if run.state in ("paused", "needs_human"):
            _action_button("Resume", "resume", run, "Continue from the last checkpoint.")
        with st.popover("Cancel"):
            st.write("Training progress is lost. Money already spent is not refunded.")
            _action_button("Cancel this run", "cancel", run, "")


def _action_button(label: str, action: UserAction, run: Run, help_text: str) -> None:
    requested = run.last(f"{action}_asked")
    done = run.last("asked_provider")
    st.button(
        label,
        key=f"{action} {run.run_id}",
        help=help_text or None,
        on_click=send_action,
        args=(run.run_id, action),
        disabled=requested is not None and (done is None or done.seq < requested.seq),
    )


def send_action(run_id: str, action: UserAction) -> None:
    """Record a pause, resume or cancel request; the background reconciler carries it out."""
    reconciler = state.reconciler()
    with state.errors_kept():
        context = reconciler.context
        request_action(context, context.store.run(run_id), action)
        reconciler.wake()
