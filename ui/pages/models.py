"""Versions of tuned models: stages, evaluations, two side by side, and who is champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from advisor.errors import AdvisorError
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.storage.model_version import ModelVersion
from ui import state
from ui.launch.result import draw_measurements, draw_stage

NOTHING = "nothing"
STAGE_LABELS = {"champion": "★ champion", "candidate": "candidate", "retired": "retired"}
"""A sign and a word: colour is not needed to tell them apart."""


def page() -> None:
    """List the versions, open one, and compare it with another."""
    st.title("Models", anchor=False)
    try:
        _draw_models(state.trainer_context())
    except AdvisorError as error:
        st.error(str(error))


def _draw_models(context: TrainerContext) -> None:
    listed = context.registry.listed()
    if not listed:
        st.info("No model yet. A run that ends well leaves one here.")
        return
    st.dataframe(
        [version_row(one) for one in listed],
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
    other = right.selectbox("Compare with", [NOTHING, *names], key="version_b")
    one = context.registry.version(chosen)
    draw_stage(one)
    if other not in (NOTHING, chosen):
        _draw_comparison(context, chosen, other)
    _draw_version(context, one)


def version_row(one: ModelVersion) -> Mapping[str, Any]:
    """Lay one version down as a line of the table."""
    score = (one.evaluation or {}).get("score")
    return {
        "version": one.version_id,
        "stage": STAGE_LABELS[one.stage],
        "made": utc_datetime(one.made_at).replace(tzinfo=None),
        "base": one.base_model,
        "provider": one.provider,
        "verdict": one.verdict or "not measured",
        "score": float(score) if isinstance(score, int | float) else None,
        "USD": None if one.usd is None else float(one.usd),
        "ends": one.shutdown_on,
    }


def comparison_rows(lines: Sequence[tuple[str, str, str]], a: str, b: str) -> list[dict[str, str]]:
    """Lay two versions side by side; what differs is marked by a word.

    >>> comparison_rows([("stage", "champion", "retired")], "x-v1", "x-v2")
    [{'what': 'stage', 'x-v1': 'champion', 'x-v2': 'retired', '': 'differs'}]
    """
    return [
        {"what": what, a: one, b: other, "": "" if one == other else "differs"}
        for what, one, other in lines
    ]


def _draw_comparison(context: TrainerContext, a: str, b: str) -> None:
    st.subheader(f"{a} beside {b}", anchor=False)
    only = st.toggle("Only what differs", value=True)
    rows = comparison_rows(context.registry.compare(a, b), a, b)
    st.dataframe([row for row in rows if row[""] or not only], hide_index=True, width="stretch")


def _draw_version(context: TrainerContext, one: ModelVersion) -> None:
    if one.evaluation is not None:
        draw_measurements(one)
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
                    "when (UTC)": utc_datetime(event.at).strftime("%Y-%m-%d %H:%M"),
                    "what": event.kind,
                    "by": event.by or "the run",
                }
                for event in context.registry.history(one.version_id)
            ]
        )
