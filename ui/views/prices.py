"""The Prices page: search the price book on a date, with sources, ages and price history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from advisor.api.catalogues import ListedPrice, list_prices
from advisor.prices.series import STALE_AFTER_DAYS, PriceSeries
from trainer.clock import utc_datetime
from ui import formatting, state
from ui.charts.base import ChartStyle, draw_chart
from ui.charts.price_ages import price_histogram, price_history_chart
from ui.formatting import muted_text


@state.errors_drawn()
def page() -> None:
    """Draw the page."""
    st.title("Prices", anchor=False)
    context = state.trainer_context()
    book, today = context.book, utc_datetime(context.clock.now()).date()
    style = ChartStyle(formatting.theme(), formatting.reader_locale())
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    text = left.text_input("Search", placeholder="gpt-5.4, gpu_hour, together/...")
    day = middle.date_input("Prices as of", today, format="YYYY-MM-DD")
    only_stale = right.toggle("Stale prices only")
    listed = list_prices(book, day if isinstance(day, date) else today, "")
    words = text.lower().split()
    shown = [
        price
        for price in listed.prices
        if (price.stale or not only_stale) and all(word in price.item.lower() for word in words)
    ]
    count, total, stale = (
        formatting.number_text(number, style.locale)
        for number in (len(shown), len(listed.prices), listed.stale)
    )
    muted_text(
        f"{count} of {total} prices shown; {stale} were last read "
        f"{STALE_AFTER_DAYS} or more days ago."
    )
    if not shown:
        st.info(f"No item matches '{text}'. Search for a part of a provider's or model's name.")
        return
    _draw_table(shown)
    ages = price_histogram(shown, style)
    if ages.rows:
        st.markdown("**Age of these prices**")
        draw_chart(ages)
    items = [price.item for price in shown]
    item = st.selectbox("Price history", items, index=None, placeholder="Choose an item")
    if item is not None:
        _draw_history(book.prices.series[item], style)


def price_row(price: ListedPrice) -> Mapping[str, Any]:
    """Return one price as a row of the table."""
    source = price.source or ""
    is_url = source.startswith("https://")
    return {
        "item": price.item,
        "USD": None if price.value is None else float(price.value),
        "per": price.unit.removeprefix("USD/"),
        "since": price.since,
        "read on": price.read_on,
        "age": price.age_days,
        "state": "stale" if price.stale else "own" if price.own else price.problem or "fresh",
        "source": source if is_url else None,
        "other source": "" if is_url else source,
    }


def _draw_table(shown: list[ListedPrice]) -> None:
    st.dataframe(
        [price_row(price) for price in shown],
        hide_index=True,
        width="stretch",
        height=420,
        column_config={
            "USD": st.column_config.NumberColumn(format="%.10g"),
            "age": st.column_config.NumberColumn("age, days", format="%d"),
            "source": st.column_config.LinkColumn(display_text=r"https://([^/]*)"),
        },
    )


def _draw_history(series: PriceSeries, style: ChartStyle) -> None:
    if series.unpriced is not None:
        st.info(f"{series.item} has no price: {series.unpriced}")
        return
    chart = price_history_chart(series, style)
    if len(chart.rows) > 1:
        draw_chart(chart)
    st.table([{name: row[name] for name in row if name != "layer"} for row in chart.rows])
