"""Near-duplicates between two sets of rows: what a split must not leave."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.near_duplicates import (
    BANDS,
    Ints,
    Signatures,
    Sketches,
    _alike,
    _keys,
    _spread,
    sketch_texts,
)


def count_leaked_rows(train_texts: Iterable[str], test_texts: Iterable[str]) -> int:
    """Count the test rows that have a near-duplicate in the training rows.

    >>> count_leaked_rows(["When will my new card arrive?"], ["when will my card arrive", "Stop"])
    1
    """
    train = list(train_texts)
    sketches = sketch_texts(chain(train, test_texts))
    known = np.zeros(len(sketches.hashes), dtype=np.bool_)
    asked = known.copy()
    known[sketches.distinct[: len(train)]] = True
    asked[sketches.distinct[len(train) :]] = True
    found = near_duplicates_of(sketches, known, asked)
    return int(np.isin(sketches.distinct[len(train) :], found).sum())


def near_duplicates_of(
    sketches: Sketches, known: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> Ints:
    """Return the texts in `asked` with a near-duplicate in `known`; both are masks [distinct]."""
    found = asked & known
    for kind in sketches.kinds:
        left = kind.signatures[known[kind.texts]]
        for band in range(BANDS if len(left) else 0):
            open_ = np.flatnonzero((asked & ~found)[kind.texts])
            hit = _across(left, kind.signatures[open_], band)
            found[kind.texts[open_[hit]]] = True
    return np.flatnonzero(found)


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
