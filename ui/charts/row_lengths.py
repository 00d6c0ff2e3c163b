"""A profile -> how long its examples are, with the line from which they are cut."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from advisor.dataset.profile import Profile
from ui import formatting
from ui.charts.base import Frame, Picture, Row, dressed, filtered, tips


def lengths_picture(profile: Profile, frame: Frame) -> Picture:
    """Show the histogram of the lengths."""
    rows: list[Row] = []
    below = 0
    for place, (bound, count) in enumerate(profile.histogram):
        ends = (formatting.number(end, frame.locale) for end in (below, bound))
        label = " \u2013 ".join(ends)
        rows.append(
            {
                "layer": "bar",
                "place": place,
                "tokens": label,
                "rows": count,
                "figure": formatting.number(count, frame.locale),
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
        says = f"cut from {formatting.number(profile.limit_tokens, frame.locale)} tokens on"
        rows.append({"layer": "cut", "tokens": cut, "label": says})
    return Picture("lengths", _spec(frame), rows, _says(profile, frame.locale))


def _says(profile: Profile, locale: str) -> str:
    middle = dict(profile.percentiles)
    cut = formatting.number(profile.truncated, locale)
    return (
        f"{formatting.number(profile.examples, locale)} examples, "
        f"{formatting.number(profile.total_tokens, locale)} tokens in all. Half are shorter than "
        f"{formatting.number(middle.get(50, 0), locale)} tokens, 95 in 100 shorter than "
        f"{formatting.number(middle.get(95, 0), locale)}, the longest has "
        f"{formatting.number(profile.max_tokens, locale)}. {cut} are longer than the limit of "
        f"{formatting.number(profile.limit_tokens, locale)} and would be cut."
    )


@lru_cache(maxsize=16)
def _spec(frame: Frame) -> dict[str, Any]:
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
        "transform": filtered("bar"),
        "mark": {"type": "bar", "width": {"band": 0.86}},
        "encoding": {
            "y": {"field": "rows", "type": "quantitative", "axis": {"title": "examples"}},
            "color": {"field": "fate", "type": "nominal", "scale": fates, "legend": None},
            "tooltip": tips(("tokens", "tokens"), ("figure", "examples"), ("fate", "they are")),
        },
    }
    counts = {
        "transform": filtered("bar"),
        "mark": {"type": "text", "dy": -8},
        "encoding": {"y": {"field": "rows", "type": "quantitative"}, "text": {"field": "figure"}},
    }
    line = [
        {
            "transform": filtered("cut"),
            "mark": {
                "type": "rule",
                "strokeDash": [4, 4],
                "strokeWidth": 2,
                "color": frame.colour(formatting.INK),
            },
        },
        {
            "transform": filtered("cut"),
            "mark": {"type": "text", "align": "right", "dx": -6, "y": 8},
            "encoding": {"text": {"field": "label"}},
        },
    ]
    return dressed({"encoding": {"x": x}, "layer": [bars, counts, *line]}, frame, 300)
