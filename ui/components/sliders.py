"""Sliders with number fields that send every move to the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Slider:
    """One number that can be changed."""

    path: str
    """Dotted path in the scenario."""
    label: str
    help: str
    unit: str
    low: float
    high: float
    least: float
    """Smallest value that can be typed."""
    most: float
    """Largest value that can be typed."""
    log: bool
    digits: int
    percent: bool
    """Whether it is a share, shown as a percentage."""
    value: float | None
    """Current value; None if unknown."""
    note: str
    """Source of a value that was not given."""
    remedy: str
    """Message for an invalid value."""


def _component(name: str, classes: str) -> Any:
    return st.components.v2.component(
        f"tune_or_not.{name}",
        html=f'<div class="{classes}"></div>',
        css=(FOLDER / "dials.css").read_text(encoding="utf-8"),
        js=(FOLDER / "dials.js").read_text(encoding="utf-8"),
    )


_CONTROL = _component("dials", "dials")
_WIDE_CONTROL = _component("dials_wide", "dials two")
OnMove = Callable[[Mapping[str, float | None]], None]
"""Receives the changed values by path; None clears a value."""


def draw_sliders(
    name: str, sliders: Sequence[Slider], locale: str, stamp: tuple[int, str], moved: OnMove
) -> None:
    """Draw sliders; `moved` receives every value changed since the last drawing.

    The name is unique on the page; one ending in `_wide` has columns. The stamp is the epoch of
    the scenario and the hash of the answer shown.
    """
    epoch, answer = stamp
    seen = f"{name}_seen"

    def change() -> None:
        message = st.session_state[name].get("moved") or {}
        st.session_state[seen] = message.get("seq", 0)
        if message.get("epoch") == epoch:  # a move in an older scenario is ignored
            before = st.session_state.get(f"{name}_values", {})
            values = {p: None if v is None else float(v) for p, v in message["values"].items()}
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
        "dials": [asdict(slider) for slider in sliders],
    }
    control = _WIDE_CONTROL if name.endswith("_wide") else _CONTROL
    control(key=name, data=data, on_moved_change=change)
