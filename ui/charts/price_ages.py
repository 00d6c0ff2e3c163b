"""Price charts: age of the prices behind an answer, ages of many prices, history of one price."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from advisor.api.catalogues import ListedPrice
from advisor.decision.answer import Answer
from advisor.prices.series import STALE_AFTER_DAYS, PriceSeries
from advisor.report.markdown import best_per_approach
from ui import formatting
from ui.charts.base import (
    Chart,
    ChartRow,
    ChartStyle,
    Spec,
    category_axis,
    channel,
    colour_channel,
    layer,
    styled_spec,
    threshold_layers,
    tooltip,
)

MAX_PRICES: Final = 16


def price_ages_chart(answer: Answer, style: ChartStyle) -> Chart:
    """Draw the age of each price used, oldest first."""
    used: dict[str, ChartRow] = {}
    for line in (line for option in best_per_approach(answer) for line in option.bill):
        if line.price_item and line.read_on:
            days = (answer.question.asked_on - line.read_on).days
            used[line.price_item] = {
                "layer": "price",
                "item": line.price_item,
                "days": days,
                "state": "stale" if days >= STALE_AFTER_DAYS else "fresh",
                "age": f"{days} days",
                "price": f"{line.price} {line.price_unit}",
                "since": formatting.day_text(line.since, style.locale),
                "source": line.source,
                "read": formatting.day_text(line.read_on, style.locale),
            }
    rows = sorted(used.values(), key=lambda row: (-row["days"], row["item"]))
    oldest = max((row["days"] for row in rows), default=0)
    edge = {"layer": "edge", "days": 1.1 * max(oldest, STALE_AFTER_DAYS)}
    limit = {"layer": "limit", "days": STALE_AFTER_DAYS, "label": "stale from here"}
    drawn = [*rows[:MAX_PRICES], limit, edge] if rows else []
    return Chart("price-ages", _spec(style), drawn, _summary(rows))


def _summary(rows: list[ChartRow]) -> str:
    if not rows:
        return "No price of the price book is used."
    stale = sum(row["state"] == "stale" for row in rows)
    return (
        f"{len(rows)} prices used, {stale} of them last read {STALE_AFTER_DAYS} or more days ago. "
        f"Oldest: {rows[0]['item']}, read {rows[0]['read']}."
    )


@lru_cache(maxsize=16)
def _spec(style: ChartStyle) -> Spec:
    y = category_axis("item", 340, {"field": "days", "op": "max", "order": "descending"})
    x = channel("days", axis={"title": "days since last read"})
    details = tooltip(
        ("item", "price"),
        ("price", "value"),
        ("age", "age"),
        ("since", "since"),
        ("source", "source"),
        ("read", "last read"),
    )
    bars = {"x": x, "y": y, "color": _state_colours(style), "tooltip": details}
    ages = {"x": x, "y": y, "text": {"field": "age"}}
    layers = [
        layer("price", "bar", bars, height={"band": 0.6}),
        layer("price", "text", ages, align="left", dx=5),
        *threshold_layers("limit", x, style, -6),
        layer("edge", "point", {"x": x}, opacity=0),
    ]
    return styled_spec({"layer": layers}, style, 330)


def _state_colours(style: ChartStyle) -> Spec:
    states = {"fresh": style.pick(formatting.ACCENT), "stale": style.warning}
    return colour_channel("state", states)


def price_histogram(prices: Iterable[ListedPrice], style: ChartStyle) -> Chart:
    """Draw how many prices have which age, and the age from which a price is stale."""
    rows: list[ChartRow] = [
        {
            "layer": "price",
            "item": price.item,
            "age": price.age_days,
            "state": "stale" if price.stale else "fresh",
        }
        for price in prices
        if price.age_days is not None
    ]
    says = histogram_summary(rows)
    if rows:
        rows.append({"layer": "limit", "age": STALE_AFTER_DAYS, "label": "stale from here"})
    x = channel("age", axis={"title": "days since last read", "grid": False})
    ticks = {"title": "prices (log scale)", "values": [1, 10, 100, 1000]}
    bars = {
        "x": {**x, "bin": {"step": 3}},
        "y": {"aggregate": "count", "axis": ticks, "scale": {"type": "symlog"}},
        "color": _state_colours(style),
        "tooltip": [
            channel("age", bin={"step": 3}, title="days"),
            {"aggregate": "count", "title": "prices"},
            channel("state", "nominal", title="state"),
        ],
    }
    layers = [
        layer("price", "bar", bars, cornerRadiusEnd=2),
        *threshold_layers("limit", x, style, -6),
    ]
    return Chart("price-ages-listed", styled_spec({"layer": layers}, style, 180), rows, says)


def histogram_summary(rows: list[ChartRow]) -> str:
    """Return the ages as a sentence.

    >>> histogram_summary([{"age": 40, "state": "stale"}, {"age": 2, "state": "fresh"}])
    '2 prices, last read 2 to 40 days ago; 1 of them 30 or more days ago.'
    """
    if not rows:
        return ""
    ages = [row["age"] for row in rows]
    stale = sum(row["state"] == "stale" for row in rows)
    return (
        f"{len(rows)} prices, last read {min(ages)} to {max(ages)} days ago; {stale} of them "
        f"{STALE_AFTER_DAYS} or more days ago."
    )


def price_history_chart(series: PriceSeries, style: ChartStyle) -> Chart:
    """Draw the steps of one price over time."""
    rows: list[ChartRow] = [
        {
            "layer": "step",
            "since": step.since.isoformat(),
            "USD": None if step.value is None else float(step.value),
            "source": step.source,
            "read on": step.read_on.isoformat(),
            "note": step.note or "",
        }
        for step in series.steps
    ]
    steps = {
        "x": channel("since", "temporal", title=None),
        "y": channel("USD", title=series.unit),
        "tooltip": tooltip(*((name, name) for name in ("since", "USD", "source", "read on"))),
    }
    colour = style.pick(formatting.ACCENT)
    layers = [
        layer("step", "line", steps, interpolate="step-after", color=colour, strokeWidth=2.5),
        layer("step", "circle", steps, size=60, color=colour),
    ]
    says = ", ".join(f"{row['USD']} from {row['since']}" for row in rows)
    return Chart("price-history", styled_spec({"layer": layers}, style, 200), rows, says)
