"""Every run, newest first, with its money; one that is opened shows all that is known of it.

One run, open or ended, with its plan: what the pages Launch and Runs both show.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import streamlit as st

from advisor.errors import AdvisorError
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.runs.messages import STATE_LABELS
from trainer.storage.ledger import LedgerEntry, usd_text
from trainer.storage.run_store import RunSummary
from ui import formatting, state
from ui.formatting import facts_table, muted_text
from ui.launch import progress
from ui.launch.confirm import plan_facts
from ui.launch.progress import read_moments, run_spend
from ui.launch.result import draw_result


def draw_run(run_id: str) -> None:
    """Draw a run: live while it goes on, its result once it has ended.

    Raises:
        UsageError: there is no such run.
    """
    context = state.trainer_context()
    run = context.store.run(run_id)
    plan = context.store.plan(run.plan_id)
    st.subheader(f"{plan.suffix or plan.base_model}", anchor=False)
    muted_text(run.run_id)
    if run.state == "settled":
        draw_result(run, plan)
        st.divider()
        progress.draw_progress(
            run, plan, read_moments(context, run.run_id), run_spend(context, run, plan)
        )
    else:
        progress.draw_live_run(run.run_id)
    with st.expander("The plan of this run"):
        st.html(facts_table(plan_facts(plan, formatting.reader_locale())))


MAX_RUNS = 200
OPEN_RUN_KEY = "shown_run"
NOT_WATCHED = "nobody is watching"


def page() -> None:
    """List the runs, and open the one that is chosen."""
    st.title("Runs", anchor=False)
    try:
        _draw_runs(state.trainer_context())
    except AdvisorError as error:
        st.error(str(error))


def _draw_runs(context: TrainerContext) -> None:
    listed = context.store.listed()[:MAX_RUNS]
    if not listed:
        st.info("No run yet. The page Launch makes a plan and starts it.")
        return
    money = {entry.subject: entry for entry in context.ledger.entries()}
    rows = [run_row(one, money.get(one.run_id), _run_title(context, one)) for one in listed]
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        key="runs_table",
        on_select=_open_row,
        selection_mode="single-row",
        placeholder="",
        column_config={
            "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm"),
            "set aside": st.column_config.NumberColumn("set aside, USD", format="%.2f"),
            "spent": st.column_config.NumberColumn("spent, USD", format="%.2f"),
        },
    )
    if any(row["watched"] == NOT_WATCHED for row in rows):
        muted_text("Nothing is lost while nobody watches: this page goes on with it.")
    names = [one.run_id for one in listed]
    known = st.query_params.get("run")
    if OPEN_RUN_KEY not in st.session_state:
        st.session_state[OPEN_RUN_KEY] = known if known in names else None
    chosen = st.selectbox("Open a run", names, key=OPEN_RUN_KEY, placeholder="none", index=None)
    if chosen is None:
        st.query_params.pop("run", None)
        return
    st.query_params["run"] = chosen
    with st.container(border=True):
        draw_run(chosen)


def run_row(one: RunSummary, entry: LedgerEntry | None, what: str) -> Mapping[str, Any]:
    """Lay one run down as a line of the table."""
    spent = entry.settled if entry else None
    return {
        "run": one.run_id,
        "what": what,
        "started": utc_datetime(one.made_at).replace(tzinfo=None),
        "provider": one.provider,
        "state": STATE_LABELS[one.state],
        "set aside": _usd(entry.reserved) if entry and spent is None else None,
        "spent": _usd(spent) if spent is not None else None,
        "watched": "yes" if one.watched else NOT_WATCHED,
    }


def _usd(micro_usd: int) -> float:
    return float(Decimal(usd_text(micro_usd)))


def _run_title(context: TrainerContext, one: RunSummary) -> str:
    plan = context.store.plan(one.plan_id)
    return plan.suffix or plan.base_model


def _open_row() -> None:
    """Open the run of the line that was chosen."""
    chosen = st.session_state["runs_table"].selection.rows
    listed = state.trainer_context().store.listed()[:MAX_RUNS]
    if chosen and chosen[0] < len(listed):
        st.session_state[OPEN_RUN_KEY] = listed[chosen[0]].run_id
