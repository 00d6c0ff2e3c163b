"""A case and an arm -> the messages that are sent: instruction, examples, documents, question."""

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
PASSAGES = "Answer from these passages, as far as they hold the answer."
DOCUMENTS = "Answer from these documents, as far as they hold the answer."
JSON_ONLY = "Answer with JSON and nothing else."
MAX_LABELS = 200


@dataclass(frozen=True)
class Prompts:
    """What stands around every question."""

    instruction: str
    shots: tuple[EvaluationCase, ...] = ()
    corpus: str = field(default="", repr=False)

    def messages(
        self, arm: ArmName, case: EvaluationCase, found: Sequence[Passage] = ()
    ) -> list[dict[str, Any]]:
        """Write what an arm sends for a case."""
        own = [turn.content for turn in case.turns if turn.role in SYSTEM]
        head = [*own, self.instruction]
        if arm == "long_context":
            head += [DOCUMENTS, self.corpus]
        system = "\n\n".join(part for part in head if part)
        turns = [Message("system", system)] if system else []
        for shot in self.shots if arm == "few_shot" else ():
            turns += [*_spoken(shot), Message("assistant", shot.expected)]
        turns += _spoken(case)
        if arm == "rag" and found:
            turns = _with_passages(turns, found)
        row: dict[str, Any] = orjson.loads(canonical_row(Example("chat", "chat", tuple(turns))))
        return list(row["messages"])


def _spoken(case: EvaluationCase) -> list[Message]:
    return [turn for turn in case.turns if turn.role not in SYSTEM]


def _with_passages(turns: list[Message], found: Sequence[Passage]) -> list[Message]:
    """Put passages before what the user says last."""
    last = max(place for place, turn in enumerate(turns) if turn.role == "user")
    shown = "\n\n".join(
        f"[{number}] {one.document}\n{one.text}" for number, one in enumerate(found, 1)
    )
    asked = turns[last]
    put = asked._replace(content=f"{PASSAGES}\n\n{shown}\n\n{asked.content}")
    return [*turns[:last], put, *turns[last + 1 :]]


def tokens_of(messages: Sequence[Sequence[dict[str, Any]]], tokens: EncodingCounter) -> list[int]:
    """Count the tokens of conversations, with what the chat format adds."""
    texts = [
        str(one.get("content") or "") + str(one.get("tool_calls") or "")
        for conversation in messages
        for one in conversation
    ]
    counts = iter(tokens.count_batch(texts))
    return [
        sum(next(counts) + TOKENS_PER_MESSAGE + 1 for _ in conversation) + REPLY_TOKENS
        for conversation in messages
    ]


def instruction_for(metric: str, cases: Sequence[EvaluationCase]) -> str:
    """Write what a model has to be told so that its answers can be scored.

    >>> from trainer.pilot.cases import EvaluationCase
    >>> cases = [EvaluationCase("", (), None, name, None) for name in ("no", "yes", "no")]
    >>> instruction_for("label", cases)
    'Answer with one of these labels and nothing else: no, yes.'
    """
    if metric == "json_schema":
        return JSON_ONLY
    named = sorted(
        {normalized_label(case.expected): case.expected.strip() for case in cases}.values()
    )
    if metric != "label" or len(named) > MAX_LABELS:
        return ""
    return f"Answer with one of these labels and nothing else: {', '.join(named)}."


def choose_shots(
    shown: Sequence[EvaluationCase], count: int, metric: str
) -> tuple[EvaluationCase, ...]:
    """Choose worked examples: of labels one after the other, else the plainest in length.

    No held-out row is among *shown*.
    """
    order = sorted(shown, key=lambda case: case.key)
    if metric == "label":
        waiting: dict[str, list[EvaluationCase]] = {}
        for case in order:
            waiting.setdefault(normalized_label(case.expected), []).append(case)
        turns = [
            group[at]
            for at in range(count)
            for _, group in sorted(waiting.items())
            if at < len(group)
        ]
        return tuple(turns[:count])
    lengths = sorted(len(case.row) for case in order)
    middle = lengths[len(lengths) // 2] if lengths else 0
    plain = [case for case in order if len(case.row) <= 2 * middle]
    return tuple(plain[:count])
