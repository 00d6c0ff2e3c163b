"""The answer of the moment -> pictures in tabs; only the open one is drawn.

The question of the moment, varied -> columns of answers for the map and the tornado.
"""

from __future__ import annotations

import csv
import io
from html import escape
from typing import Any, Final

import streamlit as st

from advisor.decision import sweep as engine
from advisor.decision.answer import Question
from advisor.decision.sweep import Columns
from advisor.inputs import PATHS, SHARES, Resolved
from ui import formatting, state
from ui.charts.base import Frame, Picture
from ui.charts.cumulative_cost import cumulative_picture
from ui.charts.monthly_cost import cost_picture
from ui.charts.price_ages import ages_picture
from ui.charts.row_lengths import lengths_picture
from ui.charts.tornado import Swing, tornado_picture
from ui.charts.winner_map import Axis, spread, winners_picture
from ui.components.in_view import watch
from ui.whatif.inputs import SPANS, resolved_now
from ui.whatif.verdict import option_of

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


def map_columns(
    question: Question, key: str, paths: tuple[str, str], axes: tuple[Axis, Axis]
) -> Columns:
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


def swing_columns(question: Question, key: str, moved: tuple[tuple[str, Swing], ...]) -> Columns:
    """Answer the question at both ends of each number, in one pass."""
    variants = [{path: end} for path, swing in moved for end in (swing.low, swing.high)]
    return _swept(f"{key} swings", question, variants)


@st.cache_resource(max_entries=128, show_spinner=False)
def _swept(key: str, _question: Question, _variants: list[dict[str, Any]]) -> Columns:
    return engine.sweep(_question, _variants, ranges=False)


TABS: Final = {
    "Monthly cost": "cost",
    "Over time": "cumulative",
    "Map of winners": "winners",
    "What moves it": "tornado",
    "Your data": "lengths",
    "Age of prices": "ages",
}
KEY: Final = "pictures"
MAP: Final = ("traffic.requests_per_month", "traffic.prefix_tokens")


def pictures() -> None:
    """Draw the tabs; the open one anew when the answer changes and it is in view."""
    now = state.asked()
    watch(KEY, now.answer.question_sha256, 0)
    frame = Frame(formatting.theme(), formatting.reader())
    tabs = st.tabs(list(TABS), key="pictures_tabs", on_change="rerun")
    for tab, name in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab:
                _show(name, now, frame)


def _show(name: str, now: state.Asked, frame: Frame) -> None:
    if name == "cost":
        draw(cost_picture(now.answer, frame))
    elif name == "cumulative":
        draw(cumulative_picture(now.answer, frame))
    elif name == "winners":
        _winners(now, frame)
    elif name == "tornado":
        draw(_tornado(now, frame))
    elif name == "ages":
        draw(ages_picture(now.answer, frame))
    elif now.profile is None:
        st.info("No file of examples is open. Open one under \u201cQuestion and data\u201d.")
    else:
        draw(lengths_picture(now.profile, frame))


def _winners(now: state.Asked, frame: Frame) -> None:
    left, right = st.columns(2)
    names = list(SPANS)
    x = left.selectbox(
        "From left to right",
        names,
        index=names.index(MAP[0]),
        key="map_x",
        format_func=lambda path: SPANS[path].label,
    )
    y = right.selectbox(
        "From bottom to top",
        names,
        index=names.index(MAP[1]),
        key="map_y",
        format_func=lambda path: SPANS[path].label,
    )
    if x == y:
        st.info("Choose two different inputs.")
        return
    resolved = resolved_now()
    axes = (map_axis(x, resolved, ACROSS), map_axis(y, resolved, UP))
    key = now.answer.question_sha256 + now.answer.prices_sha256
    columns = map_columns(state.question(), key, (x, y), axes)
    draw(winners_picture(columns, *axes, frame))


def _tornado(now: state.Asked, frame: Frame) -> Picture:
    moved = swings(resolved_now())
    key = now.answer.question_sha256 + now.answer.prices_sha256
    columns = swing_columns(state.question(), key, moved)
    chosen = option_of(now.answer, now.answer.decision.recommended)
    cost = chosen.per_month.likely if chosen else "0"
    ends = [swing for _, swing in moved]
    return tornado_picture(columns, ends, (now.answer.decision.recommended, cost), frame)


def draw(picture: Picture) -> None:
    """Draw one picture, the same in words, and a way to take its rows along."""
    if not picture.rows:
        st.info("There is nothing to draw: no option is allowed, or none has a price.")
        return
    names = list(dict.fromkeys(name for row in picture.rows for name in row))
    table = {name: [row.get(name) for row in picture.rows] for name in names}
    st.vega_lite_chart(
        table,
        picture.spec,
        theme=None,
        key=f"chart_{picture.name}",
        alt=picture.name.replace("-", " "),
    )
    words, button = st.columns([0.86, 0.14], vertical_alignment="top")
    words.html(f'<p class="ton-says">{escape(picture.says)}</p>')
    button.download_button(
        "CSV",
        lambda: as_csv(picture),
        f"{picture.name}.csv",
        "text/csv",
        key=f"csv_{picture.name}",
        type="tertiary",
        on_click="ignore",
        help="The rows behind this picture.",
    )


def as_csv(picture: Picture) -> bytes:
    """Write the rows of a picture as CSV."""
    columns = list(dict.fromkeys(name for row in picture.rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(picture.rows)
    return text.getvalue().encode()
