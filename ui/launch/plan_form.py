"""Plan form: option, rows and settings of a training job."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from advisor.errors import AdvisorError
from trainer.home import bases_folder, list_bases
from trainer.local.process import devices
from ui import formatting, state
from ui.launch.asking import PlanForm, create_plan
from ui.launch.choices import LaunchChoice, launch_choices, manual_commands, selected_choice

DEFAULT_USD_PER_HOUR = "0.10"
"""Default cost of an hour of this machine: power and wear."""
MAX_ALTERNATIVES = 2
"""Alternatives of each kind offered for an option that cannot be started here."""
NOTHING_SPENT = "Price and check the job. Nothing is sent or spent."
NAME_HELP = "Letters, digits and dashes. Model versions are numbered per name."
FORMATS_HELP = (
    "Chat messages, prompt and completion, text and label, or preference pairs; as JSONL, JSON, "
    "CSV, TSV or Parquet."
)


def draw_form() -> None:
    """Draw the form; a valid submission opens the plan."""
    asked = state.current_scenario()
    found = launch_choices(asked.answer, st.session_state.get(state.LAUNCH_OPTION_KEY), _has_gpu())
    chosen = _select_choice(found)
    if chosen.how == "elsewhere":
        _draw_alternatives(chosen, asked, found)
        return
    with st.form("launch_form", border=True):
        given = _select_rows(asked)
        filled = _plan_fields(chosen, asked)
        sent = st.form_submit_button("Create plan", type="primary", help=NOTHING_SPENT)
    if sent:
        _submit(filled, given)


def _select_choice(found: tuple[LaunchChoice, ...]) -> LaunchChoice:
    by_id = {one.id: one for one in found}
    first = selected_choice(found, st.session_state.get(state.LAUNCH_OPTION_KEY))
    name = st.selectbox(
        "Option to launch",
        list(by_id),
        index=list(by_id).index(first.id),
        format_func=lambda option_id: _choice_label(by_id[option_id]),
    )
    chosen = by_id[name or first.id]
    st.session_state[state.LAUNCH_OPTION_KEY] = chosen.id
    return chosen


def _choice_label(one: LaunchChoice) -> str:
    advised = "Recommended: " if one.recommended else ""
    return f"{advised}{one.label} ({one.note})"


def _draw_alternatives(
    chosen: LaunchChoice, asked: state.CurrentScenario, found: tuple[LaunchChoice, ...]
) -> None:
    """Draw how to start an option that cannot be started here, with the exact commands."""
    bill = next((one for one in asked.answer.options if one.id == chosen.id), None)
    with st.container(border=True):
        st.markdown("**You start this option yourself:**")
        st.write(chosen.says)
        st.code(
            "\n".join(manual_commands(chosen, bill, str(asked.dataset or ""))),
            language=None,
            wrap_lines=True,
        )
        plain = json.dumps(dict(asked.scenario), indent=2, default=str)
        st.download_button("Download scenario.yaml", plain, "scenario.yaml", on_click="ignore")
        can = [one for one in found if one.how == "provider"][:MAX_ALTERNATIVES]
        can += [one for one in found if one.how == "here"][:MAX_ALTERNATIVES]
        if can:
            st.write("Options that can be started here:")
            with st.container(horizontal=True):
                for one in can:
                    st.button(
                        one.label, key=f"take {one.id}", on_click=_select_option, args=(one.id,)
                    )


def _select_option(option_id: str) -> None:
    st.session_state[state.LAUNCH_OPTION_KEY] = option_id


def _plan_fields(chosen: LaunchChoice, asked: state.CurrentScenario) -> PlanForm:
    filled = PlanForm(chosen, asked.scenario, asked.where, asked.dataset)
    if chosen.how == "here":
        filled = _machine_fields(chosen, filled)
    name = st.text_input("Name of the tuned model", placeholder="invoices", help=NAME_HELP)
    filled = replace(filled, name=name)
    with st.expander("Settings and cap"):
        return _settings_fields(chosen, filled)


def _select_rows(asked: state.CurrentScenario) -> UploadedFile | None:
    """Draw the training rows, and an uploader for other rows."""
    locale = formatting.reader_locale()
    known = "none; upload a file"
    if asked.dataset is not None:
        count = asked.profile.examples if asked.profile else 0
        known = f"{asked.dataset.name}, {formatting.number_text(count, locale)} examples"
    st.markdown(f"Training rows: **{known}**")
    return st.file_uploader("Other rows", help=FORMATS_HELP)


def _machine_fields(chosen: LaunchChoice, filled: PlanForm) -> PlanForm:
    """Draw base model, GPU and cost per hour of a training on this machine."""
    if not chosen.is_plain:
        left, right = st.columns(2)
        there = list(list_bases())
        base = left.selectbox(
            "Base model", there, placeholder="none found", help=f"Folders in {bases_folder()}"
        )
        typed = right.text_input(
            "or a folder on this machine",
            placeholder="/models/my-base",
            help="With config.json, safetensors and tokenizer.",
        )
        filled = replace(filled, base=base, base_typed=typed)
    left, right = st.columns(2)
    gpu = None
    if not chosen.is_plain and _has_gpu() and chosen.is_bare:
        gpu = right.selectbox("GPU of this machine", list(state.trainer_context().book.gpus))
    usd = left.text_input(
        "Cost of this machine, USD per hour",
        DEFAULT_USD_PER_HOUR,
        help="Including power: 0.3 kW at 0.30 USD/kWh is 0.09.",
    )
    return replace(filled, gpu=gpu, usd_per_hour=usd)


def _settings_fields(chosen: LaunchChoice, filled: PlanForm) -> PlanForm:
    left, right = st.columns(2)
    cap = left.text_input(
        "Cap in USD",
        placeholder="worst-case cost",
        help="A job that could cost more is not started.",
    )
    held = left.slider("Held-out rows for evaluation", 0, 50, 10, format="%d%%")
    epochs = right.text_input("Epochs", placeholder="automatic")
    rate = right.text_input("Learning rate", placeholder="automatic")
    watched, sends = 0, False
    if chosen.how == "here":
        watched = left.slider("Validation rows", 0, 30, 10, format="%d%%")
    else:
        sends = left.checkbox("Send the held-out rows to the provider as well, for evaluation")
    more = right.text_area(
        "More settings, one NAME=VALUE per line", placeholder="seed=7", height=110
    )
    return replace(
        filled,
        cap=cap,
        held_out_share=held / 100,
        validation_share=watched / 100,
        sends_held_out=sends,
        epochs=epochs,
        learning_rate=rate,
        more=more,
    )


def _submit(filled: PlanForm, given: UploadedFile | None) -> None:
    """Create the plan; an error is shown and the form keeps its values."""
    try:
        with (
            st.spinner("Reading rows and pricing the job ..."),
            tempfile.TemporaryDirectory() as folder,
        ):
            if given is not None:
                path = Path(folder) / Path(given.name).name
                path.write_bytes(given.getbuffer())
                filled = replace(filled, dataset=path)
            plan = create_plan(state.trainer_context(), filled)
    except (AdvisorError, OSError) as error:
        st.error(str(error))
        return
    st.query_params["plan"] = plan.plan_id
    st.rerun()


def _has_gpu() -> bool:
    return devices() != ["cpu"]
