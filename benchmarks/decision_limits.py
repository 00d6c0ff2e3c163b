"""Hard limits over all answers, and the regret of the choice between training options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.decision_answers import Advice
from benchmarks.decision_scores import Proportion

LIMITS = ("privacy", "provider open", "fits the GPU", "evaluation exists")
NO_REGRET_SHARE = 0.0005
"""Share of the cost that counts as rounding."""


@dataclass(frozen=True)
class LimitReport:
    """Hard limits over all answers, and the regret of those that train."""

    kept: Mapping[str, Proportion]
    """Limit -> answers that respect it, of those it applies to."""
    broken: tuple[str, ...]
    """Answers that break a limit, as text."""
    shares: tuple[float, ...]
    """For each answer that trains: cost above the cheapest allowed training that is expected to
    meet the target, as a share of its cost; ascending."""
    shares_at_all: tuple[float, ...]
    """The same compared with the cheapest allowed training, whatever its expected quality."""

    def regret_lines(self) -> tuple[str, ...]:
        """Return the regret as text, one line per comparison."""
        return (
            f"{'regret, meets target':22} {_line(self.shares)}",
            f"{'regret, any allowed':22} {_line(self.shares_at_all)}",
        )

    def record(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "kept": {name: share.record() for name, share in self.kept.items()},
            "broken": list(self.broken),
            "trained": len(self.shares),
            "regret_shares": [round(share, 4) for share in self.shares],
            "regret_shares_at_all": [round(share, 4) for share in self.shares_at_all],
        }


def check_all_limits(given: Mapping[str, Advice]) -> LimitReport:
    """Check all answers against the limits."""
    kept = {
        name: Proportion(sum(found), len(found))
        for name in LIMITS
        for found in [[one.checks[name] for one in given.values() if name in one.checks]]
    }
    broken = tuple(
        f"{case_id}: {one.option} breaks '{name}'"
        for case_id, one in given.items()
        for name, is_kept in one.checks.items()
        if not is_kept
    )
    costs = [(one.regret_usd, one.regret_at_all_usd, one.cost_usd) for one in given.values()]
    shares = [
        (_share(good, cost), _share(any_, cost)) for good, any_, cost in costs if good is not None
    ]
    return LimitReport(
        kept,
        broken,
        tuple(sorted(good for good, _ in shares)),
        tuple(sorted(any_ for _, any_ in shares)),
    )


def _share(regret: float | None, cost: float | None) -> float:
    return regret / cost if regret and cost else 0.0


def _line(shares: Sequence[float]) -> str:
    if not shares:
        return "nothing is trained"
    none = sum(share <= NO_REGRET_SHARE for share in shares)
    return (
        f"none in {none} of {len(shares)}; median {median(shares):.1%} of the cost, "
        f"max {shares[-1]:.1%}"
    )
