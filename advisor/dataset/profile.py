"""A stream of examples, folded in one pass -> what the dataset holds.

Sorted lengths or hashes of all rows -> percentiles, histogram, billed tokens, repeats.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter as Tally
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.dataset.example import Example, Message, Reject, canonical_row
from advisor.dataset.language import LanguageDetector
from advisor.units import Record

PERCENTILES = (5, 50, 90, 95, 99)
HISTOGRAM_BUCKETS = tuple(2**i for i in range(4, 21))

SortedLengths = NDArray[np.uint32]


def length_percentiles(lengths: SortedLengths) -> tuple[tuple[int, int], ...]:
    """Return the tokens of an example at each of `PERCENTILES`.

    >>> length_percentiles(np.arange(101, dtype=np.uint32))
    ((5, 5), (50, 50), (90, 90), (95, 95), (99, 99))
    """
    last = len(lengths) - 1
    return tuple((p, int(lengths[round(p / 100 * last)])) for p in PERCENTILES if last >= 0)


def sum_billed_tokens(lengths: SortedLengths, limit: int) -> int:
    """Sum the tokens, each example cut at the limit."""
    whole = int(lengths.searchsorted(limit, "right"))
    return int(lengths[:whole].sum(dtype=np.int64)) + limit * (len(lengths) - whole)


def length_histogram(lengths: SortedLengths) -> tuple[tuple[int, int], ...]:
    """Count examples up to each power of two."""
    ends = [int(lengths.searchsorted(bound, "right")) for bound in HISTOGRAM_BUCKETS]
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    found = [(bound, n) for bound, n in zip(HISTOGRAM_BUCKETS, counts, strict=True) if n]
    rest = len(lengths) - ends[-1]
    return tuple(found + ([(int(lengths[-1]), rest)] if rest else []))


def duplicate_count(hashes: NDArray[np.uint64]) -> int:
    """Count equal neighbours of a sorted array, a block at a time."""
    block = 1 << 20
    return sum(
        int(
            (
                hashes[at + 1 : at + block + 1] == hashes[at : at + block][: len(hashes) - at - 1]
            ).sum()
        )
        for at in range(0, max(len(hashes) - 1, 0), block)
    )


TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
REPLY_TOKENS = 3
"""Overhead of the chat format. Source: OpenAI cookbook, How_to_count_tokens_with_tiktoken."""
MAX_LABELS = 500
MAX_LABEL_CHARACTERS = 60
MAX_SHOWN_REJECTS = 20
MIN_SHARED_CHARACTERS = 40


class TokenCounter(Protocol):
    """What counts tokens."""

    name: str

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text."""
        ...


class Profile(Record):
    """What a dataset holds; means and sums in tokens of `encoding`."""

    examples: int
    """Rows that can be used."""
    rejected: int
    """Rows that cannot."""
    rejects: tuple[Reject, ...]
    """The first of them."""
    reject_codes: tuple[tuple[str, int], ...]
    """How often each mistake."""
    formats: tuple[tuple[str, int], ...]
    """How many rows of each format."""
    encoding: str
    """Encoding that was counted with."""
    encoding_exact: bool
    """Whether it is the model's own; no where rows hold tools, whose form is not public."""
    prompt_tokens_mean: float
    """Everything before the last answer, with the overhead of the chat format."""
    completion_tokens_mean: float
    """The last answer."""
    tokens_by_role: tuple[tuple[str, int], ...]
    """Tokens of the contents, by role."""
    total_tokens: int
    """Of all examples, with overhead."""
    billed_tokens: int
    """The same, each example cut at the limit."""
    limit_tokens: int
    """Longest example; what is longer is truncated."""
    truncated: int
    """Examples above the limit."""
    percentiles: tuple[tuple[int, int], ...]
    """Percentile -> tokens of an example."""
    max_tokens: int
    """Longest example."""
    histogram: tuple[tuple[int, int], ...]
    """Upper bound -> examples up to it."""
    shared_prefix_tokens: float
    """What every example begins with."""
    shared_prefix_share: float
    """Share of all tokens."""
    duplicates: int
    """Rows that repeat an earlier one."""
    labels: tuple[tuple[str, int], ...]
    """Answers with their counts, where there are few and short ones."""
    distinct_labels: int
    """How many."""
    pairs: int
    """Rows with a better and a worse answer."""
    turns_mean: float
    """Messages of an example."""
    untrainable: int
    """Rows with nothing to learn: no answer, or all weights 0."""
    tool_rows: int
    """Rows that describe tools."""
    dataset_sha256: str
    """Hash of the canonical rows."""
    source_sha256: str
    """Hash of the file."""
    conflicting: int = 0
    """Rows that ask what an earlier one asks, and answer it otherwise."""
    looked_through: int = 0
    """First rows whose words were looked at, for what follows."""
    language: str = ""
    """Language of their requests, as a tag; empty where they show none."""
    answer_language: str = ""
    """Language of their answers; empty where they show none, as labels do."""
    outside_facts: int = 0
    """How many answers of theirs hold a date or a price that the request does not hold."""


class ProfileBuilder:
    """Folds batches of examples; memory grows by twenty bytes a row."""

    def __init__(self, counter: TokenCounter, limit_tokens: int) -> None:
        self._counter = counter
        self._limit = limit_tokens
        self._lengths = array("I")
        self._hashes = array("Q")
        self._asked = array("Q")
        self._signs = LanguageDetector()
        self._rejects: list[Reject] = []
        self._codes: Tally[str] = Tally()
        self._formats: Tally[str] = Tally()
        self._roles: Tally[str] = Tally()
        self._labels: Tally[str] | None = Tally()
        self._sums: Tally[str] = Tally()
        self._prefix: list[tuple[str, str]] | None = None
        self._digest = hashlib.sha256()

    def reject(self, reject: Reject) -> None:
        """Take note of a row that cannot be used."""
        self._codes[reject.code] += 1
        if len(self._rejects) < MAX_SHOWN_REJECTS:
            self._rejects.append(reject)

    def add(self, batch: Sequence[Example]) -> list[int]:
        """Fold a batch of examples in; return the tokens of each."""
        counts = self._counted(batch)
        at = 0
        for example in batch:
            size = len(example.turns)
            self._fold(example, counts[at : at + size])
            at += size
        return self._lengths[len(self._lengths) - len(batch) :].tolist()

    def _counted(self, batch: Sequence[Example]) -> list[int]:
        """Count every message with its name; a text that repeats in a batch is counted once."""
        turns = [turn for example in batch for turn in example.turns]
        names = {turn.name for turn in turns if turn.name}
        texts = list({_said(turn) for turn in turns} | names)
        known = dict(zip(texts, self._counter.count_batch(texts), strict=True))
        return [
            known[_said(turn)] + (known[turn.name] + TOKENS_PER_NAME if turn.name else 0)
            for turn in turns
        ]

    def _fold(self, example: Example, counts: Sequence[int]) -> None:
        row = canonical_row(example)
        self._digest.update(row)
        self._digest.update(b"\n")
        self._hashes.append(_hash(row))
        overhead = (TOKENS_PER_MESSAGE + 1) * len(example.turns)
        total = sum(counts) + overhead + REPLY_TOKENS
        last = example.turns[-1]
        before = "\n".join(turn.content for turn in example.turns[:-1])
        is_one_answer = before.strip() and example.kind != "preference"
        self._asked.append(_hash(before.encode()) if is_one_answer else self._hashes[-1])
        self._signs.add(before, last.content)
        completion = counts[-1] if last.role == "assistant" else 0
        self._lengths.append(total)
        self._formats[example.format] += 1
        for turn, count in zip(example.turns, counts, strict=True):
            self._roles[turn.role] += count
        self._sums["turns"] += len(example.turns)
        self._sums["completion"] += completion
        self._sums["prompt"] += total - completion - (4 if completion else 0)
        self._sums["pairs"] += example.kind == "preference"
        self._sums["tools"] += example.tools is not None
        self._sums["untrainable"] += not any(map(_trains, example.turns))
        self._fold_label(last)
        self._fold_prefix(example)

    def _fold_label(self, last: Message) -> None:
        if self._labels is None:
            return
        if last.role != "assistant" or len(last.content) > MAX_LABEL_CHARACTERS:
            self._labels = None
            return
        self._labels[last.content] += 1
        if len(self._labels) > MAX_LABELS:
            self._labels = None

    def _fold_prefix(self, example: Example) -> None:
        """Keep what all examples so far begin with: whole messages, then part of one."""
        head = [(turn.role, turn.content) for turn in example.turns[:-1]]
        if self._prefix is None:
            self._prefix = head
            return
        kept = []
        for ours, theirs in zip(self._prefix, head, strict=False):
            if ours == theirs:
                kept.append(ours)
                continue
            if ours[0] == theirs[0]:
                shared = _common(ours[1], theirs[1])
                if len(shared) >= MIN_SHARED_CHARACTERS:
                    kept.append((ours[0], shared))
            break
        self._prefix = kept

    def _prefix_tokens(self) -> float:
        if not self._prefix or len(self._lengths) < 2:
            return 0.0
        counts = self._counter.count_batch([text for _, text in self._prefix])
        return float(sum(counts) + (TOKENS_PER_MESSAGE + 1) * len(counts))

    def finish(self, source_sha256: str) -> Profile:
        """Close the fold and say what the dataset holds.

        Args:
            source_sha256: Hash of the file that the rows came from.
        """
        lengths = np.frombuffer(self._lengths, np.uint32)
        hashes = np.frombuffer(self._hashes, np.uint64)
        asked = np.frombuffer(self._asked, np.uint64)
        asked.sort()
        lengths.sort()  # in place: a copy would cost as much again as all rows
        hashes.sort()
        rows, repeated = len(lengths), duplicate_count(hashes)
        total = int(lengths.sum(dtype=np.int64))
        prefix = self._prefix_tokens()
        labels = self._few_labels(rows)
        mean = max(rows, 1)
        return Profile(
            examples=rows,
            rejected=sum(self._codes.values()),
            rejects=tuple(self._rejects),
            reject_codes=tuple(self._codes.most_common()),
            formats=tuple(self._formats.most_common()),
            encoding=self._counter.name,
            encoding_exact=self._sums["tools"] == 0,
            prompt_tokens_mean=self._sums["prompt"] / mean,
            completion_tokens_mean=self._sums["completion"] / mean,
            tokens_by_role=tuple(self._roles.most_common()),
            total_tokens=total,
            billed_tokens=sum_billed_tokens(lengths, self._limit),
            limit_tokens=self._limit,
            truncated=rows - int(lengths.searchsorted(self._limit, "right")),
            percentiles=length_percentiles(lengths),
            max_tokens=int(lengths[-1]) if rows else 0,
            histogram=length_histogram(lengths),
            shared_prefix_tokens=prefix,
            shared_prefix_share=prefix * rows / total if total else 0.0,
            duplicates=repeated,
            labels=tuple(labels.most_common()),
            distinct_labels=len(labels),
            pairs=self._sums["pairs"],
            turns_mean=self._sums["turns"] / mean,
            untrainable=self._sums["untrainable"],
            tool_rows=self._sums["tools"],
            dataset_sha256=self._digest.hexdigest(),
            source_sha256=source_sha256,
            conflicting=duplicate_count(asked) - repeated,
            looked_through=self._signs.looked_through,
            language=self._signs.language,
            answer_language=self._signs.answer_language,
            outside_facts=self._signs.outside_facts,
        )

    def _few_labels(self, rows: int) -> Tally[str]:
        """Labels, if answers repeat: at least twice each on average."""
        labels = self._labels
        return labels if labels and 1 < len(labels) <= rows / 2 else Tally()


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _said(turn: Message) -> str:
    return turn.content if turn.tool_calls is None else turn.content + turn.tool_calls


def _trains(turn: Message) -> bool:
    return turn.role == "assistant" and turn.weight != 0 and bool(turn.content or turn.tool_calls)


def _common(left: str, right: str) -> str:
    """Return the longest text that both begin with, by halving."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return left[:low]
