"""The question of the moment, varied -> columns of answers for the map and the tornado."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from advisor import sweep as engine
from advisor.answer import Question
from advisor.facts import PATHS, SHARES, Resolved
from advisor.sweep import Columns
from ui.charts.tornado import Swing
from ui.charts.winners import Axis, spread
from ui.whatif.inputs import SPANS

ACROSS: Final = 32
UP: Final = 20
FACTOR: Final = 100.0
"""A map reaches this far to both sides of the question."""
STEP: Final = 0.1
"""A share is moved by this much where other numbers are halved and doubled."""


def map_axis(path: str, resolved: Resolved, count: int) -> Axis:
    """Return one side of the map, with the question in its middle where that is possible."""
    span, here = SPANS[path], float(getattr(resolved.facts, PATHS[path])[0, 0])
    here = span.low if here != here else here
    unit = f" [{span.unit}]" if span.unit else ""
    label = f"{span.label}{unit}"
    if path in SHARES:
        return Axis(label, spread(0.0, 1.0, count, False), here, False)
    least = max(span.low, 1.0)
    low = min(max(here / FACTOR, least), span.high / FACTOR)
    values = spread(low, max(low * FACTOR, min(here * FACTOR, span.high)), count, True)
    return Axis(label, values, min(max(here, values[0]), values[-1]), True)


def map_columns(question: Question, key: str, paths: tuple[str, str], axes: tuple[Axis, Axis]
                ) -> Columns:  # fmt: skip
    """Answer every cell of the map in one pass."""
    x, y = axes
    variants = [{paths[0]: a, paths[1]: b} for a in x.values for b in y.values]
    return _swept(f"{key} {paths} {x.values} {y.values}", question, variants)


def swings(resolved: Resolved) -> tuple[tuple[str, Swing], ...]:
    """Halve and double every number that is known and not 0; move shares by a tenth."""
    found = []
    for path, span in SPANS.items():
        here = float(getattr(resolved.facts, PATHS[path])[0, 0])
        if here != here or (here == 0 and path not in SHARES):
            continue
        if path in SHARES:
            ends = max(here - STEP, 0.0), min(here + STEP, 1.0)
        else:
            least = 1.0 if path in ("traffic.turns", "traffic.peak_factor") else 0.0
            most = 120.0 if path == "horizon_months" else float("inf")
            ends = max(here / 2, least), min(here * 2, most)
        found.append((path, Swing(span.label, *ends)))
    return tuple(found)


def swing_columns(
    question: Question, key: str, moved: tuple[tuple[str, Swing], ...]
) -> Columns:  # fmt: skip
    """Answer the question at both ends of each number, in one pass."""
    variants = [{path: end} for path, swing in moved for end in (swing.low, swing.high)]
    return _swept(f"{key} swings", question, variants)


@st.cache_resource(max_entries=128, show_spinner=False)
def _swept(key: str, _question: Question, _variants: list[dict[str, Any]]) -> Columns:
    return engine.sweep(_question, _variants, ranges=False)
