"""Controls of the what-if page that change the scenario: sliders, needs, choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf
from typing import Any, Final

import streamlit as st

from advisor.inputs import ResolvedScenario
from advisor.scenario.fields import CHOICE_FIELDS, FIELDS, NUMBER_FIELDS, ScenarioField
from advisor.scenario.paths import get_path
from advisor.scenario.scenario import Needs
from ui import formatting, state
from ui.components.in_view import redraw
from ui.components.sliders import Slider, draw_sliders

MAX_VALUE: Final = 1e15
"""Largest number that can be typed if the scenario sets no maximum."""
MIN_POSITIVE: Final = 0.01
"""Smallest number that can be typed where 0 is not valid."""
MAIN_PATHS: Final = (
    "traffic.requests_per_month",
    "traffic.prefix_tokens",
    "traffic.user_tokens",
    "traffic.completion_tokens",
    "quality.target",
)
"""The inputs that matter most, always in sight."""
MORE_INPUTS_KEY: Final = "more"
"""Key of the fragment with the other inputs."""
VERDICT_KEY: Final = "verdict"
"""Key of the fragment with the verdict and the main inputs."""
NOT_SPECIFIED: Final = "not specified"


def slider_for(path: str, resolved: ResolvedScenario) -> Slider:
    """Return the slider of one input, at the value that the answer uses."""
    field = NUMBER_FIELDS[path]
    number = float(getattr(resolved.inputs, field.name)[0, 0])
    value = None if number != number else number
    assumed = {assumption.path: assumption.says for assumption in resolved.assumptions}
    note = f"assumed: {assumed[path]}" if path in assumed else ""
    if field.name in resolved.measured:
        note = "measured in your data"
    is_share = field.kind == "share"
    digits = 0 if field.kind == "whole" or field.unit in ("tokens", "rows") else 2
    low, most = field.bounds
    least = low if field.low_is_valid else MIN_POSITIVE
    limits = f"of {least:g} or more" if isinf(most) else f"from {least:g} to {most:g}"
    return Slider(
        path=path,
        label=field.label,
        help=field.help,
        unit=field.unit,
        low=field.slider[0],
        high=max(field.slider[1], value or 0.0),
        least=least,
        most=min(most, MAX_VALUE),
        log=field.log,
        digits=4 if is_share else digits,
        percent=is_share,
        value=value,
        note=note,
        remedy=f"Enter a number {'from 0 to 100' if is_share else limits}.",
    )


def draw_input_sliders(name: str, paths: Sequence[str], *also: str) -> None:
    """Draw the sliders of some inputs; a change redraws the verdict and the fragments *also*."""
    current = state.current_scenario()
    sliders = [slider_for(path, current.resolved) for path in paths]

    def moved(values: Mapping[str, float | None]) -> None:
        for path, value in values.items():
            state.set_field(path, value)
        redraw(VERDICT_KEY, *also)

    stamp = (current.epoch, current.answer.question_sha256)
    draw_sliders(name, sliders, formatting.reader_locale(), stamp, moved)


def draw_needs() -> None:
    """Draw the list of needs."""
    current = state.current_scenario()
    given = current.scenario.get("needs") or {}

    def change(selected: Sequence[str]) -> None:
        needs = {name: True for name in Needs.model_fields if name in selected}
        state.set_field("needs", needs or None)
        redraw(VERDICT_KEY)

    key = f"needs_{current.epoch}"
    st.multiselect(
        "Needs",
        list(Needs.model_fields),
        default=[name for name in Needs.model_fields if given.get(name)],
        key=key,
        format_func=lambda name: FIELDS[f"needs.{name}"].label,
        on_change=lambda: change(st.session_state[key]),
        placeholder="No special needs",
        help="Requirements of the task. Anything not selected is not needed.",
    )


def draw_other_inputs() -> None:
    """Draw every input that is not a number."""
    places = [place for _ in range(3) for place in st.columns(4, gap="medium")]
    fields = [field for field in CHOICE_FIELDS.values() if field.on_page and field.kind != "need"]
    for place, field in zip(places, fields, strict=False):
        with place:
            (_draw_choice if field.kind == "choice" else _draw_switch)(field)


def _set_and_redraw(path: str, value: Any) -> None:
    state.set_field(path, value)
    redraw(VERDICT_KEY, MORE_INPUTS_KEY)


def _draw_choice(field: ScenarioField) -> None:
    current = state.current_scenario()
    key = f"word_{field.path}_{current.epoch}"
    value = get_path(current.scenario, field.path)
    values = (None, *field.choices)
    st.selectbox(
        field.label,
        values,
        index=values.index(value) if value in values else 0,
        key=key,
        format_func=lambda word: NOT_SPECIFIED if word is None else word.replace("_", " "),
        on_change=lambda: _set_and_redraw(field.path, st.session_state[key]),
        help=field.help,
    )


def _draw_switch(field: ScenarioField) -> None:
    current = state.current_scenario()
    key = f"switch_{field.path}_{current.epoch}"
    value = get_path(current.scenario, field.path)
    value = field.default if value is None else value
    words = {"yes": True, "no": False, **({NOT_SPECIFIED: None} if field.default is None else {})}
    st.segmented_control(
        field.label,
        list(words),
        default=next(word for word, is_on in words.items() if is_on == value),
        key=key,
        on_change=lambda: _set_and_redraw(field.path, words.get(st.session_state[key])),
        help=field.help,
        required=True,
    )
