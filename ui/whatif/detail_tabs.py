"""The answer of the moment -> its reasons, bills and assumptions in tabs, one at a time."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from advisor.loading import load_words
from advisor.report.markdown import best_of_each
from advisor.report.sentences import tell
from ui import formatting, state
from ui.components.in_view import watch
from ui.whatif import compare, inputs, tables
from ui.whatif.verdict import option_of

KEY: Final = "why"
OTHERWISE: Final = "en"
"""The language of a reader in whose own nobody wrote the sentences."""
TABS: Final = (
    "Why",
    "In plain words",
    "What would flip it",
    "Every way and its bill",
    "Assumptions",
    "Ruled out",
    "Compare",
)


def why() -> None:
    """Draw the tabs; the open one anew when the answer changes and it is in view."""
    now = state.asked()
    watch(KEY, now.answer.question_sha256, 1)
    tabs = st.tabs(list(TABS), key="why_tabs", on_change="rerun")
    draws = (_reasons, _plain, _flips, _ways, _assumptions, _ruled_out, compare.compare)
    for tab, draw in zip(tabs, draws, strict=True):
        if tab.open:
            with tab:
                draw()


def _reasons() -> None:
    answer = state.asked().answer
    st.html(tables.reasons(answer))
    left, right = st.columns(2, gap="large")
    left.subheader("Measure next")
    left.html(tables.measure_next(answer))
    right.subheader("Mind")
    right.html(tables.doubts(answer, option_of(answer, answer.decision.recommended)))


def _plain() -> None:
    """Tell the decision as to somebody who reads no tables, in the language of the reader."""
    language = formatting.reader().partition("_")[0]
    known = load_words()
    told = tell(state.with_flips(), known.get(language, known[OTHERWISE]))
    st.html("".join(f'<p class="ton-plain">{escape(sentence)}</p>' for sentence in told))


def _flips() -> None:
    found = state.with_flips().decision.flips
    st.html('<p class="ton-says">The nearest changes that would change the way itself.</p>')
    st.html(tables.flips(found))


def _ways() -> None:
    answer, locale = state.asked().answer, formatting.reader()
    st.html(tables.ways(best_of_each(answer), answer.decision.recommended, locale))
    ids = [one.id for one in answer.options]
    here = ids.index(answer.decision.recommended) if answer.decision.recommended in ids else 0
    chosen = st.selectbox(
        "The bill of", ids, index=here, key="bill_of", format_func=formatting.option_name
    )
    option = option_of(answer, chosen)
    if option is None:
        return
    st.html(tables.bill(option, locale))
    st.html(f'<p class="ton-says">{escape(option.launch_says)}</p>')
    if option.caveats:
        st.html("<ul>" + "".join(f"<li>{escape(c.says)}</li>" for c in option.caveats) + "</ul>")
    if option.approach != "not_yet" and st.button("Launch this one", key="launch_chosen"):
        state.goto_launch(option.id)


def _assumptions() -> None:
    """Show what nobody said, each where it can be said."""
    answer = state.asked().answer
    st.html(
        '<p class="ton-says">Nobody said these, so they were taken. Move one, and it is yours.</p>'
    )
    paths = [one.path for one in answer.assumptions if one.path in inputs.SPANS]
    kept = st.session_state.setdefault("assumed_paths", [])
    if st.session_state.get("assumed_epoch") != state.epoch():
        kept.clear()
        st.session_state["assumed_epoch"] = state.epoch()
    kept += [path for path in paths if path not in kept]
    inputs.board("assumed_dials_wide", kept, answer.question_sha256, KEY)
    others = [one for one in answer.assumptions if one.path not in inputs.SPANS]
    for one in others:
        st.html(
            f'<p class="ton-says">{escape(one.path)} = {escape(one.value)}: {escape(one.says)}</p>'
        )


def _ruled_out() -> None:
    answer = state.asked().answer
    st.html(
        f'<p class="ton-says">{len(answer.options)} options are costed, '
        f"{len(answer.ruled_out)} are ruled out.</p>"
    )
    st.html(tables.ruled_out(answer))
