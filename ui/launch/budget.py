"""Budget over all runs: what is spent or reserved, and a form that sets the caps."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import streamlit as st

from advisor.errors import UsageError
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.storage.ledger import committed, usd_text
from ui import formatting, state
from ui.launch.confirm import spent_text

MESSAGE_KEY = "budget_said"
CAP_HELP = "An amount in USD, or none."


def parse_cap(text: str, name: str) -> Decimal | None:
    """Return a cap; `none`, or an empty text, is no cap.

    Raises:
        UsageError: not a valid amount.

    >>> parse_cap("50", "daily budget"), parse_cap("none", "total budget")
    (Decimal('50'), None)
    """
    plain = text.strip().removesuffix("USD").strip()
    if plain.lower() in ("", "none"):
        return None
    remedy = "Use a number such as 50, or none."
    try:
        amount = Decimal(plain)
    except InvalidOperation as error:
        raise UsageError(f"{name} '{text}'", "not a valid amount in USD.", remedy) from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{name} '{text}'", "a budget is 0 or more.", remedy)
    return amount


def draw_budget(context: TrainerContext) -> None:
    """Draw what is spent today and in total, and the form."""
    st.subheader("Budget", anchor=False)
    locale = formatting.reader_locale()
    caps, entries = context.ledger.caps(), context.ledger.entries()
    today = utc_datetime(context.clock.now()).date().isoformat()
    spans = (
        ("Today", committed(entry for entry in entries if entry.day == today), caps.per_day),
        ("Total", committed(entries), caps.total),
    )
    for column, (label, spent, cap) in zip(st.columns(2), spans, strict=True):
        limit = "no cap"
        if cap is not None:
            limit = f"cap {formatting.money_text(usd_text(cap), locale, cents=True)}"
        amount = spent_text(usd_text(spent), locale)
        column.html(formatting.figure_tile(label, amount, f"spent or reserved, {limit}"))
    state.draw_kept_error()
    if MESSAGE_KEY in st.session_state:
        st.success(st.session_state.pop(MESSAGE_KEY))
    with st.form("caps", border=True):
        left, right = st.columns(2)
        left.text_input("Daily budget, USD", _cap_text(caps.per_day), key="cap_day", help=CAP_HELP)
        right.text_input("Total budget, USD", _cap_text(caps.total), key="cap_total", help=CAP_HELP)
        st.form_submit_button("Save budget", on_click=_set_caps)


def _cap_text(cap: int | None) -> str:
    return "none" if cap is None else usd_text(cap)


def _set_caps() -> None:
    with state.errors_kept():
        state.trainer_context().ledger.set_caps(
            parse_cap(st.session_state["cap_day"], "daily budget"),
            parse_cap(st.session_state["cap_total"], "total budget"),
        )
        st.session_state[MESSAGE_KEY] = "Budget saved. It applies to CLI, API and page."
