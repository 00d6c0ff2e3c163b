"""An answer -> what has been spent after each month, with the break-even and the ranges."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.report.markdown import cumulative_usd
from ui import formatting
from ui.charts.base import Chart, ChartRow, ChartStyle, layer_filter, styled_spec, tooltip

POINTS_PER_LINE: Final = 24
LABEL_GAP_SHARE: Final = 0.065
"""Names stand at least this share of the picture's height apart."""


def cumulative_cost_chart(answer: Answer, frame: ChartStyle) -> Chart:
    """Show the options that are held against each other, from the first day to the last."""
    shown = compared_options(answer)
    months = answer.question.horizon_months
    rows = [row for one in shown for row in _line_rows(one, months, frame.locale)]
    rows += _name_rows(rows, months)
    rows += _break_even_rows(answer, shown, frame.locale)
    return Chart("cumulative-cost", _spec(frame), rows, _summary(answer, shown, frame.locale))


def compared_options(answer: Answer) -> list[OptionBill]:
    """Return the recommended option, the runner-up, today, and what break-even is against."""
    decision = answer.decision
    wanted = [decision.recommended, decision.runner_up, "current"]
    if decision.break_even:
        wanted += [decision.break_even.option, decision.break_even.against]
    found = {one.id: one for one in answer.options}
    return [found[name] for name in dict.fromkeys(wanted) if name in found and name != "not_yet"]


def _line_rows(option: OptionBill, months: float, locale: str) -> list[ChartRow]:
    name, rows = formatting.option_name(option.id), []
    lasts = min(months, float(option.months))
    for step in range(POINTS_PER_LINE + 1):
        at = lasts * step / POINTS_PER_LINE
        low, likely, high = cumulative_usd(option, at)
        rows.append(
            {
                "layer": "line",
                "option": name,
                "way": formatting.approach_label(option.id, option.approach),
                "month": at,
                "low": low,
                "likely": likely,
                "high": high,
                "figure": formatting.money_text(likely, locale),
                "range": " \u2013 ".join(formatting.money_text(end, locale) for end in (low, high)),
                "when": f"month {formatting.number_text(at, locale, 1)}",
                "formula": f"{formatting.money_text(option.one_off.likely, locale)} + "
                f"{formatting.number_text(at, locale, 1)} \u00d7 "
                f"{formatting.money_text(option.monthly.likely, locale)}",
            }
        )
    return rows


def _name_rows(rows: list[ChartRow], months: float) -> list[ChartRow]:
    """Write each option's name at the end of its line, one above the other where lines meet."""
    ends = {row["option"]: row for row in rows}
    gap = LABEL_GAP_SHARE * max((row["high"] for row in rows), default=0.0)
    names: list[ChartRow] = []
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


def _break_even_rows(answer: Answer, shown: list[OptionBill], locale: str) -> list[ChartRow]:
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
    label = f"break-even, month {formatting.number_text(at, locale, 1)}"
    return [{"layer": "even", "month": at, "likely": cumulative_usd(tuned, at)[1], "label": label}]


def _summary(answer: Answer, shown: list[OptionBill], locale: str) -> str:
    months = float(answer.question.horizon_months)
    said = "; ".join(
        f"{formatting.option_name(one.id)} {formatting.money_text(one.total.likely, locale)} over "
        f"{formatting.number_text(float(one.months), locale, 1)} months"
        for one in shown
    )
    found = answer.decision.break_even
    even = ""
    if found and found.months:
        paid_back = formatting.number_text(float(found.months), locale, 1)
        even = f" Training has paid for itself after {paid_back} months."
    return f"Spent over {formatting.number_text(months, locale, 1)} months: {said}.{even}"


@lru_cache(maxsize=16)
def _spec(frame: ChartStyle) -> dict[str, Any]:
    names = [formatting.APPROACH_LABELS[key] for key in formatting.APPROACH_COLOURS]
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
        "transform": layer_filter("line"),
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
        "transform": layer_filter("line"),
        "mark": {"type": "line", "strokeWidth": 2.5},
        "encoding": {
            "x": x,
            "y": {**y, "field": "likely"},
            "color": colour,
            "strokeDash": {"field": "option", "type": "nominal", "legend": None},
        },
    }
    dots = {
        "transform": layer_filter("line"),
        "mark": {"type": "point", "filled": True, "size": 120, "opacity": 0},
        "encoding": {
            "x": x,
            "y": {**y, "field": "likely"},
            "color": colour,
            "tooltip": tooltip(
                ("option", "option"),
                ("when", "after"),
                ("figure", "spent"),
                ("range", "nine of ten draws"),
                ("formula", "formula"),
            ),
        },
    }
    ends = {
        "transform": layer_filter("name"),
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
            "transform": layer_filter("even"),
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": frame.colour(formatting.MUTED)},
            "encoding": {"x": x},
        },
        {
            "transform": layer_filter("even"),
            "mark": {"type": "text", "align": "left", "dx": 5, "y": 12},
            "encoding": {"x": x, "text": {"field": "label"}},
        },
    ]
    return styled_spec({"layer": [band, line, dots, ends, *even]}, frame, 330)
