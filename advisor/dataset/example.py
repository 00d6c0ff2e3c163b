"""Example, reject, and the canonical row of an example that is uploaded and trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from advisor.units import Record

ExampleKind = Literal["chat", "preference", "label"]
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


class Message(NamedTuple):
    """One message of a conversation."""

    role: str
    content: str
    name: str | None = None
    tool_calls: str | None = None
    tool_call_id: str | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One usable row, independent of its original format."""

    kind: ExampleKind
    format: str
    turns: tuple[Message, ...]
    tools: str | None = None
    rejected: str | None = None
    """Worse answer of a preference pair; the better one is the last turn."""


class Reject(Record):
    """One row that cannot be used."""

    line: int
    """Line of the file, or row number in formats without lines; from 1."""
    code: str
    """Stable code of the error."""
    found: str
    """What was found."""
    remedy: str
    """What to do."""


def canonical_row(example: Example) -> bytes:
    """Serialize an example as the row that is uploaded and trained on.

    >>> turns = (Message("user", "hi"), Message("assistant", "hello"))
    >>> canonical_row(Example("chat", "chat", turns)).decode()
    '{"messages":[{"content":"hi","role":"user"},{"content":"hello","role":"assistant"}]}'
    """
    messages = [_message(turn) for turn in example.turns]
    row: dict[str, Any] = {"messages": messages}
    if example.rejected is not None:
        row = {
            "input": {"messages": messages[:-1]},
            "preferred_output": messages[-1:],
            "non_preferred_output": [{"content": example.rejected, "role": "assistant"}],
        }
    if example.tools is not None:
        row["tools"] = orjson.loads(example.tools)
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def _message(turn: Message) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.name is not None:
        message["name"] = turn.name
    if turn.tool_calls is not None:
        calls = orjson.loads(turn.tool_calls)
        message["tool_calls" if isinstance(calls, list) else "function_call"] = calls
    if turn.tool_call_id is not None:
        message["tool_call_id"] = turn.tool_call_id
    if turn.weight is not None:
        message["weight"] = turn.weight
    return message
