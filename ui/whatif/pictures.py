"""The answer of the moment -> pictures in tabs; only the open one is drawn."""

from __future__ import annotations

import csv
import io
from html import escape
from typing import Final

import streamlit as st

from ui import look, session
from ui.charts.ages import ages_picture
from ui.charts.base import Frame, Picture
from ui.charts.cost import cost_picture
from ui.charts.cumulative import cumulative_picture
from ui.charts.lengths import lengths_picture
from ui.charts.tornado import tornado_picture
from ui.charts.winners import winners_picture
from ui.components.watch import watch
from ui.whatif import sweeping
from ui.whatif.inputs import SPANS, resolved_now
from ui.whatif.verdict import option_of

TABS: Final = {
    "Monthly cost": "cost", "Over time": "cumulative", "Map of winners": "winners",
    "What moves it": "tornado", "Your data": "lengths", "Age of prices": "ages",
}  # fmt: skip
KEY: Final = "pictures"
MAP: Final = ("traffic.requests_per_month", "traffic.prefix_tokens")


def pictures() -> None:
    """Draw the tabs; the open one anew when the answer changes and it is in view."""
    now = session.asked()
    watch(KEY, now.answer.question_sha256, 0)
    frame = Frame(look.theme(), look.reader())
    tabs = st.tabs(list(TABS), key="pictures_tabs", on_change="rerun")
    for tab, name in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab:
                _show(name, now, frame)


def _show(name: str, now: session.Asked, frame: Frame) -> None:
    if name == "cost":
        draw(cost_picture(now.answer, frame))
    elif name == "cumulative":
        draw(cumulative_picture(now.answer, frame))
    elif name == "winners":
        _winners(now, frame)
    elif name == "tornado":
        draw(_tornado(now, frame))
    elif name == "ages":
        draw(ages_picture(now.answer, frame))
    elif now.profile is None:
        st.info("No file of examples is open. Open one under \u201cQuestion and data\u201d.")
    else:
        draw(lengths_picture(now.profile, frame))


def _winners(now: session.Asked, frame: Frame) -> None:
    left, right = st.columns(2)
    names = list(SPANS)
    x = left.selectbox("From left to right", names, index=names.index(MAP[0]), key="map_x",
                       format_func=lambda path: SPANS[path].label)  # fmt: skip
    y = right.selectbox("From bottom to top", names, index=names.index(MAP[1]), key="map_y",
                        format_func=lambda path: SPANS[path].label)  # fmt: skip
    if x == y:
        st.info("Choose two different inputs.")
        return
    resolved = resolved_now()
    axes = (sweeping.map_axis(x, resolved, sweeping.ACROSS),
            sweeping.map_axis(y, resolved, sweeping.UP))  # fmt: skip
    key = now.answer.question_sha256 + now.answer.prices_sha256
    columns = sweeping.map_columns(session.question(), key, (x, y), axes)
    draw(winners_picture(columns, *axes, frame))


def _tornado(now: session.Asked, frame: Frame) -> Picture:
    moved = sweeping.swings(resolved_now())
    key = now.answer.question_sha256 + now.answer.prices_sha256
    columns = sweeping.swing_columns(session.question(), key, moved)
    chosen = option_of(now.answer, now.answer.decision.recommended)
    cost = chosen.per_month.likely if chosen else "0"
    swings = [swing for _, swing in moved]
    return tornado_picture(columns, swings, (now.answer.decision.recommended, cost), frame)


def draw(picture: Picture) -> None:
    """Draw one picture, the same in words, and a way to take its rows along."""
    if not picture.rows:
        st.info("There is nothing to draw: no option is allowed, or none has a price.")
        return
    names = list(dict.fromkeys(name for row in picture.rows for name in row))
    table = {name: [row.get(name) for row in picture.rows] for name in names}
    st.vega_lite_chart(table, picture.spec, theme=None, key=f"chart_{picture.name}",
                       alt=picture.name.replace("-", " "))  # fmt: skip
    words, button = st.columns([0.86, 0.14], vertical_alignment="top")
    words.html(f'<p class="ton-says">{escape(picture.says)}</p>')
    button.download_button("CSV", lambda: as_csv(picture), f"{picture.name}.csv", "text/csv",
                           key=f"csv_{picture.name}", type="tertiary", on_click="ignore",
                           help="The rows behind this picture.")  # fmt: skip


def as_csv(picture: Picture) -> bytes:
    """Write the rows of a picture as CSV."""
    columns = list(dict.fromkeys(name for row in picture.rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(picture.rows)
    return text.getvalue().encode()
