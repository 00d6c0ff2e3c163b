"""A sweep of each number, halved and doubled -> what moves the answer most."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from advisor.decision.sweep import SweepColumns
from ui import formatting
from ui.charts.base import Chart, ChartRow, ChartStyle, layer_filter, styled_spec, tooltip

MAX_BARS: Final = 10
SHORT_BAR_SHARE: Final = 0.15
"""A bar shorter than this share of the longest has no room for a label at each end."""


class Swing(NamedTuple):
    """One number with the two values that it was set to."""

    label: str
    """What it is called."""
    low: float
    """The smaller value."""
    high: float
    """The larger value."""


def tornado_chart(
    columns: SweepColumns, swings: Sequence[Swing], now: tuple[str, str], frame: ChartStyle
) -> Chart:
    """Show what the recommended way would cost with each number at its two ends.

    Args:
        columns: Two rows for each swing, the smaller value first.
        swings: The numbers.
        now: The recommended option at the moment, and what it costs a month [USD].
        frame: Who looks.
    """
    bars = [
        _bar_row(columns, place, swing, now, frame.locale) for place, swing in enumerate(swings)
    ]
    bars = sorted(
        (bar for bar in bars if bar["size"] > 0 or bar["flips"]),
        key=lambda bar: (-bar["size"], bar["label"]),
    )[:MAX_BARS]
    widest = max((bar["size"] for bar in bars), default=0.0)
    rows: list[ChartRow] = []
    for bar in bars:
        rows += _end_rows(bar, now, frame.locale)
        rows += _label_rows(bar, rows[-2:], bar["size"] < SHORT_BAR_SHARE * widest)
    return Chart("tornado", _spec(frame), rows, _summary(bars, frame.locale))


def _bar_row(
    columns: SweepColumns, place: int, swing: Swing, now: tuple[str, str], locale: str
) -> ChartRow:
    ends: list[ChartRow] = []
    for offset, value in enumerate((swing.low, swing.high)):
        index = 2 * place + offset
        ends.append(
            {
                "value": value,
                "usd": float(columns.per_month[index]),
                "option": columns.recommended[index],
            }
        )
    size = max(end["usd"] for end in ends) - min(end["usd"] for end in ends)
    flips = [
        end
        for end in ends
        if formatting.approach_label(end["option"]) != formatting.approach_label(now[0])
    ]
    return {"label": swing.label, "ends": ends, "size": size, "flips": flips}


def _end_rows(bar: ChartRow, now: tuple[str, str], locale: str) -> list[ChartRow]:
    rows = []
    for end, side in zip(bar["ends"], ("less", "more"), strict=True):
        other = formatting.approach_label(end["option"])
        changed = other != formatting.approach_label(now[0])
        value = formatting.number_text(end["value"], locale, 2)
        rows.append(
            {
                "layer": "end",
                "what": bar["label"],
                "size": bar["size"],
                "from": float(now[1]),
                "to": end["usd"],
                "side": f"{side} of it",
                "figure": formatting.money_text(end["usd"], locale),
                "value": value,
                "option": formatting.option_name(end["option"]),
                "label": f"{value}: {other}" if changed else value,
                "align": "right" if end["usd"] < float(now[1]) else "left",
            }
        )
    return rows


def _label_rows(bar: ChartRow, ends: list[ChartRow], is_short: bool) -> list[ChartRow]:
    """Write the value at each end of a bar; both to the right of one too short for that."""
    same = {"layer": "label", "what": bar["label"], "size": bar["size"]}
    if is_short or ends[0]["align"] == ends[1]["align"]:
        text = "  /  ".join(end["label"] for end in ends)
        right = max(ends[0]["from"], *(end["to"] for end in ends))
        return [{**same, "to": right, "label": text, "align": "left"}]
    return [{**same, "to": e["to"], "label": e["label"], "align": e["align"]} for e in ends]


def _summary(bars: Sequence[ChartRow], locale: str) -> str:
    if not bars:
        return "Halving or doubling any number moves neither the cost nor the answer."
    first = ", ".join(
        f"{bar['label'].lower()} ({formatting.money_text(bar['size'], locale)})" for bar in bars[:3]
    )
    changed = [bar["label"].lower() for bar in bars if bar["flips"]]
    flips = f" The way itself changes with {', '.join(changed)}." if changed else ""
    return f"Halved and doubled, what moves the monthly cost most: {first}.{flips}"


@lru_cache(maxsize=16)
def _spec(frame: ChartStyle) -> dict[str, Any]:
    y = {
        "field": "what",
        "type": "nominal",
        "title": None,
        "sort": {"field": "size", "op": "max", "order": "descending"},
        "axis": {"grid": False, "labelLimit": 240},
    }
    x = {
        "field": "from",
        "type": "quantitative",
        "scale": {"zero": False, "padding": 70},
        "axis": {
            "title": "the recommended way then costs, a month",
            "format": "$,.0f",
            "tickCount": 5,
        },
    }
    less, more = frame.pick(("#7fb8d8", "#4f8fb8")), frame.colour(formatting.ACCENT)
    sides = {"domain": ["less of it", "more of it"], "range": [less, more]}
    bars = {
        "transform": layer_filter("end"),
        "mark": {"type": "bar", "height": {"band": 0.6}},
        "encoding": {
            "x": x,
            "x2": {"field": "to"},
            "color": {"field": "side", "type": "nominal", "scale": sides},
            "tooltip": tooltip(
                ("what", "what"),
                ("value", "set to"),
                ("figure", "a month"),
                ("option", "recommended then"),
            ),
        },
    }
    labels = [
        {
            "transform": [*layer_filter("label"), {"filter": f"datum.align === '{align}'"}],
            "mark": {"type": "text", "align": align, "dx": dx, "fontSize": 11.5},
            "encoding": {"x": {**x, "field": "to"}, "text": {"field": "label"}},
        }
        for align, dx in (("left", 5), ("right", -5))
    ]
    return styled_spec({"encoding": {"y": y}, "layer": [bars, *labels]}, frame, 330)
