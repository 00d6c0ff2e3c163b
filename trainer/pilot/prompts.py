"""Prompts of a pilot: instruction, few-shot examples, documents and question, per arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from advisor.dataset.example import Example, Message, canonical_row
from advisor.dataset.profile import REPLY_TOKENS, TOKENS_PER_MESSAGE
from advisor.dataset.tokenizers import EncodingCounter
from trainer.evaluation.metrics import normalized_label
from trainer.pilot.cases import EvaluationCase
from trainer.pilot.corpus import Passage
from trainer.pilot.settings import ArmName

SYSTEM = ("system", "developer")
# Prompt texts are part of the measurement: a changed text would mix old and new answers in a pilot.
PASSAGES = "Answer from these passages, as far as they hold the answer."
DOCUMENTS = "Answer from these documents, as far as they hold the answer."
JSON_ONLY = "Answer with JSON and nothing else."
MAX_LABELS = 200


@dataclass(frozen=True)
class Prompts:
    """What surrounds every question."""

    instruction: str
    shots: tuple[EvaluationCase, ...] = ()
    corpus: str = field(default="", repr=False)

    def messages(
        self, arm: ArmName, case: EvaluationCase, retrieved: Sequence[Passage] = ()
    ) -> list[dict[str, Any]]:
        """Write the messages of an arm for a case; a tuned model gets the row as it was trained."""
        turns = list(case.turns) if arm == "tuned" else self._prompted(arm, case, retrieved)
        row: dict[str, Any] = orjson.loads(canonical_row(Example("chat", "chat", tuple(turns))))
        return list(row["messages"])

    def _prompted(
        self, arm: ArmName, case: EvaluationCase, retrieved: Sequence[Passage]
    ) -> list[Message]:
        own = [turn.content for turn in case.turns if turn.role in SYSTEM]
        head = [*own, self.instruction]
        if arm == "long_context":
            head += [DOCUMENTS, self.corpus]
        system = "\n\n".join(part for part in head if part)
        turns = [Message("system", system)] if system else []
        for shot in self.shots if arm == "few_shot" else ():
            turns += [*_without_system(shot), Message("assistant", shot.expected)]
        turns += _without_system(case)
        return _with_passages(turns, retrieved) if arm == "rag" and retrieved else turns


def _without_system(case: EvaluationCase) -> list[Message]:
    return [turn for turn in case.turns if turn.role not in SYSTEM]


def _with_passages(turns: list[Message], retrieved: Sequence[Passage]) -> list[Message]:
    """Put passages before the last user message."""
    last = max(place for place, turn in enumerate(turns) if turn.role == "user")
    passages = "\n\n".join(
        f"[{number}] {passage.document}\n{passage.text}"
        for number, passage in enumerate(retrieved, 1)
    )
    content = f"{PASSAGES}\n\n{passages}\n\n{turns[last].content}"
    return [*turns[:last], turns[last]._replace(content=content), *turns[last + 1 :]]


def tokens_of(messages: Sequence[Sequence[dict[str, Any]]], tokens: EncodingCounter) -> list[int]:
    """Count the tokens of conversations, with the overhead of the chat format."""
    texts = [
        str(message.get("content") or "") + str(message.get("tool_calls") or "")
        for conversation in messages
        for message in conversation
    ]
    counts = iter(tokens.count_batch(texts))
    return [
        sum(next(counts) + TOKENS_PER_MESSAGE + 1 for _ in conversation) + REPLY_TOKENS
        for conversation in messages
    ]


def instruction_for(metric: str, cases: Sequence[EvaluationCase]) -> str:
    """Write the instruction that answers can be scored with: the labels, or JSON.

    >>> from trainer.pilot.cases import EvaluationCase
    >>> cases = [EvaluationCase("", (), None, name, None) for name in ("no", "yes", "no")]
    >>> instruction_for("label", cases)
    'Answer with one of these labels and nothing else: no, yes.'
    """
    if metric == "json_schema":
        return JSON_ONLY
    labels = sorted(
        {normalized_label(case.expected): case.expected.strip() for case in cases}.values()
    )
    if metric != "label" or len(labels) > MAX_LABELS:
        return ""
    return f"Answer with one of these labels and nothing else: {', '.join(labels)}."


def choose_shots(
    shown: Sequence[EvaluationCase], count: int, metric: str
) -> tuple[EvaluationCase, ...]:
    """Choose few-shot examples: the labels in turn, else rows of ordinary length."""
    order = sorted(shown, key=lambda case: case.key)
    if metric == "label":
        by_label: dict[str, list[EvaluationCase]] = {}
        for case in order:
            by_label.setdefault(normalized_label(case.expected), []).append(case)
        groups = [group for _, group in sorted(by_label.items())]
        turns = [group[at] for at in range(count) for group in groups if at < len(group)]
        return tuple(turns[:count])
    lengths = sorted(len(case.row) for case in order)
    middle = lengths[len(lengths) // 2] if lengths else 0
    return tuple([case for case in order if len(case.row) <= 2 * middle][:count])
