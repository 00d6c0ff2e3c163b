"""Baselines without a language model: TF-IDF with logistic regression, and the majority label."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UsageError
from trainer.evaluation.metrics import import_local_extra
from trainer.evaluation.near_duplicates import WORD

INVERSE_PENALTY = 10.0  # scikit-learn's C
RARE_ROWS = 1_000  # from this size, character grams that occur in a single row are dropped
MAX_ITERATIONS = 1_000
TOLERANCE = 0.1  # of the dual solver; 0.01 gave the same answers on 3,000 rows of 77 labels
VECTORIZER_SETTINGS: tuple[dict[str, Any], ...] = (
    {"ngram_range": (1, 2), "token_pattern": WORD.pattern, "sublinear_tf": True},
    {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True},
)
VOCABULARY_NAMES = ("words", "grams")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TfidfClassifier:
    """One logistic regression per label over words and character grams.

    >>> TfidfClassifier.fit(["pay by card", "where is it"], ["pay", "find"]).answer(["can I pay?"])
    ['pay']
    """

    labels: tuple[str, ...]
    vocabularies: tuple[dict[str, int], ...]
    """For words and for grams: text -> column."""
    idf: tuple[Floats, ...]
    """Inverse document frequency of each column."""
    weights: Floats
    """[labels, or 1 for two labels; columns]."""
    offsets: Floats
    """Intercept of each row of the weights."""

    @classmethod
    def fit(cls, texts: Sequence[str], labels: Sequence[str], seed: int = 0) -> TfidfClassifier:
        """Train on labelled texts; the same seed gives the same model.

        Raises:
            UsageError: scikit-learn is not installed, or there are fewer than two labels.
        """
        names = sorted(set(labels))
        if len(names) < 2:
            raise UsageError(
                "labels", f"all rows have {names}.", "Add rows with at least one other label."
            )
        text, linear, multiclass = (
            import_local_extra(f"sklearn.{name}")
            for name in ("feature_extraction.text", "linear_model", "multiclass")
        )
        sparse = import_local_extra("scipy.sparse")
        rare = (1, 2 if len(texts) >= RARE_ROWS else 1)
        makers = [
            text.TfidfVectorizer(**kind, min_df=least)
            for kind, least in zip(VECTORIZER_SETTINGS, rare, strict=True)
        ]
        worded = list(map(_with_fallback_word, texts))
        matrix = sparse.hstack([maker.fit_transform(worded) for maker in makers]).tocsr()
        one = linear.LogisticRegression(
            C=INVERSE_PENALTY,
            solver="liblinear",
            dual=True,
            tol=TOLERANCE,
            max_iter=MAX_ITERATIONS,
            random_state=seed,
        )
        found = multiclass.OneVsRestClassifier(one).fit(matrix, list(labels))
        return cls(
            labels=tuple(map(str, found.classes_)),
            vocabularies=tuple(
                {str(word): int(place) for word, place in maker.vocabulary_.items()}
                for maker in makers
            ),
            idf=tuple(np.asarray(maker.idf_, np.float64) for maker in makers),
            weights=np.vstack([each.coef_[0] for each in found.estimators_]),
            offsets=np.array([each.intercept_[0] for each in found.estimators_]),
        )

    def answer(self, texts: Sequence[str]) -> list[str]:
        """Return the most likely label of each text."""
        if not texts:
            return []
        text = import_local_extra("sklearn.feature_extraction.text")
        sparse = import_local_extra("scipy.sparse")
        worded, parts = list(map(_with_fallback_word, texts)), []
        for kind, vocabulary, idf in zip(
            VECTORIZER_SETTINGS, self.vocabularies, self.idf, strict=True
        ):
            maker = text.TfidfVectorizer(**kind, vocabulary=vocabulary)
            maker.idf_ = idf
            parts.append(maker.transform(worded))
        sure = sparse.hstack(parts).tocsr() @ self.weights.T + self.offsets
        if sure.shape[1] == 1:
            return [self.labels[int(one > 0)] for one in sure[:, 0]]
        return [self.labels[place] for place in sure.argmax(axis=1)]

    def save(self, folder: Path) -> None:
        """Write the model as JSON and plain arrays, without pickled code."""
        folder.mkdir(parents=True, exist_ok=True)
        body = {
            "labels": self.labels,
            **dict(zip(VOCABULARY_NAMES, self.vocabularies, strict=True)),
        }
        (folder / "plain.json").write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
        np.savez_compressed(
            folder / "plain.npz",
            allow_pickle=False,
            weights=self.weights,
            offsets=self.offsets,
            words=self.idf[0],
            grams=self.idf[1],
        )

    @classmethod
    def load(cls, folder: Path) -> TfidfClassifier:
        """Load a model that `save` wrote."""
        body = json.loads((folder / "plain.json").read_text(encoding="utf-8"))
        with np.load(folder / "plain.npz", allow_pickle=False) as numbers:
            return cls(
                tuple(body["labels"]),
                tuple(body[name] for name in VOCABULARY_NAMES),
                tuple(numbers[name] for name in VOCABULARY_NAMES),
                numbers["weights"],
                numbers["offsets"],
            )


def _with_fallback_word(text: str) -> str:
    """Add a word to a text without words, because the vocabulary must not be empty."""
    return text if WORD.search(text) else f"{text} wordless"


def majority(train_labels: Sequence[str], rows: int) -> list[str]:
    """Answer every row with the most frequent label; ties go to the first by name.

    Raises:
        UsageError: there are no labels.

    >>> majority(["b", "a", "b"], 2)
    ['b', 'b']
    """
    if not train_labels:
        raise UsageError("baseline", "there are no labels.", "Add training rows.")
    counts = Counter(train_labels)
    return [min(counts, key=lambda name: (-counts[name], name))] * rows


def tfidf_logreg(
    train_texts: Sequence[str],
    train_labels: Sequence[str],
    test_texts: Sequence[str],
    seed: int = 0,
) -> tuple[list[str], float, float]:
    """Train the classifier and answer the test rows.

    Features are TF-IDF of 1 to 2 words and of 2 to 5 characters within words, in lower case.

    Returns:
        Answers [test rows], training time [s], time per answer [s].

    Raises:
        UsageError: scikit-learn is not installed, or the numbers of texts and labels differ.

    >>> tfidf_logreg(["pay by card", "where is it"], ["pay", "find"], ["can I pay?"])[0]
    ['pay']
    """
    if len(train_texts) != len(train_labels):
        raise UsageError(
            "baseline",
            f"{len(train_texts)} texts and {len(train_labels)} labels to train on.",
            "Give one label per text.",
        )
    if len(set(train_labels)) < 2:
        return majority(train_labels, len(test_texts)), 0.0, 0.0
    started = time.perf_counter()
    model = TfidfClassifier.fit(train_texts, train_labels, seed)
    trained = time.perf_counter()
    answers = model.answer(test_texts)
    took = time.perf_counter() - trained
    return answers, trained - started, took / max(len(test_texts), 1)
