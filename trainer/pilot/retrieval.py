"""A question -> the passages that fit it best: by words (BM25) and by meaning (vectors), fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UsageError
from trainer.evaluation.near_duplicates import words
from trainer.pilot.corpus import Passage

MAX_RANKED = 50
"""How far down each list goes into the fusion."""
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
        """List passages, best first; those that share no word with the question are left out."""
        asked = [word for word in words(question) if word in self._known]
        if not asked:
            return []
        scores = self._index.get_scores(asked)
        order = np.argsort(-scores, kind="stable")[:MAX_RANKED]
        return [int(place) for place in order if scores[place] > 0]


def rank_by_cosine(vectors: Floats, question: Floats) -> list[int]:
    """List passages by the cosine of their vectors with that of the question, best first."""
    return [int(place) for place in np.argsort(-(vectors @ question), kind="stable")[:MAX_RANKED]]


def fuse_rankings(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Fuse lists by reciprocal rank: score = sum over lists of 1 / (60 + rank).

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
    """Passages, and both ways to find them."""

    passages: tuple[Passage, ...]
    words: Bm25Index
    vectors: Floats | None
    """One a passage, of length 1; none where no embedding model was named."""
    top_k: int

    def find(self, question: str, vector: Floats | None) -> tuple[Passage, ...]:
        """Return the passages that go before a question, best first."""
        rankings = [self.words.ranked(question)]
        if self.vectors is not None and vector is not None:
            rankings.append(rank_by_cosine(self.vectors, vector))
        return tuple(self.passages[place] for place in fuse_rankings(rankings)[: self.top_k])


def is_found(source: str, among: Sequence[Passage]) -> bool:
    """Whether the text that a row names as its source is among the passages.

    The source is the name of a document, or words of the passage itself.

    >>> is_found("faq.md", [Passage("faq.md", "Refunds take 5 days.", 6)])
    True
    >>> is_found("refunds take 5 days", [Passage("faq.md", "Refunds take 5 days.", 6)])
    True
    """
    wanted = " ".join(words(source))
    return any(
        one.document == source or (wanted and wanted in " ".join(words(one.text))) for one in among
    )
