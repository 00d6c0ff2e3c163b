"""A run that ended -> what it cost, how it did beside the baseline, and its way into use."""

from __future__ import annotations

import streamlit as st

from advisor.errors import AdvisorError
from advisor.plan.training_plan import TrainingPlan
from trainer.evaluation.report import NO_VALUE, Evaluation, evaluation_sentences, evaluation_table
from trainer.run_states import Run
from trainer.storage.model_version import ModelVersion
from ui import formatting, state
from ui.charts import training_curves
from ui.formatting import muted_text
from ui.launch.confirm import spent_text
from ui.launch.progress import run_version

ACTOR, UNKNOWN = "page", "not known"
ERROR_KEY = "version_trouble"
VERDICT_STYLES = {"better": "success", "worse": "error"}


def draw_result(run: Run, plan: TrainingPlan) -> None:
    """Draw the end of a run: money, evaluation, promotion."""
    locale = formatting.reader_locale()
    usd = spent_text(run.said("settled", "usd") or "0", locale)
    how = run.said("settled", "how")
    if run.outcome != "succeeded":
        why = run.said(str(run.outcome), "why") or "no reason was given"
        st.error(f"The run ended without a model: {why}. It cost {usd} ({how}).")
        return
    st.success(f"The tuned model is there. It cost {usd} ({how}).")
    muted_text(f"Model: {run.tuned_model}")
    version = run_version(state.trainer_context(), run.run_id)
    if version is not None and version.evaluation is not None:
        draw_measurements(version)
    else:
        st.info(_no_evaluation_text(plan))
    if plan.serving == "per_hour":
        st.info(
            f"It is not deployed, and costs nothing while it is not. Deploy it with `trainer "
            f"deploy {run.run_id} --max-hours 1`: the page shows what it costs."
        )
    if version is not None:
        draw_stage(version)


def _no_evaluation_text(plan: TrainingPlan) -> str:
    if plan.local is not None:
        return (
            "No rows were held out, so nobody knows how good it is. Plan again and hold a "
            "tenth of the rows out."
        )
    return (
        f"{plan.provider} holds the model, and it was not measured. Put what your own measure "
        "says into the question (quality, measured), and ask again."
    )


def draw_measurements(version: ModelVersion) -> None:
    """Draw what was measured of a version, also where it was measured elsewhere."""
    found = version.evaluation or {}
    if "columns" in found:
        draw_evaluation(Evaluation.from_dict(found))
        return
    score = found.get("score")
    says = f", score {score:.3f}" if isinstance(score, int | float) else ""
    st.info(f"Measured elsewhere: {version.verdict or 'without a verdict'}{says}.")


def draw_evaluation(found: Evaluation) -> None:
    """Draw every system on the same held-out rows, and the verdict."""
    st.subheader("On rows that it has not seen")
    word, *rest = evaluation_sentences(found)
    getattr(st, VERDICT_STYLES.get(found.verdict.word, "warning"))(word)
    left, right = st.columns([1, 1], gap="large")
    with left:
        says = training_curves.score_summary(found)
        st.altair_chart(
            training_curves.score_chart(found, formatting.theme()),
            width="stretch",
            key="scores",
            alt=says,
        )
        muted_text(says)
    with right:
        head, *rows = evaluation_table(found)
        st.table(
            [
                {
                    name: UNKNOWN if cell == NO_VALUE else cell
                    for name, cell in zip(head, row, strict=True)
                }
                for row in rows
            ]
        )
    for says in rest:
        st.markdown(f"- {says}")


def draw_stage(version: ModelVersion) -> None:
    """Draw the stage of a version, and the buttons that change it."""
    trouble = st.session_state.pop(ERROR_KEY, None)
    if trouble:
        st.error(trouble)
    st.markdown(
        f"**{version.version_id}** is {_article(version.stage)} of the name {version.name}."
    )
    key = version.version_id
    anyway = version.verdict == "worse" and st.checkbox(
        "Take it although it is worse", key=f"anyway {key}"
    )
    with st.container(horizontal=True):
        if version.stage != "champion":
            st.button(
                "Promote",
                key=f"promote {key}",
                type="primary",
                on_click=change_stage,
                args=("promote", key, anyway),
                icon=":material/trophy:",
                help="It becomes the champion of its name.",
            )
        else:
            st.button(
                "Roll back",
                key=f"rollback {key}",
                on_click=change_stage,
                args=("rollback", key),
                help="The one before it takes its place.",
            )
        if version.stage != "retired":
            st.button(
                "Retire",
                key=f"retire {key}",
                on_click=change_stage,
                args=("retire", key),
                help="It is taken out of use; nothing is deleted.",
            )


def change_stage(verb: str, version_id: str, anyway: bool = False) -> None:
    """Promote, roll back or retire; what is refused is said."""
    registry = state.trainer_context().registry
    try:
        if verb == "promote":
            registry.promote(version_id, ACTOR, anyway)
        elif verb == "rollback":
            registry.rollback(registry.version(version_id).name, ACTOR)
        else:
            registry.retire(version_id, ACTOR)
    except AdvisorError as error:
        st.session_state[ERROR_KEY] = str(error)


def _article(stage: str) -> str:
    return "the champion" if stage == "champion" else f"a {stage} version"
