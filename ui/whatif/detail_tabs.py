"""Detail tabs of the what-if page: reasons, bills, assumptions; only the open tab is drawn."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from advisor.loading import ENGLISH, load_sentences
from advisor.prices.display_names import option_name
from advisor.report.markdown import answer_caveats, best_per_approach
from advisor.report.sentences import decision_sentences, option_of
from advisor.scenario.fields import NUMBER_FIELDS
from ui import formatting, state
from ui.components.in_view import track_visibility
from ui.formatting import muted_text
from ui.whatif import compare, inputs, tables

DETAILS_KEY: Final = "why"


def draw_details() -> None:
    """Draw the tabs; the open one is redrawn when the answer changes and it is in view."""
    track_visibility(DETAILS_KEY, state.current_scenario().answer.question_sha256, 1)
    tabs = st.tabs(list(DETAIL_TABS), key="why_tabs", on_change="rerun")
    for tab, draw in zip(tabs, DETAIL_TABS.values(), strict=True):
        if tab.open:
            with tab:
                draw()


def _draw_reasons() -> None:
    answer = state.current_scenario().answer
    st.html(tables.reasons_list(answer))
    left, right = st.columns(2, gap="large")
    left.subheader("Next steps")
    left.html(tables.text_list(answer.decision.measure_next))
    right.subheader("Caveats")
    right.html(tables.text_list(caveat.says for caveat in answer_caveats(answer)))


def _draw_summary() -> None:
    """Draw the decision as sentences, in the reader's language if it is available."""
    language, known = formatting.reader_locale().partition("_")[0], load_sentences()
    texts = known.get(language, known[ENGLISH])
    sentences = decision_sentences(state.complete_answer(), texts, with_sensitivity=True)
    st.html("".join(f'<p class="ton-plain">{escape(sentence)}</p>' for sentence in sentences))


def _draw_changes() -> None:
    muted_text("The nearest changes that would change the recommended approach.")
    st.html(tables.changes_table(state.complete_answer().decision.flips))


def _draw_options() -> None:
    answer, locale = state.current_scenario().answer, formatting.reader_locale()
    recommended = answer.decision.recommended
    st.html(tables.options_table(best_per_approach(answer), recommended, locale, answer.currency))
    ids = [option.id for option in answer.options]
    chosen = st.selectbox(
        "Bill of",
        ids,
        index=ids.index(recommended) if recommended in ids else 0,
        key="bill_of",
        format_func=option_name,
    )
    option = option_of(answer, chosen)
    if option is None:
        return
    st.html(tables.bill_table(option, locale, answer.currency))
    if notes := tables.bill_notes_list(answer, option):
        st.html(notes)
    muted_text(option.launch_says)
    if option.caveats:
        st.html(tables.text_list(caveat.says for caveat in option.caveats))
    if option.approach != "not_yet" and st.button("Launch this option", key="launch_chosen"):
        state.open_launch_page(option.id)


def _draw_assumptions() -> None:
    """Draw the assumed values, each with a control that replaces it."""
    current = state.current_scenario()
    muted_text("Defaults used because no value was given. Change any of them here.")
    # A value that was changed here stays in the list, or its slider would vanish under the mouse.
    epoch, paths = st.session_state.get("assumed_paths", (None, []))
    paths = paths if epoch == current.epoch else []
    others = []
    for assumption in current.answer.assumptions:
        if assumption.path not in NUMBER_FIELDS:
            others.append(assumption)
        elif assumption.path not in paths:
            paths.append(assumption.path)
    st.session_state["assumed_paths"] = (current.epoch, paths)
    inputs.draw_input_sliders("assumed_dials_wide", paths, DETAILS_KEY)
    for assumption in others:
        muted_text(f"{assumption.path} = {assumption.value}: {assumption.says}")


def _draw_ruled_out() -> None:
    answer = state.current_scenario().answer
    considered = len(answer.options) + len(answer.ruled_out)
    muted_text(f"{considered} options considered, {len(answer.ruled_out)} ruled out.")
    st.html(tables.ruled_out_table(answer))


DETAIL_TABS: Final = {
    "Reasons": _draw_reasons,
    "Summary": _draw_summary,
    "Nearest changes": _draw_changes,
    "Options and bills": _draw_options,
    "Assumptions": _draw_assumptions,
    "Ruled out": _draw_ruled_out,
    "Compare": compare.draw_comparison,
}
