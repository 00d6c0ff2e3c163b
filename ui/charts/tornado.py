"""Tornado chart: which inputs change the monthly cost most when halved and doubled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from advisor.decision.sweep import SweepColumns
from advisor.prices.display_names import option_name
from ui import formatting
from ui.charts.base import (
    LABEL_ROOM,
    USD_AXIS,
    Chart,
    ChartRow,
    ChartStyle,
    Spec,
    category_axis,
    channel,
    colour_channel,
    layer,
    styled_spec,
    tooltip,
)

MAX_BARS: Final = 10
SHORT_BAR_SHARE: Final = 0.15
"""A bar shorter than this share of the longest has no room for a label at each end."""


class Swing(NamedTuple):
    """One input with the two values it is set to."""

    label: str
    low: float
    high: float
    is_share: bool = False
    """Whether values are shares, shown as percentages."""

    def value_text(self, value: float, locale: str) -> str:
        """Format one of the values."""
        if self.is_share:
            return formatting.share_text(value, locale)
        return formatting.number_text(value, locale, 2 if value < 100 else 0)


def tornado_chart(
    columns: SweepColumns, swings: Sequence[Swing], now: tuple[str, str], style: ChartStyle
) -> Chart:
    """Draw the monthly cost of the recommended option at both values of each input.

    The columns have two rows for each swing, the smaller value first; *now* is the option
    recommended now and its monthly cost [USD].
    """
    bars = [_bar_row(columns, place, swing, now, style) for place, swing in enumerate(swings)]
    bars = sorted(
        (bar for bar in bars if bar["size"] > 0 or bar["is_changed"]),
        key=lambda bar: (-bar["size"], bar["label"]),
    )[:MAX_BARS]
    widest = max((bar["size"] for bar in bars), default=0.0)
    rows: list[ChartRow] = []
    for bar in bars:
        rows += [*bar["ends"], *_label_rows(bar, bar["size"] < SHORT_BAR_SHARE * widest)]
    return Chart("tornado", _spec(style), rows, _summary(bars))


def _bar_row(
    columns: SweepColumns, place: int, swing: Swing, now: tuple[str, str], style: ChartStyle
) -> ChartRow:
    now_cost, now_approach = style.amount(now[1]), formatting.approach_label(now[0])
    usd = [float(columns.per_month[2 * place + offset]) for offset in (0, 1)]
    both = [style.amount(amount) for amount in usd]
    size = max(both) - min(both)
    ends: list[ChartRow] = []
    for offset, (side, value) in enumerate((("lower", swing.low), ("higher", swing.high))):
        option = columns.recommended[2 * place + offset]
        approach = formatting.approach_label(option)
        text = swing.value_text(value, style.locale)
        ends.append(
            {
                "layer": "end",
                "what": swing.label,
                "size": size,
                "from": now_cost,
                "to": both[offset],
                "side": f"{side} value",
                "figure": style.money(usd[offset]),
                "value": text,
                "option": option_name(option),
                "label": text if approach == now_approach else f"{text}: {approach}",
                "align": "right" if both[offset] < now_cost else "left",
            }
        )
    is_changed = any(end["label"] != end["value"] for end in ends)
    same = {"label": swing.label, "ends": ends, "size": size, "is_changed": is_changed}
    return {**same, "change": style.money(max(usd) - min(usd))}


def _label_rows(bar: ChartRow, is_short: bool) -> list[ChartRow]:
    """Label both ends of a bar; if it is too short, both labels go to its right."""
    ends = bar["ends"]
    same = {"layer": "label", "what": bar["label"], "size": bar["size"]}
    if is_short or ends[0]["align"] == ends[1]["align"]:
        text = "  /  ".join(end["label"] for end in ends)
        right = max(ends[0]["from"], *(end["to"] for end in ends))
        return [{**same, "to": right, "label": text, "align": "left"}]
    return [{**same, **{key: end[key] for key in ("to", "label", "align")}} for end in ends]


def _summary(bars: Sequence[ChartRow]) -> str:
    if not bars:
        return "Halving or doubling any input changes neither the cost nor the recommendation."
    largest = ", ".join(f"{bar['label'].lower()} ({bar['change']})" for bar in bars[:3])
    changed = ", ".join(bar["label"].lower() for bar in bars if bar["is_changed"])
    changes = f" The recommended approach changes with {changed}." if changed else ""
    return f"Largest changes of the monthly cost, inputs halved and doubled: {largest}.{changes}"


@lru_cache(maxsize=16)
def _spec(style: ChartStyle) -> Spec:
    y = category_axis("what", 240, {"field": "size", "op": "max", "order": "descending"})
    scale = {"zero": False, "padding": 70}
    axis = {**USD_AXIS, "title": "monthly cost of the option then recommended"}
    x = channel("from", scale=scale, axis=axis)
    sides = {
        "lower value": style.pick(("#7fb8d8", "#4f8fb8")),
        "higher value": style.pick(formatting.ACCENT),
    }
    details = tooltip(
        ("what", "input"),
        ("value", "set to"),
        ("figure", "per month"),
        ("option", "recommendation"),
    )
    bars = {
        "x": x,
        "x2": {"field": "to"},
        "color": colour_channel("side", sides),
        "tooltip": details,
    }
    labels = [
        layer(
            "label",
            "text",
            {"x": {**x, "field": "to"}, "text": {"field": "label"}},
            align=align,
            dx=dx,
            fontSize=11.5,
        )
        for align, dx in (("left", 5), ("right", -5))
    ]
    for label in labels:
        label["transform"].append({"filter": f"datum.align === '{label['mark']['align']}'"})
    layers = [layer("end", "bar", bars, size=18), *labels]
    return styled_spec({"encoding": {"y": y}, "layer": layers, "padding": LABEL_ROOM}, style, 330)
