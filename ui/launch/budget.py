"""Money over all runs: what is spent or set aside, and the caps that hold for every door."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import streamlit as st

from advisor.errors import AdvisorError, UsageError
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.storage.ledger import committed, usd_text
from ui import formatting, state
from ui.launch.confirm import spent_text

ERROR_KEY, MESSAGE_KEY = "budget_trouble", "budget_said"


def parse_cap(text: str, which: str) -> Decimal | None:
    """Read a cap; `none`, or nothing, is no cap.

    Raises:
        UsageError: it is no amount.

    >>> parse_cap("50", "a day"), parse_cap("none", "in all")
    (Decimal('50'), None)
    """
    plain = text.strip().removesuffix("USD").strip()
    if plain.lower() in ("", "none"):
        return None
    try:
        amount = Decimal(plain)
    except InvalidOperation as error:
        raise UsageError(
            f"cap {which} '{text}'", "this is no amount.", "Write 50, or none."
        ) from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"cap {which} '{text}'", "a cap is 0 or more.", "Write 50, or none.")
    return amount


def draw_budget(context: TrainerContext) -> None:
    """Draw what is spent today and in all, and a form that sets the caps."""
    st.subheader("Budget", anchor=False)
    locale = formatting.reader_locale()
    caps, entries = context.ledger.caps(), context.ledger.entries()
    today = utc_datetime(context.clock.now()).date().isoformat()
    spans = (
        ("Today", committed(one for one in entries if one.day == today), caps.per_day),
        ("In all", committed(entries), caps.total),
    )
    for column, (label, spent, cap) in zip(st.columns(2), spans, strict=True):
        most = (
            "without a cap"
            if cap is None
            else (f"of at most {formatting.money_text(usd_text(cap), locale, cents=True)}")
        )
        column.html(
            formatting.figure_tile(
                label, spent_text(usd_text(spent), locale), f"spent or set aside, {most}"
            )
        )
    for name, draw in ((ERROR_KEY, st.error), (MESSAGE_KEY, st.success)):
        said = st.session_state.pop(name, None)
        if said:
            draw(said)
    with st.form("caps", border=True):
        left, right = st.columns(2)
        left.text_input(
            "Cap a day in USD", _cap_text(caps.per_day), key="cap_day", help="A number, or none."
        )
        right.text_input(
            "Cap in all in USD", _cap_text(caps.total), key="cap_total", help="A number, or none."
        )
        st.form_submit_button("Set the caps", on_click=_set_caps)


def _cap_text(cap: int | None) -> str:
    return "none" if cap is None else usd_text(cap)


def _set_caps() -> None:
    try:
        state.trainer_context().ledger.set_caps(
            parse_cap(st.session_state["cap_day"], "a day"),
            parse_cap(st.session_state["cap_total"], "in all"),
        )
        st.session_state[MESSAGE_KEY] = "The caps are set. They hold for every door."
    except AdvisorError as error:
        st.session_state[ERROR_KEY] = str(error)
