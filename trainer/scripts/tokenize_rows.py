"""Tokenize rows, with labels for the tokens to train on.

Needs only a tokenizer object and the standard library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IGNORED = -100
"""Label of a token that is not trained on."""
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ '<' + message.role + '>\n' }}"
    "{% if message.role == 'assistant' %}{% generation %}"
    "{{ message.content + eos_token }}{% endgeneration %}"
    "{% else %}{{ message.content + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>\n' }}{% endif %}"
)
"""For a base model without a chat template: role names, and the end token after each answer."""


class UntrainableData(Exception):
    """Rows, tokenizer or template cannot be used for training; the message has the remedy."""


@dataclass(frozen=True)
class TokenizedRow:
    """Token ids of a row, and labels of the same length."""

    ids: list[int]
    labels: list[int]
    was_cut: bool

    @property
    def learned(self) -> int:
        """Number of tokens to train on."""
        return sum(label != IGNORED for label in self.labels)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read rows, one JSON object per line."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def conversation(row: dict[str, Any]) -> dict[str, Any]:
    """Return a preference row as the conversation with the preferred answer."""
    if "input" not in row:
        return row
    asked = row["input"]
    return {"messages": [*asked["messages"], *row["preferred_output"]], "tools": asked.get("tools")}


def question_and_label(row: dict[str, Any]) -> tuple[str, str]:
    """Return text and label: the last user message, and the answer."""
    asked = [m["content"] for m in row["messages"] if m["role"] == "user"]
    return asked[-1], row["messages"][-1]["content"].strip()


def template_hash(tokenizer: Any) -> str:
    """Return the hash of the chat template, which must be the same in training and serving."""
    return hashlib.sha256(str(tokenizer.chat_template or "").encode()).hexdigest()


def prepare_tokenizer(tokenizer: Any, eos_ids: set[int]) -> None:
    """Add what a tokenizer lacks: a chat template, and a padding token other than the end token.

    Raises:
        UntrainableData: it has no end token, or no token for padding.
    """
    if not tokenizer.is_fast:
        raise UntrainableData(
            "slow tokenizers do not map tokens to text. Convert it to a tokenizer.json."
        )
    if tokenizer.eos_token_id is None:
        raise UntrainableData(
            "the tokenizer has no end token, so answers would never stop. Set eos_token."
        )
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    taken = {tokenizer.eos_token_id, tokenizer.bos_token_id, *eos_ids}
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id not in taken:
        return
    reserved = [
        token
        for token in tokenizer.get_vocab()
        if any(word in token.lower() for word in ("<|pad|>", "<pad>", "[pad]", "reserved"))
    ]
    for token in (*sorted(reserved), *tokenizer.all_special_tokens, tokenizer.unk_token):
        if token and tokenizer.convert_tokens_to_ids(token) not in taken:
            tokenizer.pad_token = token
            return
    raise UntrainableData(
        "the tokenizer pads with its end token, and no other special token is available: the "
        "model would learn never to stop, or to stop at once. Set pad_token."
    )


def encode(
    tokenizer: Any, row: dict[str, Any], loss_on: str, max_tokens: int, eos_ids: set[int]
) -> TokenizedRow:
    """Tokenize one conversation; labels cover the answers, including their end tokens.

    Raises:
        UntrainableData: the template rewrites earlier turns, so answers cannot be located.
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
                "the chat template rewrites earlier turns, so answers cannot be located. "
                "Train on the last answer only (loss_on completion), or use a "
                "template that only appends."
            )
        spans.append((len(before), len(after)))
    return spans


def _render(tokenizer: Any, messages: Sequence[dict[str, Any]], tools: Any, asks: bool) -> str:
    if not messages:
        return ""
    return str(
        tokenizer.apply_chat_template(
            list(messages), tools=tools, tokenize=False, add_generation_prompt=asks
        )
    )


def encode_rows(
    tokenizer: Any,
    rows: Iterable[dict[str, Any]],
    loss_on: str,
    max_tokens: int,
    eos_ids: set[int],
) -> tuple[list[TokenizedRow], dict[str, Any]]:
    """Tokenize all rows, and check that each can be trained on.

    Returns:
        The rows and their counts: rows, tokens, share trained on, truncated rows.

    Raises:
        UntrainableData: a row has no trained token, no end token, or two start tokens.
    """
    encoded = [encode(tokenizer, row, loss_on, max_tokens, eos_ids) for row in rows]
    if not encoded:
        raise UntrainableData("there are no training rows.")
    mute = [n for n, row in enumerate(encoded, 1) if not row.learned]
    lost = [n for n in mute if encoded[n - 1].was_cut]
    if lost:
        raise UntrainableData(
            f"rows {_some(lost)}: the answer starts after the limit of {max_tokens} "
            "tokens. Raise max_tokens, or shorten the rows."
        )
    if mute:
        raise UntrainableData(
            f"rows {_some(mute)}: no token to train on. Each row needs an assistant "
            "answer with a weight above 0."
        )
    refuse_two_starts(tokenizer, [row.ids for row in encoded])
    endless = [
        n
        for n, row in enumerate(encoded, 1)
        if not row.was_cut and [one for one in row.labels if one != IGNORED][-1] not in eos_ids
    ]
    if endless:
        raise UntrainableData(
            f"rows {_some(endless)}: the answer does not end with a token at which the "
            "model stops, so it would never learn to stop. Set eos_token to the token "
            "that ends an answer in the template."
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


def end_token_ids(value: int | list[int] | None) -> set[int]:
    """Return the end tokens of a generation config, which has one, several or none."""
    if value is None:
        return set()
    return set(value) if isinstance(value, list) else {value}


def refuse_two_starts(tokenizer: Any, ids: Iterable[Sequence[int]]) -> None:
    """Check that no row has two start tokens.

    Raises:
        UntrainableData: a row has two, with its number.
    """
    bos = tokenizer.bos_token_id
    twice = [n for n, one in enumerate(ids, 1) if bos is not None and list(one[:2]) == [bos, bos]]
    if twice:
        raise UntrainableData(
            f"rows {_some(twice)}: two start tokens, one from the template and one from "
            "the text. Remove it from the text."
        )


def _some(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{shown} and {len(numbers) - 5} more" if len(numbers) > 5 else shown
