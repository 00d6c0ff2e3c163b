"""The question of the moment -> the controls that change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf
from typing import Final

import streamlit as st

from advisor.inputs import ResolvedScenario, resolve
from advisor.scenario.fields import CHOICE_FIELDS, FIELDS, NUMBER_FIELDS, ScenarioField
from advisor.scenario.paths import get_path
from advisor.scenario.scenario import Needs
from ui import formatting, state
from ui.components.in_view import redraw
from ui.components.sliders import Slider, draw_sliders

MAX_VALUE: Final = 1e15
"""Largest value that can be typed where the scenario sets no bound."""
MIN_POSITIVE: Final = 0.01
"""Smallest value that can be typed where 0 is not valid."""
MAIN_PATHS: Final = (
    "traffic.requests_per_month",
    "traffic.prefix_tokens",
    "traffic.user_tokens",
    "traffic.completion_tokens",
    "quality.target",
)
"""The handful that matters most."""
MORE_INPUTS_KEY: Final = "more"
"""Key of the fragment that holds the other inputs."""
VERDICT_KEY: Final = "verdict"
"""Key of the fragment that holds verdict and main inputs."""


def slider_for(path: str, resolved: ResolvedScenario) -> Slider:
    """Make the dial of one number, standing where the answer takes it to be."""
    field = NUMBER_FIELDS[path]
    value = float(getattr(resolved.inputs, field.name)[0, 0])
    assumed = {one.path: one.says for one in resolved.assumptions}
    note = f"assumed: {assumed[path]}" if path in assumed else ""
    if field.name in resolved.measured:
        note = "counted in your data"
    is_share = field.kind == "share"
    digits = 0 if field.kind == "whole" or field.unit in ("tokens", "rows") else 2
    digits = 4 if is_share else digits
    low, most = field.bounds
    least = low if field.low_is_valid else MIN_POSITIVE
    remedy = f"Give a number from {least:g} on." if isinf(most) else ""
    remedy = remedy or f"Give a number from {least:g} to {most:g}."
    remedy = "Give a number from 0 to 100." if is_share else remedy
    return Slider(
        path=path,
        label=field.label,
        help=field.help,
        unit=field.unit,
        low=field.slider[0],
        high=max(field.slider[1], 0.0 if value != value else value),
        least=least,
        most=min(most, MAX_VALUE),
        log=field.log,
        digits=digits,
        percent=is_share,
        value=None if value != value else value,
        note=note,
        remedy=remedy,
    )


def resolve_current() -> ResolvedScenario:
    """Return the numbers behind the answer of the moment."""
    asked = state.current_question()
    return resolve(asked.scenario, asked.profile, asked.evidence)


def draw_input_sliders(name: str, paths: Sequence[str], answer_sha256: str, *also: str) -> None:
    """Draw the dials of some numbers.

    Args:
        name: Name of the board, unique on the page.
        paths: What can be moved.
        answer_sha256: The answer that is shown.
        also: Fragments to draw beside the verdict after a move.
    """
    resolved = resolve_current()
    shown = [slider_for(path, resolved) for path in paths]

    def moved(values: Mapping[str, float | None]) -> None:
        for path, value in values.items():
            state.set_field(path, value)
        redraw(VERDICT_KEY, *also)

    draw_sliders(
        name, shown, formatting.reader_locale(), (state.scenario_epoch(), answer_sha256), moved
    )


def draw_needs() -> None:
    """Draw the needs, each said or not."""
    said = state.current_scenario().scenario.get("needs") or {}
    key = f"needs_{state.scenario_epoch()}"
    chosen = [name for name in Needs.model_fields if said.get(name)]

    def hear() -> None:
        now = set(st.session_state[key])
        kept = {name: True for name in Needs.model_fields if name in now}
        state.set_field("needs", kept or None)
        redraw(VERDICT_KEY)

    st.multiselect(
        "What it needs",
        list(Needs.model_fields),
        default=chosen,
        key=key,
        format_func=lambda name: FIELDS[f"needs.{name}"].label,
        on_change=hear,
        placeholder="Nothing special",
        help="Each is yes or no; what is not chosen is not needed.",
    )


def draw_other_inputs() -> None:
    """Draw every other input."""
    places = [place for _ in range(3) for place in st.columns(4, gap="medium")]
    shown = [field for field in CHOICE_FIELDS.values() if field.on_page and field.kind != "need"]
    for place, field in zip(places, shown, strict=False):
        with place:
            (_draw_choice if field.kind == "choice" else _draw_switch)(field)


def _draw_choice(field: ScenarioField) -> None:
    path = field.path
    key = f"word_{path}_{state.scenario_epoch()}"
    now = get_path(state.current_scenario().scenario, path)
    words = (None, *field.choices)

    def hear() -> None:
        state.set_field(path, st.session_state[key])
        redraw(VERDICT_KEY, MORE_INPUTS_KEY)

    st.selectbox(
        field.label,
        words,
        index=words.index(now) if now in words else 0,
        key=key,
        format_func=lambda word: "not said" if word is None else word.replace("_", " "),
        on_change=hear,
        help=field.help,
    )


def _draw_switch(field: ScenarioField) -> None:
    path, default = field.path, field.default
    key = f"switch_{path}_{state.scenario_epoch()}"
    now = get_path(state.current_scenario().scenario, path)
    words = ("yes", "no") if default is not None else ("not said", "yes", "no")
    shown = {True: "yes", False: "no", None: "not said"}[default if now is None else now]

    def hear() -> None:
        said = {"yes": True, "no": False}.get(st.session_state[key])
        state.set_field(path, said)
        redraw(VERDICT_KEY, MORE_INPUTS_KEY)

    st.segmented_control(
        field.label, words, default=shown, key=key, on_change=hear, help=field.help, required=True
    )
