"""Saved scenarios and the one of the moment -> their answers side by side."""

from __future__ import annotations

from html import escape

import streamlit as st

from advisor.decision.answer import Answer
from advisor.errors import AdvisorError
from advisor.report.markdown import saving_usd_per_month
from ui import formatting, state
from ui.whatif import open_menu, tables
from ui.whatif.verdict import headline, money_range_text, option_by_id, quality_target_text

CURRENT = "what is asked now"


def draw_comparison() -> None:
    """Draw the comparison."""
    names = open_menu.saved_names()
    if not names:
        st.info(
            "Nothing is saved yet. Save a scenario under \u201cSave and share\u201d, change "
            "something, and hold the two against each other here."
        )
        return
    chosen = st.multiselect(
        "Hold against each other",
        [CURRENT, *names],
        default=[CURRENT, names[0]],
        key="compared",
        max_selections=5,
    )
    answers: dict[str, Answer] = {}
    for name in chosen:
        try:
            answers[name] = state.current_scenario().answer if name == CURRENT else _answer_of(name)
        except (AdvisorError, OSError) as error:
            st.error(f"{name}: {error}")
    if answers:
        st.html(comparison_table(answers, formatting.reader_locale()))


def _answer_of(name: str) -> Answer:
    kept = open_menu.read_saved(name)
    return state.answer_for(kept.scenario, kept.dataset, f"saved scenario {name}")


def comparison_table(answers: dict[str, Answer], locale: str) -> str:
    """Return a table with one column per answer."""
    columns = [_column_cells(answer, locale) for answer in answers.values()]
    rows = [(label, *(column[label] for column in columns)) for label in columns[0]]
    return tables.html_table(("", *(escape(name) for name in answers)), rows, set())


def _column_cells(answer: Answer, locale: str) -> dict[str, str]:
    chosen = option_by_id(answer, answer.decision.recommended)
    other = option_by_id(answer, answer.decision.runner_up)
    saved_usd = saving_usd_per_month(answer)
    requests = answer.question.traffic.requests_per_month
    even = answer.decision.break_even
    return {
        "verdict": f"<b>{escape(headline(answer))}</b>",
        "cost a month": money_range_text(chosen.per_month, locale) if chosen else "",
        "once": formatting.money_text(chosen.one_off.likely, locale) if chosen else "",
        "saves a month": "" if saved_usd is None else formatting.money_text(saved_usd, locale),
        "how sure": formatting.share_text(answer.decision.win_share, locale),
        "right answers": formatting.share_text(chosen.quality.likely, locale) if chosen else "",
        "good enough": formatting.share_text(quality_target_text(answer), locale),
        "requests a month": "assumed"
        if requests is None
        else formatting.number_text(requests, locale),
        "training pays from": ""
        if even is None or even.requests_per_month is None
        else f"{formatting.number_text(even.requests_per_month, locale)} a month",
        "runner-up": escape(formatting.option_name(other.id)) if other else "",
    }
