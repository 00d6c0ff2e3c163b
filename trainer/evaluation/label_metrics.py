"""Classification metrics: accuracy, macro F1, and precision, recall and F1 per label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.errors import UsageError
from trainer.evaluation.metrics import normalized_label


@dataclass(frozen=True)
class LabelMetrics:
    """Metrics of one label."""

    label: str
    """The expected label, in lower case."""
    rows: int
    """Rows with this expected label."""
    precision: float
    """Share of the answers with this label that are correct [0..1]; 0 if there are none."""
    recall: float
    """Share of the rows with this label that are answered correctly [0..1]."""
    f1: float
    """2 x precision x recall / (precision + recall) [0..1]; 0 if both are 0."""


@dataclass(frozen=True)
class ClassificationMetrics:
    """Metrics over all labels that are expected at least once."""

    accuracy: float
    """Share of correct answers [0..1]."""
    macro_f1: float
    """Unweighted mean F1 of the labels [0..1]."""
    figures: tuple[LabelMetrics, ...]
    """One per label, sorted by name."""


def classification_metrics(
    answers: Sequence[str], expected: Sequence[str]
) -> ClassificationMetrics:
    """Compute the metrics of labelled answers.

    A label that is never expected is not averaged over: answering it only lowers the recall of
    the expected label.

    Raises:
        UsageError: there are no rows, or the numbers of answers and rows differ.

    >>> found = classification_metrics(["a", "a", "b"], ["a", "b", "b"])
    >>> found.figures[0].precision, found.figures[0].recall, round(found.macro_f1, 4)
    (0.5, 1.0, 0.6667)
    """
    if len(answers) != len(expected) or not expected:
        raise UsageError(
            "labels",
            f"{len(answers)} answers for {len(expected)} rows.",
            "Give one answer per row, and at least one row.",
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
