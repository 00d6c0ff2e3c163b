"""The first step: which option, which rows, which settings -> a plan, with nothing spent."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from advisor.errors import AdvisorError, UsageError
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
"""What an hour of this machine is taken to cost where nobody says: power and wear."""
MAX_ALTERNATIVES = 2
"""How many of each kind are offered in the place of one that is not launched from here."""
SHARED_FIELDS = ("held_out_share", "validation_share", "sends_held_out")
"""Fields of the form that go into the request as they are."""
NOTHING_SPENT = "It is priced and checked. Nothing is sent or spent."
NAME_HELP = "Letters, digits and dashes. Its versions are counted under it."
FORMATS_HELP = (
    "Chat JSONL, prompt and completion, text and label, pairs; as JSONL, JSON, CSV, TSV or Parquet."
)


def draw_form() -> None:
    """Draw the form; once it is sent and sound, the plan takes its place."""
    asked = state.current_scenario()
    found = launch_choices(asked.answer, st.session_state.get(state.LAUNCH_OPTION_KEY), _has_gpu())
    chosen = _select_choice(found)
    if chosen.how == "elsewhere":
        _draw_alternatives(chosen, asked, found)
        return
    with st.form("launch_form", border=True):
        given = _select_rows(asked)
        typed = _plan_fields(chosen)
        sent = st.form_submit_button("Make the plan", type="primary", help=NOTHING_SPENT)
    if sent:
        _submit(chosen, asked, typed, given)


def _select_choice(found: tuple[LaunchChoice, ...]) -> LaunchChoice:
    by_id = {one.id: one for one in found}
    first = selected_choice(found, st.session_state.get(state.LAUNCH_OPTION_KEY))
    name = st.selectbox(
        "What to launch",
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
    """Say what happens instead of a launch, with the exact commands."""
    bill = next((one for one in asked.answer.options if one.id == chosen.id), None)
    with st.container(border=True):
        st.markdown("**This option is not launched from here.**")
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
            st.write("What can be started from here:")
            with st.container(horizontal=True):
                for one in can:
                    st.button(
                        one.label, key=f"take {one.id}", on_click=_select_option, args=(one.id,)
                    )


def _select_option(option_id: str) -> None:
    st.session_state[state.LAUNCH_OPTION_KEY] = option_id


def _plan_fields(chosen: LaunchChoice) -> dict[str, Any]:
    """Draw the fields; return what was entered, unchecked."""
    typed = _machine_fields(chosen) if chosen.how == "here" else {}
    typed["name"] = st.text_input("Name of the tuned model", placeholder="invoices", help=NAME_HELP)
    with st.expander("Settings and cap"):
        return {**typed, **_settings_fields(chosen)}


def _select_rows(asked: state.CurrentScenario) -> UploadedFile | None:
    """Say which rows are learned from, and take others."""
    locale = formatting.reader_locale()
    known = "none yet: upload a file"
    if asked.dataset is not None:
        count = asked.profile.examples if asked.profile else 0
        known = f"{asked.dataset.name}, {formatting.number_text(count, locale)} examples"
    st.markdown(f"Rows to learn from: **{known}**")
    return st.file_uploader("Other rows, if not these", help=FORMATS_HELP)


def _machine_fields(chosen: LaunchChoice) -> dict[str, Any]:
    """Ask for the base and for what an hour costs, where it is trained on this machine."""
    typed: dict[str, Any] = {}
    if not chosen.is_plain:
        left, right = st.columns(2)
        there = list(list_bases())
        typed["base"] = left.selectbox(
            "Base", there, placeholder="none here yet", help=f"Folders in {bases_folder()}"
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
        "USD an hour of this machine",
        DEFAULT_USD_PER_HOUR,
        help="With power: 0.3 kW at 0.30 USD/kWh is 0.09.",
    )
    return typed


def _settings_fields(chosen: LaunchChoice) -> dict[str, Any]:
    left, right = st.columns(2)
    cap = left.text_input(
        "Cap in USD",
        placeholder="what it costs at most",
        help="Nothing is started that may cost more.",
    )
    held = left.slider("Held out to measure with", 0, 50, 10, format="%d%%")
    epochs = right.text_input("Passes over the rows", placeholder="chosen for you")
    rate = right.text_input("Learning rate", placeholder="chosen for you")
    watched, sends = 0, False
    if chosen.how == "here":
        watched = left.slider("Watched while it trains", 0, 30, 10, format="%d%%")
    else:
        sends = left.checkbox("The provider gets the held-out rows too, to measure with")
    more = right.text_area("More settings, NAME=VALUE a line", placeholder="seed=7", height=110)
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
    asked: state.CurrentScenario,
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
        scenario=asked.scenario,
        where=asked.where,
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
    asked: state.CurrentScenario,
    typed: Mapping[str, Any],
    given: UploadedFile | None,
) -> None:
    """Create the plan; an error is shown above the form, which keeps its values."""
    context, dataset = state.trainer_context(), asked.dataset
    try:
        with (
            st.spinner("Reading the rows, pricing the job ..."),
            tempfile.TemporaryDirectory() as folder,
        ):
            if given is not None:
                dataset = Path(folder) / Path(given.name).name
                dataset.write_bytes(given.getbuffer())
            plan = build_plan(context, form_request(chosen, asked, typed, dataset))
            context.store.keep_plan(plan)  # a plan that was launched is shown as it is
    except (AdvisorError, OSError) as error:
        st.error(str(error))
        return
    st.query_params["plan"] = plan.plan_id
    st.rerun()


def _has_gpu() -> bool:
    return devices() != ["cpu"]
