"""Verdict on a tuned model: better, not better, worse or not enough evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.errors import UsageError
from trainer.evaluation.statistics import mcnemar, paired_bootstrap

BETTER, NOT_BETTER, WORSE, UNKNOWN = "better", "not better", "worse", "not enough evidence"
MIN_ROWS = 30
WIDE_INTERVAL = 0.10  # a wider interval could hide a gain of 10 points


@dataclass(frozen=True)
class Verdict:
    """Whether a tuned model is better than the baseline on held-out rows."""

    word: str
    """better, not better, worse, or not enough evidence."""
    rows: int
    """Rows that both systems answered."""
    difference: float
    """Mean score of the tuned model minus that of the baseline [-1..1]."""
    low: float
    """Lower end of the interval of the difference (paired bootstrap)."""
    high: float
    """Upper end."""
    p_value: float | None
    """McNemar's test for scores of 0 and 1; None for others, where the interval decides."""
    says: str
    """The verdict as one sentence."""


def judge(
    baseline_scores: Sequence[float],
    tuned_scores: Sequence[float],
    binary: bool,
    least_rows: int = MIN_ROWS,
    alpha: float = 0.05,
) -> Verdict:
    """Compare a tuned model with the baseline on the same rows.

    The verdict is better or worse only if the difference is significant. A difference of 0 or
    less that is not significant is "not better"; one above 0 is "not enough evidence" if a gain
    of 10 points could have been missed.

    Args:
        baseline_scores: One per row [0..1].
        tuned_scores: One per row, in the same order [0..1].
        binary: Whether every score is 0 or 1.
        least_rows: Fewer rows give no verdict.
        alpha: Accepted probability of a false better or worse [0..1].

    Raises:
        UsageError: the numbers of scores differ, or a score is out of range.

    >>> judge([0.0] * 40, [1.0] * 10 + [0.0] * 30, binary=True).word
    'better'
    >>> judge([0.5] * 40, [0.5] * 40, binary=False).says
    'not better: 0.500 against 0.500 on 40 rows, +0.000 (95 % interval +0.000 to +0.000)'
    """
    _check(baseline_scores, tuned_scores, binary)
    rows = len(baseline_scores)
    before, after = (math.fsum(one) / max(1, rows) for one in (baseline_scores, tuned_scores))
    low, high = paired_bootstrap(baseline_scores, tuned_scores, level=1 - alpha)
    difference = after - before
    p_value = _p_value(baseline_scores, tuned_scores) if binary else None
    is_sure = p_value < alpha if p_value is not None else low > 0 or high < 0
    word = _verdict_word(
        difference, is_sure, max(high - difference, difference - low) > WIDE_INTERVAL
    )
    if rows < least_rows:
        word = UNKNOWN
    how = f"{1 - alpha:.0%} interval {low:+.3f} to {high:+.3f}".replace("%", " %")
    if p_value is not None:
        how += f", p = {p_value:.2g}" if p_value else ", p < 1e-300"
    says = f"{word}: {after:.3f} against {before:.3f} on {rows} rows, {difference:+.3f} ({how})"
    if rows < least_rows:
        says += f"; a verdict needs {least_rows} or more rows"
    return Verdict(word, rows, difference, low, high, p_value, says)


def judge_forgetting(
    perplexity_before: float, perplexity_after: float, tolerance: float = 0.10
) -> tuple[bool, str]:
    """Report whether a tuned model got worse on general text.

    Args:
        perplexity_before: Perplexity of the base model on general text [1].
        perplexity_after: Perplexity of the tuned model on the same text [1].
        tolerance: Accepted rise, as a share of the value before.

    Raises:
        UsageError: the perplexity before is not a finite number of 1 or more.

    >>> judge_forgetting(10.0, 12.0)[1]
    'forgot: perplexity on general text rose from 10.00 to 12.00, by 20 %; the tolerance is 10 %'
    """
    if not 1 <= perplexity_before < math.inf:
        raise UsageError(
            "forgetting",
            f"the perplexity of the base model is {perplexity_before}.",
            "Measure it again; it must be 1 or more.",
        )
    if not math.isfinite(perplexity_after):
        return True, (
            f"forgot: perplexity on general text was {perplexity_before:.2f} and is no "
            "longer finite"
        )
    rise = perplexity_after / perplexity_before - 1
    is_worse = rise > tolerance
    moved = "rose" if rise > 0 else "fell" if rise < 0 else "stayed"
    return is_worse, (
        f"{'forgot' if is_worse else 'kept'}: perplexity on general text {moved} from "
        f"{perplexity_before:.2f} to {perplexity_after:.2f}, by {abs(rise) * 100:.0f} %; "
        f"the tolerance is {tolerance * 100:.0f} %"
    )


def _verdict_word(difference: float, is_sure: bool, is_wide: bool) -> str:
    if is_sure:
        return BETTER if difference > 0 else WORSE
    return UNKNOWN if is_wide and difference > 0 else NOT_BETTER


def _p_value(baseline: Sequence[float], tuned: Sequence[float]) -> float:
    pairs = list(zip(baseline, tuned, strict=True))
    return mcnemar(sum(a < b for a, b in pairs), sum(a > b for a, b in pairs))


def _check(baseline: Sequence[float], tuned: Sequence[float], binary: bool) -> None:
    if len(baseline) != len(tuned):
        raise UsageError(
            "verdict",
            f"{len(baseline)} baseline scores and {len(tuned)} scores of the tuned model.",
            "Score both systems on the same rows.",
        )
    for at, score in enumerate((*baseline, *tuned)):
        if not 0 <= score <= 1 or (binary and score not in (0, 1)):
            raise UsageError(
                "verdict",
                f"row {at % len(baseline) + 1} has the score {score}.",
                "Give scores of 0 and 1." if binary else "Give scores from 0 to 1.",
            )
