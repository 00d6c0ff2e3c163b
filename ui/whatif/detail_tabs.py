"""The answer of the moment -> its reasons, bills and assumptions in tabs, one at a time."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from advisor.loading import load_sentences
from advisor.report.markdown import best_per_approach
from advisor.report.sentences import decision_sentences
from advisor.scenario.fields import NUMBER_FIELDS
from ui import formatting, state
from ui.components.in_view import track_visibility
from ui.whatif import compare, inputs, tables
from ui.whatif.verdict import option_by_id

DETAILS_KEY: Final = "why"
FALLBACK_LANGUAGE: Final = "en"
"""The language of a reader in whose own nobody wrote the sentences."""
DETAIL_TABS: Final = (
    "Why",
    "In plain words",
    "What would flip it",
    "Every way and its bill",
    "Assumptions",
    "Ruled out",
    "Compare",
)


def draw_details() -> None:
    """Draw the tabs; the open one anew when the answer changes and it is in view."""
    now = state.current_scenario()
    track_visibility(DETAILS_KEY, now.answer.question_sha256, 1)
    tabs = st.tabs(list(DETAIL_TABS), key="why_tabs", on_change="rerun")
    draws = (
        _draw_reasons,
        _draw_plain_language,
        _draw_changes,
        _draw_options,
        _draw_assumptions,
        _draw_ruled_out,
        compare.draw_comparison,
    )
    for tab, draw in zip(tabs, draws, strict=True):
        if tab.open:
            with tab:
                draw()


def _draw_reasons() -> None:
    answer = state.current_scenario().answer
    st.html(tables.reasons_list(answer))
    left, right = st.columns(2, gap="large")
    left.subheader("Measure next")
    left.html(tables.measure_next_list(answer))
    right.subheader("Mind")
    right.html(tables.caveats_list(answer, option_by_id(answer, answer.decision.recommended)))


def _draw_plain_language() -> None:
    """Tell the decision as to somebody who reads no tables, in the language of the reader."""
    language = formatting.reader_locale().partition("_")[0]
    known = load_sentences()
    told = decision_sentences(
        state.complete_answer(), known.get(language, known[FALLBACK_LANGUAGE])
    )
    st.html("".join(f'<p class="ton-plain">{escape(sentence)}</p>' for sentence in told))


def _draw_changes() -> None:
    found = state.complete_answer().decision.flips
    st.html('<p class="ton-says">The nearest changes that would change the way itself.</p>')
    st.html(tables.changes_table(found))


def _draw_options() -> None:
    answer, locale = state.current_scenario().answer, formatting.reader_locale()
    st.html(tables.options_table(best_per_approach(answer), answer.decision.recommended, locale))
    ids = [one.id for one in answer.options]
    here = ids.index(answer.decision.recommended) if answer.decision.recommended in ids else 0
    chosen = st.selectbox(
        "The bill of", ids, index=here, key="bill_of", format_func=formatting.option_name
    )
    option = option_by_id(answer, chosen)
    if option is None:
        return
    st.html(tables.bill_table(option, locale))
    st.html(f'<p class="ton-says">{escape(option.launch_says)}</p>')
    if option.caveats:
        st.html("<ul>" + "".join(f"<li>{escape(c.says)}</li>" for c in option.caveats) + "</ul>")
    if option.approach != "not_yet" and st.button("Launch this one", key="launch_chosen"):
        state.open_launch_page(option.id)


def _draw_assumptions() -> None:
    """Show what nobody said, each where it can be said."""
    answer = state.current_scenario().answer
    st.html(
        '<p class="ton-says">Nobody said these, so they were taken. Move one, and it is yours.</p>'
    )
    paths = [one.path for one in answer.assumptions if one.path in NUMBER_FIELDS]
    kept = st.session_state.setdefault("assumed_paths", [])
    if st.session_state.get("assumed_epoch") != state.scenario_epoch():
        kept.clear()
        st.session_state["assumed_epoch"] = state.scenario_epoch()
    kept += [path for path in paths if path not in kept]
    inputs.draw_input_sliders("assumed_dials_wide", kept, answer.question_sha256, DETAILS_KEY)
    others = [one for one in answer.assumptions if one.path not in NUMBER_FIELDS]
    for one in others:
        st.html(
            f'<p class="ton-says">{escape(one.path)} = {escape(one.value)}: {escape(one.says)}</p>'
        )


def _draw_ruled_out() -> None:
    answer = state.current_scenario().answer
    st.html(
        f'<p class="ton-says">{len(answer.options)} options are costed, '
        f"{len(answer.ruled_out)} are ruled out.</p>"
    )
    st.html(tables.ruled_out_table(answer))
