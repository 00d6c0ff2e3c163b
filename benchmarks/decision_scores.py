"""Measures of the decision benchmark: labels compared with gold answers, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.decision_cases import PublishedCase
from benchmarks.decision_labels import act_of, switches_of

Z_95 = 1.959964
Labels = Mapping[str, str]
"""Case id -> label of the advice."""


@dataclass(frozen=True)
class Proportion:
    """A share as hits of a total."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; None if the total is 0."""
        return self.hits / self.of if self.of else None

    @property
    def ends(self) -> tuple[float, float]:
        """95 % Wilson interval.

        >>> tuple(round(end, 3) for end in Proportion(45, 51).ends)
        (0.766, 0.945)
        """
        if not self.of:
            return 0.0, 1.0
        share, spread = self.hits / self.of, Z_95**2 / self.of
        centre = (share + spread / 2) / (1 + spread)
        half = (spread * share * (1 - share) + spread**2 / 4) ** 0.5 / (1 + spread)
        return max(centre - half, 0.0), min(centre + half, 1.0)

    def line(self) -> str:
        """Return the share with its interval as text."""
        if not self.of:
            return "none"
        low, high = self.ends
        return f"{self.hits}/{self.of} {self.hits / self.of:.1%} ({low:.0%} to {high:.0%})"

    def record(self) -> dict[str, object]:
        """Return the share as JSON."""
        low, high = self.ends
        share = None if self.value is None else round(self.value, 4)
        return {
            "hits": self.hits,
            "of": self.of,
            "share": share,
            "low": round(low, 4),
            "high": round(high, 4),
        }


def label_verdict(label: str, case: PublishedCase) -> str:
    """Grade a label by the gold answer: best, acceptable, wrong or unscored."""
    gold = case.gold
    if label == gold.best:
        return "best"
    if label in gold.acceptable:
        return "acceptable"
    return "wrong" if label in gold.wrong else "unscored"


def is_act_right(label: str, case: PublishedCase) -> bool:
    """Whether a label has the act of the best label."""
    return act_of(label) == act_of(case.gold.best)


def measures(cases: Sequence[PublishedCase], given: Labels) -> dict[str, Proportion]:
    """Score labels on cases; the first measure is the most important one.

    Args:
        cases: The cases.
        given: Case id -> label.
    """
    told = [(case, given[case.id]) for case in cases]
    verdicts = [label_verdict(label, case) for case, label in told]
    every = len(cases)

    def share(hits: Sequence[bool]) -> Proportion:
        return Proportion(sum(hits), len(hits))

    def counted(*wanted: str) -> Proportion:
        return Proportion(sum(one in wanted for one in verdicts), every)

    right = [switches_of(label) for _, label in told]
    gold = [switches_of(case.gold.best, case.gold) for case in cases]
    needless = [
        label == "combo" and label_verdict(label, case) in ("wrong", "unscored")
        for case, label in told
    ]
    return {
        "act": share([is_act_right(label, case) for case, label in told]),
        "switch: retrieve": share([a[0] == b[0] for a, b in zip(right, gold, strict=True)]),
        "switch: change weights": share([a[1] == b[1] for a, b in zip(right, gold, strict=True)]),
        "both switches": share([a == b for a, b in zip(right, gold, strict=True)]),
        "accepted": counted("best", "acceptable"),
        "wrong": counted("wrong"),
        "wrong + unscored": counted("wrong", "unscored"),
        "contrast pairs": share(
            [
                is_act_right(given[a.id], a) and is_act_right(given[b.id], b)
                for a, b in differing_pairs(cases)
            ]
        ),
        "exact": counted("best"),
        "needless combinations": share(needless),
        "abstentions": share([label == "not_yet" for _, label in told]),
    }


def differing_pairs(cases: Sequence[PublishedCase]) -> list[tuple[PublishedCase, PublishedCase]]:
    """Pair the cases of a contrast group whose best acts differ."""
    return [
        (a, b)
        for a, b in combinations([case for case in cases if case.group], 2)
        if a.group == b.group and act_of(a.gold.best) != act_of(b.gold.best)
    ]


def per_label(cases: Sequence[PublishedCase], given: Labels) -> dict[str, dict[str, int]]:
    """Count for each best label its cases, the correct ones, and how often it was given."""
    found: dict[str, dict[str, int]] = {}
    labels = {case.gold.best for case in cases} | {given[case.id] for case in cases}
    for label in sorted(labels):
        of_it = [case for case in cases if case.gold.best == label]
        verdicts = [label_verdict(given[case.id], case) for case in of_it]
        found[label] = {
            "cases": len(of_it),
            "act": sum(is_act_right(given[case.id], case) for case in of_it),
            "exact": verdicts.count("best"),
            "accepted": verdicts.count("best") + verdicts.count("acceptable"),
            "wrong": verdicts.count("wrong"),
            "given": sum(given[case.id] == label for case in cases),
        }
    return found
