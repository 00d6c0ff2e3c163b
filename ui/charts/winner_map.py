"""A swept grid of two numbers -> a map of which way wins where, with the asked point on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from advisor.decision.sweep import SweepColumns
from ui import formatting
from ui.charts.base import Chart, ChartRow, ChartStyle, layer_filter, styled_spec, tooltip


class Axis(NamedTuple):
    """One side of the map."""

    label: str
    """What it is called."""
    values: tuple[float, ...]
    """Middle of each cell."""
    here: float
    """Where the question stands."""
    log: bool
    """Whether equal steps are equal factors."""


def axis_values(low: float, high: float, count: int, log: bool) -> tuple[float, ...]:
    """Return values from low to high, in equal steps or factors.

    >>> axis_values(1, 100, 3, True), axis_values(0, 1, 3, False)
    ((1.0, 10.0, 100.0), (0.0, 0.5, 1.0))
    """
    found = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    return tuple(float(f"{value:.4g}") for value in found)


def winner_map_chart(columns: SweepColumns, x: Axis, y: Axis, frame: ChartStyle) -> Chart:
    """Show the winner of each cell; columns hold x by x, the values of y fastest."""
    rows = [*_cell_rows(columns, x, y, frame.locale)]
    names = _name_rows(rows)
    here = {"layer": "here", "x": x.here, "y": y.here, "label": "you are here"}
    return Chart(
        "winners",
        _spec(frame, x.label, y.label, x.log, y.log),
        [*rows, *names, here],
        _summary(rows, x, y, frame.locale),
    )


def _cell_rows(columns: SweepColumns, x: Axis, y: Axis, locale: str) -> list[ChartRow]:
    across, up = cell_edges(x), cell_edges(y)
    rows = []
    for i, at_x in enumerate(x.values):
        for j, at_y in enumerate(y.values):
            index = i * len(y.values) + j
            option = columns.recommended[index]
            rows.append(
                {
                    "layer": "cell",
                    "x": across[i],
                    "x2": across[i + 1],
                    "y": up[j],
                    "y2": up[j + 1],
                    "way": formatting.approach_label(option),
                    "option": formatting.option_name(option),
                    "figure": formatting.money_text(columns.per_month[index], locale),
                    "at": " and ".join(
                        formatting.number_text(at, locale, 2) for at in (at_x, at_y)
                    ),
                    "i": i,
                    "j": j,
                }
            )
    return rows


def cell_edges(axis: Axis) -> list[float]:
    """Return the borders of the cells.

    >>> cell_edges(Axis("", (1.0, 2.0, 3.0), 1, False))
    [0.5, 1.5, 2.5, 3.5]
    """
    bent = np.log(axis.values) if axis.log else np.asarray(axis.values)
    middle = (bent[1:] + bent[:-1]) / 2
    ends = [bent[0] - (middle[0] - bent[0]), *middle, bent[-1] + (bent[-1] - middle[-1])]
    return [float(np.exp(end)) if axis.log else float(end) for end in ends]


def _name_rows(rows: Sequence[ChartRow]) -> list[ChartRow]:
    """Write each way's name once, in the cell of it that is nearest to its middle."""
    by_way: dict[str, list[ChartRow]] = defaultdict(list)
    for row in rows:
        by_way[row["way"]].append(row)
    found: list[ChartRow] = []
    for way, cells in by_way.items():
        middle = np.mean([(c["i"], c["j"]) for c in cells], axis=0)
        near = min(cells, key=lambda c: abs(c["i"] - middle[0]) + abs(c["j"] - middle[1]))
        if len(cells) * 60 >= len(rows):
            found.append({**near, "layer": "name", "label": way})
    return found


def _summary(rows: Sequence[ChartRow], x: Axis, y: Axis, locale: str) -> str:
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row["way"]] += 1
    said = ", ".join(
        f"{way} in {formatting.share_text(n / len(rows), locale)}"
        for way, n in sorted(counts.items(), key=lambda pair: -pair[1])
    )
    return (
        f"Which way wins over {x.label.lower()} and {y.label.lower()}: {said} of the map. "
        f"The cross is your question."
    )


@lru_cache(maxsize=64)
def _spec(
    frame: ChartStyle, x_title: str, y_title: str, x_log: bool, y_log: bool
) -> dict[str, Any]:
    def side(field: str, title: str, log: bool) -> dict[str, Any]:
        scale: dict[str, Any] = {"type": "log" if log else "linear", "nice": False}
        scale |= {} if log else {"zero": False}
        return {
            "field": field,
            "type": "quantitative",
            "scale": scale,
            "axis": {"title": title, "format": "~s", "grid": False, "tickCount": 6},
        }

    x, y = side("x", x_title, x_log), side("y", y_title, y_log)
    names = [formatting.APPROACH_LABELS[key] for key in formatting.APPROACH_COLOURS]
    colours = [frame.pick(pair) for pair in formatting.APPROACH_COLOURS.values()]
    cells = {
        "transform": layer_filter("cell"),
        "mark": {"type": "rect", "strokeWidth": 0.6},
        "encoding": {
            "x": x,
            "x2": {"field": "x2"},
            "y": y,
            "y2": {"field": "y2"},
            "color": {
                "field": "way",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": names, "range": colours},
            },
            "stroke": {
                "field": "way",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": names, "range": colours},
            },
            "tooltip": tooltip(("option", "wins"), ("figure", "a month"), ("at", "at")),
        },
    }
    paper, ink = frame.colour(formatting.PAPER), frame.colour(formatting.INK)
    text = {"type": "text", "fontSize": 13, "fontWeight": 600}
    halo = {**text, "stroke": paper, "strokeWidth": 4, "strokeJoin": "round"}
    place = {"x": x, "y": y, "text": {"field": "label"}}
    labels = [
        {"transform": layer_filter("name"), "mark": mark, "encoding": place}
        for mark in (halo, {**text, "color": ink})
    ]
    here = [
        {
            "transform": layer_filter("here"),
            "mark": {
                "type": "point",
                "shape": "circle",
                "size": size,
                "filled": filled,
                "color": colour,
                "opacity": 1,
                "strokeWidth": 3,
            },
            "encoding": {"x": x, "y": y},
        }
        for size, filled, colour in ((260, True, paper), (260, False, ink), (40, True, ink))
    ]
    return styled_spec({"layer": [cells, *labels, *here]}, frame, 330)
