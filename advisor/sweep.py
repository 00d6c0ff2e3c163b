"""One question and many variants of it -> columns of answers, by the same code as one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.point import LIKELY, Point
from advisor.facts import PATHS, Resolved
from advisor.options import Menu
from advisor.quality import Evidence
from advisor.ranking import Ranking, rank
from advisor.units import Record, usd

BLOCK = 64
"""Variants drawn at once: keeps memory flat."""


class Columns(Record):
    """A row per variant, column by column."""

    recommended: tuple[str, ...]
    """Id of the recommended option, or not_yet."""
    one_off: tuple[str, ...]
    """Paid once, likely [USD]."""
    monthly: tuple[str, ...]
    """Paid a month, likely [USD]."""
    per_month: tuple[str, ...]
    """All spread, likely [USD]."""
    per_month_low: tuple[str, ...]
    """Fifth percentile [USD]."""
    per_month_high: tuple[str, ...]
    """Ninety-fifth percentile [USD]."""
    win_share: tuple[str, ...]
    """Share of draws in which it wins."""


def sweep(
    resolved: Resolved,
    menu: Menu,
    evidence: Evidence,
    variants: Mapping[str, Sequence[float]],
    seed: int = 0,
) -> Columns:
    """Answer many variants of one question in one pass.

    Args:
        resolved: The question.
        menu: Its options.
        evidence: What the decision rests on.
        variants: Path -> one value per variant; all of one length. Paths are those of `PATHS`.
        seed: Of the draws.
    """
    unknown = set(variants) - set(PATHS)
    if unknown:
        raise KeyError(f"a sweep moves numbers only, not {sorted(unknown)}")
    size = len(next(iter(variants.values())))
    rows: dict[str, list[str]] = {name: [] for name in Columns.model_fields}
    for start in range(0, size, BLOCK):
        block = {
            path: np.asarray(values[start : start + BLOCK]) for path, values in variants.items()
        }
        facts = resolved.facts.at(block)
        likely = rank(menu.options, resolved, facts, evidence, LIKELY)
        drawn = rank(menu.options, resolved, facts, evidence, Point("draws", seed))
        for i in range(min(BLOCK, size - start)):
            _append(rows, likely, drawn, i)
    return Columns.model_validate({name: tuple(values) for name, values in rows.items()})


def _append(rows: dict[str, list[str]], likely: Ranking, drawn: Ranking, i: int) -> None:
    index = int(likely.winner[i, 0])
    share = float(np.mean(drawn.winner[i] == index))
    rows["win_share"].append(f"{share:.2f}")
    if index >= len(likely.entries):
        rows["recommended"].append("not_yet")
        for name in ("one_off", "monthly", "per_month", "per_month_low", "per_month_high"):
            rows[name].append(usd(0))
        return
    costs, drawn_costs = likely.entries[index].costs, drawn.entries[index].costs
    middle = _row(costs.per_month, i)[0]
    low, high = np.quantile(_row(drawn_costs.per_month, i), (0.05, 0.95))
    rows["recommended"].append(likely.entries[index].option.id)
    rows["one_off"].append(usd(_row(costs.one_off, i)[0]))
    rows["monthly"].append(usd(_row(costs.monthly, i)[0]))
    rows["per_month"].append(usd(middle))
    rows["per_month_low"].append(usd(min(low, middle)))
    rows["per_month_high"].append(usd(max(high, middle)))


def _row(values: object, i: int) -> NDArray[np.float64]:
    array = np.atleast_2d(np.asarray(values, np.float64))
    return np.asarray(array[i if array.shape[0] > 1 else 0])
