"""Held-out cases to measure on, and the rows that may be shown to a model or trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from advisor.dataset.example import Example, Message, Reject, canonical_row
from advisor.dataset.formats import UnusableRow, parse_row
from advisor.dataset.reader import read_rows
from advisor.errors import DatasetError, UsageError
from trainer.evaluation.split import TEST, TRAIN, split
from trainer.paid_calls.questions import question_key

HELD_OUT_SHARE = 0.3
"""Share of the rows; fixed, so that another arm or more rows repeat no request."""
MIN_CASES = 10
SOURCE_FIELDS = ("source", "gold_source", "document")
"""Keys of a JSONL row that name the document with its answer."""


@dataclass(frozen=True)
class EvaluationCase:
    """A question with its expected answer."""

    key: str
    """Hash of the conversation."""
    turns: tuple[Message, ...]
    """Everything before the answer."""
    tools: str | None
    expected: str
    source: str | None
    """Document that contains the answer, if the row names one."""

    @property
    def question(self) -> str:
        """The last user message."""
        return next(turn.content for turn in reversed(self.turns) if turn.role == "user")

    @property
    def user_text(self) -> str:
        """All user messages; near-duplicates are detected on them."""
        return "\n".join(turn.content for turn in self.turns if turn.role == "user")

    @property
    def row(self) -> bytes:
        """The canonical row, with its answer."""
        turns = (*self.turns, Message("assistant", self.expected))
        return canonical_row(Example("chat", "chat", turns, self.tools))


@dataclass(frozen=True)
class HeldOutSplit:
    """A dataset in two parts without shared near-duplicates."""

    cases: tuple[EvaluationCase, ...]
    """Held out: measured on, never shown."""
    shown: tuple[EvaluationCase, ...]
    """Source of few-shot examples and training rows."""
    sha256: str
    """Hash of the file."""
    warning: str


def hold_out(path: Path) -> HeldOutSplit:
    """Split the rows of a file, each group of near-duplicates on one side.

    The cases are in the order of their keys, which does not depend on the order of the file.

    Raises:
        DatasetError: the file cannot be read.
        UsageError: too few rows have a question and an answer.
    """
    source: list[str] = []
    sources = _sources(path)
    by_key: dict[str, EvaluationCase] = {}
    for row in read_rows(path, None, source):
        case = None if isinstance(row, Reject) else case_of(row, sources)
        if case is not None:
            by_key.setdefault(case.key, case)
    cases = list(by_key.values())
    parts = split((case.user_text for case in cases), 0.0, HELD_OUT_SHARE)
    halves = list(zip(cases, parts.half, strict=True))
    held = sorted((case for case, half in halves if half == TEST), key=lambda case: case.key)
    if len(held) < MIN_CASES:
        raise UsageError(
            str(path),
            f"only {len(held)} rows can be held out, and a pilot needs {MIN_CASES}.",
            f"Give at least {int(MIN_CASES / HELD_OUT_SHARE) + 1} different rows, each with a "
            "question and an answer.",
        )
    shown = tuple(case for case, half in halves if half == TRAIN)
    return HeldOutSplit(tuple(held), shown, source[0], parts.warning)


def case_of(row: Example, sources: dict[str, str]) -> EvaluationCase | None:
    """Build a case from a row; None if it has no question, or no answer as text."""
    last, key = row.turns[-1], question_key(row)
    is_answer = last.role == "assistant" and last.content.strip() and last.tool_calls is None
    if row.kind == "preference" or key is None or not is_answer:
        return None
    turns = tuple(turn._replace(weight=None) for turn in row.turns[:-1])
    return EvaluationCase(key, turns, row.tools, last.content, sources.get(key))


def _sources(path: Path) -> dict[str, str]:
    """Map each question to the source its row names; only rows of JSONL can name one."""
    sources: dict[str, str] = {}
    for row in _json_rows(path):
        source = _source(row)
        if source is None:
            continue
        try:
            key = question_key(parse_row(row))
        except UnusableRow:
            continue
        if key is not None:
            sources[key] = source
    return sources


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise DatasetError(str(path), "file not found.", "Check the path.")
    with path.open("rb") as lines:
        for line in lines:
            if not line.lstrip().startswith(b"{"):
                return
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # rejected where the rows are read
            if isinstance(row, dict):
                yield row


def _source(row: dict[str, Any]) -> str | None:
    metadata = row.get("metadata")
    mappings = (row, metadata) if isinstance(metadata, dict) else (row,)
    values = (mapping.get(name) for mapping in mappings for name in SOURCE_FIELDS)
    return next((value for value in values if isinstance(value, str) and value.strip()), None)
