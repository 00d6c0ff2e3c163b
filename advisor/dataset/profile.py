"""Dataset statistics in one pass: tokens, lengths, duplicates, labels, shared prefix, languages."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter as Tally
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.dataset.example import Example, Message, Reject, canonical_row
from advisor.dataset.language import LanguageDetector
from advisor.dataset.tokenizers import EncodingCounter
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
    """Sum the tokens, each example truncated at the limit."""
    within = int(lengths.searchsorted(limit, "right"))
    return int(lengths[:within].sum(dtype=np.int64)) + limit * (len(lengths) - within)


def length_histogram(lengths: SortedLengths) -> tuple[tuple[int, int], ...]:
    """Number of examples up to each power of two."""
    ends = [int(lengths.searchsorted(bound, "right")) for bound in HISTOGRAM_BUCKETS]
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    found = [(bound, n) for bound, n in zip(HISTOGRAM_BUCKETS, counts, strict=True) if n]
    longer = len(lengths) - ends[-1]
    return tuple(found + ([(int(lengths[-1]), longer)] if longer else []))


def duplicate_count(hashes: NDArray[np.uint64]) -> int:
    """Number of equal neighbours in a sorted array, block by block."""
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


class Profile(Record):
    """Statistics of a dataset; means and sums in tokens of `encoding`."""

    examples: int
    """Number of usable rows."""
    rejected: int
    """Number of rows that cannot be used."""
    rejects: tuple[Reject, ...]
    """The first rows that cannot be used."""
    reject_codes: tuple[tuple[str, int], ...]
    """Rejected rows by error code."""
    formats: tuple[tuple[str, int], ...]
    """Rows by format."""
    encoding: str
    """Encoding used for counting."""
    encoding_exact: bool
    """Whether counts are exact; not if rows have tools, whose format is not public."""
    prompt_tokens_mean: float
    """Mean tokens before the last answer, with the overhead of the chat format."""
    completion_tokens_mean: float
    """Mean tokens of the last answer."""
    tokens_by_role: tuple[tuple[str, int], ...]
    """Tokens of message contents by role."""
    total_tokens: int
    """Tokens of all examples, with overhead."""
    billed_tokens: int
    """The same, with each example truncated at the limit."""
    limit_tokens: int
    """Longest example; longer ones are truncated."""
    truncated: int
    """Number of examples above the limit."""
    percentiles: tuple[tuple[int, int], ...]
    """Percentile and tokens per example."""
    max_tokens: int
    """Tokens of the longest example."""
    histogram: tuple[tuple[int, int], ...]
    """Upper bound in tokens and number of examples up to it."""
    shared_prefix_tokens: float
    """Tokens of the common prefix of all examples."""
    shared_prefix_share: float
    """Share of the common prefix in all tokens."""
    duplicates: int
    """Rows that duplicate an earlier row."""
    labels: tuple[tuple[str, int], ...]
    """Labels with their counts, if the answers are few and short."""
    distinct_labels: int
    """Number of different labels."""
    pairs: int
    """Rows with a preferred and a rejected answer."""
    turns_mean: float
    """Mean number of messages per example."""
    untrainable: int
    """Rows without anything to train on: no answer, or all weights 0."""
    tool_rows: int
    """Rows with tool descriptions."""
    dataset_sha256: str
    """Hash of the canonical rows."""
    source_sha256: str
    """Hash of the file."""
    conflicting: int = 0
    """Rows with the request of an earlier row and a different answer."""
    looked_through: int = 0
    """Number of first rows inspected for the following fields."""
    language: str = ""
    """Language tag of the requests; empty if not detected."""
    answer_language: str = ""
    """Language tag of the answers; empty if not detected."""
    outside_facts: int = 0
    """Rows with a date or price in the answer that is not in the request."""


class ProfileBuilder:
    """Collects statistics batch by batch; memory grows by twenty bytes per row."""

    def __init__(self, counter: EncodingCounter, limit_tokens: int) -> None:
        self._counter = counter
        self._limit = limit_tokens
        self._lengths = array("I")
        self._hashes = array("Q")
        self._requests = array("Q")
        self._language = LanguageDetector()
        self._rejects: list[Reject] = []
        self._codes: Tally[str] = Tally()
        self._formats: Tally[str] = Tally()
        self._roles: Tally[str] = Tally()
        self._labels: Tally[str] | None = Tally()
        self._sums: Tally[str] = Tally()
        self._prefix: list[tuple[str, str]] | None = None
        self._digest = hashlib.sha256()

    def reject(self, reject: Reject) -> None:
        """Add a row that cannot be used."""
        self._codes[reject.code] += 1
        if len(self._rejects) < MAX_SHOWN_REJECTS:
            self._rejects.append(reject)

    def add(self, batch: Sequence[Example]) -> list[int]:
        """Add a batch of examples; return the tokens of each."""
        counts = self._counted(batch)
        at = 0
        for example in batch:
            size = len(example.turns)
            self._add(example, counts[at : at + size])
            at += size
        return self._lengths[len(self._lengths) - len(batch) :].tolist()

    def _counted(self, batch: Sequence[Example]) -> list[int]:
        """Tokens of every message with its name; each different text of a batch is counted once."""
        turns = [turn for example in batch for turn in example.turns]
        names = {turn.name for turn in turns if turn.name}
        texts = list({_counted_text(turn) for turn in turns} | names)
        known = dict(zip(texts, self._counter.count_batch(texts), strict=True))
        return [
            known[_counted_text(turn)] + (known[turn.name] + TOKENS_PER_NAME if turn.name else 0)
            for turn in turns
        ]

    def _add(self, example: Example, counts: Sequence[int]) -> None:
        row = canonical_row(example)
        self._digest.update(row)
        self._digest.update(b"\n")
        self._hashes.append(_hash(row))
        overhead = (TOKENS_PER_MESSAGE + 1) * len(example.turns)
        total = sum(counts) + overhead + REPLY_TOKENS
        last = example.turns[-1]
        before = "\n".join(turn.content for turn in example.turns[:-1])
        is_one_answer = before.strip() and example.kind != "preference"
        self._requests.append(_hash(before.encode()) if is_one_answer else self._hashes[-1])
        self._language.add(before, last.content)
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
        self._sums["untrainable"] += not any(
            turn.role == "assistant" and turn.weight != 0 and (turn.content or turn.tool_calls)
            for turn in example.turns
        )
        self._add_label(last)
        self._narrow_prefix(example)

    def _add_label(self, last: Message) -> None:
        if self._labels is None:
            return
        if last.role != "assistant" or len(last.content) > MAX_LABEL_CHARACTERS:
            self._labels = None
            return
        self._labels[last.content] += 1
        if len(self._labels) > MAX_LABELS:
            self._labels = None

    def _narrow_prefix(self, example: Example) -> None:
        """Shorten the prefix to what this example shares: complete messages, then part of one."""
        head = [(turn.role, turn.content) for turn in example.turns[:-1]]
        if self._prefix is None:
            self._prefix = head
            return
        kept = []
        for before, now in zip(self._prefix, head, strict=False):
            if before == now:
                kept.append(before)
                continue
            if before[0] == now[0]:
                shared = _common_prefix(before[1], now[1])
                if len(shared) >= MIN_SHARED_CHARACTERS:
                    kept.append((before[0], shared))
            break
        self._prefix = kept

    def _prefix_tokens(self) -> float:
        if not self._prefix or len(self._lengths) < 2:
            return 0.0
        counts = self._counter.count_batch([text for _, text in self._prefix])
        return float(sum(counts) + (TOKENS_PER_MESSAGE + 1) * len(counts))

    def finish(self, source_sha256: str) -> Profile:
        """Return the statistics."""
        lengths = np.frombuffer(self._lengths, np.uint32)
        hashes = np.frombuffer(self._hashes, np.uint64)
        requests = np.frombuffer(self._requests, np.uint64)
        requests.sort()
        lengths.sort()  # in place: a copy would double the memory
        hashes.sort()
        rows, repeated = len(lengths), duplicate_count(hashes)
        total = int(lengths.sum(dtype=np.int64))
        prefix = self._prefix_tokens()
        labels = self._labels or Tally()
        if not 1 < len(labels) <= rows / 2:
            labels = Tally()  # no labels: each should occur at least twice on average
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
            conflicting=duplicate_count(requests) - repeated,
            looked_through=self._language.looked_through,
            language=self._language.language,
            answer_language=self._language.answer_language,
            outside_facts=self._language.outside_facts,
        )


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _counted_text(turn: Message) -> str:
    return turn.content if turn.tool_calls is None else turn.content + turn.tool_calls


def _common_prefix(left: str, right: str) -> str:
    """Return the longest common prefix, by bisection: faster than character by character."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return left[:low]
