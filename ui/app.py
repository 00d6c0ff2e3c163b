"""The page: the verdict of a bundled example, its table, its reasons, and what would flip it."""

from __future__ import annotations

import streamlit as st

from advisor.answer import Answer, answer
from advisor.files import example_question, examples_folder
from advisor.report import COLUMNS, best_of_each, flip_lines, footer, table_rows, verdict_lines


@st.cache_data(show_spinner="Working it out ...")
def answered(name: str) -> Answer:
    """Answer a bundled example once."""
    return answer(example_question(name))


def show(found: Answer) -> None:
    """Lay one answer out."""
    verdict, *more = verdict_lines(found)
    st.header(verdict)
    for line in more:
        st.write(line)
    rows = table_rows(best_of_each(found))
    st.table([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    why, flips = st.columns(2)
    why.subheader("Why")
    why.markdown("\n".join(f"- {reason.says}" for reason in found.decision.reasons))
    flips.subheader("What would flip it")
    flips.markdown("\n".join(f"- `{line}`" for line in flip_lines(found)))
    with st.expander("Assumed"):
        st.markdown("\n".join(f"- {a.path} = {a.value}: {a.says}" for a in found.assumptions))
    st.caption(footer(found))


st.set_page_config(page_title="Tune or Not", layout="wide")
st.title("Tune or Not")
names = sorted(path.stem for path in examples_folder().glob("*.yaml"))
chosen = st.selectbox("Example", names, index=names.index("email-triage"))
show(answered(chosen))
