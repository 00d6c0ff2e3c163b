"""The answer of the moment -> saved, shared, compared, or taken along as a file."""

from __future__ import annotations

from typing import Final

import streamlit as st

from advisor.answer import Answer, canonical
from advisor.errors import AdvisorError
from advisor.report import markdown
from ui import look, session
from ui.whatif import exports, saved, sharing

FORMATS: Final = {
    "Markdown": ("md", "text/markdown"), "JSON": ("json", "application/json"),
    "CSV": ("csv", "text/csv"), "HTML report": ("html", "text/html"),
}  # fmt: skip


def popover() -> None:
    """Draw the menu that takes things along."""
    with st.popover("Save and share", key="taking"):
        st.fragment(_menu)()


def _menu() -> None:
    _save()
    _link()
    st.html('<p class="ton-label">Take the answer along</p>')
    with st.container(horizontal=True):
        locale = look.reader()
        for name, (ending, mime) in FORMATS.items():
            st.download_button(name, _writer(name, locale), f"tune-or-not.{ending}", mime,
                               key=f"take_{ending}", on_click="ignore")  # fmt: skip
    st.caption("For a PDF, open the HTML report and print it, or print this page.")


def _writer(name: str, locale: str) -> exports.Writer:
    state = session.with_flips

    def write() -> bytes:
        return written(name, state(), locale)

    return write


def written(name: str, answer: Answer, locale: str) -> bytes:
    """Write the whole answer in one of the formats; JSON is the bytes of every other door."""
    if name == "JSON":
        return canonical(answer)
    if name == "CSV":
        return exports.options_csv(answer)
    if name == "HTML report":
        return exports.report_html(answer, locale)
    return markdown(answer).encode()


def _save() -> None:
    now = session.asked()
    name = st.text_input("Save this scenario as", value=now.answer.question.name[:60],
                         key=f"save_name_{session.epoch()}")  # fmt: skip
    if st.button("Save", key="save"):
        try:
            saved.save(name, now.scenario, now.dataset)
        except (AdvisorError, OSError) as error:
            st.error(str(error))
            return
        st.toast(f"Saved as {name}.")
        st.rerun()


def _link() -> None:
    if st.button("Put this question into the address", key="share",
                 help="The address of this page then opens the same question."):  # fmt: skip
        text = sharing.packed(sharing.without_dataset(session.asked()))
        st.session_state["whatif_link"] = text
        st.query_params[sharing.PARAMETER] = text
    shown = st.query_params.get(sharing.PARAMETER)
    if shown:
        st.code(
            f"{st.context.url or ''}?{sharing.PARAMETER}={shown}", language=None, wrap_lines=False
        )
        if session.asked().dataset:
            st.caption("Rows do not travel: what was counted in them does.")
