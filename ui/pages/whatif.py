"""The what-if page, from top to bottom: verdict and inputs, pictures, reasons."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from advisor.errors import AdvisorError
from advisor.scenario.fields import NUMBER_FIELDS
from ui import formatting, state
from ui.whatif import chart_tabs, detail_tabs, inputs, open_menu, share_menu
from ui.whatif.verdict import start_label, verdict_html


def page() -> None:
    """Draw the page."""
    share_menu.open_link()
    with st.container(key="whatif"):
        left, right = st.columns([0.68, 0.32], gap="large")
        verdict = left.container()
        with right, st.container(key="whatif_inputs"):
            with st.container(horizontal=True, key="whatif_bar"):
                st.fragment(open_menu.draw_open_menu)()
                share_menu.draw_share_menu()
            draw_verdict_and_inputs(verdict)
        with left:
            st.fragment(chart_tabs.draw_charts, key=chart_tabs.CHARTS_KEY)()
        draw_more_inputs()
        st.fragment(detail_tabs.draw_details, key=detail_tabs.DETAILS_KEY)()


@st.fragment(key=inputs.VERDICT_KEY)
def draw_verdict_and_inputs(verdict: DeltaGenerator) -> None:
    """Draw the inputs, and the verdict beside them: what has to be quick."""
    try:
        now = state.current_scenario()
    except AdvisorError as error:
        st.error(str(error))
        return
    verdict.html(verdict_html(now.answer, formatting.reader_locale()))
    wrong = state.pop_error()
    if wrong:
        st.error(f"{wrong} Nothing was changed.")
    inputs.draw_input_sliders("main_dials", inputs.MAIN_PATHS, now.answer.question_sha256)
    inputs.draw_needs()
    starts = start_label(now.answer, formatting.reader_locale())
    if starts and st.button(starts, type="primary", width="stretch", key="launch_this"):
        state.open_launch_page(now.answer.decision.recommended)


@st.fragment(key=inputs.MORE_INPUTS_KEY)
def draw_more_inputs() -> None:
    """Draw every other input, folded away."""
    fold = st.expander("More inputs", key="more_inputs", on_change="rerun")
    if fold.open:
        with fold:
            inputs.draw_other_inputs()
            others = [path for path in NUMBER_FIELDS if path not in inputs.MAIN_PATHS]
            sha = state.current_scenario().answer.question_sha256
            inputs.draw_input_sliders("more_dials_wide", others, sha, inputs.MORE_INPUTS_KEY)
