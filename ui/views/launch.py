"""The Launch page: form, plan to confirm, run; the address says which."""

from __future__ import annotations

import streamlit as st

from advisor.errors import AdvisorError
from ui import state
from ui.launch.confirm import close_plan, draw_confirmation
from ui.launch.plan_form import draw_form
from ui.views.runs import draw_run

STEPS = ("Plan", "Confirm", "Run")


def page() -> None:
    """Draw the step in the address, so that a reload or another tab shows the same."""
    st.title("Launch", anchor=False)
    run_id, plan_id = st.query_params.get("run"), st.query_params.get("plan")
    try:
        current = 2 if run_id else 1 if plan_id else 0
        steps = [f"{number} {name}" for number, name in enumerate(STEPS, start=1)]
        steps[current] = f"**{steps[current]}**"
        st.markdown(" · ".join(steps))
        if run_id:
            draw_run(run_id)
            st.button("Launch another job", on_click=close_plan)
        elif plan_id:
            draw_confirmation(state.trainer_context().store.plan(plan_id))
        else:
            draw_form()
    except AdvisorError as error:
        st.error(str(error))
        if run_id or plan_id:
            st.button("Back to the form", on_click=close_plan, key="back_from_trouble")
