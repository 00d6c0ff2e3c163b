"""Evaluation record: scores of several systems on the same rows, with verdict and table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from advisor.errors import UsageError
from trainer.evaluation.label_metrics import mean_score
from trainer.evaluation.statistics import bootstrap, wilson
from trainer.evaluation.verdict import BETTER, Verdict, judge, judge_forgetting

RESAMPLES = 2_000  # for the interval of one system; the verdict uses more
HEADER = (
    "system",
    "score",
    "95 % interval",
    "macro F1",
    "seconds per answer",
    "USD per correct answer",
)
NO_VALUE = "-"
T = TypeVar("T")


@dataclass(frozen=True)
class SystemScores:
    """One system: majority label, TF-IDF baseline, base model or tuned model."""

    name: str
    """Name shown in the table."""
    scores: tuple[float, ...]
    """One per row, in row order [0..1]."""
    macro_f1: float | None = None
    """Mean F1 of the labels, where answers are labels [0..1]."""
    seconds_per_answer: float | None = None
    """Wall time [s]."""
    usd_per_answer: float | None = None
    """Cost of one answer, correct or not [USD]."""

    @property
    def score(self) -> float:
        """Mean of the scores [0..1]."""
        return mean_score(self.scores)

    @property
    def usd_per_correct_answer(self) -> float | None:
        """Cost per answer / mean score [USD]; None if the score is 0 or the cost is unknown."""
        if self.usd_per_answer is None or self.score == 0:
            return None
        return self.usd_per_answer / self.score

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the score: Wilson for scores of 0 and 1, else bootstrap.

        >>> [round(end, 2) for end in SystemScores("base", (1.0,) * 8 + (0.0,) * 2).interval()]
        [0.49, 0.94]
        """
        if set(self.scores) <= {0.0, 1.0}:
            return wilson(round(sum(self.scores)), len(self.scores))
        return bootstrap(self.scores, resamples=RESAMPLES)


@dataclass(frozen=True)
class Forgetting:
    """Effect of tuning on general text, which the model was not tuned on."""

    perplexity_before: float
    """Perplexity of the base model on general text [1]."""
    perplexity_after: float | None
    """Perplexity of the tuned model on the same text [1]; None if not finite."""
    forgot: bool
    """Whether it rose by more than the tolerance."""
    says: str
    """The result in one sentence."""


def forgetting(before: float, after: float, tolerance: float = 0.10) -> Forgetting:
    """Compare two perplexities and record the result.

    >>> forgetting(10.0, 10.5).forgot
    False
    """
    is_worse, says = judge_forgetting(before, after, tolerance)
    return Forgetting(before, after if math.isfinite(after) else None, is_worse, says)


@dataclass(frozen=True)
class Evaluation:
    """Results of all systems on the same held-out rows.

    Raises:
        UsageError: a system has scores for a different number of rows.
    """

    metric: str
    """Name of the metric, or `scorer` for the user's own."""
    rows: int
    """Held-out rows."""
    columns: tuple[SystemScores, ...]
    """Systems, simplest first."""
    verdict: Verdict
    """Verdict on the tuned model against the baseline."""
    forgetting: Forgetting | None = None
    """None if not measured."""
    against: str = "base"
    """Name of the system that is the baseline of the verdict."""

    def __post_init__(self) -> None:
        for column in self.columns:
            if len(column.scores) != self.rows:
                raise UsageError(
                    "evaluation",
                    f"{column.name} has {len(column.scores)} scores for {self.rows} rows.",
                    "Score every system on the same rows.",
                )

    def as_dict(self) -> dict[str, Any]:
        """Return the record for JSON, including derived values."""
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
        """Read a record that `as_dict` wrote; derived values are recomputed.

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
    """Return a table: a header, then one row per system.

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
    """Describe an evaluation: the verdict, a baseline that wins, and forgetting."""
    says = [f"Tuned against {found.against}, {found.verdict.says}"]
    columns = {one.name: one.scores for one in found.columns}
    if found.against != "base" and "base" in columns:
        versus_base = judge(columns["base"], columns["tuned"], found.verdict.p_value is not None)
        says.append(f"Tuned against base, {versus_base.says}")
    plain = columns.get("tfidf-logreg")
    if plain and judge(columns["tuned"], plain, binary=True).word == BETTER:
        says.append(
            "The TF-IDF baseline with logistic regression is better than the tuned "
            "model: use the baseline."
        )
    if found.forgetting is not None:
        says.append(found.forgetting.says)
    return says


def _figures(value: float | None) -> str:
    """Format with three significant digits, never in scientific notation."""
    if value is None:
        return NO_VALUE
    if value <= 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _get(data: Mapping[str, Any], key: str) -> Any:
    if key not in data:
        raise UsageError("evaluation", f"the key '{key}' is missing.", "Run the evaluation again.")
    return data[key]


def _read(kind: type[T], data: Mapping[str, Any]) -> T:
    values = {one.name: _get(data, one.name) for one in fields(kind)}  # type: ignore[arg-type]
    if "scores" in values:
        values["scores"] = tuple(values["scores"])
    return kind(**values)
