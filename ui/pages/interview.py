"""At most twelve questions, until no answer can change the verdict -> the what-if scenario."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import streamlit as st

from advisor.interview.next_question import Interview
from advisor.interview.questions import DONT_KNOW, TYPED_KINDS, AnswerValue
from advisor.interview.texts import InterviewTexts
from advisor.interview.view import InterviewState, PartView, QuestionView, interview_state
from advisor.loading import (
    ENGLISH,
    available_languages,
    examples_folder,
    load_questionnaire,
    load_texts,
    make_question,
)
from ui import formatting, state
from ui.whatif.verdict import verdict_html

ANSWERS: Final = "interview_answers"
HISTORY: Final = "interview_turns"
INTERVIEW_STATE: Final = "interview_stands"
LANGUAGE: Final = "interview_language"
USE_FILE: Final = "interview_file"
NOTE: Final = "interview_note"


def page() -> None:
    """Ask one question after the other, with the answer so far beside them."""
    left, right = st.columns([0.5, 0.5], gap="large")
    with left:
        texts = load_texts(_select_language())
        st.title(texts.at("words.title"))
        dataset = _select_dataset(texts)
        stands = _interview_state(texts, dataset)
        _draw_progress(stands, texts)
        if stands.next:
            _draw_question(stands.next, texts)
        else:
            st.success(stands.says)
        _draw_navigation(texts)
        _draw_contradictions(stands, texts)
    _draw_verdict(stands, right, dataset)


def _select_language() -> str:
    """Let the reader choose; the language of the browser stands first."""
    known = available_languages()
    own = formatting.reader_locale().split("_")[0]
    chosen: str = st.selectbox(
        "Language",
        known,
        index=known.index(own if own in known else ENGLISH),
        key=LANGUAGE,
        format_func=lambda tag: load_texts(tag).at("language"),
        label_visibility="collapsed",
    )
    return chosen


def _select_dataset(texts: InterviewTexts) -> Path | None:
    """Return the file that is open, if it is to be counted; a bundled one is not by itself."""
    found = state.current_scenario().dataset
    if found is None:
        return None
    is_own = examples_folder() not in found.parents
    label = texts.says("words.use_file", file=found.name)
    return found if st.toggle(label, value=is_own, key=USE_FILE) else None


def _interview_state(texts: InterviewTexts, dataset: Path | None) -> InterviewState:
    """Work out where the interview stands, once for the same answers."""
    answers = _given_answers()
    key = (tuple(answers.items()), texts.tag, dataset, state.price_book().sha256)
    kept = st.session_state.get(INTERVIEW_STATE)
    if kept is None or kept[0] != key:
        with st.spinner(""):
            kept = (key, interview_state(_interview(dataset), answers, texts))
        st.session_state[INTERVIEW_STATE] = kept
    found: InterviewState = kept[1]
    return found


def _interview(dataset: Path | None) -> Interview:
    question = make_question(
        {"name": "From the interview"},
        "the interview",
        book=state.price_book(),
        today=datetime.now(tz=UTC).date(),
    )
    profile = state.cached_profile(dataset) if dataset else None
    return Interview(load_questionnaire(), replace(question, profile=profile))


def _given_answers() -> dict[str, AnswerValue]:
    found: dict[str, AnswerValue] = st.session_state.setdefault(ANSWERS, {})
    return found


def _draw_progress(stands: InterviewState, texts: InterviewTexts) -> None:
    most = len(load_questionnaire().questions)
    count = min(stands.asked + 1, most)
    says = texts.says("words.count", count=count, most=most) if stands.next else " "
    st.progress(stands.asked / most if stands.next else 1.0, says)


def _draw_question(asked: QuestionView, texts: InterviewTexts) -> None:
    st.subheader(asked.asks)
    st.html(f'<p class="ton-says">{escape(asked.why)} {escape(asked.because)}</p>')
    given: dict[str, AnswerValue] = {}
    sheet = load_questionnaire()
    for part in asked.parts:
        if not sheet.parts[part.code].is_irrelevant({**_given_answers(), **given}):
            given[part.code] = _draw_part(part, texts)

    def choose() -> None:
        st.session_state[ANSWERS] = _given_answers() | given
        st.session_state.setdefault(HISTORY, []).append(tuple(given))

    st.button(texts.at("words.next"), type="primary", on_click=choose, key="interview_next")
    st.caption(asked.finding_out_says)


def _draw_part(part: PartView, texts: InterviewTexts) -> AnswerValue:
    """Draw one part; what is not touched is not known."""
    says = {choice.code: choice.says for choice in part.choices}
    key = f"interview_{part.code}_{texts.tag}"
    if part.several:
        return _draw_multiple_choice(part, says, texts, key)
    codes = list(says)
    chosen: str = st.radio(
        part.asks, codes, index=codes.index(DONT_KNOW), key=key, format_func=lambda code: says[code]
    )
    if part.kind not in TYPED_KINDS:
        return chosen
    number = st.number_input(
        texts.says("words.or_number", unit=part.unit),
        min_value=part.low,
        max_value=part.high,
        value=None,
        key=f"{key}_number",
    )
    return chosen if number is None else float(number)


def _draw_multiple_choice(
    part: PartView, says: dict[str, str], texts: InterviewTexts, key: str
) -> AnswerValue:
    codes = [code for code in says if code != DONT_KNOW]
    chosen = st.multiselect(
        part.asks,
        codes,
        key=key,
        format_func=lambda code: says[code],
        placeholder=texts.at("words.dont_know"),
    )
    if chosen:
        return tuple(chosen)
    return () if st.checkbox(texts.at("words.nothing"), key=f"{key}_none") else DONT_KNOW


def _draw_navigation(texts: InterviewTexts) -> None:
    if not st.session_state.get(HISTORY):
        return
    back, again, _ = st.columns([0.25, 0.35, 0.4])

    def undo() -> None:
        last = st.session_state[HISTORY].pop()
        st.session_state[ANSWERS] = {k: v for k, v in _given_answers().items() if k not in last}

    def restart() -> None:
        st.session_state[ANSWERS], st.session_state[HISTORY] = {}, []

    back.button(texts.at("words.back"), on_click=undo)
    again.button(texts.at("words.again"), on_click=restart)
    st.text_area(texts.at("words.note"), key=NOTE)


def _draw_contradictions(stands: InterviewState, texts: InterviewTexts) -> None:
    for one in stands.contradictions:
        st.warning(texts.says("words.contradiction", says=one.says))


def _draw_verdict(stands: InterviewState, right: Any, dataset: Path | None) -> None:
    """Ask on the what-if page what was answered here, and show its verdict."""
    if not _given_answers():
        right.html(f'<p class="ton-says">{escape(stands.says)}</p>')
        return
    scenario = dict(stands.scenario)
    note = str(st.session_state.get(NOTE) or "").strip()
    if note:
        scenario["note"] = note
    if state.current_scenario().scenario != scenario:
        state.replace_scenario(scenario, dataset, where="the interview")
    wrong = state.pop_error()
    if wrong:
        right.error(wrong)
    right.html(verdict_html(state.current_scenario().answer, formatting.reader_locale()))
