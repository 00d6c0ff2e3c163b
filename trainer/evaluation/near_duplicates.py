"""Near-duplicate texts: MinHash sketches, compared by locality-sensitive hashing.

A short text is represented by the 3-character grams of its words, so that it still matches when
one word in eight differs; a long text by its 3-word shingles, because long texts share most grams.
Texts of medium length get both sketches: two texts with a similarity of 0.7 differ in length by
less than the width of that range, so no pair falls between the two kinds.

Two texts are compared when all five hashes of one of 32 bands are equal. This finds 99.7 % of the
pairs with a similarity of 0.7, and all but one in a million of those with 0.8.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

# Thai, Lao, Burmese, Khmer, kana, Han: no spaces between words, so each character is a word
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
# combining marks, which `\w` does not match
MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
WORD = re.compile(f"[{UNSPACED}]|(?:(?![{UNSPACED}_])[\\w{MARKS}])+")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def words(text: str) -> list[str]:
    """Return the words of a text in order, in lower case, without punctuation.

    >>> words("Don't STOP, 东京!")
    ['don', 't', 'stop', '东', '京']
    """
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def number_free_words(text: str) -> list[str]:
    """Return the words of a text with every number replaced by 0, to compare only the wording.

    A text without words is returned as one word, so that two different emojis stay different.

    >>> number_free_words("Order 12 of 1,300.50 USD"), number_free_words("?!")
    (['order', '0', 'of', '0', 'usd'], ['?!'])
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(NUMBER.sub("0", plain)) or [plain.strip()]


PERMUTATIONS = 160
GRAM_CHARACTERS = 3
SHINGLE_WORDS = 3
SHORT_WORDS = 64  # up to this length, grams
LONG_WORDS = 40  # from this length, shingles; 40 / 0.7 < 64
BLOCK_FEATURES = 1 << 16
KNOWN_WORDS = 1 << 16

Signatures = NDArray[np.uint16]


@dataclass(frozen=True)
class Sketch:
    """Sketches of one kind."""

    texts: NDArray[np.int64]
    """Index of the distinct text of each row [sketches]."""
    signatures: Signatures
    """Low bits of the smallest hash under each permutation [sketches, PERMUTATIONS]."""


@dataclass(frozen=True)
class Sketches:
    """Sketches of all texts, one per distinct wording."""

    distinct: NDArray[np.int64]
    """Index of the distinct wording of each text [texts]."""
    hashes: NDArray[np.uint64]
    """Stable hash of each distinct wording [distinct]."""
    kinds: tuple[Sketch, Sketch]
    """From grams, from shingles."""


def sketch_texts(texts: Iterable[str]) -> Sketches:
    """Sketch each text, reading it once and keeping about 350 bytes of it.

    >>> sketch_texts(["Call me at 5!", "call me at 17", "Stop"]).distinct.tolist()
    [0, 0, 1]
    """
    seen: dict[int, int] = {}
    distinct = array("q")
    short, long = _SketchBuilder(), _SketchBuilder()
    for text in texts:
        parts = number_free_words(text)
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


class _SketchBuilder:
    """Collects features of many texts and computes their signatures in blocks."""

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
    """Mix the bits of each value over all 64 (the last step of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@lru_cache(maxsize=1)
def _permutations() -> tuple[tuple[np.uint64, np.uint64], ...]:
    """Return an odd factor and a shift per permutation, the same on every machine."""
    return tuple(
        (np.uint64(_hash(f"factor {number}") | 1), np.uint64(_hash(f"shift {number}")))
        for number in range(PERMUTATIONS)
    )


SIMILARITY_THRESHOLD = 0.7  # estimated Jaccard similarity from which two texts are duplicates
BAND_ROWS = 5
BANDS = PERMUTATIONS // BAND_ROWS
MAX_NEIGHBOURS = 256  # per text and band, so that a crowded band stays fast
BLOCK_PAIRS = 1 << 15

Ints = NDArray[np.int64]


def near_duplicate_groups(sketches: Sketches) -> Ints:
    """Return for each distinct text the smallest index of a text in its group [distinct].

    Near-duplicates of near-duplicates are in the same group.

    >>> texts = ["When will my new card come?", "When will my card come", "No"]
    >>> near_duplicate_groups(sketch_texts(texts)).tolist()
    [0, 0, 2]
    """
    parent = np.arange(len(sketches.hashes), dtype=np.int64)
    for kind in sketches.kinds:
        for band in range(BANDS):
            parent = _join(parent, kind.texts, kind.signatures, band)
    return parent


def _join(parent: Ints, texts: Ints, signatures: Signatures, band: int) -> Ints:
    keys = _keys(signatures, band)
    # within a band, sort by the next band, so that the most similar texts are neighbours
    order = np.lexsort((_keys(signatures, (band + 1) % BANDS), keys))
    keys = keys[order]
    here = np.arange(len(keys))
    count = np.minimum(np.searchsorted(keys, keys, side="right") - here - 1, MAX_NEIGHBOURS)
    for item, other in _spread(here + 1, count):
        left, right = order[item], order[other]
        apart = parent[texts[left]] != parent[texts[right]]
        left, right = left[apart], right[apart]
        alike = _alike(signatures[left], signatures[right])
        if alike.any():
            parent = _union(parent, texts[left[alike]], texts[right[alike]])
    return parent


def _keys(signatures: Signatures, band: int) -> NDArray[np.uint64]:
    keys = np.zeros(len(signatures), dtype=np.uint64)
    for column in range(band * BAND_ROWS, (band + 1) * BAND_ROWS):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + signatures[:, column] + np.uint64(1)
        keys ^= keys >> np.uint64(29)
    return keys


def _alike(left: Signatures, right: Signatures) -> NDArray[np.bool_]:
    same = np.count_nonzero(left == right, axis=1)
    return np.asarray(same >= SIMILARITY_THRESHOLD * PERMUTATIONS)


def _spread(first: Ints, count: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield every (item, first[item] + 0 .. count[item] - 1), in blocks of bounded size."""
    items = np.flatnonzero(count)
    first, count = first[items], count[items]
    ends = np.cumsum(count)
    at = 0
    while at < len(items):
        done = ends[at] - count[at]
        stop = max(at + 1, int(np.searchsorted(ends, done + BLOCK_PAIRS, side="right")))
        some = count[at:stop]
        offset = np.arange(ends[stop - 1] - done) - np.repeat(ends[at:stop] - some - done, some)
        yield np.repeat(items[at:stop], some), np.repeat(first[at:stop], some) + offset
        at = stop


def _union(parent: Ints, left: Ints, right: Ints) -> Ints:
    """Join the groups of pairs; each text points to the smallest index of its group."""
    while True:
        low = np.minimum(parent[left], parent[right])
        high = np.maximum(parent[left], parent[right])
        if np.array_equal(low, high):
            return parent
        np.minimum.at(parent, high, low)
        while not np.array_equal(above := parent[parent], parent):
            parent = above
