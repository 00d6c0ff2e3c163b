"""An answer -> how old the prices are that its best options rest on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from advisor.decision.answer import Answer
from advisor.decision.bill import BillLine
from advisor.prices.series import STALE_AFTER_DAYS
from advisor.report.markdown import best_per_approach
from ui import formatting
from ui.charts.base import Chart, ChartRow, ChartStyle, layer_filter, styled_spec, tooltip

MAX_PRICES: Final = 16


def price_ages_chart(answer: Answer, frame: ChartStyle) -> Chart:
    """Show each price that is used, the oldest first."""
    used: dict[str, BillLine] = {}
    for option in best_per_approach(answer):
        used |= {line.price_item: line for line in option.bill if line.price_item and line.read_on}
    today = answer.question.asked_on
    rows: list[ChartRow] = []
    for item, line in used.items():
        if line.read_on is None:
            continue
        days = (today - line.read_on).days
        rows.append(
            {
                "layer": "price",
                "item": item,
                "days": days,
                "state": "stale" if days >= STALE_AFTER_DAYS else "fresh",
                "age": f"{days} days",
                "price": f"{line.price} {line.price_unit}",
                "since": formatting.day_text(line.since, frame.locale),
                "source": line.source,
                "read": formatting.day_text(line.read_on, frame.locale),
            }
        )
    rows = sorted(rows, key=lambda row: (-row["days"], row["item"]))
    says = _summary(rows)
    most = max((row["days"] for row in rows), default=0)
    edge = {"layer": "edge", "days": 1.1 * max(most, STALE_AFTER_DAYS)}
    line_row = {"layer": "line", "days": STALE_AFTER_DAYS, "label": "stale from here"}
    drawn = [*rows[:MAX_PRICES], line_row, edge] if rows else []
    return Chart("price-ages", _spec(frame), drawn, says)


def _summary(rows: list[ChartRow]) -> str:
    if not rows:
        return "No price of the book is used."
    stale = sum(row["state"] == "stale" for row in rows)
    return (
        f"{len(rows)} prices are used; {stale} were last read {STALE_AFTER_DAYS} days before "
        f"or more. The oldest, {rows[0]['item']}, was read {rows[0]['read']}."
    )


@lru_cache(maxsize=16)
def _spec(frame: ChartStyle) -> dict[str, Any]:
    y = {
        "field": "item",
        "type": "nominal",
        "title": None,
        "sort": {"field": "days", "op": "max", "order": "descending"},
        "axis": {"labelLimit": 340, "grid": False},
    }
    x = {"field": "days", "type": "quantitative", "axis": {"title": "days since it was read"}}
    states = {
        "domain": ["fresh", "stale"],
        "range": [frame.colour(formatting.ACCENT), frame.pick(("#d55e00", "#f08a4b"))],
    }
    bars = {
        "transform": layer_filter("price"),
        "mark": {"type": "bar", "height": {"band": 0.6}},
        "encoding": {
            "x": x,
            "y": y,
            "color": {"field": "state", "type": "nominal", "scale": states},
            "tooltip": tooltip(
                ("item", "price"),
                ("price", "value"),
                ("age", "age"),
                ("since", "since"),
                ("source", "source"),
                ("read", "last read"),
            ),
        },
    }
    text = {
        "transform": layer_filter("price"),
        "mark": {"type": "text", "align": "left", "dx": 5},
        "encoding": {"x": x, "y": y, "text": {"field": "age"}},
    }
    line = {
        "transform": layer_filter("line"),
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": frame.colour(formatting.MUTED)},
        "encoding": {"x": x},
    }
    label = {
        "transform": layer_filter("line"),
        "mark": {"type": "text", "align": "left", "dx": 5, "y": -6},
        "encoding": {"x": x, "text": {"field": "label"}},
    }
    room = {
        "transform": layer_filter("edge"),
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": x},
    }
    return styled_spec({"layer": [bars, text, line, label, room]}, frame, 330)
