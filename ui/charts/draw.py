"""Drawing of a chart on the page, with its summary and its rows as CSV."""

from __future__ import annotations

import csv
import io

import streamlit as st

from ui.charts.base import Chart
from ui.formatting import muted_text


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
        muted_text(chart.says)
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
