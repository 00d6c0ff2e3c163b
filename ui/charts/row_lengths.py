"""A profile -> how long its examples are, with the line from which they are cut."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from advisor.dataset.profile import Profile
from ui import formatting
from ui.charts.base import Chart, ChartRow, ChartStyle, layer_filter, styled_spec, tooltip


def row_lengths_chart(profile: Profile, frame: ChartStyle) -> Chart:
    """Show the histogram of the lengths."""
    rows: list[ChartRow] = []
    below = 0
    for place, (bound, count) in enumerate(profile.histogram):
        ends = (formatting.number_text(end, frame.locale) for end in (below, bound))
        label = " \u2013 ".join(ends)
        rows.append(
            {
                "layer": "bar",
                "place": place,
                "tokens": label,
                "rows": count,
                "figure": formatting.number_text(count, frame.locale),
                "fate": "cut" if below >= profile.limit_tokens else "whole",
            }
        )
        below = bound + 1
    cut = next(
        (
            row["tokens"]
            for row, (bound, _) in zip(rows, profile.histogram, strict=True)
            if bound >= profile.limit_tokens
        ),
        None,
    )
    if cut is not None:
        says = f"cut from {formatting.number_text(profile.limit_tokens, frame.locale)} tokens on"
        rows.append({"layer": "cut", "tokens": cut, "label": says})
    return Chart("lengths", _spec(frame), rows, _summary(profile, frame.locale))


def _summary(profile: Profile, locale: str) -> str:
    middle = dict(profile.percentiles)
    cut = formatting.number_text(profile.truncated, locale)
    return (
        f"{formatting.number_text(profile.examples, locale)} examples, "
        f"{formatting.number_text(profile.total_tokens, locale)} tokens in all. "
        "Half are shorter than "
        f"{formatting.number_text(middle.get(50, 0), locale)} tokens, 95 in 100 shorter than "
        f"{formatting.number_text(middle.get(95, 0), locale)}, the longest has "
        f"{formatting.number_text(profile.max_tokens, locale)}. {cut} are longer than the limit of "
        f"{formatting.number_text(profile.limit_tokens, locale)} and would be cut."
    )


@lru_cache(maxsize=16)
def _spec(frame: ChartStyle) -> dict[str, Any]:
    x = {
        "field": "tokens",
        "type": "ordinal",
        "sort": None,
        "axis": {
            "title": "tokens of an example",
            "labelAngle": 0,
            "grid": False,
            "labelOverlap": True,
        },
    }
    fates = {
        "domain": ["whole", "cut"],
        "range": [frame.colour(formatting.ACCENT), frame.pick(("#d55e00", "#f08a4b"))],
    }
    bars = {
        "transform": layer_filter("bar"),
        "mark": {"type": "bar", "width": {"band": 0.86}},
        "encoding": {
            "y": {"field": "rows", "type": "quantitative", "axis": {"title": "examples"}},
            "color": {"field": "fate", "type": "nominal", "scale": fates, "legend": None},
            "tooltip": tooltip(("tokens", "tokens"), ("figure", "examples"), ("fate", "they are")),
        },
    }
    counts = {
        "transform": layer_filter("bar"),
        "mark": {"type": "text", "dy": -8},
        "encoding": {"y": {"field": "rows", "type": "quantitative"}, "text": {"field": "figure"}},
    }
    line = [
        {
            "transform": layer_filter("cut"),
            "mark": {
                "type": "rule",
                "strokeDash": [4, 4],
                "strokeWidth": 2,
                "color": frame.colour(formatting.INK),
            },
        },
        {
            "transform": layer_filter("cut"),
            "mark": {"type": "text", "align": "right", "dx": -6, "y": 8},
            "encoding": {"text": {"field": "label"}},
        },
    ]
    return styled_spec({"encoding": {"x": x}, "layer": [bars, counts, *line]}, frame, 300)
