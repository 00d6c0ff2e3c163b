"""Row length chart: a histogram of a dataset's examples by tokens, with the truncation limit."""

from __future__ import annotations

from functools import lru_cache

from advisor.dataset.profile import Profile
from ui import formatting
from ui.charts.base import (
    Chart,
    ChartRow,
    ChartStyle,
    Spec,
    channel,
    colour_channel,
    layer,
    styled_spec,
    tooltip,
)


def row_lengths_chart(profile: Profile, style: ChartStyle) -> Chart:
    """Draw the histogram of lengths."""
    rows: list[ChartRow] = []
    limit_bin: str | None = None
    lowest = 0
    for place, (bound, count) in enumerate(profile.histogram):
        tokens = " \u2013 ".join(
            formatting.number_text(end, style.locale) for end in (lowest, bound)
        )
        rows.append(
            {
                "layer": "bar",
                "place": place,
                "tokens": tokens,
                "rows": count,
                "figure": formatting.number_text(count, style.locale),
                "fate": "truncated" if lowest >= profile.limit_tokens else "complete",
            }
        )
        if limit_bin is None and bound >= profile.limit_tokens:
            limit_bin = tokens
        lowest = bound + 1
    if limit_bin is not None:
        limit = formatting.number_text(profile.limit_tokens, style.locale)
        rows.append({"layer": "cut", "tokens": limit_bin, "label": f"limit: {limit} tokens"})
    return Chart("lengths", _spec(style), rows, _summary(profile, style.locale))


def _summary(profile: Profile, locale: str) -> str:
    percentiles = dict(profile.percentiles)

    def number(value: float) -> str:
        return formatting.number_text(value, locale)

    return (
        f"{number(profile.examples)} examples, {number(profile.total_tokens)} tokens in total. "
        f"Median length {number(percentiles.get(50, 0))} tokens, "
        f"95th percentile {number(percentiles.get(95, 0))}, maximum {number(profile.max_tokens)}. "
        f"Longer than the limit of {number(profile.limit_tokens)} tokens and truncated: "
        f"{number(profile.truncated)}."
    )


@lru_cache(maxsize=16)
def _spec(style: ChartStyle) -> Spec:
    axis = {"title": "tokens per example", "labelAngle": 0, "grid": False, "labelOverlap": True}
    fates = {"complete": style.pick(formatting.ACCENT), "truncated": style.warning}
    bars = {
        "y": channel("rows", axis={"title": "examples"}),
        "color": colour_channel("fate", fates, legend=None),
        "tooltip": tooltip(("tokens", "tokens"), ("figure", "examples"), ("fate", "rows are")),
    }
    counts = {"y": channel("rows"), "text": {"field": "figure"}}
    rule = {"strokeDash": [4, 4], "strokeWidth": 2, "color": style.pick(formatting.INK)}
    layers = [
        layer("bar", "bar", bars, width={"band": 0.86}),
        layer("bar", "text", counts, dy=-8),
        layer("cut", "rule", {}, **rule),
        layer("cut", "text", {"text": {"field": "label"}}, align="right", dx=-6, y=8),
    ]
    x = channel("tokens", "ordinal", sort=None, axis=axis)
    return styled_spec({"encoding": {"x": x}, "layer": layers}, style, 300)
