"""Labelled texts -> answers of TF-IDF and logistic regression: what a plain way reaches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from advisor.errors import UsageError
from trainer.evaluation.plain import Plain


def majority(train_labels: Sequence[str], rows: int) -> list[str]:
    """Answer every row with the most frequent label; of equals, the first by name.

    Raises:
        UsageError: there are no labels.

    >>> majority(["b", "a", "b"], 2)
    ['b', 'b']
    """
    if not train_labels:
        raise UsageError("baseline", "there are no labels.", "Give rows to train on.")
    counts = Counter(train_labels)
    return [min(counts, key=lambda name: (-counts[name], name))] * rows


def tfidf_logreg(
    train_texts: Sequence[str],
    train_labels: Sequence[str],
    test_texts: Sequence[str],
    seed: int = 0,
) -> tuple[list[str], float, float]:
    """Train on words and grams of characters, and answer the test rows.

    Features are TF-IDF of 1 to 2 words and of 2 to 5 characters within words, in small letters;
    the classifier is one logistic regression a label, the surest of which answers. The same seed
    gives the same answers.

    Args:
        train_texts: What the user asked, one a row.
        train_labels: What was expected, same rows.
        test_texts: What to answer.
        seed: Of the solver.

    Returns:
        Answers [test rows], seconds to train [s], seconds an answer [s].

    Raises:
        UsageError: scikit-learn is not installed, or texts and labels do not fit together.

    >>> tfidf_logreg(["pay by card", "where is it"], ["pay", "find"], ["can I pay?"])[0]
    ['pay']
    """
    if len(train_texts) != len(train_labels):
        raise UsageError(
            "baseline",
            f"{len(train_texts)} texts and {len(train_labels)} labels to train on.",
            "Give one label a text.",
        )
    if len(set(train_labels)) < 2:
        return majority(train_labels, len(test_texts)), 0.0, 0.0
    started = time.perf_counter()
    model = Plain.fit(train_texts, train_labels, seed)
    trained = time.perf_counter()
    answers = model.answer(test_texts)
    took = time.perf_counter() - trained
    return answers, trained - started, took / max(len(test_texts), 1)
