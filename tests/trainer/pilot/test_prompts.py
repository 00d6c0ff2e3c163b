"""Prompts of each arm, and examples that share nothing with held-out rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from advisor.dataset.example import Message
from advisor.errors import UsageError
from tests.support import tiny_models
from tests.support.leaks import count_leaked_rows
from tests.support.pilots import make_case
from trainer.pilot.cases import EvaluationCase, hold_out
from trainer.pilot.corpus import Passage
from trainer.pilot.prompts import Prompts, choose_shots


def test_examples_and_held_out_rows_share_no_near_duplicates(tmp_path: Path) -> None:
    rows = tiny_models.task_rows(80)
    doubled = [*rows, *({"messages": [{"role": "user", "content": row["messages"][0]["content"] + "!"},
                                      row["messages"][1]]} for row in rows)]  # fmt: skip
    path = tiny_models.write_rows(tmp_path / "rows.jsonl", doubled)

    held = hold_out(path)

    assert len(held.cases) + len(held.shown) == 160
    assert (
        count_leaked_rows([c.user_text for c in held.shown], [c.user_text for c in held.cases]) == 0
    )
    shots = choose_shots(held.shown, 8, "label")
    assert Counter(shot.expected for shot in shots) == dict.fromkeys(tiny_models.TOPICS, 2)
    with pytest.raises(UsageError, match="can be held out"):
        hold_out(tiny_models.write_rows(tmp_path / "few.jsonl", rows[:12]))


def test_prompts_hold_what_their_arm_adds_and_keep_the_rows_own_instruction() -> None:
    case = EvaluationCase(
        "k", (Message("system", "Be kind."), Message("user", "Hello?")), None, "Yes.", None
    )
    prompts = Prompts("Be short.", (make_case(1),), "THE CORPUS")

    def roles(arm: Any, *found: Passage) -> list[tuple[str, str]]:
        return [(one["role"], one["content"]) for one in prompts.messages(arm, case, found)]

    system = ("system", "Be kind.\n\nBe short.")
    assert roles("zero_shot") == [system, ("user", "Hello?")]
    assert roles("few_shot") == [system, ("user", "question 1"), ("assistant", "yes"),
                                 ("user", "Hello?")]  # fmt: skip
    rag = roles("rag", Passage("a.md", "Passage text.", 3))[-1][1]
    assert rag.endswith("[1] a.md\nPassage text.\n\nHello?")
    assert roles("long_context")[0][1].endswith("THE CORPUS")
