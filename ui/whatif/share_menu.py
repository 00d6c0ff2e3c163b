"""The answer of the moment -> saved, shared, compared, or taken along as a file.

A scenario -> a link that holds it, and back.

An answer -> files to take along: options as CSV, a report as HTML that prints well.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import zlib
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final

import streamlit as st

from advisor.decision.answer import Answer, canonical_json
from advisor.errors import AdvisorError, UsageError
from advisor.report.markdown import answer_markdown, best_per_approach, footer
from advisor.scenario.paths import set_path, without_path
from ui import formatting, state
from ui.whatif import open_menu, tables
from ui.whatif.verdict import figures_text, headline

LINK_PARAMETER: Final = "q"
MAX_LINK_BYTES: Final = 64 * 1024
"""A scenario of a link is smaller unpacked: more is no scenario."""


def pack_scenario(scenario: Mapping[str, Any]) -> str:
    """Write a scenario small enough for a link.

    >>> unpack_scenario(pack_scenario({"name": "x", "traffic": {"turns": 2}}))
    {'name': 'x', 'traffic': {'turns': 2}}
    """
    text = json.dumps(dict(scenario), separators=(",", ":"), sort_keys=True, default=str)
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpack_scenario(text: str) -> dict[str, Any]:
    """Read a scenario out of a link.

    Raises:
        UsageError: the link holds none, or was cut off.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        reader = zlib.decompressobj()
        plain = reader.decompress(raw, MAX_LINK_BYTES)
        whole = reader.eof
        scenario = json.loads(plain) if whole else None
    except (binascii.Error, zlib.error, ValueError) as error:
        raise _broken_link() from error
    if not isinstance(scenario, dict):
        raise _broken_link()
    return scenario


def _broken_link() -> UsageError:
    return UsageError(
        "the link", "it holds no whole scenario.", "Copy it again, to its last character."
    )


def scenario_without_dataset(asked: state.CurrentScenario) -> dict[str, Any]:
    """Return the scenario with what was counted in the data written into it.

    A link holds no rows, so the numbers that came from them travel as numbers.
    """
    from advisor.inputs import INPUT_PATHS
    from ui.whatif.inputs import resolve_current

    scenario = without_path(asked.scenario, "dataset.path")
    resolved = resolve_current()
    for path, name in INPUT_PATHS.items():
        if name in resolved.measured:
            value = float(getattr(resolved.inputs, name)[0, 0])
            scenario = set_path(scenario, path, value)
    return scenario


def open_link() -> None:
    """Ask what the link of the page holds, once."""
    text = st.query_params.get(LINK_PARAMETER)
    if not text or st.session_state.get("whatif_link") == text:
        return
    st.session_state["whatif_link"] = text
    try:
        state.replace_scenario(unpack_scenario(text), where="the link")
    except UsageError as error:
        state.keep_error(error)


Writer = Callable[[], bytes]
COLUMNS: Final = ("id", "approach", "provider", "model", "gpu", "launch", "months")
MONEY_COLUMNS: Final = ("one_off", "monthly", "total", "per_month")
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


def options_csv(answer: Answer) -> bytes:
    """Write one row per option, the best first; amounts in USD as they stand in the answer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = [f"{name}_{end}_usd" for name in MONEY_COLUMNS for end in ("low", "likely", "high")]
    writer.writerow([*COLUMNS, *ends, "quality", "reaches_target", "recommended"])
    for option in answer.options:
        amounts = [
            getattr(getattr(option, name), end)
            for name in MONEY_COLUMNS
            for end in ("low", "likely", "high")
        ]
        writer.writerow(
            [
                *(getattr(option, name) or "" for name in COLUMNS),
                *amounts,
                option.quality.likely,
                option.quality.reaches_target,
                option.id == answer.decision.recommended,
            ]
        )
    return text.getvalue().encode()


def report_html(answer: Answer, locale: str) -> bytes:
    """Write the whole answer as one page without anything from elsewhere; it prints well."""
    title, decision = escape(answer.question.name), answer.decision
    parts = [
        f'<p class="ton-eyebrow">{title}</p><h1>{escape(headline(answer))}</h1>',
        f'<p class="lead">{escape(figures_text(answer, locale))}</p>',
        f"<p>{escape(decision.verdict)} "
        f"It wins in {formatting.share_text(decision.win_share, locale)} of "
        "the draws of what is uncertain.</p>",
        "<h2>Every way</h2>",
        tables.options_table(best_per_approach(answer), decision.recommended, locale),
        "<h2>Why</h2>",
        tables.reasons_list(answer),
        "<h2>What would flip it</h2>",
        tables.changes_table(decision.flips),
        "<h2>Assumed</h2>",
        tables.assumptions_table(answer),
        "<h2>Ruled out</h2>",
        tables.ruled_out_table(answer),
    ]
    recommended = next((o for o in answer.options if o.id == decision.recommended), None)
    if recommended:
        parts += [
            "<h2>The bill of the recommended way</h2>",
            tables.bill_table(recommended, locale),
        ]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{REPORT_CSS}</style></head><body><main>{body}</main>"
        f"<footer><p>{escape(footer(answer))}</p></footer></body></html>"
    ).encode()


EXPORT_FORMATS: Final = {
    "Markdown": ("md", "text/markdown"),
    "JSON": ("json", "application/json"),
    "CSV": ("csv", "text/csv"),
    "HTML report": ("html", "text/html"),
}


def draw_share_menu() -> None:
    """Draw the menu that takes things along."""
    with st.popover("Save and share", key="taking"):
        st.fragment(_draw_menu)()


def _draw_menu() -> None:
    _draw_save()
    _draw_link()
    st.html('<p class="ton-label">Take the answer along</p>')
    with st.container(horizontal=True):
        locale = formatting.reader_locale()
        for name, (ending, mime) in EXPORT_FORMATS.items():
            st.download_button(
                name,
                _export_writer(name, locale),
                f"tune-or-not.{ending}",
                mime,
                key=f"take_{ending}",
                on_click="ignore",
            )
    st.caption("For a PDF, open the HTML report and print it, or print this page.")


def _export_writer(name: str, locale: str) -> Writer:
    read = state.complete_answer

    def write() -> bytes:
        return export_answer(name, read(), locale)

    return write


def export_answer(name: str, answer: Answer, locale: str) -> bytes:
    """Write the whole answer in one of the formats; JSON is the bytes of every other door."""
    if name == "JSON":
        return canonical_json(answer)
    if name == "CSV":
        return options_csv(answer)
    if name == "HTML report":
        return report_html(answer, locale)
    return answer_markdown(answer).encode()


def _draw_save() -> None:
    now = state.current_scenario()
    name = st.text_input(
        "Save this scenario as",
        value=now.answer.question.name[:60],
        key=f"save_name_{state.scenario_epoch()}",
    )
    if st.button("Save", key="save"):
        try:
            open_menu.save_scenario(name, now.scenario, now.dataset)
        except (AdvisorError, OSError) as error:
            st.error(str(error))
            return
        st.toast(f"Saved as {name}.")
        st.rerun()


def _draw_link() -> None:
    if st.button(
        "Put this question into the address",
        key="share",
        help="The address of this page then opens the same question.",
    ):
        text = pack_scenario(scenario_without_dataset(state.current_scenario()))
        st.session_state["whatif_link"] = text
        st.query_params[LINK_PARAMETER] = text
    shown = st.query_params.get(LINK_PARAMETER)
    if shown:
        st.code(f"{st.context.url or ''}?{LINK_PARAMETER}={shown}", language=None, wrap_lines=False)
        if state.current_scenario().dataset:
            st.caption("Rows do not travel: what was counted in them does.")
