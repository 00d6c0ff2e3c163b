"""The Interview page: up to twelve questions that produce a scenario, with the current verdict."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

import streamlit as st

from advisor.console import today
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
    """Draw the next question, and the verdict so far."""
    left, right = st.columns([0.5, 0.5], gap="large")
    with left:
        texts = load_texts(_select_language())
        st.title(texts.at("words.title"))
        dataset = _select_dataset(texts)
        current = _interview_state(texts, dataset)
        _draw_progress(current, texts)
        if current.next:
            _draw_question(current.next, texts)
        else:
            st.success(current.says)
        _draw_navigation(texts)
        for contradiction in current.contradictions:
            st.warning(texts.says("words.contradiction", says=contradiction.says))
    _draw_verdict(current, right, dataset)


def _select_language() -> str:
    """Draw the language selector; the default is the browser's language."""
    known = available_languages()
    own = formatting.reader_locale().partition("_")[0]
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
    """Return the open dataset if its statistics are used; a bundled one is not by default."""
    dataset = state.current_scenario().dataset
    if dataset is None:
        return None
    is_own = examples_folder() not in dataset.parents
    label = texts.says("words.use_file", file=dataset.name)
    return dataset if st.toggle(label, value=is_own, key=USE_FILE) else None


def _interview_state(texts: InterviewTexts, dataset: Path | None) -> InterviewState:
    """Return the state of the interview, computed once for the same answers."""
    answers = _given_answers()
    key = (tuple(answers.items()), texts.tag, dataset, state.price_book().sha256)
    cached: tuple[object, InterviewState] | None = st.session_state.get(INTERVIEW_STATE)
    if cached is None or cached[0] != key:
        with st.spinner(""):
            question = make_question(
                {"name": "From the interview"},
                "the interview",
                dataset=state.cached_profile(dataset) if dataset else None,
                book=state.price_book(),
                today=today(),
            )
            interview = Interview(load_questionnaire(), question)
            cached = (key, interview_state(interview, answers, texts))
        st.session_state[INTERVIEW_STATE] = cached
    return cached[1]


def _given_answers() -> dict[str, AnswerValue]:
    answers: dict[str, AnswerValue] = st.session_state.setdefault(ANSWERS, {})
    return answers


def _draw_progress(current: InterviewState, texts: InterviewTexts) -> None:
    most = len(load_questionnaire().questions)
    count = min(current.asked + 1, most)
    says = texts.says("words.count", count=count, most=most) if current.next else " "
    st.progress(current.asked / most if current.next else 1.0, says)


def _draw_question(question: QuestionView, texts: InterviewTexts) -> None:
    st.subheader(question.asks)
    st.html(f'<p class="ton-says">{escape(question.why)} {escape(question.because)}</p>')
    given: dict[str, AnswerValue] = {}
    sheet = load_questionnaire()
    for part in question.parts:
        if not sheet.parts[part.code].is_irrelevant({**_given_answers(), **given}):
            given[part.code] = _draw_part(part, texts)

    def choose() -> None:
        st.session_state[ANSWERS] = _given_answers() | given
        st.session_state.setdefault(HISTORY, []).append(tuple(given))

    st.button(texts.at("words.next"), type="primary", on_click=choose, key="interview_next")
    st.caption(question.finding_out_says)


def _draw_part(part: PartView, texts: InterviewTexts) -> AnswerValue:
    """Draw one part; the default answer is "don't know"."""
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


def _draw_verdict(current: InterviewState, right: Any, dataset: Path | None) -> None:
    """Open the scenario of the answers on the what-if page, and show its verdict."""
    if not _given_answers():
        right.html(f'<p class="ton-says">{escape(current.says)}</p>')
        return
    scenario = dict(current.scenario)
    note = str(st.session_state.get(NOTE) or "").strip()
    if note:
        scenario["note"] = note
    if state.current_scenario().scenario != scenario:
        state.replace_scenario(scenario, dataset, where="the interview")
    error = state.pop_error()
    if error:
        right.error(error)
    right.html(verdict_html(state.current_scenario().answer, formatting.reader_locale()))
