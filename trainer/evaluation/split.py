"""Split rows into train, validation and test; near-duplicates always stay in the same part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UsageError
from trainer.evaluation import near_duplicates
from trainer.evaluation.near_duplicates import Sketches, sketch_texts

TRAIN, VALIDATION, TEST = 0, 1, 2
CROWD_SHARE = 0.5  # a group with a larger share of the rows always goes to train


@dataclass(frozen=True)
class Split:
    """The part that each row belongs to."""

    half: NDArray[np.int8]
    """0 train, 1 validation, 2 test [rows]."""
    groups: int
    """Groups of near-duplicates; a single row is a group too."""
    largest_group_rows: int
    """Rows in the largest group."""
    warning: str
    """A problem with this split that the user should know; empty if there is none."""

    def rows(self, half: int) -> int:
        """Number of rows in one part."""
        return int(np.count_nonzero(self.half == half))


def split(texts: Iterable[str], validation_share: float, test_share: float, seed: int = 0) -> Split:
    """Split rows into train, validation and test, keeping groups of near-duplicates together.

    The part of a group depends on its wording and the seed, not on the order of the rows. A part
    can be smaller than requested by less than one group, and is never empty if there are enough
    groups.

    Args:
        texts: The user message of each row; read once.
        validation_share: Share of the rows [0..1].
        test_share: Share of the rows [0..1].
        seed: A different seed gives a different split.

    Raises:
        UsageError: a share is below 0, or no rows are left to train on.

    >>> split(["Pay by card?", "pay by card", "Stop", "Where is it?"], 0.25, 0.25).rows(TEST)
    1
    """
    if min(validation_share, test_share) < 0 or not validation_share + test_share < 1:
        raise UsageError(
            "split",
            f"validation share {validation_share} and test share {test_share} "
            "leave no training rows.",
            "Set two shares of 0 or more that add up to less than 1, for example 0.1 and 0.1.",
        )
    sketches = sketch_texts(texts)
    rows = len(sketches.distinct)
    if rows == 0:
        return Split(np.empty(0, dtype=np.int8), 0, 0, "there are no rows")
    group, sizes, names = _groups(sketches)
    order = sorted(range(len(sizes)), key=lambda at: _draw(int(names[at]), seed))
    wanted = {TEST: test_share * rows, VALIDATION: validation_share * rows}
    part = _deal(order, sizes.tolist(), wanted, rows)
    return Split(
        part[group], len(sizes), int(sizes.max()), _warning(part, int(sizes.max()), rows, wanted)
    )


def _groups(
    sketches: Sketches,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Return the group of each row, the size of each group, and its smallest hash."""
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
    # a requested part that is still empty gets the smallest remaining group, if train keeps one
    for to, share in wanted.items():
        spare = sorted((at for at in order if half[at] == TRAIN), key=lambda at: sizes[at])
        if share > 0 and to not in half and len(spare) > 1:
            half[spare[0]] = to
    return half


def _warning(half: NDArray[np.int8], largest: int, rows: int, wanted: dict[int, float]) -> str:
    warnings = []
    if largest > CROWD_SHARE * rows and rows > 1:
        warnings.append(
            f"{largest} of {rows} rows are near-duplicates of each other; all of them "
            "are in train, so validation and test contain only the others"
        )
    words = {VALIDATION: "validation", TEST: "test"}
    empty = [words[to] for to, share in wanted.items() if share > 0 and to not in half]
    if empty:
        warnings.append(f"too few distinct rows for {' and '.join(empty)}")
    return "; ".join(warnings)
