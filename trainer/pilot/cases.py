"""Rows of a dataset -> the cases to measure on, and the rows that may be shown or learned from."""

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
"""Of the rows; always the same, so that a further arm or more rows ask nothing again."""
MIN_CASES = 10
SOURCE_FIELDS = ("source", "gold_source", "document")
"""Keys of a row of JSONL that name where its answer stands."""


@dataclass(frozen=True)
class EvaluationCase:
    """A question with the answer that is expected."""

    key: str
    """Hash of the conversation."""
    turns: tuple[Message, ...]
    """All before the answer."""
    tools: str | None
    expected: str
    source: str | None
    """Where the answer stands, as the row says; nothing where it does not."""

    @property
    def question(self) -> str:
        """What the user says last."""
        return next(turn.content for turn in reversed(self.turns) if turn.role == "user")

    @property
    def asked(self) -> str:
        """All that the user says: near-duplicates are told by it."""
        return "\n".join(turn.content for turn in self.turns if turn.role == "user")

    @property
    def row(self) -> bytes:
        """The row with its answer, canonical."""
        turns = (*self.turns, Message("assistant", self.expected))
        return canonical_row(Example("chat", "chat", turns, self.tools))


@dataclass(frozen=True)
class HeldOutSplit:
    """A dataset in two parts that share no near-duplicates."""

    cases: tuple[EvaluationCase, ...]
    """Held out: measured on, never shown."""
    shown: tuple[EvaluationCase, ...]
    """What examples are taken from, and what is learned from."""
    sha256: str
    """Of the file."""
    warning: str


def hold_out(path: Path, seed: int = 0) -> HeldOutSplit:
    """Split the rows of a file, whole groups of near-duplicates at a time.

    The held-out cases stand in an order that the file's own order has no part in.

    Raises:
        DatasetError: the file cannot be read at all.
        UsageError: too few rows have a question and an answer.
    """
    source: list[str] = []
    sources = _sources(path)
    seen: dict[str, EvaluationCase] = {}
    for row in read_rows(path, None, source):
        case = None if isinstance(row, Reject) else case_of(row, sources)
        if case is not None:
            seen.setdefault(case.key, case)
    cases = list(seen.values())
    dealt = split((case.asked for case in cases), 0.0, HELD_OUT_SHARE, seed)
    held = sorted(
        (case for case, half in zip(cases, dealt.half, strict=True) if half == TEST),
        key=lambda case: case.key,
    )
    if len(held) < MIN_CASES:
        raise UsageError(
            str(path),
            f"{len(held)} rows can be held out, and a pilot takes {MIN_CASES}.",
            f"Give {int(MIN_CASES / HELD_OUT_SHARE) + 1} different "
            "rows or more, each with a question and an answer.",
        )
    shown = [case for case, half in zip(cases, dealt.half, strict=True) if half == TRAIN]
    return HeldOutSplit(tuple(held), tuple(shown), source[0], dealt.warning)


def case_of(row: Example, sources: dict[str, str]) -> EvaluationCase | None:
    """Make a case of a row; nothing where it holds no question, or no answer in words."""
    last, key = row.turns[-1], question_key(row)
    is_answer = last.role == "assistant" and last.content.strip() and last.tool_calls is None
    if row.kind == "preference" or key is None or not is_answer:
        return None
    turns = tuple(turn._replace(weight=None) for turn in row.turns[:-1])
    return EvaluationCase(key, turns, row.tools, last.content, sources.get(key))


def _sources(path: Path) -> dict[str, str]:
    """Read where answers stand, which only rows of JSONL can say; question -> source."""
    return {
        key: said
        for raw in _json_rows(path)
        if (said := _said(raw)) and (key := _key(raw)) is not None
    }


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise DatasetError(str(path), "there is no such file.", "Check the path.")
    with path.open("rb") as lines:
        for line in lines:
            if not line.lstrip().startswith(b"{"):
                return
            try:
                raw = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # told of where the rows are read
            if isinstance(raw, dict):
                yield raw


def _said(raw: dict[str, Any]) -> str | None:
    inner = raw.get("metadata")
    places = (raw, inner) if isinstance(inner, dict) else (raw,)
    found = (place.get(name) for place in places for name in SOURCE_FIELDS)
    return next((one for one in found if isinstance(one, str) and one.strip()), None)


def _key(raw: dict[str, Any]) -> str | None:
    try:
        return question_key(parse_row(raw))
    except UnusableRow:
        return None
