"""Parses rows of nine dataset formats: chat, ShareGPT, Alpaca, preference pairs, CSV, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from advisor.dataset.example import ROLES, Example, Message
from advisor.errors import did_you_mean, shortened_repr

RawRow = Mapping[str, Any]
QUESTION_KEYS = ("question", "query", "instruction", "input", "prompt")
ANSWER_KEYS = ("answer", "response", "output", "completion")
TEXT_KEYS = ("text", "sentence", "message", "email", "review", "content")
LABEL_KEYS = ("label", "category", "intent", "class", "labels", "target")
MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "weight", "function_call"}
    | {"refusal", "audio", "id", "reasoning_content"}
)
ROW_KEYS = frozenset(
    {"messages", "tools", "functions", "conversations", "prompt", "completion", "chosen"}
    | {"rejected", "label", "instruction", "input", "output", "preferred_output", "text"}
    | {"non_preferred_output", "question", "answer", "category"}
)
SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
    "function_call": "assistant",
    "observation": "tool",
}


class UnusableRow(Exception):
    """A row cannot be used: code, what was found, and the remedy."""

    def __init__(self, code: str, found: str, remedy: str) -> None:
        self.code, self.found, self.remedy = code, found, remedy
        super().__init__(found)


def parse_row(row: object) -> Example:
    """Parse a JSON value or a mapping of columns.

    Raises:
        UnusableRow: it matches no known format, or violates a rule of its format.
    """
    if not isinstance(row, Mapping):
        raise UnusableRow(
            "not-a-mapping",
            f"found {shortened_repr(row)} instead of a JSON object.",
            "Write each example as a JSON object.",
        )
    for has, reader in _READERS:
        if has(row):
            return reader(row)
    if example := _columns(row):
        return example
    keys = [str(key) for key in row][:8]
    hint = next((h for key in keys if (h := did_you_mean(key, ROW_KEYS)).startswith(" Did")), "")
    raise UnusableRow(
        "unknown-format",
        f"no known format has the keys {', '.join(keys)}.",
        f"Use messages, prompt and completion, or text and label.{hint}",
    )


def _has(*keys: str) -> Callable[[RawRow], bool]:
    return lambda row: all(key in row for key in keys)


def _pick(row: RawRow, names: tuple[str, ...]) -> str | None:
    lowered = {str(key).strip().lower(): key for key in row}
    return next((lowered[name] for name in names if name in lowered), None)


def _text(row: RawRow, key: str) -> str:
    value = row[key]
    if isinstance(value, str):
        if not value.strip():
            raise UnusableRow("empty-field", f"'{key}' is empty.", "Fill it or remove the row.")
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UnusableRow(
        "not-text", f"'{key}' is {shortened_repr(value)} instead of text.", "Write it as a string."
    )


def _chat(row: RawRow) -> Example:
    turns = _turns(row["messages"], "messages")
    tools = row.get("tools") or row.get("functions")
    return Example("chat", "chat", turns, _json(tools) if tools else None)


def _turns(messages: object, where: str) -> tuple[Message, ...]:
    if not isinstance(messages, list) or not messages:
        raise UnusableRow(
            "missing-messages",
            f"'{where}' is {shortened_repr(messages)}.",
            "Give a list of at least one message.",
        )
    return tuple(_turn(message, f"{where}[{i}]") for i, message in enumerate(messages))


def _turn(message: object, where: str) -> Message:
    if not isinstance(message, Mapping):
        raise UnusableRow(
            "message-type",
            f"{where} is {shortened_repr(message)}.",
            "Give an object with role and content.",
        )
    for key in message:
        if key not in MESSAGE_KEYS:
            raise UnusableRow(
                "unknown-key",
                f"{where} has the key '{key}'.",
                f"Rename or remove it.{did_you_mean(str(key), MESSAGE_KEYS)}",
            )
    role = message.get("role")
    if role not in ROLES:
        raise UnusableRow(
            "unknown-role",
            f"{where} has the role {shortened_repr(role)}.",
            f"Choose one of {', '.join(sorted(ROLES))}.",
        )
    calls = message.get("tool_calls") or message.get("function_call")
    content = _content(message.get("content"), where)
    if content is None and not calls:
        raise UnusableRow(
            "missing-content",
            f"{where} has no content.",
            "Give text, or tool_calls if the assistant calls a tool.",
        )
    weight = message.get("weight")
    if weight not in (None, 0, 1):
        raise UnusableRow(
            "weight", f"{where} has the weight {shortened_repr(weight)}.", "Use 0 or 1."
        )
    name = message.get("name")
    if name is not None and not isinstance(name, str):
        raise UnusableRow(
            "not-text", f"{where}.name is {shortened_repr(name)}.", "Write it as a string."
        )
    call_id = message.get("tool_call_id")
    return Message(
        str(role),
        content or "",
        name,
        _json(calls) if calls else None,
        None if call_id is None else str(call_id),
        weight,
    )


def _content(content: object, where: str) -> str | None:
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise UnusableRow(
            "not-text",
            f"{where}.content is {shortened_repr(content)}.",
            "Write text, or a list of parts.",
        )
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = part.get("text") if isinstance(part, Mapping) else None
        if kind in ("image_url", "image", "input_image", "input_audio", "audio", "file"):
            raise UnusableRow(
                "image-part",
                f"{where} has a part of type {kind}.",
                "Images and audio are not supported: remove such rows, or describe them in text.",
            )
        if kind not in ("text", "input_text", "output_text") or not isinstance(text, str):
            raise UnusableRow(
                "content-part",
                f"{where} has the part {shortened_repr(part)}.",
                'Use {"type": "text", "text": ...}.',
            )
        texts.append(text)
    return "\n".join(texts)


def _sharegpt(row: RawRow) -> Example:
    given = row["conversations"]
    if not isinstance(given, list) or not given:
        raise UnusableRow(
            "missing-messages",
            f"'conversations' is {shortened_repr(given)}.",
            "Give a list of at least one turn.",
        )
    turns = []
    for i, turn in enumerate(given):
        source = turn.get("from") if isinstance(turn, Mapping) else None
        if source not in SHAREGPT_ROLES:
            raise UnusableRow(
                "unknown-role",
                f"conversations[{i}] is from {shortened_repr(source)}.",
                f"Choose one of {', '.join(sorted(SHAREGPT_ROLES))}.",
            )
        turns.append(Message(SHAREGPT_ROLES[str(source)], _text(turn, "value")))
    return Example("chat", "sharegpt", tuple(turns))


def _alpaca(row: RawRow) -> Example:
    question = _text(row, "instruction")
    extra = row.get("input")
    if isinstance(extra, str) and extra.strip():
        question = f"{question}\n\n{extra}"
    return _pair(question, _text(row, "output"), "alpaca")


def _pair(question: str, answer: str, format_: str, rejected: str | None = None) -> Example:
    turns = (Message("user", question), Message("assistant", answer))
    kind = "preference" if rejected is not None else "label" if format_ == "label" else "chat"
    return Example(kind, format_, turns, None, rejected)  # type: ignore[arg-type]


def _preference(row: RawRow) -> Example:
    chosen, rejected = row["chosen"], row["rejected"]
    if isinstance(chosen, list):
        turns = _turns(chosen, "chosen")
        prompt = row.get("prompt")
        if isinstance(prompt, list):
            turns = (*_turns(prompt, "prompt"), *turns)
        elif isinstance(prompt, str) and turns[0].role == "assistant":
            turns = (Message("user", prompt), *turns)
        worse = _turns(rejected, "rejected")[-1].content
        return Example("preference", "preference", turns, None, worse)
    prompt = _text(row, "prompt") if "prompt" in row else _text(row, "question")
    return _pair(prompt, _text(row, "chosen"), "preference", _text(row, "rejected"))


def _openai_preference(row: RawRow) -> Example:
    given = row["input"]
    messages = given.get("messages") if isinstance(given, Mapping) else None
    turns = (
        *_turns(messages, "input.messages"),
        *_turns(row["preferred_output"], "preferred_output"),
    )
    worse = _turns(row["non_preferred_output"], "non_preferred_output")[-1].content
    return Example("preference", "openai-preference", turns, None, worse)


def _kto(row: RawRow) -> Example:
    """Parse a KTO row: an undesired answer gets the weight 0."""
    wanted = row["label"]
    turns = (
        Message("user", _text(row, "prompt")),
        Message("assistant", _text(row, "completion"), weight=None if wanted else 0),
    )
    return Example("chat", "kto", turns)


def _completion(row: RawRow) -> Example:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        turns = (*_turns(prompt, "prompt"), *_turns(completion, "completion"))
        return Example("chat", "prompt-completion", turns)
    return _pair(_text(row, "prompt"), _text(row, "completion"), "prompt-completion")


def _columns(row: RawRow) -> Example | None:
    """Parse columns with usual names: a text with its label, or a question with its answer."""
    for questions, answers, format_ in (
        (TEXT_KEYS, LABEL_KEYS, "label"),
        (QUESTION_KEYS, ANSWER_KEYS, "question-answer"),
    ):
        question, answer = _pick(row, questions), _pick(row, answers)
        if question is not None and answer is not None:
            return _pair(_text(row, question), _text(row, answer), format_)
    return None


_READERS: tuple[tuple[Callable[[RawRow], bool], Callable[[RawRow], Example]], ...] = (
    (_has("messages"), _chat),
    (_has("conversations"), _sharegpt),
    (_has("input", "preferred_output", "non_preferred_output"), _openai_preference),
    (_has("chosen", "rejected"), _preference),
    (_has("instruction", "output"), _alpaca),
    (lambda row: isinstance(row.get("label"), bool) and "completion" in row, _kto),
    (_has("prompt", "completion"), _completion),
)
"""Test and parser of each format, most specific first."""


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
