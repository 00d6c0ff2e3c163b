"""Menu "Save and share": saved scenarios, links, and exports of the answer."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any, Final

import streamlit as st

from advisor.decision.answer import Answer, canonical_json
from advisor.errors import UsageError
from advisor.report.markdown import answer_markdown, best_per_approach, footer
from advisor.report.sentences import headline, verdict_sentences
from advisor.scenario.fields import NUMBER_FIELDS
from advisor.scenario.paths import set_path, without_path
from ui import formatting, state
from ui.whatif import open_menu, tables
from ui.whatif.verdict import figures_text, recommended_option

LINK_PARAMETER: Final = "q"
OPENED_LINK_KEY: Final = "whatif_link"
MAX_LINK_BYTES: Final = 64 * 1024
"""Maximum size of a scenario in a link, unpacked; a guard against zip bombs."""
COLUMNS: Final = ("id", "approach", "provider", "model", "gpu", "launch", "months")
MONEY_COLUMNS: Final = ("one_off", "monthly", "total", "per_month")
EXPORT_FORMATS: Final = {
    "Markdown": ("md", "text/markdown"),
    "JSON": ("json", "application/json"),
    "CSV": ("csv", "text/csv"),
    "HTML report": ("html", "text/html"),
}
REPORT_CSS: Final = """
body{font:15px/1.5 "Source Sans 3","Segoe UI",sans-serif;color:#1d2421;max-width:60rem;
margin:2.5rem auto;padding:0 1.5rem}h1,h2{font-family:"Source Serif 4",Georgia,serif;
font-weight:500;line-height:1.15}h1{font-size:2rem;margin:.2rem 0}h2{font-size:1.25rem;
margin:2rem 0 .5rem}.lead{color:#0b6e5f;font-weight:600;font-size:1.15rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;
padding:.3rem .8rem .3rem 0;border-bottom:1px solid #dfdad0;vertical-align:top}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.ton-source,footer,.ton-eyebrow{color:#59625d;font-size:.82rem;display:block}
ul{padding-left:1.1rem}@page{margin:18mm}tr,li{break-inside:avoid}
"""


def pack_scenario(scenario: Mapping[str, Any]) -> str:
    """Return a scenario compressed for a link.

    >>> unpack_scenario(pack_scenario({"name": "x", "traffic": {"turns": 2}}))
    {'name': 'x', 'traffic': {'turns': 2}}
    """
    text = json.dumps(dict(scenario), separators=(",", ":"), sort_keys=True, default=str)
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpack_scenario(text: str) -> dict[str, Any]:
    """Return the scenario of a link.

    Raises:
        UsageError: the link contains no scenario, or was cut off.
    """
    remedy = "Copy the complete link again."
    broken = UsageError("link", "it does not contain a complete scenario.", remedy)
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        reader = zlib.decompressobj()
        plain = reader.decompress(packed, MAX_LINK_BYTES)
        scenario = json.loads(plain) if reader.eof else None
    except (binascii.Error, zlib.error, ValueError) as error:
        raise broken from error
    if not isinstance(scenario, dict):
        raise broken
    return scenario


def scenario_without_dataset(current: state.CurrentScenario) -> dict[str, Any]:
    """Return the scenario with the statistics of its dataset as given values.

    A link contains no rows.
    """
    scenario = without_path(current.scenario, "dataset.path")
    for path, field in NUMBER_FIELDS.items():
        if field.name in current.resolved.measured:
            value = float(getattr(current.resolved.inputs, field.name)[0, 0])
            scenario = set_path(scenario, path, value)
    return scenario


def open_link() -> None:
    """Open the scenario in the page's address, once."""
    text = st.query_params.get(LINK_PARAMETER)
    if not text or st.session_state.get(OPENED_LINK_KEY) == text:
        return
    st.session_state[OPENED_LINK_KEY] = text
    with state.errors_kept():
        state.replace_scenario(unpack_scenario(text), where="the link")


def options_csv(answer: Answer) -> bytes:
    """Return one row per option, best first; amounts in USD."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    amounts = [(name, end) for name in MONEY_COLUMNS for end in ("low", "likely", "high")]
    money = [f"{name}_{end}_usd" for name, end in amounts]
    writer.writerow([*COLUMNS, *money, "quality", "reaches_target", "recommended"])
    for option in answer.options:
        writer.writerow(
            [
                *(getattr(option, name) or "" for name in COLUMNS),
                *(getattr(getattr(option, name), end) for name, end in amounts),
                option.quality.likely,
                option.quality.reaches_target,
                option.id == answer.decision.recommended,
            ]
        )
    return text.getvalue().encode()


def report_html(answer: Answer, locale: str) -> bytes:
    """Return the complete answer as one self-contained HTML page that prints well."""
    title, decision = escape(answer.question.name), answer.decision
    best = best_per_approach(answer)
    sections = {
        "Options": tables.options_table(best, decision.recommended, locale, answer.currency),
        "Reasons": tables.reasons_list(answer),
        "Nearest changes": tables.changes_table(decision.flips),
        "Assumptions": tables.assumptions_table(answer),
        "Ruled out": tables.ruled_out_table(answer),
    }
    recommended = recommended_option(answer)
    if recommended:
        bill = tables.bill_table(recommended, locale, answer.currency)
        notes = tables.bill_notes_list(answer, recommended)
        sections["Bill of the recommended option"] = bill + notes
    parts = [
        f'<p class="ton-eyebrow">{title}</p><h1>{escape(headline(answer))}</h1>',
        f'<p class="lead">{escape(figures_text(answer, locale))}</p>',
        f"<p>{escape(' '.join(verdict_sentences(answer)))}</p>",
        *(f"<h2>{name}</h2>\n{section}" for name, section in sections.items()),
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{REPORT_CSS}</style></head><body><main>{body}</main>"
        f"<footer><p>{escape(footer(answer))}</p></footer></body></html>"
    ).encode()


def export_answer(name: str, answer: Answer, locale: str) -> bytes:
    """Return the answer in one of the formats; JSON is the same bytes as CLI and API."""
    if name == "JSON":
        return canonical_json(answer)
    if name == "CSV":
        return options_csv(answer)
    if name == "HTML report":
        return report_html(answer, locale)
    return answer_markdown(answer, with_sensitivity=True).encode()


def draw_share_menu() -> None:
    """Draw the menu."""
    with st.popover("Save and share", key="taking"):
        st.fragment(_draw_menu)()


def _draw_menu() -> None:
    _draw_save()
    _draw_link()
    st.html('<p class="ton-label">Export</p>')
    locale, read_answer = formatting.reader_locale(), state.answer_reader()
    with st.container(horizontal=True):
        for name, (ending, mime) in EXPORT_FORMATS.items():
            st.download_button(
                name,
                partial(_export, name, read_answer, locale),
                f"tune-or-not.{ending}",
                mime,
                key=f"take_{ending}",
                on_click="ignore",
            )
    st.caption("For a PDF, open the HTML report and print it, or print this page.")


def _export(name: str, read_answer: Callable[[], Answer], locale: str) -> bytes:
    return export_answer(name, read_answer(), locale)


def _draw_save() -> None:
    current = state.current_scenario()
    name = st.text_input(
        "Name of the saved scenario",
        value=current.answer.question.name[:60],
        key=f"save_name_{current.epoch}",
    )
    if st.button("Save", key="save"):
        with state.errors_drawn():
            open_menu.save_scenario(name, current.scenario, current.dataset)
            st.toast(f"Saved as {name}.")
            st.rerun()


def _draw_link() -> None:
    if st.button("Create link", key="share", help="The link opens this scenario in a browser."):
        text = pack_scenario(scenario_without_dataset(state.current_scenario()))
        st.session_state[OPENED_LINK_KEY] = text
        st.query_params[LINK_PARAMETER] = text
    shown = st.query_params.get(LINK_PARAMETER)
    if shown:
        st.code(f"{st.context.url or ''}?{LINK_PARAMETER}={shown}", language=None, wrap_lines=False)
        if state.current_scenario().dataset:
            st.caption("The link contains the statistics of your dataset, not its rows.")
