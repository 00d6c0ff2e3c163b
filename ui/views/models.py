"""The Models page: versions of tuned models with stages and evaluations, and a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.storage.model_version import ModelVersion
from ui import state
from ui.launch.result import draw_measurements, draw_stage

NOTHING = "None"
STAGE_LABELS = {"champion": "★ champion", "candidate": "candidate", "retired": "retired"}


@state.errors_drawn()
def page() -> None:
    """Draw the page."""
    st.title("Models", anchor=False)
    context = state.trainer_context()
    versions = context.registry.listed()
    if not versions:
        st.info("No models yet. A successful run creates one.")
        return
    st.dataframe(
        [version_row(version) for version in versions],
        hide_index=True,
        width="stretch",
        placeholder="",
        column_config={
            "created": st.column_config.DatetimeColumn("created (UTC)", format="YYYY-MM-DD HH:mm"),
            "score": st.column_config.NumberColumn(format="%.3f"),
            "USD": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    names = [version.version_id for version in versions]
    left, right = st.columns(2)
    chosen = left.selectbox("Version", names, key="version_a")
    other = right.selectbox("Compare with", [NOTHING, *names], key="version_b")
    version = context.registry.version(chosen)
    draw_stage(version)
    if other not in (NOTHING, chosen):
        _draw_comparison(context, chosen, other)
    _draw_version(context, version)


def version_row(version: ModelVersion) -> Mapping[str, Any]:
    """Return one version as a row of the table."""
    score = (version.evaluation or {}).get("score")
    return {
        "version": version.version_id,
        "stage": STAGE_LABELS[version.stage],
        "created": utc_datetime(version.made_at).replace(tzinfo=None),
        "base model": version.base_model,
        "provider": version.provider,
        "verdict": version.verdict or "not evaluated",
        "score": float(score) if isinstance(score, int | float) else None,
        "USD": None if version.usd is None else float(version.usd),
        "shutdown": version.shutdown_on,
    }


def comparison_rows(lines: Sequence[tuple[str, str, str]], a: str, b: str) -> list[dict[str, str]]:
    """Return two versions side by side, differences marked by a word.

    >>> comparison_rows([("stage", "champion", "retired")], "x-v1", "x-v2")
    [{'what': 'stage', 'x-v1': 'champion', 'x-v2': 'retired', '': 'differs'}]
    """
    return [
        {"what": what, a: first, b: second, "": "" if first == second else "differs"}
        for what, first, second in lines
    ]


def _draw_comparison(context: TrainerContext, a: str, b: str) -> None:
    st.subheader(f"{a} and {b}", anchor=False)
    only = st.toggle("Differences only", value=True)
    rows = comparison_rows(context.registry.compare(a, b), a, b)
    st.dataframe([row for row in rows if row[""] or not only], hide_index=True, width="stretch")


def _draw_version(context: TrainerContext, version: ModelVersion) -> None:
    if version.evaluation is not None:
        draw_measurements(version)
    else:
        st.info(f"{version.version_id} was not evaluated on held-out rows.")
    origin = {
        "run": version.run_id,
        "base model": version.base_model,
        "model": version.model,
        "rows (sha256)": version.dataset_sha256,
        "your file (sha256)": version.source_sha256,
        "plan": version.plan_id,
    }
    with st.expander("Origin"):
        st.table([{"what": what, "value": value} for what, value in origin.items()])
    with st.expander("History"):
        st.table(
            [
                {
                    "when (UTC)": utc_datetime(event.at).strftime("%Y-%m-%d %H:%M"),
                    "event": event.kind,
                    "by": event.by or "the run",
                }
                for event in context.registry.history(version.version_id)
            ]
        )
