"""Rows -> train, validation and test, with near-duplicates never on both sides of a border."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UsageError
from trainer.evaluation import near_duplicates
from trainer.evaluation.near_duplicates import Sketches, sketch_texts

TRAIN, VALIDATION, TEST = 0, 1, 2
CROWD_SHARE = 0.5  # a group above this share of the rows is too big to be dealt


@dataclass(frozen=True)
class Split:
    """Where each row goes."""

    half: NDArray[np.int8]
    """0 train, 1 validation, 2 test [rows]."""
    groups: int
    """Groups of near-duplicates, a row alone being one."""
    largest_group_rows: int
    """Rows in the largest group."""
    warning: str
    """What a person should know about this split; empty if there is nothing."""

    def rows(self, half: int) -> int:
        """Count the rows of one half."""
        return int(np.count_nonzero(self.half == half))


def split(texts: Iterable[str], validation_share: float, test_share: float, seed: int = 0) -> Split:
    """Deal rows to train, validation and test, whole groups of near-duplicates at a time.

    Which half a group goes to follows from its wording and the seed, not from the order of rows.
    A half may stay smaller than asked by less than a group, and is never empty where there are
    groups enough.

    Args:
        texts: What the user asked, one a row; read once.
        validation_share: Of the rows [0..1].
        test_share: Of the rows [0..1].
        seed: Another seed deals other groups.

    Raises:
        UsageError: a share is below 0, or nothing is left to train on.

    >>> split(["Pay by card?", "pay by card", "Stop", "Where is it?"], 0.25, 0.25).rows(TEST)
    1
    """
    if min(validation_share, test_share) < 0 or not validation_share + test_share < 1:
        raise UsageError(
            "split",
            f"asked for a validation share of {validation_share} and a test share of {test_share}.",
            "Give two shares from 0 on that leave rows to train on, such as 0.1 and 0.1.",
        )
    sketches = sketch_texts(texts)
    rows = len(sketches.distinct)
    if rows == 0:
        return Split(np.empty(0, dtype=np.int8), 0, 0, "there are no rows")
    group, sizes, names = _groups(sketches)
    order = sorted(range(len(sizes)), key=lambda at: _draw(int(names[at]), seed))
    wanted = {TEST: test_share * rows, VALIDATION: validation_share * rows}
    half = _deal(order, sizes.tolist(), wanted, rows)
    return Split(
        half[group], len(sizes), int(sizes.max()), _warning(half, int(sizes.max()), rows, wanted)
    )


def count_leaked_rows(train_texts: Iterable[str], test_texts: Iterable[str]) -> int:
    """Count the test rows that have a near-duplicate in train.

    >>> count_leaked_rows(["When will my new card arrive?"], ["when will my card arrive", "Stop"])
    1
    """
    train = list(train_texts)
    sketches = sketch_texts(chain(train, test_texts))
    known = np.zeros(len(sketches.hashes), dtype=np.bool_)
    asked = known.copy()
    known[sketches.distinct[: len(train)]] = True
    asked[sketches.distinct[len(train) :]] = True
    found = near_duplicates.near_duplicates_of(sketches, known, asked)
    return int(np.isin(sketches.distinct[len(train) :], found).sum())


def _groups(
    sketches: Sketches,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Return the group of each row, the rows of each group, and the least hash in each group."""
    root = near_duplicates.near_duplicate_groups(sketches)
    roots, number = np.unique(root, return_inverse=True)
    names = np.full(len(roots), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(names, number, sketches.hashes)
    group = number[sketches.distinct]
    return group, np.bincount(group, minlength=len(roots)), names


def _draw(name: int, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=16).digest()


def _deal(
    order: list[int], sizes: list[int], wanted: dict[int, float], rows: int
) -> NDArray[np.int8]:
    half = np.zeros(len(sizes), dtype=np.int8)
    left = {to: round(share) for to, share in wanted.items()}
    for at in order:
        for to in left:
            if 0 < sizes[at] <= left[to] and sizes[at] <= CROWD_SHARE * rows:
                half[at] = to
                left[to] -= sizes[at]
                break
    # a half that was asked for and got nothing takes the smallest group left, if train keeps one
    for to, share in wanted.items():
        spare = sorted((at for at in order if half[at] == TRAIN), key=lambda at: sizes[at])
        if share > 0 and to not in half and len(spare) > 1:
            half[spare[0]] = to
    return half


def _warning(half: NDArray[np.int8], largest: int, rows: int, wanted: dict[int, float]) -> str:
    says = []
    if largest > CROWD_SHARE * rows and rows > 1:
        says.append(
            f"{largest} of {rows} rows are near-duplicates of each other; all of them "
            "are in train, so validation and test show only the rest"
        )
    words = {VALIDATION: "validation", TEST: "test"}
    empty = [words[to] for to, share in wanted.items() if share > 0 and to not in half]
    if empty:
        says.append(f"there are too few different rows for {' and '.join(empty)}")
    return "; ".join(says)
