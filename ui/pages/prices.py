"""The price book as it holds on a day: searched, with source and age, and how each price moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import altair as alt
import streamlit as st

from advisor.api.catalogues import ListedPrice, list_prices
from advisor.errors import AdvisorError
from advisor.prices.book import PriceBook
from advisor.prices.series import STALE_AFTER_DAYS, PriceSeries
from trainer.clock import utc_datetime
from ui import formatting, state
from ui.charts.training_curves import chart_config
from ui.formatting import muted_text


def page() -> None:
    """Search the price book."""
    st.title("Prices", anchor=False)
    try:
        context = state.trainer_context()
        _draw_prices(context.book, utc_datetime(context.clock.now()).date())
    except AdvisorError as error:
        st.error(str(error))


def _draw_prices(book: PriceBook, today: date) -> None:
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    wanted = left.text_input("Search", placeholder="gpt-5.4, gpu_hour, together/...")
    on = middle.date_input("As of", today)
    only_stale = right.toggle("Only stale")
    found = list_prices(book, on if isinstance(on, date) else today, "")
    shown = matching_prices(found.prices, wanted, only_stale)
    locale = formatting.reader_locale()
    muted_text(
        f"{formatting.number_text(len(shown), locale)} of "
        f"{formatting.number_text(len(found.prices), locale)} items; "
        f"{formatting.number_text(found.stale, locale)} were last read "
        f"{STALE_AFTER_DAYS} days before or more."
    )
    if not shown:
        st.info(f"No item has '{wanted}' in its name. Search for a part of a provider or model.")
        return
    _draw_table(shown)
    _draw_ages(shown)
    item = st.selectbox(
        "How a price moved", [one.item for one in shown], index=None, placeholder="choose an item"
    )
    if item is not None:
        _draw_history(book.prices.series[item])


def matching_prices(
    prices: Iterable[ListedPrice], wanted: str, only_stale: bool = False
) -> list[ListedPrice]:
    """Keep the items whose name holds every word that was asked for."""
    words = wanted.lower().split()
    named = (one for one in prices if all(word in one.item.lower() for word in words))
    return [one for one in named if one.stale or not only_stale]


def price_row(one: ListedPrice) -> Mapping[str, Any]:
    """Lay one price down as a line of the table."""
    source = one.source or ""
    return {
        "item": one.item,
        "USD": None if one.value is None else float(one.value),
        "per": one.unit.removeprefix("USD/"),
        "since": one.since,
        "read on": one.read_on,
        "age": one.age_days,
        "state": "stale" if one.stale else "own" if one.own else one.problem or "fresh",
        "source": source if source.startswith("https://") else None,
        "said by": "" if source.startswith("https://") else source,
    }


def _draw_table(shown: list[ListedPrice]) -> None:
    st.dataframe(
        [price_row(one) for one in shown],
        hide_index=True,
        width="stretch",
        height=420,
        column_config={
            "USD": st.column_config.NumberColumn(format="%.10g"),
            "age": st.column_config.NumberColumn("age, days", format="%d"),
            "source": st.column_config.LinkColumn(display_text=r"https://([^/]*)"),
        },
    )


def _draw_ages(shown: list[ListedPrice]) -> None:
    """Draw how many prices are how old, source by source."""
    rows = [
        {"age": one.age_days, "state": "stale" if one.stale else "fresh", "item": one.item}
        for one in shown
        if one.age_days is not None
    ]
    if not rows:
        return
    st.markdown("**Age of these prices**")
    st.altair_chart(age_chart(rows, formatting.theme()), width="stretch", alt=age_summary(rows))
    muted_text(age_summary(rows))


def age_summary(rows: list[dict[str, Any]]) -> str:
    """Say the ages in a sentence.

    >>> age_summary([{"age": 40, "state": "stale"}, {"age": 2, "state": "fresh"}])
    '2 prices, read 2 to 40 days before; 1 of them 30 days or more.'
    """
    ages = [row["age"] for row in rows]
    stale = sum(row["state"] == "stale" for row in rows)
    return (
        f"{len(rows)} prices, read {min(ages)} to {max(ages)} days before; {stale} of them "
        f"{STALE_AFTER_DAYS} days or more."
    )


def age_chart(rows: list[dict[str, Any]], theme: str) -> alt.LayerChart:
    """Draw a bar for each age, and the day from which a price is stale."""
    shade = 1 if theme == "dark" else 0
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=alt.X("age:Q", bin=alt.Bin(step=3), title="days since somebody last read it"),
            y=alt.Y(
                "count():Q",
                title="prices",
                scale=alt.Scale(type="symlog"),
                axis=alt.Axis(values=[1, 10, 100, 1000]),
            ),
            color=alt.Color(
                "state:N",
                title=None,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(
                    domain=["fresh", "stale"],
                    range=[formatting.ACCENT[theme], formatting.APPROACH_COLOURS["ft_api"][shade]],
                ),
            ),
            tooltip=[
                alt.Tooltip("age:Q", bin=alt.Bin(step=3), title="days"),
                alt.Tooltip("count():Q", title="prices"),
                alt.Tooltip("state:N"),
            ],
        )
    )
    limit = (
        alt.Chart(alt.InlineData(values=[{"age": STALE_AFTER_DAYS}]))
        .mark_rule(strokeDash=[4, 4], color=formatting.MUTED[theme])
        .encode(x="age:Q")
    )
    return alt.LayerChart(layer=[bars, limit], height=180, config=chart_config(theme))


def _draw_history(series: PriceSeries) -> None:
    if series.unpriced is not None:
        st.info(f"{series.item} has no price: {series.unpriced}")
        return
    steps = [
        {
            "since": step.since.isoformat(),
            "USD": None if step.value is None else float(step.value),
            "source": step.source,
            "read on": step.read_on.isoformat(),
            "note": step.note or "",
        }
        for step in series.steps
    ]
    if len(steps) > 1:
        theme = formatting.theme()
        says = ", ".join(f"{one['USD']} from {one['since']}" for one in steps)
        st.altair_chart(_history_chart(steps, series.unit, theme), width="stretch", alt=says)
    st.table(steps)


def _history_chart(steps: list[dict[str, Any]], unit: str, theme: str) -> alt.LayerChart:
    base = alt.Chart(alt.InlineData(values=steps)).encode(
        x=alt.X("since:T", title=None),
        y=alt.Y("USD:Q", title=unit),
        tooltip=["since:T", "USD:Q", "source:N", "read on:N"],
    )
    line = base.mark_line(interpolate="step-after", color=formatting.ACCENT[theme], strokeWidth=2.5)
    dots = base.mark_circle(size=60, color=formatting.ACCENT[theme])
    return alt.LayerChart(layer=[line, dots], height=200, config=chart_config(theme))
