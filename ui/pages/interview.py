"""At most twelve questions, until no answer can change the verdict -> the what-if scenario."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import streamlit as st

from advisor.interview.next_question import Interview
from advisor.interview.questions import DONT_KNOW, TYPED, Given
from advisor.interview.texts import Texts
from advisor.interview.view import ShownPart, ShownQuestion, Standing, standing
from advisor.loading import ENGLISH, ask, examples_folder, languages, load_sheet, load_texts
from ui import formatting, state
from ui.whatif.verdict import hero

ANSWERS: Final = "interview_answers"
TURNS: Final = "interview_turns"
STANDS: Final = "interview_stands"
LANGUAGE: Final = "interview_language"
FILE: Final = "interview_file"
NOTE: Final = "interview_note"


def page() -> None:
    """Ask one question after the other, with the answer so far beside them."""
    left, right = st.columns([0.5, 0.5], gap="large")
    with left:
        texts = load_texts(_language())
        st.title(texts.at("words.title"))
        dataset = _dataset(texts)
        stands = _stands(texts, dataset)
        _progress(stands, texts)
        if stands.next:
            _ask(stands.next, texts)
        else:
            st.success(stands.says)
        _steer(texts)
        _contradictions(stands, texts)
    _verdict(stands, right, dataset)


def _language() -> str:
    """Let the reader choose; the language of the browser stands first."""
    known = languages()
    own = formatting.reader().split("_")[0]
    chosen: str = st.selectbox(
        "Language",
        known,
        index=known.index(own if own in known else ENGLISH),
        key=LANGUAGE,
        format_func=lambda tag: load_texts(tag).at("language"),
        label_visibility="collapsed",
    )
    return chosen


def _dataset(texts: Texts) -> Path | None:
    """Return the file that is open, if it is to be counted; a bundled one is not by itself."""
    found = state.asked().dataset
    if found is None:
        return None
    is_own = examples_folder() not in found.parents
    label = texts.says("words.use_file", file=found.name)
    return found if st.toggle(label, value=is_own, key=FILE) else None


def _stands(texts: Texts, dataset: Path | None) -> Standing:
    """Work out where the interview stands, once for the same answers."""
    answers = _answers()
    key = (tuple(answers.items()), texts.tag, dataset, state.book().sha256)
    kept = st.session_state.get(STANDS)
    if kept is None or kept[0] != key:
        with st.spinner(""):
            kept = (key, standing(_interview(dataset), answers, texts))
        st.session_state[STANDS] = kept
    found: Standing = kept[1]
    return found


def _interview(dataset: Path | None) -> Interview:
    question = ask(
        {"name": "From the interview"},
        "the interview",
        book=state.book(),
        today=datetime.now(tz=UTC).date(),
    )
    profile = state.profile_of(dataset) if dataset else None
    return Interview(load_sheet(), replace(question, profile=profile))


def _answers() -> dict[str, Given]:
    found: dict[str, Given] = st.session_state.setdefault(ANSWERS, {})
    return found


def _progress(stands: Standing, texts: Texts) -> None:
    most = len(load_sheet().questions)
    count = min(stands.asked + 1, most)
    says = texts.says("words.count", count=count, most=most) if stands.next else " "
    st.progress(stands.asked / most if stands.next else 1.0, says)


def _ask(asked: ShownQuestion, texts: Texts) -> None:
    st.subheader(asked.asks)
    st.html(f'<p class="ton-says">{escape(asked.why)} {escape(asked.because)}</p>')
    given: dict[str, Given] = {}
    sheet = load_sheet()
    for part in asked.parts:
        if not sheet.parts[part.code].is_idle({**_answers(), **given}):
            given[part.code] = _part(part, texts)

    def choose() -> None:
        st.session_state[ANSWERS] = _answers() | given
        st.session_state.setdefault(TURNS, []).append(tuple(given))

    st.button(texts.at("words.next"), type="primary", on_click=choose, key="interview_next")
    st.caption(asked.finding_out_says)


def _part(part: ShownPart, texts: Texts) -> Given:
    """Draw one part; what is not touched is not known."""
    says = {choice.code: choice.says for choice in part.choices}
    key = f"interview_{part.code}_{texts.tag}"
    if part.several:
        return _several(part, says, texts, key)
    codes = list(says)
    chosen: str = st.radio(
        part.asks, codes, index=codes.index(DONT_KNOW), key=key, format_func=lambda code: says[code]
    )
    if part.kind not in TYPED:
        return chosen
    number = st.number_input(
        texts.says("words.or_number", unit=part.unit),
        min_value=part.low,
        max_value=part.high,
        value=None,
        key=f"{key}_number",
    )
    return chosen if number is None else float(number)


def _several(part: ShownPart, says: dict[str, str], texts: Texts, key: str) -> Given:
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


def _steer(texts: Texts) -> None:
    if not st.session_state.get(TURNS):
        return
    back, again, _ = st.columns([0.25, 0.35, 0.4])

    def undo() -> None:
        last = st.session_state[TURNS].pop()
        st.session_state[ANSWERS] = {k: v for k, v in _answers().items() if k not in last}

    def restart() -> None:
        st.session_state[ANSWERS], st.session_state[TURNS] = {}, []

    back.button(texts.at("words.back"), on_click=undo)
    again.button(texts.at("words.again"), on_click=restart)
    st.text_area(texts.at("words.note"), key=NOTE)


def _contradictions(stands: Standing, texts: Texts) -> None:
    for one in stands.contradictions:
        st.warning(texts.says("words.contradiction", says=one.says))


def _verdict(stands: Standing, right: Any, dataset: Path | None) -> None:
    """Ask on the what-if page what was answered here, and show its verdict."""
    if not _answers():
        right.html(f'<p class="ton-says">{escape(stands.says)}</p>')
        return
    scenario = dict(stands.scenario)
    note = str(st.session_state.get(NOTE) or "").strip()
    if note:
        scenario["note"] = note
    if state.asked().scenario != scenario:
        state.replace_scenario(scenario, dataset, where="the interview")
    wrong = state.trouble()
    if wrong:
        right.error(wrong)
    right.html(hero(state.asked().answer, formatting.reader()))
