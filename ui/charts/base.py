"""What every picture shares: its record, its type, and its colours in light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ui import formatting

FONT: Final = '"Source Sans", "Source Sans 3", sans-serif'
ChartRow = dict[str, Any]


@dataclass(frozen=True)
class ChartStyle:
    """Who looks: decides colours and the form of figures."""

    theme: str
    """light or dark."""
    locale: str
    """Locale of the reader."""

    def colour(self, colours: dict[str, str]) -> str:
        """Return the colour of the theme."""
        return colours[self.theme]

    def pick(self, pair: tuple[str, str]) -> str:
        """Return the light or the dark one of a pair."""
        return pair[self.theme == "dark"]


@dataclass(frozen=True)
class Chart:
    """One picture: how to draw it, its rows, and what it says."""

    name: str
    """For file names."""
    spec: dict[str, Any]
    """Vega-Lite, without the rows: it stays the same while the figures move."""
    rows: list[ChartRow]
    """What is drawn."""
    says: str
    """The same in words."""


def styled_spec(
    spec: dict[str, Any], frame: ChartStyle, height: int | None = None
) -> dict[str, Any]:
    """Return a specification with the type, colours and separators of the page."""
    ink, muted, rule = (
        frame.colour(c) for c in (formatting.INK, formatting.MUTED, formatting.RULE)
    )
    axis = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelColor": ink,
        "titleColor": muted,
        "labelFontSize": 12.5,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": rule,
        "domainColor": rule,
        "tickColor": rule,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "gridOpacity": 0.7,
    }
    legend = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelColor": ink,
        "titleColor": muted,
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
        "symbolType": "square",
        "columns": 6,
        "labelLimit": 220,
        "columnPadding": 8,
        "symbolSize": 80,
    }
    config = {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend,
        "text": {"font": FONT, "color": ink, "fontSize": 12},
        "locale": {"number": formatting.vega_locale(frame.locale)},
    }
    sized = {} if height is None else {"height": height}
    return {
        **spec,
        **sized,
        "width": "container",
        "config": config,
        "autosize": {"type": "fit", "contains": "padding"},
    }


def layer_filter(layer: str) -> list[dict[str, str]]:
    """Return the transform that keeps the rows of one layer."""
    return [{"filter": f"datum.layer === '{layer}'"}]


def tooltip(*fields: tuple[str, str]) -> list[dict[str, str]]:
    """Return a tooltip of fields that are text already."""
    return [{"field": name, "type": "nominal", "title": title} for name, title in fields]
