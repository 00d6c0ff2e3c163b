"""Questions of the bundled examples."""

from __future__ import annotations

from dataclasses import replace

from advisor.decision.answer import Question
from advisor.loading import example_question


def complete_question(name: str) -> Question:
    """Return the question of a bundled example, with sensitivity, as CLI and API answer it."""
    return replace(example_question(name), with_sensitivity=True)
