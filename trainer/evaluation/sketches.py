"""Texts -> MinHash sketches: small arrays from which likeness can be read without the texts.

A short text is the set of 3-character grams of its words, so that one other word in eight still
leaves it alike; a long one is the set of its 3-word shingles, since long texts share most grams.
Texts of middle length have both sketches. Two texts that are alike by 0.7 differ in length by less
than the middle is wide, so no pair falls between the two.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.words import folded

PERMUTATIONS = 160
GRAM_CHARACTERS = 3
SHINGLE_WORDS = 3
SHORT_WORDS = 64  # up to here grams
LONG_WORDS = 40  # from here on shingles; 40 / 0.7 < 64
BLOCK_FEATURES = 1 << 16
KNOWN_WORDS = 1 << 16

Signatures = NDArray[np.uint16]


@dataclass(frozen=True)
class Sketch:
    """Sketches of one kind."""

    texts: NDArray[np.int64]
    """Which of the distinct texts each row is [sketches]."""
    signatures: Signatures
    """Low bits of the least hash under each permutation [sketches, PERMUTATIONS]."""


@dataclass(frozen=True)
class Sketches:
    """All texts, each wording once."""

    distinct: NDArray[np.int64]
    """For each text, which of the distinct wordings it is [texts]."""
    hashes: NDArray[np.uint64]
    """Stable hash of each distinct wording [distinct]."""
    kinds: tuple[Sketch, Sketch]
    """By grams, by shingles."""


def sketch(texts: Iterable[str]) -> Sketches:
    """Read every text once and keep about 350 bytes of each.

    >>> sketch(["Call me at 5!", "call me at 17", "Stop"]).distinct.tolist()
    [0, 0, 1]
    """
    seen: dict[int, int] = {}
    distinct = array("q")
    short, long = _Drawer(), _Drawer()
    for text in texts:
        parts = folded(text)
        name = _hash(" ".join(parts))
        is_new = name not in seen
        at = seen.setdefault(name, len(seen))
        distinct.append(at)
        if not is_new:
            continue
        if len(parts) <= SHORT_WORDS:
            short.add(at, list(chain.from_iterable(map(_grams, parts))))
        if len(parts) >= LONG_WORDS:
            long.add(at, _shingles(parts))
    hashes = np.fromiter(seen, dtype=np.uint64, count=len(seen))
    return Sketches(np.array(distinct, dtype=np.int64), hashes, (short.sketch(), long.sketch()))


class _Drawer:
    """Collects features of many texts, and draws their signatures a block at a time."""

    def __init__(self) -> None:
        self.texts = array("q")
        self.starts: list[int] = []
        self.features = array("Q")
        self.drawn: list[Signatures] = []

    def add(self, text: int, features: Sequence[int]) -> None:
        self.texts.append(text)
        self.starts.append(len(self.features))
        self.features.extend(features)
        if len(self.features) >= BLOCK_FEATURES:
            self._draw()

    def sketch(self) -> Sketch:
        if self.starts:
            self._draw()
        empty: Signatures = np.empty((0, PERMUTATIONS), dtype=np.uint16)
        signatures = np.concatenate([empty, *self.drawn])
        return Sketch(np.array(self.texts, dtype=np.int64), signatures)

    def _draw(self) -> None:
        features = _mixed(np.array(self.features, dtype=np.uint64))
        starts = np.array(self.starts)
        block: Signatures = np.empty((len(starts), PERMUTATIONS), dtype=np.uint16)
        for number, (factor, shift) in enumerate(_permutations()):
            hashes = ((features * factor + shift) >> np.uint64(32)).astype(np.uint32)
            block[:, number] = np.minimum.reduceat(hashes, starts).astype(np.uint16)
        self.drawn.append(block)
        self.starts, self.features = [], array("Q")


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


@lru_cache(maxsize=KNOWN_WORDS)
def _grams(word: str) -> tuple[int, ...]:
    framed = f" {word} "
    return tuple(
        _crc(framed[at : at + GRAM_CHARACTERS])
        for at in range(max(1, len(framed) - GRAM_CHARACTERS + 1))
    )


@lru_cache(maxsize=KNOWN_WORDS)
def _crc(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def _shingles(parts: Sequence[str]) -> Sequence[int]:
    one = _mixed(np.array([_crc(word) for word in parts], dtype=np.uint64))
    together = one[: len(one) - SHINGLE_WORDS + 1].copy()
    for at in range(1, SHINGLE_WORDS):
        together = _mixed(together) + one[at : len(one) - SHINGLE_WORDS + 1 + at]
    return array("Q", together.tobytes())


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits of each value over all 64 (the last step of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@lru_cache(maxsize=1)
def _permutations() -> tuple[tuple[np.uint64, np.uint64], ...]:
    """Return an odd factor and a shift for each permutation, the same on every machine."""
    return tuple(
        (np.uint64(_hash(f"factor {number}") | 1), np.uint64(_hash(f"shift {number}")))
        for number in range(PERMUTATIONS)
    )
