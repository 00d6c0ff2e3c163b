"""The launch page: a form, then a plan to agree to, then a run; the address says which."""

from __future__ import annotations

import streamlit as st

from advisor.errors import AdvisorError
from ui import state
from ui.launch.confirm import close_plan, draw_confirmation
from ui.launch.plan_form import draw_form
from ui.pages.runs import draw_run

STEPS = ("Plan", "Agree", "Run")


def page() -> None:
    """Draw the step that the address names; a reload, or another tab, shows the same."""
    st.title("Launch", anchor=False)
    run_id, plan_id = st.query_params.get("run"), st.query_params.get("plan")
    try:
        if run_id:
            _draw_steps(2)
            draw_run(run_id)
            st.button("Launch something else", on_click=close_plan)
        elif plan_id:
            _draw_steps(1)
            draw_confirmation(state.trainer_context().store.plan(plan_id))
        else:
            _draw_steps(0)
            draw_form()
    except AdvisorError as error:
        st.error(str(error))
        if run_id or plan_id:
            st.button("Back to the form", on_click=close_plan, key="back_from_trouble")


def _draw_steps(now: int) -> None:
    parts = [
        f"**{at + 1} {name}**" if at == now else f"{at + 1} {name}" for at, name in enumerate(STEPS)
    ]
    st.markdown(" · ".join(parts))
