"""An answer -> what has been spent after each month, with the break-even and the ranges."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.report.markdown import spent_usd
from ui import formatting
from ui.charts.base import Frame, Picture, Row, dressed, filtered, tips

STEPS: Final = 24
GAP_SHARE: Final = 0.065
"""Names stand at least this share of the picture's height apart."""


def cumulative_picture(answer: Answer, frame: Frame) -> Picture:
    """Show the options that are held against each other, from the first day to the last."""
    shown = compared(answer)
    months = answer.question.horizon_months
    rows = [row for one in shown for row in _line(one, months, frame.locale)]
    rows += _names(rows, months)
    rows += _break_even(answer, shown, frame.locale)
    return Picture("cumulative-cost", _spec(frame), rows, _says(answer, shown, frame.locale))


def compared(answer: Answer) -> list[OptionBill]:
    """Return the recommended option, the runner-up, today, and what break-even is against."""
    decision = answer.decision
    wanted = [decision.recommended, decision.runner_up, "current"]
    if decision.break_even:
        wanted += [decision.break_even.option, decision.break_even.against]
    found = {one.id: one for one in answer.options}
    return [found[name] for name in dict.fromkeys(wanted) if name in found and name != "not_yet"]


def _line(option: OptionBill, months: float, locale: str) -> list[Row]:
    name, rows = formatting.option_name(option.id), []
    lasts = min(months, float(option.months))
    for step in range(STEPS + 1):
        at = lasts * step / STEPS
        low, likely, high = spent_usd(option, at)
        rows.append(
            {
                "layer": "line",
                "option": name,
                "way": formatting.way(option.id, option.approach),
                "month": at,
                "low": low,
                "likely": likely,
                "high": high,
                "figure": formatting.money(likely, locale),
                "range": f"{formatting.money(low, locale)} \u2013 {formatting.money(high, locale)}",
                "when": f"month {formatting.number(at, locale, 1)}",
                "formula": f"{formatting.money(option.one_off.likely, locale)} + "
                f"{formatting.number(at, locale, 1)} \u00d7 "
                f"{formatting.money(option.monthly.likely, locale)}",
            }
        )
    return rows


def _names(rows: list[Row], months: float) -> list[Row]:
    """Write each option's name at the end of its line, one above the other where lines meet."""
    ends = {row["option"]: row for row in rows}
    gap = GAP_SHARE * max((row["high"] for row in rows), default=0.0)
    names: list[Row] = []
    below = -gap
    for row in sorted(ends.values(), key=lambda row: row["likely"]):
        below = max(row["likely"], below + gap)
        names.append(
            {
                "layer": "name",
                "option": row["option"],
                "way": row["way"],
                "month": months,
                "likely": below,
                "figure": row["figure"],
                "label": f"{row['option']}  {row['figure']}",
            }
        )
    return names


def _break_even(answer: Answer, shown: list[OptionBill], locale: str) -> list[Row]:
    found = answer.decision.break_even
    if (
        found is None
        or found.months is None
        or float(found.months) > float(answer.question.horizon_months)
    ):
        return []
    tuned = next((one for one in shown if one.id == found.option), None)
    if tuned is None:
        return []
    at = float(found.months)
    label = f"break-even, month {formatting.number(at, locale, 1)}"
    return [{"layer": "even", "month": at, "likely": spent_usd(tuned, at)[1], "label": label}]


def _says(answer: Answer, shown: list[OptionBill], locale: str) -> str:
    months = float(answer.question.horizon_months)
    said = "; ".join(
        f"{formatting.option_name(one.id)} {formatting.money(one.total.likely, locale)} over "
        f"{formatting.number(float(one.months), locale, 1)} months"
        for one in shown
    )
    found = answer.decision.break_even
    even = ""
    if found and found.months:
        paid_back = formatting.number(float(found.months), locale, 1)
        even = f" Training has paid for itself after {paid_back} months."
    return f"Spent over {formatting.number(months, locale, 1)} months: {said}.{even}"


@lru_cache(maxsize=16)
def _spec(frame: Frame) -> dict[str, Any]:
    names = [formatting.WAYS[key] for key in formatting.APPROACH_COLOURS]
    colours = [frame.pick(pair) for pair in formatting.APPROACH_COLOURS.values()]
    colour = {
        "field": "way",
        "type": "nominal",
        "scale": {"domain": names, "range": colours},
        "legend": None,
    }
    x = {"field": "month", "type": "quantitative", "axis": {"title": "months", "grid": False}}
    y = {"type": "quantitative", "axis": {"title": "spent so far", "format": "$,.0f"}}
    band = {
        "transform": filtered("line"),
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {
            "x": x,
            "y": {**y, "field": "low"},
            "y2": {"field": "high"},
            "color": colour,
            "detail": {"field": "option"},
        },
    }
    line = {
        "transform": filtered("line"),
        "mark": {"type": "line", "strokeWidth": 2.5},
        "encoding": {
            "x": x,
            "y": {**y, "field": "likely"},
            "color": colour,
            "strokeDash": {"field": "option", "type": "nominal", "legend": None},
        },
    }
    dots = {
        "transform": filtered("line"),
        "mark": {"type": "point", "filled": True, "size": 120, "opacity": 0},
        "encoding": {
            "x": x,
            "y": {**y, "field": "likely"},
            "color": colour,
            "tooltip": tips(
                ("option", "option"),
                ("when", "after"),
                ("figure", "spent"),
                ("range", "nine of ten draws"),
                ("formula", "formula"),
            ),
        },
    }
    ends = {
        "transform": filtered("name"),
        "mark": {
            "type": "text",
            "align": "right",
            "dy": -10,
            "fontWeight": 600,
            "limit": 420,
            "stroke": None,
        },
        "encoding": {
            "x": x,
            "y": {**y, "field": "likely"},
            "text": {"field": "label"},
            "color": colour,
        },
    }
    even = [
        {
            "transform": filtered("even"),
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": frame.colour(formatting.MUTED)},
            "encoding": {"x": x},
        },
        {
            "transform": filtered("even"),
            "mark": {"type": "text", "align": "left", "dx": 5, "y": 12},
            "encoding": {"x": x, "text": {"field": "label"}},
        },
    ]
    return dressed({"layer": [band, line, dots, ends, *even]}, frame, 330)
