"""Cumulative cost chart: the total cost of each option month by month, and the break-even."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.prices.display_names import option_name
from advisor.report.markdown import cumulative_usd
from advisor.report.sentences import approach_name
from ui import formatting
from ui.charts.base import (
    USD_AXIS,
    Chart,
    ChartRow,
    ChartStyle,
    Spec,
    approach_colours,
    channel,
    layer,
    styled_spec,
    threshold_layers,
    tooltip,
)

POINTS_PER_LINE: Final = 24
LABEL_GAP_SHARE: Final = 0.065
"""Minimum distance of two labels, as a share of the chart's height."""


def cumulative_cost_chart(answer: Answer, style: ChartStyle) -> Chart:
    """Draw the compared options from the first day to the end of the horizon."""
    options = compared_options(answer)
    months = answer.question.horizon_months
    rows = [row for option in options for row in _line_rows(option, months, style)]
    rows += _name_rows(rows, months)
    rows += _break_even_rows(answer, options, style)
    return Chart("cumulative-cost", _spec(style), rows, _summary(answer, options, style))


def compared_options(answer: Answer) -> list[OptionBill]:
    """Return the recommended option, the runner-up, the current one, and those of break-even."""
    decision = answer.decision
    wanted = [decision.recommended, decision.runner_up, "current"]
    if decision.break_even:
        wanted += [decision.break_even.option, decision.break_even.against]
    options = {option.id: option for option in answer.options}
    return [options[id_] for id_ in dict.fromkeys(wanted) if id_ in options and id_ != "not_yet"]


def _line_rows(option: OptionBill, months: float, style: ChartStyle) -> list[ChartRow]:
    name, rows = option_name(option.id), []
    one_off, monthly = style.money(option.one_off.likely), style.money(option.monthly.likely)
    on_average = " on average" if any(line.by_month for line in option.bill) else ""
    lasts = min(months, float(option.months))
    for step in range(POINTS_PER_LINE + 1):
        month = lasts * step / POINTS_PER_LINE
        usd = cumulative_usd(option, month)
        low, likely, high = map(style.amount, usd)
        when = formatting.number_text(month, style.locale, 1)
        rows.append(
            {
                "layer": "line",
                "option": name,
                "way": approach_name(option),
                "month": month,
                "low": low,
                "likely": likely,
                "high": high,
                "figure": style.money(usd[1]),
                "range": f"{style.money(usd[0])} \u2013 {style.money(usd[2])}",
                "when": f"month {when}",
                "formula": f"{one_off} + {when} \u00d7 {monthly}{on_average}",
            }
        )
    return rows


def _name_rows(rows: list[ChartRow], months: float) -> list[ChartRow]:
    """Label the end of each line; labels of lines that end close together are stacked."""
    ends = {row["option"]: row for row in rows}
    gap = LABEL_GAP_SHARE * max((row["high"] for row in rows), default=0.0)
    names: list[ChartRow] = []
    height = -gap
    for row in sorted(ends.values(), key=lambda row: row["likely"]):
        height = max(row["likely"], height + gap)
        label = f"{row['option']}  {row['figure']}"
        same = {key: row[key] for key in ("option", "way", "figure")}
        names.append({**same, "layer": "name", "month": months, "likely": height, "label": label})
    return names


def _break_even_rows(
    answer: Answer, options: list[OptionBill], style: ChartStyle
) -> list[ChartRow]:
    break_even = answer.decision.break_even
    if break_even is None or break_even.months is None:
        return []
    month = float(break_even.months)
    tuned = next((option for option in options if option.id == break_even.option), None)
    if tuned is None or month > float(answer.question.horizon_months):
        return []
    when = "first month" if month < 1 else f"month {formatting.number_text(month, style.locale, 1)}"
    likely = style.amount(cumulative_usd(tuned, month)[1])
    return [{"layer": "even", "month": month, "likely": likely, "label": f"break-even, {when}"}]


def _summary(answer: Answer, options: list[OptionBill], style: ChartStyle) -> str:
    def months(value: str | float) -> str:
        return f"{formatting.number_text(float(value), style.locale, 1)} months"

    totals = "; ".join(
        f"{option_name(option.id)} {style.money(option.total.likely)} over {months(option.months)}"
        for option in options
    )
    break_even = answer.decision.break_even
    even = ""
    if break_even and break_even.months:
        is_soon = float(break_even.months) < 1
        when = "in the first month" if is_soon else f"after {months(break_even.months)}"
        even = f" Break-even {when}."
    return f"Cumulative cost over {months(answer.question.horizon_months)}: {totals}.{even}"


@lru_cache(maxsize=16)
def _spec(style: ChartStyle) -> Spec:
    x = channel("month", axis={"title": "months", "grid": False, "format": "~g"})
    y_axis = {**USD_AXIS, "title": "cumulative cost"}
    y, colour = channel("likely", axis=y_axis), approach_colours(style)
    same = {"x": x, "y": y, "color": colour}
    band = {
        **same,
        "y": channel("low", axis=y_axis),
        "y2": {"field": "high"},
        "detail": {"field": "option"},
    }
    dash = channel("option", "nominal", legend=None)
    details = tooltip(
        ("option", "option"),
        ("when", "after"),
        ("figure", "cumulative cost"),
        ("range", "90% range"),
        ("formula", "formula"),
    )
    label = {"align": "right", "dy": -10, "fontWeight": 600, "limit": 420, "stroke": None}
    layers = [
        layer("line", "area", band, opacity=0.18),
        layer("line", "line", {**same, "strokeDash": dash}, strokeWidth=2.5),
        layer("line", "point", {**same, "tooltip": details}, filled=True, size=120, opacity=0),
        layer("name", "text", {**same, "text": {"field": "label"}}, **label),
        *threshold_layers("even", x, style, 12),
    ]
    return styled_spec({"layer": layers}, style, 330)
