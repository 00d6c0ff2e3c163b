"""Retrieval of passages for a question: BM25 over words and cosine over vectors, fused by rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UsageError
from trainer.evaluation.near_duplicates import words
from trainer.pilot.corpus import Passage

MAX_RANKED = 50
"""Entries of each ranking that enter the fusion."""
RANK_CONSTANT = 60
"""As in the paper on reciprocal rank fusion."""
Floats = NDArray[np.float32]


class Bm25Index:
    """Okapi BM25 over words; in scripts without spaces, over characters.

    Source:
        The library bm25s (Lu 2024, https://arxiv.org/abs/2407.03618), method "lucene".
    """

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            import bm25s
        except ImportError as error:
            remedy = "Install the extra: pip install 'tune-or-not[trainer]'."
            raise UsageError("pilot", "bm25s is not installed.", remedy) from error
        self._index = bm25s.BM25()
        self._index.index([words(text) or ["-"] for text in texts], show_progress=False)
        self._known = {word for text in texts for word in words(text)}

    def ranked(self, question: str) -> list[int]:
        """Rank the passages that share a word with the question, best first."""
        known = [word for word in words(question) if word in self._known]
        if not known:
            return []
        scores = self._index.get_scores(known)
        order = np.argsort(-scores, kind="stable")[:MAX_RANKED]
        return [int(place) for place in order if scores[place] > 0]


def rank_by_cosine(vectors: Floats, question: Floats) -> list[int]:
    """Rank passages by the cosine of their vectors with that of the question, best first."""
    return [int(place) for place in np.argsort(-(vectors @ question), kind="stable")[:MAX_RANKED]]


def fuse_rankings(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Fuse rankings by reciprocal rank: score = sum over rankings of 1 / (60 + rank).

    Source:
        Cormack, Clarke and Buettcher 2009, https://doi.org/10.1145/1571941.1572114.

    >>> fuse_rankings([[1, 2, 3], [3, 1]])
    [1, 3, 2]
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            scores[place] = scores.get(place, 0.0) + 1 / (RANK_CONSTANT + rank)
    return sorted(scores, key=lambda place: (-scores[place], place))


@dataclass(frozen=True)
class Retriever:
    """Passages with both indexes."""

    passages: tuple[Passage, ...]
    words: Bm25Index
    vectors: Floats | None
    """One per passage, of length 1; None without an embedding model."""
    top_k: int

    def find(self, question: str, vector: Floats | None) -> tuple[Passage, ...]:
        """Return the best passages for a question, best first."""
        rankings = [self.words.ranked(question)]
        if self.vectors is not None and vector is not None:
            rankings.append(rank_by_cosine(self.vectors, vector))
        return tuple(self.passages[place] for place in fuse_rankings(rankings)[: self.top_k])


def is_found(source: str, retrieved: Sequence[Passage]) -> bool:
    """Whether the source that a row names is among the retrieved passages.

    The source is the name of a document, or words of the passage itself.

    >>> is_found("faq.md", [Passage("faq.md", "Refunds take 5 days.", 6)])
    True
    >>> is_found("refunds take 5 days", [Passage("faq.md", "Refunds take 5 days.", 6)])
    True
    """
    wanted = " ".join(words(source))
    return any(
        passage.document == source or (wanted and wanted in " ".join(words(passage.text)))
        for passage in retrieved
    )
