"""Visibility of parts of the page: only what the visitor can see is redrawn after a change."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

IN_VIEW: Final = "parts_in_view"
_VISIBILITY_SENSOR = st.components.v2.component(
    "tune_or_not.watch",
    html='<div class="watch" aria-hidden="true"></div>',
    css=".watch { height: 1px; }",
    js=(Path(__file__).parent / "watch.js").read_text(encoding="utf-8"),
)


def track_visibility(part: str, drawn: str, order: int) -> None:
    """Track whether the surrounding fragment is in view; *drawn* is the hash of its answer.

    The order, from 0, delays the messages of a part, as two at once get lost.
    """
    name = f"{part}_watch"

    def change() -> None:
        visible = {part} if st.session_state[name].get("visible") else set()
        st.session_state[IN_VIEW] = (fragments_in_view() - {part}) | visible

    _VISIBILITY_SENSOR(
        key=name,
        data={"drawn": drawn, "order": order},
        height=1,
        on_visible_change=change,
        on_wants_change=lambda: None,  # the fragment reruns anyway and draws the current answer
    )


def fragments_in_view() -> frozenset[str]:
    """Return the keys of the fragments that the visitor can see."""
    return frozenset(st.session_state.get(IN_VIEW, ()))


def redraw(*parts: str) -> None:
    """Redraw some fragments, then those in view; for the callback of a control."""
    st.rerun(list(dict.fromkeys((*parts, *sorted(fragments_in_view())))))
