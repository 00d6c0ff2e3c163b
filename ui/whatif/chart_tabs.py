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
from advisor.decision.sweep import SweepColumns
from advisor.inputs import ResolvedScenario
from advisor.scenario.fields import NUMBER_FIELDS
from ui import formatting, state
from ui.charts.base import Chart, ChartStyle
from ui.charts.cumulative_cost import cumulative_cost_chart
from ui.charts.monthly_cost import monthly_cost_chart
from ui.charts.price_ages import price_ages_chart
from ui.charts.row_lengths import row_lengths_chart
from ui.charts.tornado import Swing, tornado_chart
from ui.charts.winner_map import Axis, axis_values, winner_map_chart
from ui.components.in_view import track_visibility
from ui.whatif.inputs import resolve_current
from ui.whatif.verdict import option_by_id

CELLS_ACROSS: Final = 32
CELLS_UP: Final = 20
MAP_FACTOR: Final = 100.0
"""A map reaches this far to both sides of the question."""
SHARE_STEP: Final = 0.1
"""A share is moved by this much where other numbers are halved and doubled."""


def map_axis(path: str, resolved: ResolvedScenario, count: int) -> Axis:
    """Return one side of the map, with the question in its middle where that is possible."""
    field = NUMBER_FIELDS[path]
    here, (start, end) = float(getattr(resolved.inputs, field.name)[0, 0]), field.slider
    here = start if here != here else here
    label = f"{field.label} [{field.unit}]" if field.unit else field.label
    if field.kind == "share":
        return Axis(label, axis_values(0.0, 1.0, count, False), here, False)
    low = min(max(here / MAP_FACTOR, start, 1.0), end / MAP_FACTOR)
    values = axis_values(low, max(low * MAP_FACTOR, min(here * MAP_FACTOR, end)), count, True)
    return Axis(label, values, min(max(here, values[0]), values[-1]), True)


def sweep_map(
    question: Question, key: str, paths: tuple[str, str], axes: tuple[Axis, Axis]
) -> SweepColumns:
    """Answer every cell of the map in one pass."""
    x, y = axes
    variants = [{paths[0]: a, paths[1]: b} for a in x.values for b in y.values]
    return _cached_sweep(f"{key} {paths} {x.values} {y.values}", question, variants)


def tornado_swings(resolved: ResolvedScenario) -> tuple[tuple[str, Swing], ...]:
    """Halve and double every number that is known and not 0; move shares by a tenth."""
    found = []
    for path, field in NUMBER_FIELDS.items():
        here = float(getattr(resolved.inputs, field.name)[0, 0])
        if here != here or (here == 0 and field.kind != "share"):
            continue
        if field.kind == "share":
            ends = max(here - SHARE_STEP, 0.0), min(here + SHARE_STEP, 1.0)
        else:
            low, high = field.bounds
            ends = max(here / 2, low), min(here * 2, high)
        found.append((path, Swing(field.label, *ends)))
    return tuple(found)


def sweep_swings(
    question: Question, key: str, moved: tuple[tuple[str, Swing], ...]
) -> SweepColumns:
    """Answer the question at both ends of each number, in one pass."""
    variants = [{path: end} for path, swing in moved for end in (swing.low, swing.high)]
    return _cached_sweep(f"{key} swings", question, variants)


@st.cache_resource(max_entries=128, show_spinner=False)
def _cached_sweep(key: str, _question: Question, _variants: list[dict[str, Any]]) -> SweepColumns:
    return engine.sweep(_question, _variants, ranges=False)


CHART_TABS: Final = {
    "Monthly cost": "cost",
    "Over time": "cumulative",
    "Map of winners": "winners",
    "What moves it": "tornado",
    "Your data": "lengths",
    "Age of prices": "ages",
}
CHARTS_KEY: Final = "pictures"
MAP_PATHS: Final = ("traffic.requests_per_month", "traffic.prefix_tokens")


def draw_charts() -> None:
    """Draw the tabs; the open one anew when the answer changes and it is in view."""
    now = state.current_scenario()
    track_visibility(CHARTS_KEY, now.answer.question_sha256, 0)
    frame = ChartStyle(formatting.theme(), formatting.reader_locale())
    tabs = st.tabs(list(CHART_TABS), key="pictures_tabs", on_change="rerun")
    for tab, name in zip(tabs, CHART_TABS.values(), strict=True):
        if tab.open:
            with tab:
                _draw_tab(name, now, frame)


def _draw_tab(name: str, now: state.CurrentScenario, frame: ChartStyle) -> None:
    if name == "cost":
        draw_chart(monthly_cost_chart(now.answer, frame))
    elif name == "cumulative":
        draw_chart(cumulative_cost_chart(now.answer, frame))
    elif name == "winners":
        _draw_winner_map(now, frame)
    elif name == "tornado":
        draw_chart(_tornado_chart(now, frame))
    elif name == "ages":
        draw_chart(price_ages_chart(now.answer, frame))
    elif now.profile is None:
        st.info("No file of examples is open. Open one under \u201cQuestion and data\u201d.")
    else:
        draw_chart(row_lengths_chart(now.profile, frame))


def _draw_winner_map(now: state.CurrentScenario, frame: ChartStyle) -> None:
    left, right = st.columns(2)
    names = list(NUMBER_FIELDS)
    x = left.selectbox(
        "From left to right",
        names,
        index=names.index(MAP_PATHS[0]),
        key="map_x",
        format_func=lambda path: NUMBER_FIELDS[path].label,
    )
    y = right.selectbox(
        "From bottom to top",
        names,
        index=names.index(MAP_PATHS[1]),
        key="map_y",
        format_func=lambda path: NUMBER_FIELDS[path].label,
    )
    if x == y:
        st.info("Choose two different inputs.")
        return
    resolved = resolve_current()
    axes = (map_axis(x, resolved, CELLS_ACROSS), map_axis(y, resolved, CELLS_UP))
    key = now.answer.question_sha256 + now.answer.prices_sha256
    columns = sweep_map(state.current_question(), key, (x, y), axes)
    draw_chart(winner_map_chart(columns, *axes, frame))


def _tornado_chart(now: state.CurrentScenario, frame: ChartStyle) -> Chart:
    moved = tornado_swings(resolve_current())
    key = now.answer.question_sha256 + now.answer.prices_sha256
    columns = sweep_swings(state.current_question(), key, moved)
    chosen = option_by_id(now.answer, now.answer.decision.recommended)
    cost = chosen.per_month.likely if chosen else "0"
    ends = [swing for _, swing in moved]
    return tornado_chart(columns, ends, (now.answer.decision.recommended, cost), frame)


def draw_chart(picture: Chart) -> None:
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
        lambda: chart_csv(picture),
        f"{picture.name}.csv",
        "text/csv",
        key=f"csv_{picture.name}",
        type="tertiary",
        on_click="ignore",
        help="The rows behind this picture.",
    )


def chart_csv(picture: Chart) -> bytes:
    """Write the rows of a picture as CSV."""
    columns = list(dict.fromkeys(name for row in picture.rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(picture.rows)
    return text.getvalue().encode()
