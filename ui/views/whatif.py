"""The what-if page: verdict and inputs, charts, details."""

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
    """Draw the verdict and the main inputs, the part of the page that has to be fast."""
    try:
        answer = state.current_scenario().answer
    except AdvisorError as error:
        st.error(str(error))
        return
    verdict.html(verdict_html(answer, formatting.reader_locale()))
    error_text = state.pop_error()
    if error_text:
        st.error(f"{error_text} Nothing was changed.")
    inputs.draw_input_sliders("main_dials", inputs.MAIN_PATHS)
    inputs.draw_needs()
    label = start_label(answer, formatting.reader_locale())
    if label and st.button(label, type="primary", width="stretch", key="launch_this"):
        state.open_launch_page(answer.decision.recommended)


@st.fragment(key=inputs.MORE_INPUTS_KEY)
def draw_more_inputs() -> None:
    """Draw the other inputs in a collapsed section."""
    section = st.expander("More inputs", key="more_inputs", on_change="rerun")
    if section.open:
        with section:
            inputs.draw_other_inputs()
            others = [path for path in NUMBER_FIELDS if path not in inputs.MAIN_PATHS]
            inputs.draw_input_sliders("more_dials_wide", others, inputs.MORE_INPUTS_KEY)
