"""A part of the page -> whether it is in view: what is not is not drawn anew."""

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
    """Note whether the surrounding fragment is in view.

    Args:
        part: Key of the fragment.
        drawn: Hash of the answer that the part shows now.
        order: Which part speaks first, from 0: two must not in the same moment.
    """
    name = f"{part}_watch"

    def hear() -> None:
        now = set(fragments_in_view()) - {part}
        st.session_state[IN_VIEW] = now | (
            {part} if st.session_state[name].get("visible") else set()
        )

    _VISIBILITY_SENSOR(
        key=name,
        data={"drawn": drawn, "order": order},
        height=1,
        on_visible_change=hear,
        on_wants_change=_ignore_change,
    )


def fragments_in_view() -> frozenset[str]:
    """Return the keys of the fragments that the visitor can see."""
    return frozenset(st.session_state.get(IN_VIEW, ()))


def redraw(*parts: str) -> None:
    """Draw some fragments anew, then those that are in view; for a callback of a control."""
    st.rerun(list(dict.fromkeys((*parts, *sorted(fragments_in_view())))))


def _ignore_change() -> None:
    """Nothing to do: the run of the fragment that follows draws the answer of the moment."""
