"""One sentence per event, the same on the command line, on the page and under /v1."""

from __future__ import annotations

import re

import pytest

from trainer.run_states import NOTES, STATES, Event
from trainer.runs.messages import EVENT_SENTENCES, STATE_LABELS, event_sentence
from trainer.storage.run_store import TimelineEvent

LISTED = {"settled", "echo_differs", "remote_deleted", "remote_kept", "answered_by_human",
          "unknown_word", "evaluated"}  # fmt: skip
"""Events whose fields are listed, or can be."""


def test_every_state_has_a_label() -> None:
    assert set(STATE_LABELS) == set(STATES)
    assert set(STATES) | set(NOTES) == set(EVENT_SENTENCES) | LISTED


@pytest.mark.parametrize("kind", EVENT_SENTENCES)
def test_a_complete_event_fills_its_sentence(kind: str) -> None:
    names = re.findall(r"{(\w+)", EVENT_SENTENCES[kind])

    sentence = event_sentence(Event(1, kind, 0.0, {name: f"<{name}>" for name in names}))

    assert sentence[0].isupper() or sentence[0] in "<$"
    assert not re.search(r"[{}]|None", sentence)
    assert all(f"<{name}>" in sentence for name in names)


@pytest.mark.parametrize(
    ("kind", "body", "sentence"),
    [
        ("validated", {"checked": ["a", "b"]}, "Validated: a; b"),
        ("succeeded", {"word": "completed", "model": None}, "Training finished (completed)"),
        ("failed", {"why": None}, "Training failed"),
        ("settled", {"usd": "1.00"}, "usd 1.00"),
        ("remote_deleted", {"verified": True, "left": []}, "verified True"),
        ("checkpoint", {"seq": 3}, "Checkpoint"),
        ("running", {"message": "step 5 of 9", "level": "info"}, "step 5 of 9"),
    ],
)
def test_events_with_missing_or_empty_fields(
    kind: str, body: dict[str, object], sentence: str
) -> None:
    assert event_sentence(TimelineEvent(1, 0.0, "log", kind, body)) == sentence
