"""Answers that name labels -> accuracy, macro F1 and the figures of each label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.errors import UsageError
from trainer.evaluation.metrics import normalized_label


@dataclass(frozen=True)
class LabelMetrics:
    """How well one label is told from the others."""

    label: str
    """As it is expected, in small letters."""
    rows: int
    """Rows where it is expected."""
    precision: float
    """Share of the answers with this label that are right [0..1]; 0 if there are none."""
    recall: float
    """Share of the rows of this label that are answered so [0..1]."""
    f1: float
    """2 x precision x recall / (precision + recall) [0..1]; 0 if both are 0."""


@dataclass(frozen=True)
class ClassificationMetrics:
    """All labels that are expected at least once."""

    accuracy: float
    """Share of right answers [0..1]."""
    macro_f1: float
    """Mean F1 of the labels, each counting alike [0..1]."""
    figures: tuple[LabelMetrics, ...]
    """One a label, by name."""


def classification_metrics(
    answers: Sequence[str], expected: Sequence[str]
) -> ClassificationMetrics:
    """Count how often each label is answered, and rightly.

    A label that nobody expects is no label of its own: answering it lowers the recall of the label
    that was expected, and adds nothing to average over.

    Raises:
        UsageError: there are no rows, or more answers than rows or fewer.

    >>> found = classification_metrics(["a", "a", "b"], ["a", "b", "b"])
    >>> found.figures[0].precision, found.figures[0].recall, round(found.macro_f1, 4)
    (0.5, 1.0, 0.6667)
    """
    if len(answers) != len(expected) or not expected:
        raise UsageError(
            "labels",
            f"{len(answers)} answers for {len(expected)} rows.",
            "Give one answer a row, and one row or more.",
        )
    given, wanted = list(map(normalized_label, answers)), list(map(normalized_label, expected))
    named, rows = Counter(given), Counter(wanted)
    right = Counter(one for one, other in zip(given, wanted, strict=True) if one == other)
    figures = tuple(_figures(name, right[name], named[name], rows[name]) for name in sorted(rows))
    macro = sum(one.f1 for one in figures) / len(figures)
    return ClassificationMetrics(right.total() / len(wanted), macro, figures)


def mean_score(scores: Sequence[float]) -> float:
    """Return the mean of scores [0..1]; 0 if there are none.

    >>> mean_score([1.0, 0.5]), mean_score([])
    (0.75, 0.0)
    """
    return sum(scores) / len(scores) if scores else 0.0


def _figures(name: str, right: int, named: int, rows: int) -> LabelMetrics:
    precision = right / named if named else 0.0
    return LabelMetrics(name, rows, precision, right / rows, 2 * right / (named + rows))
