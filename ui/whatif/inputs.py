"""Controls of the what-if page that change the scenario: sliders, needs, choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, get_args

import streamlit as st

from advisor.inputs import INPUT_PATHS, SHARE_PATHS, WHOLE_NUMBER_PATHS, ResolvedScenario
from advisor.scenario.scenario import Needs, Scenario
from advisor.units import Record, Tasks
from ui import formatting, state
from ui.components.in_view import redraw
from ui.components.sliders import Slider, draw_sliders

MAX_VALUE: Final = 1e15
"""Largest number that can be typed if the scenario sets no maximum."""


class SliderRange(NamedTuple):
    """Label, unit and range of a slider."""

    label: str
    unit: str
    low: float
    high: float
    log: bool = True


SLIDER_RANGES: Final = {
    "traffic.requests_per_month": SliderRange("Requests per month", "", 100, 1e9),
    "traffic.prefix_tokens": SliderRange("System prompt", "tokens", 0, 100_000),
    "traffic.user_tokens": SliderRange("User input", "tokens", 0, 100_000),
    "traffic.completion_tokens": SliderRange("Output", "tokens", 0, 20_000),
    "quality.target": SliderRange("Quality target", "", 0, 1, False),
    "dataset.examples": SliderRange("Training examples", "rows", 0, 1e6),
    "traffic.peak_factor": SliderRange("Peak load", "\u00d7 mean", 1, 50),
    "traffic.batchable_share": SliderRange("Share that can be batched", "", 0, 1, False),
    "traffic.context_tokens": SliderRange("Context per request", "tokens", 0, 1e6),
    "traffic.reasoning_tokens": SliderRange("Reasoning tokens", "tokens", 0, 50_000),
    "traffic.tool_tokens": SliderRange("Tool calls", "tokens", 0, 50_000),
    "traffic.turns": SliderRange("Turns per conversation", "", 1, 50),
    "traffic.cache_hit_share": SliderRange("Cache hit rate", "", 0, 1, False),
    "traffic.tuned_prefix_tokens": SliderRange("System prompt after tuning", "tokens", 0, 10_000),
    "knowledge.corpus_tokens": SliderRange("Corpus size", "tokens", 0, 1e10),
    "knowledge.chunk_tokens": SliderRange("Chunk size", "tokens", 50, 8_000),
    "knowledge.top_k": SliderRange("Chunks retrieved (top-k)", "", 1, 50, False),
    "quality.held_out_examples": SliderRange("Held-out examples", "rows", 0, 10_000),
    "current.monthly_cost_usd": SliderRange("Current monthly cost", "USD", 0, 1e7),
    "limits.budget_one_off_usd": SliderRange("One-off budget", "USD", 0, 1e6),
    "limits.budget_monthly_usd": SliderRange("Monthly budget", "USD", 0, 1e7),
    "limits.latency_p95_ms": SliderRange("Latency limit (p95)", "ms", 10, 60_000),
    "team.usd_per_hour": SliderRange("Labor rate per hour", "USD", 0, 500, False),
    "horizon_months": SliderRange("Planning horizon", "months", 1, 120),
    "retrain_every_months": SliderRange("Retrain every", "months", 1, 36),
}
"""Every numeric input of a scenario; a test compares this with what a sweep can vary."""
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
CHOICE_LABELS: Final = {
    "task": "Task",
    "quality.prompt_effort": "Prompting tried so far",
    "dataset.label_quality": "Label quality",
    "knowledge.change": "Rate of document changes",
    "organisation.openai": "Fine-tuning access at OpenAI",
    "organisation.azure": "Fine-tuning access at Azure",
    "team.ml": "Training experience",
}
SWITCH_LABELS: Final = {
    "quality.has_eval": "Evaluation available",
    "limits.data_may_leave": "Data may be sent to a provider",
    "knowledge.permissions_per_user": "Document permissions per user",
}
NEED_LABELS: Final = {
    "needs_fresh_facts": "Fresh facts",
    "needs_citations": "Citations",
    "needs_private_knowledge": "Private documents",
    "style_or_format": "Style or format",
    "narrow_label_task": "Fixed set of labels",
    "new_skill_or_language": "New skill or language",
    "complex_reasoning": "Multi-step reasoning",
    "privacy_self_host": "Self-hosting only",
    "low_latency": "Low latency",
    "cost_reduction": "Lower cost",
    "preference_hard_to_specify": "Preferences easier shown than described",
    "agentic_tools": "Tool use in a loop",
}
"""Label of every need of a scenario."""
NOT_SPECIFIED: Final = "not specified"


def record_field(path: str) -> tuple[type[Record], str]:
    """Return the record type and the field name of a dotted path.

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
    """Return the description of a field of the scenario."""
    record, name = record_field(path)
    return record.model_fields[name].description or ""


def allowed_values(path: str) -> tuple[str, ...]:
    """Return the values that a field accepts."""
    record, name = record_field(path)
    if path == "task":
        return tuple(Tasks)
    annotation = record.model_fields[name].annotation
    groups = [get_args(arg) or (arg,) for arg in get_args(annotation)]
    return tuple(word for group in groups for word in group if isinstance(word, str))


def slider_for(path: str, resolved: ResolvedScenario) -> Slider:
    """Return the slider of one input, at the value that the answer uses."""
    span, number = SLIDER_RANGES[path], float(getattr(resolved.inputs, INPUT_PATHS[path])[0, 0])
    value = None if number != number else number
    assumed = {assumption.path: assumption.says for assumption in resolved.assumptions}
    note = f"assumed: {assumed[path]}" if path in assumed else ""
    if INPUT_PATHS[path] in resolved.measured:
        note = "measured in your data"
    is_share = path in SHARE_PATHS
    digits = 0 if path in WHOLE_NUMBER_PATHS or span.unit in ("tokens", "rows") else 2
    least, most = _field_bounds(path)
    limits = f"of {least:g} or more" if most >= MAX_VALUE else f"from {least:g} to {most:g}"
    return Slider(
        path=path,
        label=span.label,
        help=help_text(path),
        unit=span.unit,
        low=span.low,
        high=max(span.high, value or 0.0),
        least=least,
        most=most,
        log=span.log,
        digits=4 if is_share else digits,
        percent=is_share,
        value=value,
        note=note,
        remedy=f"Enter a number {'from 0 to 100' if is_share else limits}.",
    )


@cache
def _field_bounds(path: str) -> tuple[float, float]:
    """Return the smallest and largest value that the scenario accepts."""
    record, name = record_field(path)
    schema = record.model_json_schema()["properties"][name]
    kinds = [*schema.get("anyOf", []), schema]
    least = [k[key] for k in kinds for key in ("minimum", "exclusiveMinimum") if key in k]
    most = [k[key] for k in kinds for key in ("maximum", "exclusiveMaximum") if key in k]
    strict = any("exclusiveMinimum" in kind for kind in kinds)
    low = float(least[0]) if least else 0.0
    return (low or 0.01) if strict else low, float(most[0]) if most else MAX_VALUE


def draw_input_sliders(name: str, paths: Sequence[str], *also: str) -> None:
    """Draw the sliders of some inputs.

    Args:
        name: Key of the control, unique on the page.
        paths: The inputs.
        also: Fragments to redraw in addition to the verdict after a change.
    """
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
        format_func=NEED_LABELS.__getitem__,
        on_change=lambda: change(st.session_state[key]),
        placeholder="No special needs",
        help="Requirements of the task. Anything not selected is not needed.",
    )


def draw_other_inputs() -> None:
    """Draw every input that is not a number."""
    places = [place for _ in range(3) for place in st.columns(4, gap="medium")]
    controls: list[tuple[Callable[[str, str], None], str, str]] = [
        *((_draw_choice, path, label) for path, label in CHOICE_LABELS.items()),
        *((_draw_switch, path, label) for path, label in SWITCH_LABELS.items()),
    ]
    for place, (draw, path, label) in zip(places, controls, strict=False):
        with place:
            draw(path, label)


def _set_and_redraw(path: str, value: Any) -> None:
    state.set_field(path, value)
    redraw(VERDICT_KEY, MORE_INPUTS_KEY)


def _draw_choice(path: str, label: str) -> None:
    current = state.current_scenario()
    key = f"word_{path}_{current.epoch}"
    value = state.get_path(current.scenario, path)
    values = (None, *allowed_values(path))
    st.selectbox(
        label,
        values,
        index=values.index(value) if value in values else 0,
        key=key,
        format_func=lambda word: NOT_SPECIFIED if word is None else word.replace("_", " "),
        on_change=lambda: _set_and_redraw(path, st.session_state[key]),
        help=help_text(path),
    )


def _draw_switch(path: str, label: str) -> None:
    current = state.current_scenario()
    key = f"switch_{path}_{current.epoch}"
    record, name = record_field(path)
    value = state.get_path(current.scenario, path)
    default = record.model_fields[name].default
    words = {"yes": True, "no": False, **({NOT_SPECIFIED: None} if default is None else {})}
    shown = next(
        word for word, is_on in words.items() if is_on == (default if value is None else value)
    )
    st.segmented_control(
        label,
        list(words),
        default=shown,
        key=key,
        on_change=lambda: _set_and_redraw(path, words.get(st.session_state[key])),
        help=help_text(path),
        required=True,
    )
