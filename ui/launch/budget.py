"""Money over all runs: what is spent or set aside, and the caps that hold for every door."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import streamlit as st

from advisor.errors import AdvisorError, UsageError
from trainer.clock import moment
from trainer.context import Office
from trainer.storage.ledger import committed, in_usd
from ui import formatting, state
from ui.launch.confirm import spent_words

TROUBLE, SAID = "budget_trouble", "budget_said"


def cap_of(text: str, which: str) -> Decimal | None:
    """Read a cap; `none`, or nothing, is no cap.

    Raises:
        UsageError: it is no amount.

    >>> cap_of("50", "a day"), cap_of("none", "in all")
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


def budget(office: Office) -> None:
    """Draw what is spent today and in all, and a form that sets the caps."""
    st.subheader("Budget", anchor=False)
    locale = formatting.reader()
    caps, entries = office.ledger.caps(), office.ledger.entries()
    today = moment(office.clock.now()).date().isoformat()
    spans = (
        ("Today", committed(one for one in entries if one.day == today), caps.per_day),
        ("In all", committed(entries), caps.total),
    )
    for column, (label, spent, cap) in zip(st.columns(2), spans, strict=True):
        most = (
            "without a cap"
            if cap is None
            else (f"of at most {formatting.money(in_usd(cap), locale, cents=True)}")
        )
        column.html(
            formatting.tile(
                label, spent_words(in_usd(spent), locale), f"spent or set aside, {most}"
            )
        )
    for name, draw in ((TROUBLE, st.error), (SAID, st.success)):
        said = st.session_state.pop(name, None)
        if said:
            draw(said)
    with st.form("caps", border=True):
        left, right = st.columns(2)
        left.text_input(
            "Cap a day in USD", _shown(caps.per_day), key="cap_day", help="A number, or none."
        )
        right.text_input(
            "Cap in all in USD", _shown(caps.total), key="cap_total", help="A number, or none."
        )
        st.form_submit_button("Set the caps", on_click=_set_caps)


def _shown(cap: int | None) -> str:
    return "none" if cap is None else in_usd(cap)


def _set_caps() -> None:
    try:
        state.office().ledger.set_caps(
            cap_of(st.session_state["cap_day"], "a day"),
            cap_of(st.session_state["cap_total"], "in all"),
        )
        st.session_state[SAID] = "The caps are set. They hold for every door."
    except AdvisorError as error:
        st.session_state[TROUBLE] = str(error)
