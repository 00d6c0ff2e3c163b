"""Result of a settled run: cost, evaluation, and the stage of its model version."""

from __future__ import annotations

import streamlit as st

from advisor.plan.training_plan import TrainingPlan
from advisor.prices.display_names import at_provider
from trainer.evaluation.report import NO_VALUE, Evaluation, evaluation_sentences, evaluation_table
from trainer.run_states import Run
from trainer.storage.model_version import ModelVersion
from ui import formatting, state
from ui.charts.base import ChartStyle, draw_chart
from ui.charts.training_curves import score_chart
from ui.formatting import muted_text
from ui.launch.confirm import spent_text

ACTOR = "page"
VERDICT_STYLES = {"better": "success", "worse": "error"}


def draw_result(run: Run, plan: TrainingPlan) -> None:
    """Draw cost, evaluation and stage."""
    usd = spent_text(run.said("settled", "usd") or "0", formatting.reader_locale())
    how = run.said("settled", "how")
    if run.outcome != "succeeded":
        why = run.said(str(run.outcome), "why") or "no reason was given"
        st.error(f"The run ended without a model: {why}. It cost {usd} ({how}).")
        return
    st.success(f"Training finished. It cost {usd} ({how}).")
    muted_text(f"Model: {run.tuned_model}")
    versions = state.trainer_context().registry.listed()
    version = next((version for version in versions if version.run_id == run.run_id), None)
    if version is not None and version.evaluation is not None:
        draw_measurements(version)
    elif plan.local is not None:
        why = "no rows were held out. Create a plan that holds out a tenth of them."
        st.info(f"Not evaluated: {why}")
    else:
        st.info(
            f"Not evaluated: the model is {at_provider(plan.provider)}. Evaluate it yourself, "
            "and add the result to the scenario (quality.measured)."
        )
    if plan.serving == "per_hour":
        st.info(
            "The model is not deployed and costs nothing until it is. Deploy it with `trainer "
            f"deploy {run.run_id} --max-hours 1`; the page then shows the cost."
        )
    if version is not None:
        draw_stage(version)


def draw_measurements(version: ModelVersion) -> None:
    """Draw the evaluation of a version, or the score of an evaluation made elsewhere."""
    evaluation = version.evaluation or {}
    if "columns" in evaluation:
        draw_evaluation(Evaluation.from_dict(evaluation))
        return
    score = evaluation.get("score")
    text = f", score {score:.3f}" if isinstance(score, int | float) else ""
    st.info(f"Evaluated elsewhere: {version.verdict or 'no verdict'}{text}.")


def draw_evaluation(evaluation: Evaluation) -> None:
    """Draw every system on the same held-out rows, and the verdict."""
    st.subheader("Evaluation on held-out rows")
    verdict, *others = evaluation_sentences(evaluation)
    getattr(st, VERDICT_STYLES.get(evaluation.verdict.word, "warning"))(verdict)
    left, right = st.columns([1, 1], gap="large")
    with left:
        style = ChartStyle(formatting.theme(), formatting.reader_locale())
        draw_chart(score_chart(evaluation, style))
    head, *rows = evaluation_table(evaluation)
    right.table(
        [
            {
                name: "unknown" if cell == NO_VALUE else cell
                for name, cell in zip(head, row, strict=True)
            }
            for row in rows
        ]
    )
    for sentence in others:
        st.markdown(f"- {sentence}")


def draw_stage(version: ModelVersion) -> None:
    """Draw the stage of a version, and the buttons that change it."""
    state.draw_kept_error()
    article = "the champion" if version.stage == "champion" else f"a {version.stage} version"
    st.markdown(f"**{version.version_id}** is {article} of {version.name}.")
    anyway = version.verdict == "worse" and st.checkbox(
        "Promote although it is worse", key=f"anyway {version.version_id}"
    )
    with st.container(horizontal=True):
        if version.stage != "champion":
            help_text = f"Make it the champion of {version.name}."
            _stage_button("Promote", version, help_text, anyway)
        else:
            _stage_button("Roll back", version, "Restore the previous champion.")
        if version.stage != "retired":
            _stage_button("Retire", version, "Take it out of use. Nothing is deleted.")


def _stage_button(label: str, version: ModelVersion, help_text: str, anyway: bool = False) -> None:
    verb = label.lower().replace(" ", "")
    st.button(
        label,
        key=f"{verb} {version.version_id}",
        type="primary" if verb == "promote" else "secondary",
        on_click=change_stage,
        args=(verb, version.version_id, anyway),
        icon=":material/trophy:" if verb == "promote" else None,
        help=help_text,
    )


def change_stage(verb: str, version_id: str, anyway: bool = False) -> None:
    """Promote, roll back or retire a version; an error is kept for the next drawing."""
    registry = state.trainer_context().registry
    with state.errors_kept():
        if verb == "promote":
            registry.promote(version_id, ACTOR, anyway)
        elif verb == "rollback":
            registry.rollback(registry.version(version_id).name, ACTOR)
        else:
            registry.retire(version_id, ACTOR)
