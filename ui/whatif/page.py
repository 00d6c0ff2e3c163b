"""The what-if page, from top to bottom: verdict and inputs, pictures, reasons."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from advisor.errors import AdvisorError
from ui import look, session
from ui.whatif import inputs, opening, pictures, sharing, taking, why
from ui.whatif.verdict import hero, start_words


def page() -> None:
    """Draw the page."""
    sharing.open_link()
    with st.container(key="whatif"):
        left, right = st.columns([0.68, 0.32], gap="large")
        verdict = left.container()
        with right, st.container(key="whatif_inputs"):
            with st.container(horizontal=True, key="whatif_bar"):
                st.fragment(opening.popover)()
                taking.popover()
            board(verdict)
        with left:
            st.fragment(pictures.pictures, key=pictures.KEY)()
        more()
        st.fragment(why.why, key=why.KEY)()


@st.fragment(key=inputs.VERDICT)
def board(verdict: DeltaGenerator) -> None:
    """Draw the inputs, and the verdict beside them: what has to be quick."""
    try:
        now = session.asked()
    except AdvisorError as error:
        st.error(str(error))
        return
    verdict.html(hero(now.answer, look.reader()))
    wrong = session.trouble()
    if wrong:
        st.error(f"{wrong} Nothing was changed.")
    inputs.board("main_dials", inputs.MAIN, now.answer.question_sha256)
    inputs.needs()
    starts = start_words(now.answer, look.reader())
    if starts and st.button(starts, type="primary", width="stretch", key="launch_this"):
        session.goto_launch(now.answer.decision.recommended)


@st.fragment(key=inputs.MORE)
def more() -> None:
    """Draw every other input, folded away."""
    fold = st.expander("More inputs", key="more_inputs", on_change="rerun")
    if fold.open:
        with fold:
            inputs.rest()
            others = [path for path in inputs.SPANS if path not in inputs.MAIN]
            sha = session.asked().answer.question_sha256
            inputs.board("more_dials_wide", others, sha, inputs.MORE)
