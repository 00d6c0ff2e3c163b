"""Rows of a conversation and a tokenizer -> token ids, and which of them are learned from.

Needs a tokenizer object and the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IGNORED = -100
"""Label of a token that is not learned from."""
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ '<' + message.role + '>\n' }}"
    "{% if message.role == 'assistant' %}{% generation %}"
    "{{ message.content + eos_token }}{% endgeneration %}"
    "{% else %}{{ message.content + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>\n' }}{% endif %}"
)
"""For a base without a chat template: roles in words, and the end token after each answer."""


class UntrainableData(Exception):
    """Rows, tokenizer or template cannot be trained with; the message says what to do."""


@dataclass(frozen=True)
class TokenizedRow:
    """One row as ids, and the labels of the same length."""

    ids: list[int]
    labels: list[int]
    was_cut: bool

    @property
    def learned(self) -> int:
        """Tokens that are learned from."""
        return sum(label != IGNORED for label in self.labels)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read rows of JSON, one a line."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def conversation(row: dict[str, Any]) -> dict[str, Any]:
    """Write a row of preferences as the conversation with the better answer."""
    if "input" not in row:
        return row
    asked = row["input"]
    return {"messages": [*asked["messages"], *row["preferred_output"]], "tools": asked.get("tools")}


def question_and_label(row: dict[str, Any]) -> tuple[str, str]:
    """Read a labelled text: what the user says last, and the answer."""
    asked = [m["content"] for m in row["messages"] if m["role"] == "user"]
    return asked[-1], row["messages"][-1]["content"].strip()


def template_hash(tokenizer: Any) -> str:
    """Name the chat template by its hash; training and serving must agree on it."""
    return hashlib.sha256(str(tokenizer.chat_template or "").encode()).hexdigest()


def prepare_tokenizer(tokenizer: Any, eos_ids: set[int]) -> None:
    """Give a tokenizer what it lacks: a template, and padding that is not the end token.

    Raises:
        Unfit: it has no end token, or nothing that could pad.
    """
    if not tokenizer.is_fast:
        raise UntrainableData(
            "the tokenizer is of the slow kind and cannot say which token is whose. "
            "Convert it to a tokenizer.json."
        )
    if tokenizer.eos_token_id is None:
        raise UntrainableData(
            "the tokenizer has no end token: answers could never stop. Set eos_token."
        )
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    taken = {tokenizer.eos_token_id, tokenizer.bos_token_id, *eos_ids}
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id not in taken:
        return
    spare = [
        token
        for token in (*tokenizer.all_special_tokens, tokenizer.unk_token)
        if token and tokenizer.convert_tokens_to_ids(token) not in taken
    ]
    reserved = [
        token
        for token in tokenizer.get_vocab()
        if any(word in token.lower() for word in ("<|pad|>", "<pad>", "[pad]", "reserved"))
        and tokenizer.convert_tokens_to_ids(token) not in taken
    ]
    for token in (*sorted(reserved), *spare):
        tokenizer.pad_token = token
        return
    raise UntrainableData(
        "the tokenizer pads with its end token, and no other special token is free: the "
        "model would learn never to stop, or to stop at once. Set pad_token."
    )


def encode(
    tokenizer: Any, row: dict[str, Any], loss_on: str, max_tokens: int, eos_ids: set[int]
) -> TokenizedRow:
    """Write one conversation as ids; answers are learned from, up to and with their end token.

    Raises:
        Unfit: the template rewrites earlier turns, so that answers cannot be told apart.
    """
    messages, tools = row["messages"], row.get("tools")
    text = _render(tokenizer, messages, tools, False)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = list(encoding["input_ids"])
    labels = [IGNORED] * len(ids)
    for start, end in _spans(tokenizer, messages, tools, text, loss_on):
        inside = [
            n
            for n, (left, right) in enumerate(encoding["offset_mapping"])
            if right > start and left < end and right > left
        ]
        ends = [place for place, n in enumerate(inside) if ids[n] in eos_ids]
        for n in inside[: ends[-1] + 1] if ends else inside:
            labels[n] = ids[n]
    return TokenizedRow(ids[:max_tokens], labels[:max_tokens], len(ids) > max_tokens)


def _spans(
    tokenizer: Any, messages: Sequence[dict[str, Any]], tools: Any, text: str, loss_on: str
) -> list[tuple[int, int]]:
    answers = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    if loss_on == "completion":
        answers = answers[-1:]
    spans = []
    for n in answers:
        if messages[n].get("weight") == 0:
            continue
        before = _render(tokenizer, messages[:n], tools, True)
        after = _render(tokenizer, messages[: n + 1], tools, False)
        if not (text.startswith(before) and text.startswith(after)):
            raise UntrainableData(
                "the chat template writes a conversation anew with each turn, so that "
                "answers cannot be told apart. Train on the last answer only "
                "(loss_on completion), or give a template that only appends."
            )
        spans.append((len(before), len(after)))
    return spans


def _render(tokenizer: Any, messages: Sequence[dict[str, Any]], tools: Any, asks: bool) -> str:
    if not messages:
        return ""
    rendered = tokenizer.apply_chat_template(
        list(messages), tools=tools, tokenize=False, add_generation_prompt=asks
    )
    return str(rendered)


def encode_rows(
    tokenizer: Any,
    rows: Iterable[dict[str, Any]],
    loss_on: str,
    max_tokens: int,
    eos_ids: set[int],
) -> tuple[list[TokenizedRow], dict[str, Any]]:
    """Write all rows as ids, and see that each can be learned from.

    Returns:
        The rows, and what was counted: rows, tokens, the share learned from, rows cut short.

    Raises:
        Unfit: a row teaches nothing, does not teach to stop, or starts with two start tokens.
    """
    encoded = [encode(tokenizer, row, loss_on, max_tokens, eos_ids) for row in rows]
    if not encoded:
        raise UntrainableData("there are no rows to learn from.")
    mute = [n for n, row in enumerate(encoded, 1) if not row.learned]
    lost = [n for n in mute if encoded[n - 1].was_cut]
    if lost:
        raise UntrainableData(
            f"rows {_some(lost)}: the answer lies behind the {max_tokens} tokens that a "
            "row may have. Raise max_tokens, or shorten them."
        )
    if mute:
        raise UntrainableData(
            f"rows {_some(mute)}: no token is learned from. Give each an answer of the "
            "assistant with a weight above 0."
        )
    refuse_two_starts(tokenizer, [row.ids for row in encoded])
    endless = [
        n for n, row in enumerate(encoded, 1) if not row.was_cut and not _stops(row, eos_ids)
    ]
    if endless:
        raise UntrainableData(
            f"rows {_some(endless)}: the answer does not end with a token that the model "
            "stops at, so it would never learn to stop. Set eos_token to what the "
            "template ends an answer with."
        )
    tokens, learned = (sum(len(row.ids) for row in encoded), sum(row.learned for row in encoded))
    return encoded, {
        "rows": len(encoded),
        "tokens": tokens,
        "learned_tokens": learned,
        "learned_share": learned / tokens,
        "longest_tokens": max(len(row.ids) for row in encoded),
        "rows_cut": sum(row.was_cut for row in encoded),
    }


def refuse_two_starts(tokenizer: Any, ids: Iterable[Sequence[int]]) -> None:
    """See that no row has two start tokens.

    Raises:
        Unfit: one has, with its number.
    """
    bos = tokenizer.bos_token_id
    twice = [n for n, one in enumerate(ids, 1) if bos is not None and list(one[:2]) == [bos, bos]]
    if twice:
        raise UntrainableData(
            f"rows {_some(twice)}: they start with two start tokens. The template writes "
            "one and the text another: take it out of the text."
        )


def _stops(row: TokenizedRow, eos_ids: set[int]) -> bool:
    last = [label for label in row.labels if label != IGNORED][-1]
    return last in eos_ids


def _some(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{shown} and {len(numbers) - 5} more" if len(numbers) > 5 else shown
