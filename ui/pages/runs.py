"""Every run, newest first, with its money; one that is opened shows all that is known of it.

One run, open or ended, with its plan: what the pages Launch and Runs both show.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import streamlit as st

from advisor.errors import AdvisorError
from trainer.clock import moment
from trainer.context import Office
from trainer.storage.ledger import Entry, in_usd
from trainer.storage.run_store import Listed
from ui import formatting, state
from ui.formatting import facts_table, quiet
from ui.launch import progress
from ui.launch.confirm import plan_facts
from ui.launch.progress import spend_of, told
from ui.launch.result import result
from ui.launch.wording import STATES


def run_view(run_id: str) -> None:
    """Draw a run: live while it goes on, its result once it has ended.

    Raises:
        UsageError: there is no such run.
    """
    office = state.office()
    run = office.store.run(run_id)
    plan = office.store.plan(run.plan_id)
    st.subheader(f"{plan.suffix or plan.base_model}", anchor=False)
    quiet(run.run_id)
    if run.state == "settled":
        result(run, plan)
        st.divider()
        progress.draw(run, plan, told(office, run.run_id), spend_of(office, run, plan))
    else:
        progress.live(run.run_id)
    with st.expander("The plan of this run"):
        st.html(facts_table(plan_facts(plan, formatting.reader())))


MOST = 200
SHOWN = "shown_run"
NOBODY = "nobody is watching"


def page() -> None:
    """List the runs, and open the one that is chosen."""
    st.title("Runs", anchor=False)
    try:
        _page(state.office())
    except AdvisorError as error:
        st.error(str(error))


def _page(office: Office) -> None:
    listed = office.store.listed()[:MOST]
    if not listed:
        st.info("No run yet. The page Launch makes a plan and starts it.")
        return
    money = {entry.subject: entry for entry in office.ledger.entries()}
    rows = [row_of(one, money.get(one.run_id), _what(office, one)) for one in listed]
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
    if any(row["watched"] == NOBODY for row in rows):
        quiet("Nothing is lost while nobody watches: this page goes on with it.")
    names = [one.run_id for one in listed]
    known = st.query_params.get("run")
    if SHOWN not in st.session_state:
        st.session_state[SHOWN] = known if known in names else None
    chosen = st.selectbox("Open a run", names, key=SHOWN, placeholder="none", index=None)
    if chosen is None:
        st.query_params.pop("run", None)
        return
    st.query_params["run"] = chosen
    with st.container(border=True):
        run_view(chosen)


def row_of(one: Listed, entry: Entry | None, what: str) -> Mapping[str, Any]:
    """Lay one run down as a line of the table."""
    spent = entry.settled if entry else None
    return {
        "run": one.run_id,
        "what": what,
        "started": moment(one.made_at).replace(tzinfo=None),
        "provider": one.provider,
        "state": STATES[one.state],
        "set aside": _usd(entry.reserved) if entry and spent is None else None,
        "spent": _usd(spent) if spent is not None else None,
        "watched": "yes" if one.watched else NOBODY,
    }


def _usd(micro_usd: int) -> float:
    return float(Decimal(in_usd(micro_usd)))


def _what(office: Office, one: Listed) -> str:
    plan = office.store.plan(one.plan_id)
    return plan.suffix or plan.base_model


def _open_row() -> None:
    """Open the run of the line that was chosen."""
    chosen = st.session_state["runs_table"].selection.rows
    listed = state.office().store.listed()[:MOST]
    if chosen and chosen[0] < len(listed):
        st.session_state[SHOWN] = listed[chosen[0]].run_id
