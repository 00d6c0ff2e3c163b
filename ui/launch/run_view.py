"""One run, open or ended, with its plan: what the pages Launch and Runs both show."""

from __future__ import annotations

import streamlit as st

from ui import look, work
from ui.launch import progress
from ui.launch.blocks import facts_table, quiet
from ui.launch.plan_words import plan_facts
from ui.launch.result import result
from ui.launch.watching import spend_of, told


def run_view(run_id: str) -> None:
    """Draw a run: live while it goes on, its result once it has ended.

    Raises:
        UsageError: there is no such run.
    """
    office = work.office()
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
        st.html(facts_table(plan_facts(plan, look.reader())))
