"""Shared parts of all charts: the `Chart` record, Vega-Lite building blocks, and drawing."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from advisor.prices.display_names import APPROACH_NAMES
from advisor.units import US_DOLLARS, Currency, in_currency
from ui import formatting

FONT: Final = '"Source Sans", "Source Sans 3", sans-serif'
USD_AXIS: Final = {"format": "$,.4~r", "tickCount": 5, "labelOverlap": True}
"""Up to four significant digits, so that small and large amounts have distinct labels."""
LABEL_ROOM: Final = {"left": 5, "top": 5, "right": 60, "bottom": 5}
"""Padding [pixels] with room for a label to the right of the longest bar."""
ChartRow = dict[str, Any]
Spec = dict[str, Any]


@dataclass(frozen=True)
class ChartStyle:
    """Theme and locale of the reader."""

    theme: str
    """light or dark."""
    locale: str
    """Locale for numbers and dates."""
    currency: Currency = US_DOLLARS
    """Currency of amounts."""

    def amount(self, usd: str | float) -> float:
        """Return an amount of USD in the currency of the chart."""
        return float(in_currency(usd, self.currency))

    def money(self, usd: str | float) -> str:
        """Format an amount of USD in the currency of the chart."""
        return formatting.money_text(usd, self.locale, currency=self.currency)

    def pick(self, pair: tuple[str, str]) -> str:
        """Return the light or the dark color of a pair."""
        return pair[self.theme == "dark"]

    @property
    def warning(self) -> str:
        """Color of stale prices, truncated rows and other rows to look at."""
        return self.pick(formatting.APPROACH_COLOURS["ft_api"])


@dataclass(frozen=True)
class Chart:
    """One chart: how to draw it, its rows, and a summary."""

    name: str
    """Name for files and for screen readers, with dashes."""
    spec: Spec
    """Vega-Lite spec without rows, so that it stays the same while values change."""
    rows: list[ChartRow]
    """Data of the chart."""
    says: str
    """The content of the chart as text."""


def channel(field: str, kind: str = "quantitative", **more: Any) -> Spec:
    """Return an encoding channel."""
    return {"field": field, "type": kind, **more}


def layer(name: str, mark: str, encoding: Spec, **options: Any) -> Spec:
    """Return a layer that draws the rows whose `layer` is *name*."""
    return {
        "transform": [{"filter": f"datum.layer === '{name}'"}],
        "mark": {"type": mark, **options},
        "encoding": encoding,
    }


def colour_channel(field: str, colours: Mapping[str, str], **more: Any) -> Spec:
    """Return a color channel with a fixed color per value."""
    scale = {"domain": list(colours), "range": list(colours.values())}
    return channel(field, "nominal", scale=scale, **more)


def approach_colours(style: ChartStyle) -> Spec:
    """Return the color channel of approaches, without a legend."""
    colours = {
        APPROACH_NAMES[approach]: style.pick(pair)
        for approach, pair in formatting.APPROACH_COLOURS.items()
    }
    return colour_channel("way", colours, legend=None)


def category_axis(field: str, label_limit: int, order: Spec) -> Spec:
    """Return a vertical axis with one category per row of bars."""
    axis = {"labelLimit": label_limit, "grid": False}
    return channel(field, "nominal", title=None, sort=order, axis=axis)


def threshold_layers(name: str, x: Spec, style: ChartStyle, offset: int) -> list[Spec]:
    """Return a dashed vertical line and its label, `offset` pixels below the top."""
    rule = {"strokeDash": [4, 4], "color": style.pick(formatting.MUTED)}
    label = {"x": x, "text": {"field": "label"}}
    return [
        layer(name, "rule", {"x": x}, **rule),
        layer(name, "text", label, align="left", dx=5, y=offset),
    ]


def tooltip(*fields: tuple[str, str]) -> list[Spec]:
    """Return a tooltip of text fields."""
    return [channel(name, "nominal", title=title) for name, title in fields]


def styled_spec(spec: Spec, style: ChartStyle, height: int) -> Spec:
    """Return a spec with the font, colors and separators of the page."""
    return {
        **spec,
        "height": height,
        "width": "container",
        "config": _config(style),
        "autosize": {"type": "fit", "contains": "padding"},
    }


def _config(style: ChartStyle) -> Spec:
    ink, rule = style.pick(formatting.INK), style.pick(formatting.RULE)
    text = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelColor": ink,
        "titleColor": style.pick(formatting.MUTED),
    }
    axis = {
        **text,
        "labelFontSize": 12.5,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": rule,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "gridOpacity": 0.7,
    }
    legend = {
        **text,
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
        "symbolType": "square",
        "columns": 3,
        "labelLimit": 220,
        "columnPadding": 8,
        "symbolSize": 80,
    }
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend,
        "text": {"font": FONT, "color": ink, "fontSize": 12},
        "locale": {"number": formatting.vega_locale(style.locale, style.currency)},
    }


def draw_chart(chart: Chart) -> None:
    """Draw a chart, its summary, and a button that downloads its rows."""
    if not chart.rows:
        st.info("No data to draw: no option is allowed, or none has a price.")
        return
    table = {name: [row.get(name) for row in chart.rows] for name in _columns(chart)}
    st.vega_lite_chart(
        table,
        chart.spec,
        theme=None,
        key=f"chart_{chart.name}",
        alt=chart.name.replace("-", " "),
    )
    summary, button = st.columns([0.86, 0.14], vertical_alignment="top")
    with summary:
        formatting.muted_text(chart.says)
    button.download_button(
        "CSV",
        lambda: chart_csv(chart),
        f"{chart.name}.csv",
        "text/csv",
        key=f"csv_{chart.name}",
        type="tertiary",
        on_click="ignore",
        help="Download the rows of this chart.",
    )


def chart_csv(chart: Chart) -> bytes:
    """Return the rows of a chart as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(chart), lineterminator="\n")
    writer.writeheader()
    writer.writerows(chart.rows)
    return text.getvalue().encode()


def _columns(chart: Chart) -> list[str]:
    return list(dict.fromkeys(name for row in chart.rows for name in row))
