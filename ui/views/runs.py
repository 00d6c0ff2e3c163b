"""The Runs page: every run with its cost, newest first, and the details of one run."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import streamlit as st

from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.runs.messages import STATE_LABELS
from trainer.storage.ledger import LedgerEntry, usd_text
from trainer.storage.run_store import RunSummary
from ui import formatting, state
from ui.formatting import facts_table, muted_text
from ui.launch import progress
from ui.launch.confirm import plan_facts
from ui.launch.result import draw_result

MAX_RUNS = 200
OPEN_RUN_KEY = "shown_run"


def draw_run(run_id: str) -> None:
    """Draw a run, live until it is settled, then with its result.

    Raises:
        UsageError: run not found.
    """
    context = state.trainer_context()
    run = context.store.run(run_id)
    plan = context.store.plan(run.plan_id)
    st.subheader(f"{plan.suffix or plan.base_model}", anchor=False)
    muted_text(run.run_id)
    if run.state == "settled":
        draw_result(run, plan)
        st.divider()
        progress.draw_progress(run, plan)
    else:
        # redrawn until it is settled, which then reruns the page
        st.fragment(progress.draw_current, run_every=progress.REFRESH_SECONDS)(run.run_id)
    with st.expander("Plan of this run"):
        st.html(facts_table(plan_facts(plan, formatting.reader_locale())))


@state.errors_drawn()
def page() -> None:
    """Draw the page."""
    st.title("Runs", anchor=False)
    context = state.trainer_context()
    runs = context.store.listed()[:MAX_RUNS]
    if not runs:
        st.info("No runs yet. Create a plan and start it on the Launch page.")
        return
    entries = {entry.subject: entry for entry in context.ledger.entries()}
    st.dataframe(
        [run_row(context, run, entries.get(run.run_id)) for run in runs],
        hide_index=True,
        width="stretch",
        key="runs_table",
        on_select=_open_row,
        selection_mode="single-row",
        placeholder="",
        column_config={
            "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm"),
            "reserved": st.column_config.NumberColumn("reserved, USD", format="%.2f"),
            "spent": st.column_config.NumberColumn("spent, USD", format="%.2f"),
        },
    )
    if not all(run.watched for run in runs):
        muted_text("Runs without a process continue while this page is open. No data is lost.")
    names = [run.run_id for run in runs]
    if OPEN_RUN_KEY not in st.session_state:
        linked = st.query_params.get("run")
        st.session_state[OPEN_RUN_KEY] = linked if linked in names else None
    chosen = st.selectbox("Open a run", names, key=OPEN_RUN_KEY, placeholder="None", index=None)
    if chosen is None:
        st.query_params.pop("run", None)
        return
    st.query_params["run"] = chosen
    with st.container(border=True):
        draw_run(chosen)


def run_row(
    context: TrainerContext, run: RunSummary, entry: LedgerEntry | None
) -> Mapping[str, Any]:
    """Return one run as a row of the table."""
    spent, plan = entry.settled if entry else None, context.store.plan(run.plan_id)
    return {
        "run": run.run_id,
        "name": plan.suffix or plan.base_model,
        "started": utc_datetime(run.made_at).replace(tzinfo=None),
        "provider": run.provider,
        "state": STATE_LABELS[run.state],
        "reserved": _usd(entry.reserved) if entry and spent is None else None,
        "spent": _usd(spent) if spent is not None else None,
        "process": "active" if run.watched else "none",
    }


def _usd(micro_usd: int) -> float:
    return float(Decimal(usd_text(micro_usd)))


def _open_row() -> None:
    """Open the run of the selected row."""
    rows = st.session_state["runs_table"].selection.rows
    runs = state.trainer_context().store.listed()[:MAX_RUNS]
    if rows and rows[0] < len(runs):
        st.session_state[OPEN_RUN_KEY] = runs[rows[0]].run_id
