"""The first step: which option, which rows, which settings -> a plan, with nothing spent.

An answer -> what can be launched from here, and what happens instead where it cannot.

What a visitor chose or typed -> the folder of a base.
"""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.errors import AdvisorError, UsageError
from advisor.options.gpu_tuning import BASELINE
from advisor.options.option import WITHOUT_TRAINING
from trainer.home import bases, bases_folder
from trainer.local.process import devices
from trainer.plan.provider import TRAINED
from ui import formatting, state
from ui.formatting import option_name
from ui.launch.asking import Filled, plan_of

How = Literal["provider", "here", "elsewhere"]
PLAIN = f"encoder:local:{BASELINE}"
HERE = {
    "lora": "LoRA adapters on this machine",
    "qlora": "QLoRA adapters on this machine",
    "full_ft": "All weights on this machine",
    "encoder": "A small classifier on this machine",
    "dpo": "Preference tuning on this machine",
}
"""What is trained on a base in a folder."""
NEEDS_GPU = frozenset({"qlora"})
STARTS = "starts from here"
WORDS = {"provider": STARTS, "local": STARTS, "export": "a folder to take along",
         "by_hand": "by hand"}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One thing that could be launched."""

    id: str
    """Option of the answer, or `approach:local` for a base of the visitor's."""
    label: str
    """In words."""
    how: How
    """Who trains: a provider, this machine, or nobody from here."""
    says: str
    """What happens."""
    note: str = ""
    """How it is started, in a few words."""
    recommended: bool = False
    """Whether it is the advice."""

    @property
    def is_plain(self) -> bool:
        """Whether it is the plain baseline, which has no base."""
        return self.id == PLAIN

    @property
    def is_bare(self) -> bool:
        """Whether the name of the base has still to be put into its id."""
        return self.how == "here" and self.id.count(":") == 1

    def option_id(self, base: Path | None, gpu: str | None) -> str:
        """Return the option as the trainer takes it.

        >>> Choice("lora:local", "", "here", "").option_id(Path("/bases/tiny"), None)
        'lora:local:tiny'
        """
        if not self.is_bare:
            return self.id
        return ":".join([self.id, base.name if base else "base", *([gpu] if gpu else [])])


def choices(answer: Answer, picked: str | None, has_gpu: bool) -> tuple[Choice, ...]:
    """List what can be launched: the advice, what starts from here, then all other training."""
    advised = answer.decision.recommended
    wanted = [one for one in answer.options if _is_listed(one, {advised, picked})]
    found = [_of(one, one.id == advised) for one in wanted]
    bare = [
        Choice(f"{approach}:local", label, "here", "It is trained on a base in a folder of yours.",
               STARTS)
        for approach, label in HERE.items() if has_gpu or approach not in NEEDS_GPU
    ]  # fmt: skip
    plain = Choice(PLAIN, "The plain baseline: TF-IDF with logistic regression", "here",
                   "It trains on a CPU in a minute, and needs no base.", STARTS)  # fmt: skip
    kept = [one for one in found if one.id != PLAIN or one.recommended]
    known = {one.id for one in kept}
    here = [one for one in (*bare, plain) if one.id not in known]
    return tuple(sorted((*kept, *here), key=lambda one: (not one.recommended, _order(one))))


def picked_of(found: tuple[Choice, ...], picked: str | None) -> Choice:
    """Return the choice of a name, else the first."""
    return next((one for one in found if picked and one.id in (picked, _here(picked))), found[0])


def commands(choice: Choice, bill: OptionBill | None, dataset: str) -> tuple[str, ...]:
    """Return the command lines that do by hand what no button does here."""
    rows = shlex.quote(dataset or "ROWS.jsonl")
    if bill is not None and bill.launch == "export":
        plan = f"trainer plan scenario.yaml --option {shlex.quote(choice.id)}"
        return (f"{plan} --dataset {rows} --base FOLDER", "trainer export PLAN OUT_FOLDER",
                "trainer import OUT_FOLDER")  # fmt: skip
    if bill is not None and bill.objective is not None:
        return (f"advisor convert {rows} --out rows.jsonl --rejects rejects.jsonl",)
    return (f"advisor estimate scenario.yaml --option {shlex.quote(choice.id)}",)


def _is_listed(one: OptionBill, named: set[str | None]) -> bool:
    trains = one.approach not in WITHOUT_TRAINING and one.id not in ("current", "not_yet")
    return one.id in named or trains


def _of(one: OptionBill, recommended: bool) -> Choice:
    option_id = _here(one.id) if one.launch == "local" else one.id
    if one.launch == "provider" and one.approach in TRAINED:
        how: How = "provider"
    else:
        how = "here" if one.launch == "local" else "elsewhere"
    says, note = one.launch_says, WORDS[one.launch]
    if one.launch == "provider" and how == "elsewhere":
        says = "The rows are written by a larger model first: `trainer distil` makes them."
        note = WORDS["by_hand"]
    return Choice(option_id, option_name(one.id), how, says, note, recommended)


def _here(option_id: str) -> str:
    """Name the plain baseline as the trainer takes it, wherever it was priced."""
    parts = option_id.split(":")
    return PLAIN if len(parts) > 2 and parts[2] == BASELINE else option_id


def _order(one: Choice) -> int:
    return ("provider", "here", "elsewhere").index(one.how)


HOUR_USD = "0.10"
"""What an hour of this machine is taken to cost where nobody says: power and wear."""
OFFERED = 2
"""How many of each kind are offered in the place of one that is not launched from here."""
NOTHING_SPENT = "It is priced and checked. Nothing is sent or spent."
NAMES = "Letters, digits and dashes. Its versions are counted under it."
FORMS = ("Chat JSONL, prompt and completion, text and label, pairs; as JSONL, JSON, CSV, TSV or "
         "Parquet.")  # fmt: skip


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
        "What to launch", list(by_id), index=list(by_id).index(first.id),
        format_func=lambda option_id: _label(by_id[option_id]),
    )  # fmt: skip
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
        st.code("\n".join(commands(chosen, bill, str(asked.dataset or ""))), language=None,
                wrap_lines=True)  # fmt: skip
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
        base = left.selectbox("Base", there, placeholder="none here yet",
                              help=f"Folders in {bases_folder()}")  # fmt: skip
        typed = right.text_input("or a folder on this machine", placeholder="/models/my-base",
                                 help="With config.json, safetensors and tokenizer.")  # fmt: skip
        filled = replace(filled, base=base, base_typed=typed)
    left, right = st.columns(2)
    gpu = None
    if not chosen.is_plain and _has_gpu() and chosen.is_bare:
        gpu = right.selectbox("GPU of this machine", list(state.office().book.gpus))
    usd = left.text_input("USD an hour of this machine", HOUR_USD,
                           help="With power: 0.3 kW at 0.30 USD/kWh is 0.09.")  # fmt: skip
    return replace(filled, gpu=gpu, usd_per_hour=usd)


def _settings(chosen: Choice, filled: Filled) -> Filled:
    left, right = st.columns(2)
    cap = left.text_input("Cap in USD", placeholder="what it costs at most",
                          help="Nothing is started that may cost more.")  # fmt: skip
    held = left.slider("Held out to measure with", 0, 50, 10, format="%d%%")
    epochs = right.text_input("Passes over the rows", placeholder="chosen for you")
    rate = right.text_input("Learning rate", placeholder="chosen for you")
    watched, sends = 0, False
    if chosen.how == "here":
        watched = left.slider("Watched while it trains", 0, 30, 10, format="%d%%")
    else:
        sends = left.checkbox("The provider gets the held-out rows too, to measure with")
    more = right.text_area("More settings, NAME=VALUE a line", placeholder="seed=7", height=110)
    return replace(filled, cap=cap, held_out_share=held / 100, validation_share=watched / 100,
                   sends_held_out=sends, epochs=epochs, learning_rate=rate, more=more)  # fmt: skip


def _make(filled: Filled, given: UploadedFile | None) -> None:
    """Make the plan of what was filled in; what is wrong is said, and the form stays as it is."""
    try:
        with (st.spinner("Reading the rows, pricing the job ..."),
              tempfile.TemporaryDirectory() as folder):  # fmt: skip
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


def base_of(name: str | None, typed: str) -> Path:
    """Return the folder that was typed, else the one that was chosen.

    Raises:
        UsageError: neither names one, or there is no such folder.
    """
    remedy = f"Put one into {bases_folder()}, or type its folder."
    if not typed.strip():
        if name is None or name not in bases():
            raise UsageError("base", "none was named.", remedy)
        return bases()[name]
    path = Path(typed.strip()).expanduser()
    if not path.is_dir():
        raise UsageError(f"base {path}", "there is no such folder.", remedy)
    return path
