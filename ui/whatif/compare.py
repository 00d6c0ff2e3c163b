"""Comparison of saved scenarios with the current one."""

from __future__ import annotations

from html import escape

import streamlit as st

from advisor.decision.answer import Answer
from advisor.errors import AdvisorError
from advisor.prices.display_names import option_name
from advisor.report.sentences import headline, saving_usd_per_month
from ui import formatting, state
from ui.whatif import open_menu, tables
from ui.whatif.verdict import money_range_text, quality_target_text, recommended_option

CURRENT = "Current scenario"


def draw_comparison() -> None:
    """Draw the comparison."""
    names = open_menu.saved_names()
    if not names:
        st.info(
            "No saved scenarios. Save one under \u201cSave and share\u201d, change an input, "
            "and compare the two here."
        )
        return
    chosen = st.multiselect(
        "Scenarios to compare",
        [CURRENT, *names],
        default=[CURRENT, names[0]],
        key="compared",
        max_selections=5,
    )
    answers: dict[str, Answer] = {}
    for name in chosen:
        try:
            if name == CURRENT:
                answers[name] = state.current_scenario().answer
            else:
                saved = open_menu.read_saved(name)
                where = f"saved scenario {name}"
                answers[name] = state.answer_for(saved.scenario, saved.dataset, where)
        except (AdvisorError, OSError) as error:
            st.error(f"{name}: {error}")
    if answers:
        st.html(comparison_table(answers, formatting.reader_locale()))


def comparison_table(answers: dict[str, Answer], locale: str) -> str:
    """Return a table with one column per answer."""
    columns = [_column_cells(answer, locale) for answer in answers.values()]
    rows = [(label, *(column[label] for column in columns)) for label in columns[0]]
    return tables.html_table(("", *(escape(name) for name in answers)), rows, set())


def _column_cells(answer: Answer, locale: str) -> dict[str, str]:
    chosen = recommended_option(answer)
    runner_up = answer.decision.runner_up
    saved_usd = saving_usd_per_month(answer)
    requests = answer.question.traffic.requests_per_month
    even = answer.decision.break_even
    even_requests = even.requests_per_month if even else None

    currency = answer.currency

    def money(usd: str | float) -> str:
        return formatting.money_text(usd, locale, currency=currency)

    def number(value: float | None, missing: str) -> str:
        return missing if value is None else formatting.number_text(value, locale)

    return {
        "recommendation": f"<b>{escape(headline(answer))}</b>",
        "cost per month": money_range_text(chosen.per_month, locale, currency) if chosen else "",
        "one-off cost": money(chosen.one_off.likely) if chosen else "",
        "saving per month": "" if saved_usd is None else money(saved_usd),
        "win share": formatting.share_text(answer.decision.win_share, locale),
        "expected quality": formatting.share_text(chosen.quality.likely, locale) if chosen else "",
        "quality target": formatting.share_text(quality_target_text(answer), locale),
        "requests per month": number(requests, "assumed"),
        "break-even, requests per month": number(even_requests, ""),
        "runner-up": escape(option_name(runner_up)) if runner_up else "",
    }
