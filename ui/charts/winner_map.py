"""Winner map: the recommended approach over two inputs, with the current scenario marked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from advisor.decision.sweep import SweepColumns
from advisor.prices.display_names import option_name
from ui import formatting
from ui.charts.base import (
    Chart,
    ChartRow,
    ChartStyle,
    Spec,
    approach_colours,
    channel,
    layer,
    styled_spec,
    tooltip,
)

MIN_LABELLED_SHARE: Final = 1 / 60
"""An approach that wins in a smaller share of the map has no room for its label."""
SHORT_NUMBERS: Final = "replace(format(datum.value, '~s'), 'G', 'B')"
"""SI prefixes, but 1B instead of 1G for a billion."""


class Axis(NamedTuple):
    """One axis of the map."""

    label: str
    values: tuple[float, ...]
    """Center of each cell."""
    here: float
    """Value in the current scenario."""
    log: bool


def axis_values(low: float, high: float, count: int, log: bool) -> tuple[float, ...]:
    """Return values from low to high, in equal steps or by equal factors.

    >>> axis_values(1, 100, 3, True), axis_values(0, 1, 3, False)
    ((1.0, 10.0, 100.0), (0.0, 0.5, 1.0))
    """
    values = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    return tuple(float(f"{value:.4g}") for value in values)


def winner_map_chart(columns: SweepColumns, x: Axis, y: Axis, style: ChartStyle) -> Chart:
    """Draw the winner of each cell; columns are ordered by x, then y."""
    cells = _cell_rows(columns, x, y, style)
    here = {"layer": "here", "x": x.here, "y": y.here}
    return Chart(
        "winners",
        _spec(style, (x.label, x.log), (y.label, y.log)),
        [*cells, *_name_rows(cells), here],
        _summary(cells, x, y, style.locale),
    )


def _cell_rows(columns: SweepColumns, x: Axis, y: Axis, style: ChartStyle) -> list[ChartRow]:
    across, up = cell_edges(x), cell_edges(y)
    rows = []
    for i, x_value in enumerate(x.values):
        for j, y_value in enumerate(y.values):
            index = i * len(y.values) + j
            option = columns.recommended[index]
            values = (formatting.number_text(v, style.locale, 2) for v in (x_value, y_value))
            rows.append(
                {
                    "layer": "cell",
                    "x": across[i],
                    "x2": across[i + 1],
                    "y": up[j],
                    "y2": up[j + 1],
                    "way": formatting.approach_label(option),
                    "option": option_name(option),
                    "figure": style.money(columns.per_month[index]),
                    "at": " and ".join(values),
                    "i": i,
                    "j": j,
                }
            )
    return rows


def cell_edges(axis: Axis) -> list[float]:
    """Return the boundaries of the cells.

    >>> cell_edges(Axis("", (1.0, 2.0, 3.0), 1, False))
    [0.5, 1.5, 2.5, 3.5]
    """
    scaled = np.log(axis.values) if axis.log else np.asarray(axis.values)
    middle = (scaled[1:] + scaled[:-1]) / 2
    edges = [2 * scaled[0] - middle[0], *middle, 2 * scaled[-1] - middle[-1]]
    return [float(np.exp(edge)) if axis.log else float(edge) for edge in edges]


def _name_rows(cells: Sequence[ChartRow]) -> list[ChartRow]:
    """Label each approach once, in its cell nearest to the center of its area."""
    by_way: dict[str, list[ChartRow]] = defaultdict(list)
    for cell in cells:
        by_way[cell["way"]].append(cell)
    names: list[ChartRow] = []
    for way, area in by_way.items():
        if len(area) < MIN_LABELLED_SHARE * len(cells):
            continue
        center = np.mean([(c["i"], c["j"]) for c in area], axis=0)
        nearest = min(area, key=lambda c: abs(c["i"] - center[0]) + abs(c["j"] - center[1]))
        names.append({**nearest, "layer": "name", "label": way})
    return names


def _summary(cells: Sequence[ChartRow], x: Axis, y: Axis, locale: str) -> str:
    shares = ", ".join(
        f"{way} in {formatting.share_text(count / len(cells), locale)}"
        for way, count in Counter(cell["way"] for cell in cells).most_common()
    )
    return (
        f"Recommended approach by {x.label.lower()} and {y.label.lower()}: {shares} of the map. "
        "The ring marks the current scenario."
    )


def _side(field: str, title: str, log: bool) -> Spec:
    scale = {"type": "log" if log else "linear", "nice": False, **({} if log else {"zero": False})}
    axis = {"title": title, "labelExpr": SHORT_NUMBERS, "grid": False, "tickCount": 6}
    return channel(field, scale=scale, axis=axis)


@lru_cache(maxsize=64)
def _spec(style: ChartStyle, x_axis: tuple[str, bool], y_axis: tuple[str, bool]) -> Spec:
    x, y, colour = _side("x", *x_axis), _side("y", *y_axis), approach_colours(style)
    paper, ink = style.pick(formatting.PAPER), style.pick(formatting.INK)
    cells = {
        "x": x,
        "x2": {"field": "x2"},
        "y": y,
        "y2": {"field": "y2"},
        "color": colour,
        "stroke": colour,
        "tooltip": tooltip(("option", "wins"), ("figure", "per month"), ("at", "at")),
    }
    label = {"x": x, "y": y, "text": {"field": "label"}}
    font = {"fontSize": 13, "fontWeight": 600}
    halo = {"stroke": paper, "strokeWidth": 4, "strokeJoin": "round"}
    ring = [
        layer(
            "here",
            "point",
            {"x": x, "y": y},
            shape="circle",
            size=size,
            filled=filled,
            color=ring_colour,
            opacity=1,
            strokeWidth=3,
        )
        for size, filled, ring_colour in ((260, True, paper), (260, False, ink), (40, True, ink))
    ]
    layers = [
        layer("cell", "rect", cells, strokeWidth=0.6),
        layer("name", "text", label, **font, **halo),
        layer("name", "text", label, **font, color=ink),
        *ring,
    ]
    return styled_spec({"layer": layers}, style, 330)
