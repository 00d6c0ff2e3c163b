"""Sorted lengths or hashes of all rows -> percentiles, histogram, billed tokens, repeats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (5, 50, 90, 95, 99)
BUCKETS = tuple(2**i for i in range(4, 21))

Sorted = NDArray[np.uint32]


def percentiles(lengths: Sorted) -> tuple[tuple[int, int], ...]:
    """Return the tokens of an example at each of `PERCENTILES`.

    >>> percentiles(np.arange(101, dtype=np.uint32))
    ((5, 5), (50, 50), (90, 90), (95, 95), (99, 99))
    """
    last = len(lengths) - 1
    return tuple((p, int(lengths[round(p / 100 * last)])) for p in PERCENTILES if last >= 0)


def billed(lengths: Sorted, limit: int) -> int:
    """Sum the tokens, each example cut at the limit."""
    whole = int(lengths.searchsorted(limit, "right"))
    return int(lengths[:whole].sum(dtype=np.int64)) + limit * (len(lengths) - whole)


def histogram(lengths: Sorted) -> tuple[tuple[int, int], ...]:
    """Count examples up to each power of two."""
    ends = [int(lengths.searchsorted(bound, "right")) for bound in BUCKETS]
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    found = [(bound, n) for bound, n in zip(BUCKETS, counts, strict=True) if n]
    rest = len(lengths) - ends[-1]
    return tuple(found + ([(int(lengths[-1]), rest)] if rest else []))


def repeats(hashes: NDArray[np.uint64]) -> int:
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
