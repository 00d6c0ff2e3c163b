"""Saved scenarios and the one of the moment -> their answers side by side."""

from __future__ import annotations

from html import escape

import streamlit as st

from advisor.decision.answer import Answer
from advisor.errors import AdvisorError
from advisor.report.markdown import saving_usd
from ui import formatting, state
from ui.whatif import open_menu, tables
from ui.whatif.verdict import answer_target, headline, option_of, range_of

NOW = "what is asked now"


def compare() -> None:
    """Draw the comparison."""
    names = open_menu.names()
    if not names:
        st.info(
            "Nothing is saved yet. Save a scenario under \u201cSave and share\u201d, change "
            "something, and hold the two against each other here."
        )
        return
    chosen = st.multiselect(
        "Hold against each other",
        [NOW, *names],
        default=[NOW, names[0]],
        key="compared",
        max_selections=5,
    )
    answers: dict[str, Answer] = {}
    for name in chosen:
        try:
            answers[name] = state.asked().answer if name == NOW else _answer(name)
        except (AdvisorError, OSError) as error:
            st.error(f"{name}: {error}")
    if answers:
        st.html(side_by_side(answers, formatting.reader()))


def _answer(name: str) -> Answer:
    kept = open_menu.read(name)
    return state.answered(kept.scenario, kept.dataset, f"saved scenario {name}")


def side_by_side(answers: dict[str, Answer], locale: str) -> str:
    """Return a table with one column per answer."""
    columns = [_column(answer, locale) for answer in answers.values()]
    rows = [(label, *(column[label] for column in columns)) for label in columns[0]]
    return tables.table(("", *(escape(name) for name in answers)), rows, set())


def _column(answer: Answer, locale: str) -> dict[str, str]:
    chosen = option_of(answer, answer.decision.recommended)
    other = option_of(answer, answer.decision.runner_up)
    saved_usd = saving_usd(answer)
    requests = answer.question.traffic.requests_per_month
    even = answer.decision.break_even
    return {
        "verdict": f"<b>{escape(headline(answer))}</b>",
        "cost a month": range_of(chosen.per_month, locale) if chosen else "",
        "once": formatting.money(chosen.one_off.likely, locale) if chosen else "",
        "saves a month": "" if saved_usd is None else formatting.money(saved_usd, locale),
        "how sure": formatting.share(answer.decision.win_share, locale),
        "right answers": formatting.share(chosen.quality.likely, locale) if chosen else "",
        "good enough": formatting.share(answer_target(answer), locale),
        "requests a month": "assumed" if requests is None else formatting.number(requests, locale),
        "training pays from": ""
        if even is None or even.requests_per_month is None
        else f"{formatting.number(even.requests_per_month, locale)} a month",
        "runner-up": escape(formatting.option_name(other.id)) if other else "",
    }
