"""Versions of tuned models: stages, evaluations, two side by side, and who is champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from advisor.errors import AdvisorError
from trainer.clock import moment
from trainer.context import Office
from trainer.storage.model_version import Version
from ui import state
from ui.launch.result import measured, stages

NONE = "nothing"
MARKS = {"champion": "★ champion", "candidate": "candidate", "retired": "retired"}
"""A sign and a word: colour is not needed to tell them apart."""


def page() -> None:
    """List the versions, open one, and compare it with another."""
    st.title("Models", anchor=False)
    try:
        _page(state.office())
    except AdvisorError as error:
        st.error(str(error))


def _page(office: Office) -> None:
    listed = office.registry.listed()
    if not listed:
        st.info("No model yet. A run that ends well leaves one here.")
        return
    st.dataframe(
        [row_of(one) for one in listed],
        hide_index=True,
        width="stretch",
        placeholder="",
        column_config={
            "made": st.column_config.DatetimeColumn("made (UTC)", format="YYYY-MM-DD HH:mm"),
            "score": st.column_config.NumberColumn(format="%.3f"),
            "USD": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    names = [one.version_id for one in listed]
    left, right = st.columns(2)
    chosen = left.selectbox("Version", names, key="version_a")
    other = right.selectbox("Compare with", [NONE, *names], key="version_b")
    one = office.registry.version(chosen)
    stages(one)
    if other not in (NONE, chosen):
        _compare(office, chosen, other)
    _detail(office, one)


def row_of(one: Version) -> Mapping[str, Any]:
    """Lay one version down as a line of the table."""
    score = (one.evaluation or {}).get("score")
    return {
        "version": one.version_id,
        "stage": MARKS[one.stage],
        "made": moment(one.made_at).replace(tzinfo=None),
        "base": one.base_model,
        "provider": one.provider,
        "verdict": one.verdict or "not measured",
        "score": float(score) if isinstance(score, int | float) else None,
        "USD": None if one.usd is None else float(one.usd),
        "ends": one.shutdown_on,
    }


def side_rows(lines: Sequence[tuple[str, str, str]], a: str, b: str) -> list[dict[str, str]]:
    """Lay two versions side by side; what differs is marked by a word.

    >>> side_rows([("stage", "champion", "retired")], "x-v1", "x-v2")
    [{'what': 'stage', 'x-v1': 'champion', 'x-v2': 'retired', '': 'differs'}]
    """
    return [
        {"what": what, a: one, b: other, "": "" if one == other else "differs"}
        for what, one, other in lines
    ]


def _compare(office: Office, a: str, b: str) -> None:
    st.subheader(f"{a} beside {b}", anchor=False)
    only = st.toggle("Only what differs", value=True)
    rows = side_rows(office.registry.compare(a, b), a, b)
    st.dataframe([row for row in rows if row[""] or not only], hide_index=True, width="stretch")


def _detail(office: Office, one: Version) -> None:
    if one.evaluation is not None:
        measured(one)
    else:
        st.info(f"{one.version_id} was not measured on rows that were held out.")
    with st.expander("What it was made from"):
        st.table(
            [
                {"what": what, "is": value}
                for what, value in (
                    ("run", one.run_id),
                    ("base", one.base_model),
                    ("model", one.model),
                    ("rows (sha256)", one.dataset_sha256),
                    ("your file (sha256)", one.source_sha256),
                    ("plan", one.plan_id),
                )
            ]
        )
    with st.expander("What happened to it"):
        st.table(
            [
                {
                    "when (UTC)": moment(event.at).strftime("%Y-%m-%d %H:%M"),
                    "what": event.kind,
                    "by": event.by or "the run",
                }
                for event in office.registry.history(one.version_id)
            ]
        )
