"""Chart tabs of the what-if page; only the open tab is computed and drawn."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from advisor.decision.answer import Question
from advisor.decision.sweep import SweepColumns, sweep
from advisor.inputs import ResolvedScenario
from advisor.scenario.fields import NUMBER_FIELDS
from ui import formatting, state
from ui.charts.base import Chart, ChartStyle, draw_chart
from ui.charts.cumulative_cost import cumulative_cost_chart
from ui.charts.monthly_cost import monthly_cost_chart
from ui.charts.price_ages import price_ages_chart
from ui.charts.row_lengths import row_lengths_chart
from ui.charts.tornado import Swing, tornado_chart
from ui.charts.winner_map import Axis, axis_values, winner_map_chart
from ui.components.in_view import track_visibility
from ui.whatif.verdict import recommended_option

CELLS_ACROSS: Final = 32
CELLS_UP: Final = 20
MAP_FACTOR: Final = 100.0
"""The map covers values this many times smaller and larger than the scenario's."""
SHARE_STEP: Final = 0.1
"""Shares are changed by this amount; other inputs are halved and doubled."""
CHART_TABS: Final = {
    "Monthly cost": "cost",
    "Cumulative cost": "cumulative",
    "Winner map": "winners",
    "Sensitivity": "tornado",
    "Your data": "lengths",
    "Price age": "ages",
}
CHARTS_KEY: Final = "pictures"
MAP_PATHS: Final = ("traffic.requests_per_month", "traffic.prefix_tokens")


def map_axis(path: str, resolved: ResolvedScenario, count: int) -> Axis:
    """Return one axis of the map, centered on the scenario's value if possible."""
    field = NUMBER_FIELDS[path]
    here, (start, end) = float(getattr(resolved.inputs, field.name)[0, 0]), field.slider
    here = start if here != here else here
    label = f"{field.label} [{field.unit}]" if field.unit else field.label
    if field.kind == "share":
        return Axis(label, axis_values(0.0, 1.0, count, False), here, False)
    low = min(max(here / MAP_FACTOR, start, 1.0), end / MAP_FACTOR)
    values = axis_values(low, max(low * MAP_FACTOR, min(here * MAP_FACTOR, end)), count, True)
    return Axis(label, values, min(max(here, values[0]), values[-1]), True)


def tornado_swings(resolved: ResolvedScenario) -> dict[str, Swing]:
    """Return two values for every input that is known and not 0: halved and doubled."""
    swings = {}
    for path, field in NUMBER_FIELDS.items():
        here = float(getattr(resolved.inputs, field.name)[0, 0])
        is_share = field.kind == "share"
        if here != here or (here == 0 and not is_share):
            continue
        if is_share:
            ends = max(here - SHARE_STEP, 0.0), min(here + SHARE_STEP, 1.0)
        else:
            ends = max(here / 2, field.bounds[0]), min(here * 2, field.bounds[1])
        swings[path] = Swing(field.label, *ends, is_share)
    return swings


def draw_charts() -> None:
    """Draw the tabs; the open one is redrawn when the answer changes and it is in view."""
    current = state.current_scenario()
    track_visibility(CHARTS_KEY, current.answer.question_sha256, 0)
    style = ChartStyle(formatting.theme(), formatting.reader_locale(), current.answer.currency)
    tabs = st.tabs(list(CHART_TABS), key="pictures_tabs", on_change="rerun")
    for tab, name in zip(tabs, CHART_TABS.values(), strict=True):
        if tab.open:
            with tab:
                _draw_tab(name, current, style)


def _draw_tab(name: str, current: state.CurrentScenario, style: ChartStyle) -> None:
    if name == "cost":
        draw_chart(monthly_cost_chart(current.answer, style))
    elif name == "cumulative":
        draw_chart(cumulative_cost_chart(current.answer, style))
    elif name == "winners":
        _draw_winner_map(current, style)
    elif name == "tornado":
        draw_chart(_tornado_chart(current, style))
    elif name == "ages":
        draw_chart(price_ages_chart(current.answer, style))
    elif current.profile is None:
        st.info("No dataset is open. Open one under \u201cScenario and data\u201d.")
    else:
        draw_chart(row_lengths_chart(current.profile, style))


def _draw_winner_map(current: state.CurrentScenario, style: ChartStyle) -> None:
    x, y = (
        column.selectbox(
            label,
            list(NUMBER_FIELDS),
            index=list(NUMBER_FIELDS).index(path),
            key=key,
            format_func=lambda path: NUMBER_FIELDS[path].label,
        )
        for column, label, path, key in zip(
            st.columns(2),
            ("Horizontal axis", "Vertical axis"),
            MAP_PATHS,
            ("map_x", "map_y"),
            strict=True,
        )
    )
    if x == y:
        st.info("Choose two different inputs.")
        return
    axes = map_axis(x, current.resolved, CELLS_ACROSS), map_axis(y, current.resolved, CELLS_UP)
    variants = [{x: a, y: b} for a in axes[0].values for b in axes[1].values]
    draw_chart(winner_map_chart(_sweep(current, variants), *axes, style))


def _tornado_chart(current: state.CurrentScenario, style: ChartStyle) -> Chart:
    swings = tornado_swings(current.resolved)
    variants = [{path: end} for path, swing in swings.items() for end in (swing.low, swing.high)]
    chosen = recommended_option(current.answer)
    cost = chosen.per_month.likely if chosen else "0"
    now = (current.answer.decision.recommended, cost)
    return tornado_chart(_sweep(current, variants), list(swings.values()), now, style)


def _sweep(current: state.CurrentScenario, variants: list[dict[str, float]]) -> SweepColumns:
    """Answer all variants in one pass."""
    key = f"{current.answer.question_sha256} {current.answer.prices_sha256} {variants}"
    return _cached_sweep(key, current.question, variants)


@st.cache_resource(max_entries=128, show_spinner=False)
def _cached_sweep(key: str, _question: Question, _variants: list[dict[str, Any]]) -> SweepColumns:
    return sweep(_question, _variants, ranges=False)
