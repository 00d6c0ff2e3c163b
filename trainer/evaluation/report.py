"""Scores of several systems on the same rows -> one record, and a table side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from advisor.errors import UsageError
from trainer.evaluation.label_metrics import mean_score
from trainer.evaluation.statistics import bootstrap, wilson
from trainer.evaluation.verdict import BETTER, Verdict, judge, judge_forgetting

RESAMPLES = 2_000  # for a column's own interval; the verdict takes more
HEADER = (
    "system",
    "score",
    "95 % interval",
    "macro F1",
    "seconds an answer",
    "USD a correct answer",
)
NO_VALUE = "-"
T = TypeVar("T")


@dataclass(frozen=True)
class SystemScores:
    """One system: the majority, the plain baseline, the base model, the tuned model."""

    name: str
    """As the table shows it."""
    scores: tuple[float, ...]
    """One a row, in the order of the rows [0..1]."""
    macro_f1: float | None = None
    """Mean F1 of the labels, where answers are labels [0..1]."""
    seconds_per_answer: float | None = None
    """Wall time [s]."""
    usd_per_answer: float | None = None
    """What one answer costs, right or wrong [USD]."""

    @property
    def score(self) -> float:
        """Mean of the scores [0..1]."""
        return mean_score(self.scores)

    @property
    def usd_per_correct_answer(self) -> float | None:
        """Cost of an answer / mean score [USD]; none where nothing is right or no cost is known."""
        if self.usd_per_answer is None or self.score == 0:
            return None
        return self.usd_per_answer / self.score

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the score: Wilson's where scores are 0 or 1, else bootstrap.

        >>> [round(end, 2) for end in SystemScores("base", (1.0,) * 8 + (0.0,) * 2).interval()]
        [0.49, 0.94]
        """
        if set(self.scores) <= {0.0, 1.0}:
            return wilson(round(sum(self.scores)), len(self.scores))
        return bootstrap(self.scores, resamples=RESAMPLES)


@dataclass(frozen=True)
class Forgetting:
    """What tuning did to what the model was not tuned for."""

    perplexity_before: float
    """Of the base model on general text [1]."""
    perplexity_after: float | None
    """Of the tuned model on the same text [1]; none if it is no finite number."""
    forgot: bool
    """It rose by more than is borne."""
    says: str
    """The same as one sentence."""


def forgetting(before: float, after: float, tolerance: float = 0.10) -> Forgetting:
    """Judge two perplexities and keep them with the judgement.

    >>> forgetting(10.0, 10.5).forgot
    False
    """
    is_worse, says = judge_forgetting(before, after, tolerance)
    return Forgetting(before, after if math.isfinite(after) else None, is_worse, says)


@dataclass(frozen=True)
class Evaluation:
    """Every system on the same held-out rows.

    Raises:
        UsageError: a column has scores for more rows or fewer.
    """

    metric: str
    """Name of the measure, or `scorer` for one of the user's."""
    rows: int
    """Held-out rows."""
    columns: tuple[SystemScores, ...]
    """Systems, plainest first."""
    verdict: Verdict
    """Of the tuned model against the baseline."""
    forgetting: Forgetting | None = None
    """None where it was not measured."""
    against: str = "base"
    """Which column the baseline of the verdict is."""

    def __post_init__(self) -> None:
        for column in self.columns:
            if len(column.scores) != self.rows:
                raise UsageError(
                    "evaluation",
                    f"{column.name} has {len(column.scores)} scores for {self.rows} rows.",
                    "Score every system on the same rows.",
                )

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON, with figures that follow from others written out."""
        columns = [
            asdict(one)
            | {
                "scores": list(one.scores),
                "score": one.score,
                "score_low": one.interval()[0],
                "score_high": one.interval()[1],
                "usd_per_correct_answer": one.usd_per_correct_answer,
            }
            for one in self.columns
        ]
        return asdict(self) | {"columns": columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """Read what `as_dict` wrote; figures that follow from others are worked out again.

        Raises:
            UsageError: a key is missing.
        """
        columns = (_read(SystemScores, one) for one in _get(data, "columns"))
        lost = data.get("forgetting")
        return cls(
            metric=_get(data, "metric"),
            rows=_get(data, "rows"),
            columns=tuple(columns),
            verdict=_read(Verdict, _get(data, "verdict")),
            against=_get(data, "against"),
            forgetting=None if lost is None else _read(Forgetting, lost),
        )


def evaluation_table(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Return a text table: a header, then a line a system.

    >>> from trainer.evaluation.verdict import judge
    >>> base = SystemScores("base", (0.0, 1.0))
    >>> tuned = SystemScores("tuned", (1.0, 1.0), 1.0, 0.02, 0.001)
    >>> verdict = judge(base.scores, tuned.scores, binary=True)
    >>> evaluation_table(Evaluation("label", 2, (base, tuned), verdict))[2]
    ('tuned', '1.000', '0.342 to 1.000', '1.000', '0.02', '0.001')
    """
    return [HEADER, *(_line(column) for column in evaluation.columns)]


def _line(column: SystemScores) -> tuple[str, ...]:
    low, high = column.interval()
    return (
        column.name,
        f"{column.score:.3f}",
        f"{low:.3f} to {high:.3f}",
        NO_VALUE if column.macro_f1 is None else f"{column.macro_f1:.3f}",
        _figures(column.seconds_per_answer),
        _figures(column.usd_per_correct_answer),
    )


def evaluation_sentences(found: Evaluation) -> list[str]:
    """Say an evaluation: the verdict, the plain baseline if it wins, and what was forgotten."""
    says = [f"Tuned against {found.against}, {found.verdict.says}"]
    columns = {one.name: one.scores for one in found.columns}
    if found.against != "base" and "base" in columns:
        beside = judge(columns["base"], columns["tuned"], found.verdict.p_value is not None)
        says.append(f"Tuned against base, {beside.says}")
    plain = columns.get("tfidf-logreg")
    if plain and judge(columns["tuned"], plain, binary=True).word == BETTER:
        says.append(
            "The plain baseline, TF-IDF with logistic regression, is better than the "
            "tuned model: take that."
        )
    if found.forgetting is not None:
        says.append(found.forgetting.says)
    return says


def _figures(value: float | None) -> str:
    """Write three figures, never as a power of ten."""
    if value is None:
        return NO_VALUE
    if value <= 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _get(data: Mapping[str, Any], key: str) -> Any:
    if key not in data:
        raise UsageError("evaluation", f"it has no '{key}'.", "Evaluate again.")
    return data[key]


def _read(kind: type[T], data: Mapping[str, Any]) -> T:
    values = {one.name: _get(data, one.name) for one in fields(kind)}  # type: ignore[arg-type]
    if "scores" in values:
        values["scores"] = tuple(values["scores"])
    return kind(**values)
