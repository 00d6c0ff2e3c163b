"""Sketches -> which texts are near-duplicates, by banded look-up instead of all pairs.

Two texts are compared where all five hashes of one of 32 bands agree. Of pairs that are alike by
0.7 this finds 99.7 %, of pairs alike by 0.8 all but one in a million.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.sketches import PERMUTATIONS, Signatures, Sketches

ALIKE_SHARE = 0.7  # estimated Jaccard likeness from which two texts count as one
BAND_ROWS = 5
BANDS = PERMUTATIONS // BAND_ROWS
MOST_NEIGHBOURS = 256  # of one text in one band, so that a crowded band cannot take all day
BLOCK_PAIRS = 1 << 15

Ints = NDArray[np.int64]


def groups(sketches: Sketches) -> Ints:
    """Return for each distinct text the least number of a text in its group [distinct].

    Near-duplicates of near-duplicates are in one group.

    >>> from trainer.evaluation.sketches import sketch
    >>> groups(sketch(["When will my new card come?", "When will my card come", "No"])).tolist()
    [0, 0, 2]
    """
    parent = np.arange(len(sketches.hashes), dtype=np.int64)
    for kind in sketches.kinds:
        for band in range(BANDS):
            parent = _join(parent, kind.texts, kind.signatures, band)
    return parent


def near(sketches: Sketches, known: NDArray[np.bool_], asked: NDArray[np.bool_]) -> Ints:
    """Return which texts in `asked` have a near-duplicate in `known`, both masks [distinct]."""
    found = asked & known
    for kind in sketches.kinds:
        left = kind.signatures[known[kind.texts]]
        for band in range(BANDS if len(left) else 0):
            open_ = np.flatnonzero((asked & ~found)[kind.texts])
            hit = _across(left, kind.signatures[open_], band)
            found[kind.texts[open_[hit]]] = True
    return np.flatnonzero(found)


def _join(parent: Ints, texts: Ints, signatures: Signatures, band: int) -> Ints:
    keys = _keys(signatures, band)
    # within a band the next band sorts, so that the most alike stand side by side
    order = np.lexsort((_keys(signatures, (band + 1) % BANDS), keys))
    keys = keys[order]
    here = np.arange(len(keys))
    count = np.minimum(np.searchsorted(keys, keys, side="right") - here - 1, MOST_NEIGHBOURS)
    for item, other in _spread(here + 1, count):
        left, right = order[item], order[other]
        apart = parent[texts[left]] != parent[texts[right]]
        left, right = left[apart], right[apart]
        alike = _alike(signatures[left], signatures[right])
        if alike.any():
            parent = _union(parent, texts[left[alike]], texts[right[alike]])
    return parent


def _across(left: Signatures, right: Signatures, band: int) -> Ints:
    keys = _keys(left, band)
    order = np.argsort(keys, kind="stable")
    asked = _keys(right, band)
    first = np.searchsorted(keys[order], asked, side="left")
    count = np.searchsorted(keys[order], asked, side="right") - first
    hit = np.zeros(len(right), dtype=np.bool_)
    for item, other in _spread(first, count):
        still = ~hit[item]
        item, other = item[still], other[still]
        hit[item[_alike(right[item], left[order[other]])]] = True
    return np.flatnonzero(hit)


def _keys(signatures: Signatures, band: int) -> NDArray[np.uint64]:
    keys = np.zeros(len(signatures), dtype=np.uint64)
    for column in range(band * BAND_ROWS, (band + 1) * BAND_ROWS):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + signatures[:, column] + np.uint64(1)
        keys ^= keys >> np.uint64(29)
    return keys


def _alike(left: Signatures, right: Signatures) -> NDArray[np.bool_]:
    same = np.count_nonzero(left == right, axis=1)
    return np.asarray(same >= ALIKE_SHARE * PERMUTATIONS)


def _spread(first: Ints, count: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Give every (item, first[item] + 0 .. count[item] - 1), in blocks of bounded size."""
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
    """Join the groups of pairs; before and after, each text points at the least of its group."""
    while True:
        low = np.minimum(parent[left], parent[right])
        high = np.maximum(parent[left], parent[right])
        if np.array_equal(low, high):
            return parent
        np.minimum.at(parent, high, low)
        while not np.array_equal(above := parent[parent], parent):
            parent = above
