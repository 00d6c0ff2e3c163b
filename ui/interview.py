"""A few closed questions, in the order of what they decide -> the scenario of the what-if page."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, Final, NamedTuple

import streamlit as st

from ui import look, session
from ui.whatif.verdict import hero

KEY: Final = "interview"


class Choice(NamedTuple):
    """One answer that can be given, and what it sets."""

    says: str
    sets: dict[str, Any]


class Asking(NamedTuple):
    """One question."""

    says: str
    why: str
    choices: tuple[Choice, ...]


QUESTIONS: Final = (
    Asking("May your texts be sent to a provider?",
           "If they may not, everything that runs elsewhere is out.",
           (Choice("Yes", {"limits.data_may_leave": True}),
            Choice("No, only machines that we control",
                   {"limits.data_may_leave": False, "needs.privacy_self_host": True}))),
    Asking("Do the answers rest on your own documents?",
           "Facts belong into retrieval: training does not teach them reliably.",
           (Choice("No", {}),
            Choice("Yes, and they hardly change",
                   {"needs.needs_private_knowledge": True, "knowledge.change": "static"}),
            Choice("Yes, and they change every week or more often",
                   {"needs.needs_private_knowledge": True, "needs.needs_fresh_facts": True,
                    "knowledge.change": "weekly"}))),
    Asking("What kind of answer is wanted?",
           "It decides how long answers are, and what a small model can do.",
           (Choice("One of a fixed set of labels",
                   {"task": "classification", "needs.narrow_label_task": True}),
            Choice("Fields taken out of a text", {"task": "extraction"}),
            Choice("A text in a certain tone or form",
                   {"task": "generation", "needs.style_or_format": True}),
            Choice("A summary", {"task": "summarization"}),
            Choice("An answer to a question", {"task": "knowledge_qa"}),
            Choice("Code, or several steps of thought",
                   {"task": "reasoning", "needs.complex_reasoning": True}))),
    Asking("How often is it asked?",
           "Traffic decides whether a price per request or a machine by the hour is cheaper.",
           tuple(Choice(says, {"traffic.requests_per_month": value}) for says, value in (
               ("A few times a day", 300.0), ("Hundreds of times a day", 10_000.0),
               ("Thousands of times a day", 150_000.0), ("A hundred thousand times a day", 3e6),
               ("A million times a day", 30e6)))),
    Asking("How many good examples do you have?",
           "Below some fifty there is nothing to train on.",
           tuple(Choice(says, {"dataset.examples": value}) for says, value in (
               ("None", 0.0), ("Some dozens", 50.0), ("Hundreds", 400.0),
               ("Thousands", 3_000.0), ("Ten thousand or more", 20_000.0)))),
    Asking("How hard has prompting been tried?",
           "A worked-on prompt is cheaper than any training, where it does.",
           (Choice("Not at all", {"quality.prompt_effort": "none"}),
            Choice("A first prompt", {"quality.prompt_effort": "naive"}),
            Choice("Systematically, with measurements",
                   {"quality.prompt_effort": "systematic"}))),
    Asking("Can you measure how good answers are?",
           "Without a measure nobody knows whether training helped.",
           (Choice("Yes", {"quality.has_eval": True}),
            Choice("No", {"quality.has_eval": False}))),
    Asking("How long is the text of a request?",
           "Tokens are what is paid for.",
           tuple(Choice(says, {"traffic.user_tokens": value}) for says, value in (
               ("A sentence", 40.0), ("A message", 250.0), ("A page", 700.0),
               ("Ten pages", 7_000.0)))),
)  # fmt: skip
"""In the order of what they decide: gates, then fit, then cost."""


def scenario_of(given: dict[int, int]) -> dict[str, Any]:
    """Make a scenario of the answers given: number of the question -> number of the choice.

    >>> scenario_of({0: 0, 3: 1})["traffic"]
    {'requests_per_month': 10000.0}
    """
    scenario: dict[str, Any] = {"name": "From the interview"}
    for asked, chosen in sorted(given.items()):
        for path, value in QUESTIONS[asked].choices[chosen].sets.items():
            scenario = session.set_path(scenario, path, value)
    return scenario


def page() -> None:
    """Ask one question after the other, with the answer so far beside them."""
    given: dict[int, int] = st.session_state.setdefault(KEY, {})
    left, right = st.columns([0.5, 0.5], gap="large")
    with left:
        st.title("A few questions")
        at = min(len(given), len(QUESTIONS))
        st.progress(at / len(QUESTIONS), f"{at} of {len(QUESTIONS)} answered")
        if at < len(QUESTIONS):
            _ask(at, given)
        else:
            st.success("That is all. The what-if page has every number, to be changed.")
        _steer(given)
    if given:
        right.html(hero(session.asked().answer, look.reader()))
    else:
        right.html('<p class="ton-says">What to do appears here, and changes with each answer.</p>')


def _ask(at: int, given: dict[int, int]) -> None:
    asked = QUESTIONS[at]
    st.subheader(asked.says)
    st.html(f'<p class="ton-says">{escape(asked.why)}</p>')
    for place, choice in enumerate(asked.choices):
        st.button(choice.says, key=f"interview_{at}_{place}", width="stretch",
                  on_click=_choosing(given, at, place))  # fmt: skip


def _choosing(given: dict[int, int], at: int, place: int) -> Callable[[], None]:
    def choose() -> None:
        now = {**given, at: place}
        if session.replace_scenario(scenario_of(now), where="the interview"):
            st.session_state[KEY] = now

    return choose


def _steer(given: dict[int, int]) -> None:
    wrong = session.trouble()
    if wrong:
        st.error(f"{wrong} Nothing was changed.")
    back, again, _ = st.columns([0.2, 0.3, 0.5])
    if given and back.button("Back"):
        last = {k: v for k, v in given.items() if k != max(given)}
        st.session_state[KEY] = last
        session.replace_scenario(scenario_of(last), where="the interview")
        st.rerun()
    if given and again.button("Start again"):
        st.session_state[KEY] = {}
        st.rerun()
