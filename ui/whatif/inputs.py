"""The question of the moment -> the controls that change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple, get_args

import streamlit as st

from advisor.inputs import INPUT_PATHS, SHARE_PATHS, WHOLE_NUMBER_PATHS, ResolvedScenario, resolve
from advisor.scenario.scenario import Needs, Scenario
from advisor.units import Record, Tasks
from ui import formatting, state
from ui.components.in_view import redraw
from ui.components.sliders import Slider, draw_sliders

MAX_VALUE: Final = 1e15
"""What may be typed where the scenario names no end."""


class SliderRange(NamedTuple):
    """What a slider is called, and from where to where it goes."""

    label: str
    unit: str
    low: float
    high: float
    log: bool = True


SLIDER_RANGES: Final = {
    "traffic.requests_per_month": SliderRange("Requests a month", "", 100, 1e9),
    "traffic.prefix_tokens": SliderRange("Instructions in each prompt", "tokens", 0, 100_000),
    "traffic.user_tokens": SliderRange("Text of each request", "tokens", 0, 100_000),
    "traffic.completion_tokens": SliderRange("Length of an answer", "tokens", 0, 20_000),
    "quality.target": SliderRange("Good enough from", "", 0, 1, False),
    "dataset.examples": SliderRange("Examples at hand", "rows", 0, 1e6),
    "traffic.peak_factor": SliderRange("Busiest hour over the mean", "times", 1, 50),
    "traffic.batchable_share": SliderRange("May wait a day", "", 0, 1, False),
    "traffic.context_tokens": SliderRange("Documents pasted in", "tokens", 0, 1e6),
    "traffic.reasoning_tokens": SliderRange("Hidden reasoning", "tokens", 0, 50_000),
    "traffic.tool_tokens": SliderRange("Tool calls", "tokens", 0, 50_000),
    "traffic.turns": SliderRange("Turns of a conversation", "", 1, 50),
    "traffic.cache_hit_share": SliderRange("Prefix read from the cache", "", 0, 1, False),
    "traffic.tuned_prefix_tokens": SliderRange(
        "Instructions left after tuning", "tokens", 0, 10_000
    ),
    "knowledge.corpus_tokens": SliderRange("All documents", "tokens", 0, 1e10),
    "knowledge.chunk_tokens": SliderRange("One retrieved piece", "tokens", 50, 8_000),
    "knowledge.top_k": SliderRange("Pieces before each question", "", 1, 50, False),
    "quality.held_out_examples": SliderRange("Examples kept for measuring", "rows", 0, 10_000),
    "current.monthly_cost_usd": SliderRange("Paid today, a month", "USD", 0, 1e7),
    "limits.budget_one_off_usd": SliderRange("Most to spend once", "USD", 0, 1e6),
    "limits.budget_monthly_usd": SliderRange("Most to spend a month", "USD", 0, 1e7),
    "limits.latency_p95_ms": SliderRange("Longest wait of 19 in 20", "ms", 10, 60_000),
    "team.usd_per_hour": SliderRange("An hour of work", "USD", 0, 500, False),
    "horizon_months": SliderRange("The answer has to hold", "months", 1, 120),
    "retrain_every_months": SliderRange("Tuned anew every", "months", 1, 36),
}
"""Every number of a scenario; a test holds this against what can be swept."""
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
CHOICE_LABELS: Final = {
    "task": "Kind of work",
    "quality.prompt_effort": "Prompting tried so far",
    "dataset.label_quality": "Who made the answers",
    "knowledge.change": "Documents change",
    "organisation.openai": "Tuning at OpenAI",
    "organisation.azure": "Tuning at Azure",
    "team.ml": "Practice with training",
}
SWITCH_LABELS: Final = {
    "quality.has_eval": "There is a way to measure quality",
    "limits.data_may_leave": "Data may be sent to a provider",
    "knowledge.permissions_per_user": "Not everybody may read every document",
}
NEED_LABELS: Final = {
    "needs_fresh_facts": "Facts that change",
    "needs_citations": "Named sources",
    "needs_private_knowledge": "Private documents",
    "style_or_format": "A tone or form",
    "narrow_label_task": "One of fixed labels",
    "new_skill_or_language": "A new skill",
    "complex_reasoning": "Several steps of thought",
    "privacy_self_host": "Own machines only",
    "low_latency": "Fast answers",
    "cost_reduction": "Paying less",
    "preference_hard_to_specify": "Better by example only",
    "agentic_tools": "Tools in a loop",
}
"""Every need of a scenario in two or three words."""


def record_field(path: str) -> tuple[type[Record], str]:
    """Return the record and the field that a dotted path names.

    >>> record_field("quality.target")[1]
    'target'
    """
    record: type[Record] = Scenario
    *sections, last = path.split(".")
    for section in sections:
        annotation = record.model_fields[section].annotation
        kinds = (annotation, *get_args(annotation))
        record = next(k for k in kinds if isinstance(k, type) and issubclass(k, Record))
    return record, last


def help_text(path: str) -> str:
    """Return the sentence that stands under a field of the scenario."""
    record, name = record_field(path)
    return record.model_fields[name].description or ""


def allowed_values(path: str) -> tuple[str, ...]:
    """Return the words that a field may hold."""
    record, name = record_field(path)
    if path == "task":
        return tuple(Tasks)
    annotation = record.model_fields[name].annotation
    groups = [get_args(arg) or (arg,) for arg in get_args(annotation)]
    return tuple(word for group in groups for word in group if isinstance(word, str))


def slider_for(path: str, resolved: ResolvedScenario) -> Slider:
    """Make the dial of one number, standing where the answer takes it to be."""
    span, value = SLIDER_RANGES[path], float(getattr(resolved.inputs, INPUT_PATHS[path])[0, 0])
    assumed = {one.path: one.says for one in resolved.assumptions}
    note = f"assumed: {assumed[path]}" if path in assumed else ""
    if INPUT_PATHS[path] in resolved.measured:
        note = "counted in your data"
    is_share = path in SHARE_PATHS
    digits = 0 if path in WHOLE_NUMBER_PATHS or span.unit in ("tokens", "rows") else 2
    digits = 4 if is_share else digits
    least, most = _field_bounds(path)
    remedy = f"Give a number from {least:g} on." if most >= MAX_VALUE else ""
    remedy = remedy or f"Give a number from {least:g} to {most:g}."
    remedy = "Give a number from 0 to 100." if is_share else remedy
    return Slider(
        path=path,
        label=span.label,
        help=help_text(path),
        unit=span.unit,
        low=span.low,
        high=max(span.high, 0.0 if value != value else value),
        least=least,
        most=most,
        log=span.log,
        digits=digits,
        percent=is_share,
        value=None if value != value else value,
        note=note,
        remedy=remedy,
    )


@cache
def _field_bounds(path: str) -> tuple[float, float]:
    """Return the smallest and largest value that the scenario takes."""
    record, name = record_field(path)
    schema = record.model_json_schema()["properties"][name]
    kinds = [*schema.get("anyOf", []), schema]
    least = [k[key] for k in kinds for key in ("minimum", "exclusiveMinimum") if key in k]
    most = [k[key] for k in kinds for key in ("maximum", "exclusiveMaximum") if key in k]
    strict = any("exclusiveMinimum" in kind for kind in kinds)
    low = float(least[0]) if least else 0.0
    return (low or 0.01) if strict else low, float(most[0]) if most else MAX_VALUE


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
    said = state.get_path(state.current_scenario().scenario, "needs") or {}
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
        format_func=NEED_LABELS.__getitem__,
        on_change=hear,
        placeholder="Nothing special",
        help="Each is yes or no; what is not chosen is not needed.",
    )


def draw_other_inputs() -> None:
    """Draw every other input."""
    places = [place for _ in range(3) for place in st.columns(4, gap="medium")]
    inputs = [(_draw_choice, *pair) for pair in CHOICE_LABELS.items()]
    inputs += [(_draw_switch, *pair) for pair in SWITCH_LABELS.items()]
    for place, (draw, path, label) in zip(places, inputs, strict=False):
        with place:
            draw(path, label)


def _draw_choice(path: str, label: str) -> None:
    key = f"word_{path}_{state.scenario_epoch()}"
    now = state.get_path(state.current_scenario().scenario, path)
    words = (None, *allowed_values(path))

    def hear() -> None:
        state.set_field(path, st.session_state[key])
        redraw(VERDICT_KEY, MORE_INPUTS_KEY)

    st.selectbox(
        label,
        words,
        index=words.index(now) if now in words else 0,
        key=key,
        format_func=lambda word: "not said" if word is None else word.replace("_", " "),
        on_change=hear,
        help=help_text(path),
    )


def _draw_switch(path: str, label: str) -> None:
    key = f"switch_{path}_{state.scenario_epoch()}"
    record, name = record_field(path)
    now = state.get_path(state.current_scenario().scenario, path)
    default = record.model_fields[name].default
    words = ("yes", "no") if default is not None else ("not said", "yes", "no")
    shown = {True: "yes", False: "no", None: "not said"}[default if now is None else now]

    def hear() -> None:
        said = {"yes": True, "no": False}.get(st.session_state[key])
        state.set_field(path, said)
        redraw(VERDICT_KEY, MORE_INPUTS_KEY)

    st.segmented_control(
        label, words, default=shown, key=key, on_change=hear, help=help_text(path), required=True
    )
