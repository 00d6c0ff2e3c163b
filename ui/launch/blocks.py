"""Small pieces that several pages draw: a quiet line, a table of facts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from ui.launch.plan_words import Fact


def quiet(text: str) -> None:
    """Write a line of less weight, dark enough to be read by everyone."""
    st.html(f'<p class="ton-says">{escape(text)}</p>')


def facts_table(facts: Sequence[Fact]) -> str:
    """Write lines of a plan as an HTML table."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top;padding:4px 24px 4px 0;'
        f'font-weight:600;white-space:nowrap">{escape(one.what)}</th>'
        f'<td style="padding:4px 0;overflow-wrap:anywhere">{escape(one.says)}</td></tr>'
        for one in facts
    )
    return f'<table style="border-collapse:collapse;font-size:.95rem">{rows}</table>'
