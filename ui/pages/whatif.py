"""The what-if page, from top to bottom: verdict and inputs, pictures, reasons."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from advisor.errors import AdvisorError
from ui import formatting, state
from ui.whatif import chart_tabs, detail_tabs, inputs, open_menu, share_menu
from ui.whatif.verdict import hero, start_words


def page() -> None:
    """Draw the page."""
    share_menu.open_link()
    with st.container(key="whatif"):
        left, right = st.columns([0.68, 0.32], gap="large")
        verdict = left.container()
        with right, st.container(key="whatif_inputs"):
            with st.container(horizontal=True, key="whatif_bar"):
                st.fragment(open_menu.popover)()
                share_menu.popover()
            board(verdict)
        with left:
            st.fragment(chart_tabs.pictures, key=chart_tabs.KEY)()
        more()
        st.fragment(detail_tabs.why, key=detail_tabs.KEY)()


@st.fragment(key=inputs.VERDICT)
def board(verdict: DeltaGenerator) -> None:
    """Draw the inputs, and the verdict beside them: what has to be quick."""
    try:
        now = state.asked()
    except AdvisorError as error:
        st.error(str(error))
        return
    verdict.html(hero(now.answer, formatting.reader()))
    wrong = state.trouble()
    if wrong:
        st.error(f"{wrong} Nothing was changed.")
    inputs.board("main_dials", inputs.MAIN, now.answer.question_sha256)
    inputs.needs()
    starts = start_words(now.answer, formatting.reader())
    if starts and st.button(starts, type="primary", width="stretch", key="launch_this"):
        state.goto_launch(now.answer.decision.recommended)


@st.fragment(key=inputs.MORE)
def more() -> None:
    """Draw every other input, folded away."""
    fold = st.expander("More inputs", key="more_inputs", on_change="rerun")
    if fold.open:
        with fold:
            inputs.rest()
            others = [path for path in inputs.SPANS if path not in inputs.MAIN]
            sha = state.asked().answer.question_sha256
            inputs.board("more_dials_wide", others, sha, inputs.MORE)
