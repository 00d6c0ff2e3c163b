"""Numbers with their ranges -> sliders that tell the server at every move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Slider:
    """One number that can be moved."""

    path: str
    """Dotted path in the scenario."""
    label: str
    """What it is called."""
    help: str
    """What it means, in a sentence."""
    unit: str
    """What it counts."""
    low: float
    """Left end of the slider."""
    high: float
    """Right end of the slider."""
    least: float
    """Smallest value that may be typed."""
    most: float
    """Largest value that may be typed."""
    log: bool
    """Whether equal steps are equal factors."""
    digits: int
    """Digits after the point."""
    percent: bool
    """Whether it is a share, shown as percent."""
    value: float | None
    """Where it stands; None: nobody said."""
    note: str
    """Where the value comes from, if it was not given."""
    remedy: str
    """What to do about a value that is none."""


_CONTROL = st.components.v2.component(
    "tune_or_not.dials",
    html='<div class="dials"></div>',
    css=(FOLDER / "dials.css").read_text(encoding="utf-8"),
    js=(FOLDER / "dials.js").read_text(encoding="utf-8"),
)
_WIDE_CONTROL = st.components.v2.component(
    "tune_or_not.dials_wide",
    html='<div class="dials two"></div>',
    css=(FOLDER / "dials.css").read_text(encoding="utf-8"),
    js=(FOLDER / "dials.js").read_text(encoding="utf-8"),
)
OnMove = Callable[[Mapping[str, float | None]], None]
"""Told what was moved; None takes a value back."""


def draw_sliders(
    name: str, shown: Sequence[Slider], locale: str, stamp: tuple[int, str], moved: OnMove
) -> None:
    """Draw the dials; `moved` gets every value that was moved since the last drawing.

    Args:
        name: Name of the board, unique on the page; one that ends in `_wide` has columns.
        shown: The dials.
        locale: Locale of the reader, for separators.
        stamp: How often the scenario was replaced, and the hash of the answer shown.
        moved: Called with path and value of what was moved.
    """
    epoch, answer = stamp
    seen = f"{name}_seen"

    def hear() -> None:
        told = st.session_state[name].get("moved") or {}
        st.session_state[seen] = told.get("seq", 0)
        if told.get("epoch") == epoch:
            before = st.session_state.get(f"{name}_values", {})
            values = {p: None if v is None else float(v) for p, v in told["values"].items()}
            st.session_state[f"{name}_values"] = values
            moved({p: v for p, v in values.items() if p not in before or before[p] != v})

    if st.session_state.get(f"{name}_epoch") != epoch:
        st.session_state[f"{name}_epoch"], st.session_state[f"{name}_values"] = epoch, {}
    data: dict[str, Any] = {
        "name": name,
        "locale": locale.replace("_", "-"),
        "epoch": epoch,
        "answer": answer,
        "seq": st.session_state.get(seen, 0),
        "dials": [asdict(dial) for dial in shown],
    }
    control = _WIDE_CONTROL if name.endswith("_wide") else _CONTROL
    control(key=name, data=data, on_moved_change=hear)
