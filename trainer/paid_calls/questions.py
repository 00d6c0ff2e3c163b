"""Questions in a file of rows, each with a key and its token counts; answers are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from advisor.dataset.example import Example, Message, Reject, canonical_row
from advisor.dataset.profile import REPLY_TOKENS, TOKENS_PER_MESSAGE
from advisor.dataset.reader import read_rows
from advisor.dataset.tokenizers import EncodingCounter

BATCH_QUESTIONS = 256
NO_QUESTION = "no-question"


@dataclass(frozen=True)
class TeacherQuestion:
    """A conversation up to the answer."""

    key: str
    """Hash of the conversation; duplicates share it."""
    turns: tuple[Message, ...]
    tools: str | None
    prompt_tokens: int
    answer_tokens: int | None
    """Tokens of the answer in the file, if it has one."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation as it is sent."""
        messages: list[dict[str, Any]] = orjson.loads(_row(self.turns, None))["messages"]
        return messages

    def answered(self, answer: Message) -> bytes:
        """Write question and answer as a canonical row."""
        return _row((*self.turns, answer), self.tools)


def read_questions(
    path: Path, tokens: EncodingCounter, reject: Callable[[Reject], None]
) -> Iterator[TeacherQuestion]:
    """Read each different question of a file; only the keys stay in memory.

    Raises:
        DatasetError: the file cannot be read.
    """
    seen: set[str] = set()
    batch: list[tuple[str, Example]] = []
    for number, row in enumerate(read_rows(path), 1):
        if isinstance(row, Reject):
            reject(row)
            continue
        key = question_key(row)
        if key is None:
            found, remedy = "a row without a user message.", "Add a user message before the answer."
            reject(Reject(line=number, code=NO_QUESTION, found=found, remedy=remedy))
        elif key not in seen:
            seen.add(key)
            batch.append((key, row))
        if len(batch) >= BATCH_QUESTIONS:
            yield from _with_token_counts(batch, tokens)
            batch = []
    yield from _with_token_counts(batch, tokens)


def question_key(row: Example) -> str | None:
    """Return the key of a row's question; None if it has no user message."""
    turns, _ = _question_and_answer(row)
    if not any(turn.role == "user" and turn.content.strip() for turn in turns):
        return None
    return hashlib.sha256(_row(turns, row.tools)).hexdigest()[:32]


def _question_and_answer(row: Example) -> tuple[tuple[Message, ...], Message | None]:
    last = row.turns[-1]
    is_answer = last.role == "assistant"
    turns = row.turns[:-1] if is_answer else row.turns
    return tuple(turn._replace(weight=None) for turn in turns), last if is_answer else None


def _row(turns: tuple[Message, ...], tools: str | None) -> bytes:
    return canonical_row(Example("chat", "chat", turns, tools))


def _with_token_counts(
    batch: list[tuple[str, Example]], tokens: EncodingCounter
) -> Iterator[TeacherQuestion]:
    for key, row in batch:
        turns, answer = _question_and_answer(row)
        texts = [turn.content + (turn.tool_calls or "") for turn in turns]
        counts = tokens.count_batch([*texts, row.tools or "", answer.content if answer else ""])
        overhead = (TOKENS_PER_MESSAGE + 1) * len(turns) + REPLY_TOKENS
        yield TeacherQuestion(
            key, turns, row.tools, sum(counts[:-1]) + overhead, counts[-1] if answer else None
        )
