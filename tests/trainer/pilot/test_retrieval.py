"""Passages are found by words and by vectors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.pilots import TEXTS
from trainer.pilot.corpus import Passage
from trainer.pilot.retrieval import Bm25Index, Retriever, fuse_rankings, is_found


@pytest.mark.parametrize(
    ("question", "place"),
    [("when are refunds paid?", 0), ("Wann kommen Lieferungen?", 1), ("返金はいつですか", 2)],
)
def test_words_find_a_passage_in_any_language(question: str, place: int) -> None:
    assert Bm25Index(TEXTS).ranked(question)[0] == place


def test_what_shares_no_word_is_found_by_meaning_alone() -> None:
    found = tuple(Passage(f"{n}.md", text, 8) for n, text in enumerate(TEXTS))
    vectors = np.eye(4, dtype=np.float32)
    by_both = Retriever(found, Bm25Index(TEXTS), vectors, 2)
    by_words = Retriever(found, Bm25Index(TEXTS), None, 2)

    assert by_words.find("money back", None) == ()
    assert by_both.find("money back", vectors[3])[0] == found[3]
    assert fuse_rankings([[0, 1], [1, 2]])[0] == 1
    assert is_found("0.md", found[:1])
    assert not is_found("0.md", found[1:])
