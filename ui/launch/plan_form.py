"""The first step: which option, which rows, which settings -> a plan, with nothing spent."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from advisor.errors import AdvisorError
from trainer.home import bases, bases_folder
from trainer.local.process import devices
from ui import formatting, state
from ui.launch.asking import Filled, plan_of
from ui.launch.choices import (
    Choice,
    choices,
    commands,
    picked_of,
)

HOUR_USD = "0.10"
"""What an hour of this machine is taken to cost where nobody says: power and wear."""
OFFERED = 2
"""How many of each kind are offered in the place of one that is not launched from here."""
NOTHING_SPENT = "It is priced and checked. Nothing is sent or spent."
NAMES = "Letters, digits and dashes. Its versions are counted under it."
FORMS = (
    "Chat JSONL, prompt and completion, text and label, pairs; as JSONL, JSON, CSV, TSV or Parquet."
)


def form() -> None:
    """Draw the form; once it is sent and sound, the plan takes its place."""
    asked = state.asked()
    found = choices(asked.answer, st.session_state.get(state.LAUNCH_OPTION), _has_gpu())
    chosen = _choice(found)
    if chosen.how == "elsewhere":
        _instead(chosen, asked, found)
        return
    with st.form("launch_form", border=True):
        given = _rows(asked)
        filled = _fields(chosen, asked)
        sent = st.form_submit_button("Make the plan", type="primary", help=NOTHING_SPENT)
    if sent:
        _make(filled, given)


def _choice(found: tuple[Choice, ...]) -> Choice:
    by_id = {one.id: one for one in found}
    first = picked_of(found, st.session_state.get(state.LAUNCH_OPTION))
    name = st.selectbox(
        "What to launch",
        list(by_id),
        index=list(by_id).index(first.id),
        format_func=lambda option_id: _label(by_id[option_id]),
    )
    chosen = by_id[name or first.id]
    st.session_state[state.LAUNCH_OPTION] = chosen.id
    return chosen


def _label(one: Choice) -> str:
    advised = "Recommended: " if one.recommended else ""
    return f"{advised}{one.label} ({one.note})"


def _instead(chosen: Choice, asked: state.Asked, found: tuple[Choice, ...]) -> None:
    """Say what happens instead of a launch, with the exact commands."""
    bill = next((one for one in asked.answer.options if one.id == chosen.id), None)
    with st.container(border=True):
        st.markdown("**This option is not launched from here.**")
        st.write(chosen.says)
        st.code(
            "\n".join(commands(chosen, bill, str(asked.dataset or ""))),
            language=None,
            wrap_lines=True,
        )
        plain = json.dumps(dict(asked.scenario), indent=2, default=str)
        st.download_button("Download scenario.yaml", plain, "scenario.yaml", on_click="ignore")
        can = [one for one in found if one.how == "provider"][:OFFERED]
        can += [one for one in found if one.how == "here"][:OFFERED]
        if can:
            st.write("What can be started from here:")
            with st.container(horizontal=True):
                for one in can:
                    st.button(one.label, key=f"take {one.id}", on_click=_take, args=(one.id,))


def _take(option_id: str) -> None:
    st.session_state[state.LAUNCH_OPTION] = option_id


def _fields(chosen: Choice, asked: state.Asked) -> Filled:
    filled = Filled(chosen, asked.scenario, asked.where, asked.dataset)
    if chosen.how == "here":
        filled = _machine(chosen, filled)
    name = st.text_input("Name of the tuned model", placeholder="invoices", help=NAMES)
    filled = replace(filled, name=name)
    with st.expander("Settings and cap"):
        return _settings(chosen, filled)


def _rows(asked: state.Asked) -> UploadedFile | None:
    """Say which rows are learned from, and take others."""
    locale = formatting.reader()
    known = "none yet: upload a file"
    if asked.dataset is not None:
        count = asked.profile.examples if asked.profile else 0
        known = f"{asked.dataset.name}, {formatting.number(count, locale)} examples"
    st.markdown(f"Rows to learn from: **{known}**")
    return st.file_uploader("Other rows, if not these", help=FORMS)


def _machine(chosen: Choice, filled: Filled) -> Filled:
    """Ask for the base and for what an hour costs, where it is trained on this machine."""
    if not chosen.is_plain:
        left, right = st.columns(2)
        there = list(bases())
        base = left.selectbox(
            "Base", there, placeholder="none here yet", help=f"Folders in {bases_folder()}"
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
        gpu = right.selectbox("GPU of this machine", list(state.office().book.gpus))
    usd = left.text_input(
        "USD an hour of this machine", HOUR_USD, help="With power: 0.3 kW at 0.30 USD/kWh is 0.09."
    )
    return replace(filled, gpu=gpu, usd_per_hour=usd)


def _settings(chosen: Choice, filled: Filled) -> Filled:
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


def _make(filled: Filled, given: UploadedFile | None) -> None:
    """Make the plan of what was filled in; what is wrong is said, and the form stays as it is."""
    try:
        with (
            st.spinner("Reading the rows, pricing the job ..."),
            tempfile.TemporaryDirectory() as folder,
        ):
            if given is not None:
                path = Path(folder) / Path(given.name).name
                path.write_bytes(given.getbuffer())
                filled = replace(filled, dataset=path)
            plan = plan_of(state.office(), filled)
    except (AdvisorError, OSError) as error:
        st.error(str(error))
        return
    st.query_params["plan"] = plan.plan_id
    st.rerun()


def _has_gpu() -> bool:
    return devices() != ["cpu"]
