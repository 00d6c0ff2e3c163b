"""Plan form: option, rows and settings of a training job."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from advisor.errors import UsageError
from advisor.report.sentences import option_of
from advisor.units import parse_usd
from trainer.home import bases_folder, list_bases
from trainer.local.process import devices
from trainer.plan.create import build_plan
from trainer.plan.request import PlanRequest, request_from_text
from ui import formatting, state
from ui.launch.choices import (
    LaunchChoice,
    launch_choices,
    manual_commands,
    selected_base,
    selected_choice,
)

DEFAULT_USD_PER_HOUR = "0.10"
"""Default cost of an hour of this machine: power and wear."""
MAX_ALTERNATIVES = 2
"""Alternatives of each kind offered for an option that cannot be started here."""
SHARED_FIELDS = ("held_out_share", "validation_share", "sends_held_out")
"""Fields of the form that go into the request as they are."""
NOTHING_SPENT = "Price and check the job. Nothing is sent or spent."
NAME_HELP = "Letters, digits and dashes. Model versions are numbered per name."
FORMATS_HELP = (
    "Chat messages, prompt and completion, text and label, or preference pairs; as JSONL, JSON, "
    "CSV, TSV or Parquet."
)


def draw_form() -> None:
    """Draw the form; a valid submission opens the plan."""
    current = state.current_scenario()
    picked = st.session_state.get(state.LAUNCH_OPTION_KEY)
    choices = launch_choices(current.answer, picked, _has_gpu())
    chosen = _select_choice(choices)
    if chosen.how == "elsewhere":
        _draw_alternatives(chosen, current, choices)
        return
    with st.form("launch_form", border=True):
        upload = _select_rows(current)
        typed = _machine_fields(chosen) if chosen.how == "here" else {}
        label = "Name of the tuned model"
        typed["name"] = st.text_input(label, placeholder="invoices", help=NAME_HELP)
        with st.expander("Settings and cap"):
            typed |= _settings_fields(chosen)
        sent = st.form_submit_button("Create plan", type="primary", help=NOTHING_SPENT)
    if sent:
        _submit(chosen, current, typed, upload)


def _select_choice(choices: tuple[LaunchChoice, ...]) -> LaunchChoice:
    by_id = {choice.id: choice for choice in choices}
    first = selected_choice(choices, st.session_state.get(state.LAUNCH_OPTION_KEY))

    def label(option_id: str) -> str:
        choice = by_id[option_id]
        return f"{'Recommended: ' if choice.recommended else ''}{choice.label} ({choice.note})"

    name = st.selectbox(
        "Option to launch",
        list(by_id),
        index=list(by_id).index(first.id),
        format_func=label,
    )
    chosen = by_id[name or first.id]
    st.session_state[state.LAUNCH_OPTION_KEY] = chosen.id
    return chosen


def _draw_alternatives(
    chosen: LaunchChoice, current: state.CurrentScenario, choices: tuple[LaunchChoice, ...]
) -> None:
    """Draw how to start an option that cannot be started here, with the exact commands."""
    bill = option_of(current.answer, chosen.id)
    with st.container(border=True):
        st.markdown("**You start this option yourself:**")
        st.write(chosen.says)
        st.code(
            "\n".join(manual_commands(chosen, bill, str(current.dataset or ""))),
            language=None,
            wrap_lines=True,
        )
        plain = json.dumps(dict(current.scenario), indent=2, default=str)
        st.download_button("Download scenario.yaml", plain, "scenario.yaml", on_click="ignore")
        alternatives = [
            choice
            for how in ("provider", "here")
            for choice in [c for c in choices if c.how == how][:MAX_ALTERNATIVES]
        ]
        if alternatives:
            st.write("Options that can be started here:")
            with st.container(horizontal=True):
                for choice in alternatives:
                    key = f"take {choice.id}"
                    picked = {state.LAUNCH_OPTION_KEY: choice.id}
                    update = st.session_state.update
                    st.button(choice.label, key=key, on_click=update, args=(picked,))


def _select_rows(current: state.CurrentScenario) -> UploadedFile | None:
    """Draw the training rows, and an uploader for other rows."""
    locale = formatting.reader_locale()
    known = "none; upload a file"
    if current.dataset is not None:
        count = current.profile.examples if current.profile else 0
        known = f"{current.dataset.name}, {formatting.number_text(count, locale)} examples"
    st.markdown(f"Training rows: **{known}**")
    return st.file_uploader("Other rows", help=FORMATS_HELP)


def _machine_fields(chosen: LaunchChoice) -> dict[str, Any]:
    """Draw base model, GPU and cost per hour of a training on this machine."""
    typed: dict[str, Any] = {}
    if not chosen.is_plain:
        left, right = st.columns(2)
        typed["base"] = left.selectbox(
            "Base model",
            list(list_bases()),
            placeholder="none found",
            help=f"Folders in {bases_folder()}",
        )
        typed["base_folder"] = right.text_input(
            "or a folder on this machine",
            placeholder="/models/my-base",
            help="With config.json, safetensors and tokenizer.",
        )
    left, right = st.columns(2)
    if not chosen.is_plain and _has_gpu() and chosen.is_bare:
        typed["gpu"] = right.selectbox(
            "GPU of this machine", list(state.trainer_context().book.gpus)
        )
    typed["usd_per_hour"] = left.text_input(
        "Cost of this machine, USD per hour",
        DEFAULT_USD_PER_HOUR,
        help="Including power: 0.3 kW at 0.30 USD/kWh is 0.09.",
    )
    return typed


def _settings_fields(chosen: LaunchChoice) -> dict[str, Any]:
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
    return {
        "cap": cap,
        "held_out_share": held / 100,
        "validation_share": watched / 100,
        "sends_held_out": sends,
        "n_epochs": epochs,
        "learning_rate": rate,
        "more": more,
    }


def form_request(
    chosen: LaunchChoice,
    current: state.CurrentScenario,
    typed: Mapping[str, Any],
    dataset: Path | None,
) -> PlanRequest:
    """Return the request that the form describes.

    Raises:
        UsageError: a field is not valid.
    """
    here = chosen.how == "here"
    base = None
    if here and not chosen.is_plain:
        base = selected_base(typed.get("base"), typed.get("base_folder", ""))
    settings = [line for line in typed.get("more", "").splitlines() if line.strip()]
    for name in ("n_epochs", "learning_rate"):
        if typed.get(name, "").strip():
            settings.append(f"{name}={typed[name]}")
    return request_from_text(
        settings,
        scenario=current.scenario,
        where=current.where,
        option=chosen.option_id(base, typed.get("gpu")),
        dataset=dataset,
        base=base,
        suffix=typed.get("name", "").strip() or None,
        cap_usd=_amount(typed, "cap", "cap"),
        usd_per_hour=_amount(typed, "usd_per_hour", "price of an hour"),
        **{name: typed[name] for name in SHARED_FIELDS if name in typed},
    )


def _amount(typed: Mapping[str, Any], name: str, label: str) -> Decimal | None:
    text = typed.get(name, "").strip()
    amount = parse_usd(text, label) if text else None
    if amount == 0:
        raise UsageError(f"{label} {text}", "an amount above 0 is required.", "Write 25.00.")
    return amount


def _submit(
    chosen: LaunchChoice,
    current: state.CurrentScenario,
    typed: Mapping[str, Any],
    upload: UploadedFile | None,
) -> None:
    """Create the plan; an error is shown above the form, which keeps its values."""
    context, dataset = state.trainer_context(), current.dataset
    with (
        state.errors_drawn(),
        st.spinner("Reading rows and pricing the job ..."),
        tempfile.TemporaryDirectory() as folder,
    ):
        if upload is not None:
            dataset = Path(folder) / Path(upload.name).name
            dataset.write_bytes(upload.getbuffer())
        plan = build_plan(context, form_request(chosen, current, typed, dataset))
        context.store.keep_plan(plan)  # a plan that was launched is shown as it is
        st.query_params["plan"] = plan.plan_id
        st.rerun()


def _has_gpu() -> bool:
    return devices() != ["cpu"]
