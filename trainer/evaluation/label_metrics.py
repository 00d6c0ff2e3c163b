"""Aggregate scores: macro F1 of labelled answers, and the mean of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from advisor.errors import UsageError
from trainer.evaluation.metrics import normalized_label


def macro_f1(answers: Sequence[str], expected: Sequence[str]) -> float:
    """Return the unweighted mean F1 of all expected labels [0..1].

    F1 = 2 x correct / (answers with the label + rows with the label). A label that is never
    expected is not averaged over: answering it only lowers the F1 of the expected label.

    Raises:
        UsageError: there are no rows, or the numbers of answers and rows differ.

    >>> round(macro_f1(["a", "a", "b"], ["a", "b", "b"]), 4)
    0.6667
    """
    if len(answers) != len(expected) or not expected:
        raise UsageError(
            "labels",
            f"{len(answers)} answers for {len(expected)} rows.",
            "Give one answer per row, and at least one row.",
        )
    given, wanted = list(map(normalized_label, answers)), list(map(normalized_label, expected))
    answered, rows = Counter(given), Counter(wanted)
    correct = Counter(one for one, other in zip(given, wanted, strict=True) if one == other)
    return mean_score([2 * correct[name] / (answered[name] + rows[name]) for name in sorted(rows)])


def mean_score(scores: Sequence[float]) -> float:
    """Return the mean of scores [0..1]; 0 if there are none.

    >>> mean_score([1.0, 0.5]), mean_score([])
    (0.75, 0.0)
    """
    return sum(scores) / len(scores) if scores else 0.0
