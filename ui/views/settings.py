"""The Settings page: budget, folders, API keys, base models and software versions."""

from __future__ import annotations

import platform
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

from advisor import __version__
from advisor.units import parse_usd
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.home import bases_folder, home_folder, list_bases
from trainer.local.process import devices
from trainer.providers import api_key_checks
from trainer.security.api_keys import environment_name
from trainer.security.redact import redact
from trainer.storage.database import database_url, schema_version
from trainer.storage.ledger import committed, usd_text
from ui import formatting, state
from ui.formatting import muted_text
from ui.launch.confirm import spent_text

MESSAGE_KEY = "budget_said"
CAP_HELP = "An amount in USD, or none."
PACKAGES = ("streamlit", "torch", "transformers", "peft", "trl", "openai", "sqlalchemy")


@state.errors_drawn()
def page() -> None:
    """Draw every setting; only the budget can be changed here."""
    st.title("Settings", anchor=False)
    context = state.trainer_context()
    _draw_budget(context)
    _draw_folders(context)
    _draw_api_keys(context)
    _draw_base_models()
    _draw_package_versions()


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
    return parse_usd(plain, name)


def _draw_budget(context: TrainerContext) -> None:
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


def _draw_folders(context: TrainerContext) -> None:
    st.subheader("Folders and hardware", anchor=False)
    own = home_folder() / "prices.yaml"
    database = redact(database_url().split("@")[-1])
    found = devices()
    rows = {
        "Home folder": f"{home_folder()} (set by TUNE_OR_NOT_HOME)",
        "Database": f"{database}, schema {schema_version(context.store.engine)}",
        "Own prices": str(own) if own.is_file() else f"none; add them to {own}",
        "Training hardware": "CPU" if found == ["cpu"] else f"{len(found)} GPU: {', '.join(found)}",
    }
    st.table([{"setting": name, "value": value} for name, value in rows.items()])


def _draw_api_keys(context: TrainerContext) -> None:
    st.subheader("API keys", anchor=False)
    muted_text(
        f"Keys are read from environment variables such as {environment_name('openai')}, or from "
        f"the file named by {environment_name('openai')}_FILE. They are never shown."
    )
    rows = [
        {"provider": name, "key": "✓ found", "details": f"for {text}"}
        if is_found
        else {"provider": name, "key": "missing", "details": text}
        for name, is_found, text in api_key_checks(context.book)
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def _draw_base_models() -> None:
    st.subheader("Base models", anchor=False)
    bases = list_bases()
    if not bases:
        st.info(
            "No base models found. Add folders with config.json, safetensors files and a tokenizer "
            f"to {bases_folder()}."
        )
        return
    st.table([{"name": name, "folder": str(path)} for name, path in bases.items()])


def _draw_package_versions() -> None:
    st.subheader("Software", anchor=False)
    versions = {"tune-or-not": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    st.table([{"package": name, "version": found} for name, found in versions.items()])
