"""Options and facts of many variants -> costs, quality, who is allowed, and which option wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.costs import Costs, costs
from advisor.estimate.expectation import expected
from advisor.estimate.point import Point
from advisor.facts import Facts, Resolved
from advisor.gates import Case, allowed
from advisor.options.option import SIMPLICITY, Option
from advisor.quality import Evidence, Quality

Array = NDArray[np.float64]
TIE_SHARE = 0.005
"""Each step of complexity has to save half a percent: what is simpler wins a tie."""


@dataclass(frozen=True)
class Entry:
    """One option, worked out for every variant."""

    option: Option
    costs: Costs
    quality: Quality
    case: Case


@dataclass(frozen=True)
class Ranking:
    """All options over all variants; arrays of shape [options, variants, draws or 1]."""

    entries: tuple[Entry, ...]
    score: Array
    """USD a month with what complexity and training must bring; infinite where not eligible."""
    eligible: NDArray[np.bool_]
    winner: NDArray[np.intp]
    """Index of the winning option for each variant and draw; the number of options: not yet."""


def rank(
    options: tuple[Option, ...],
    resolved: Resolved,
    facts: Facts,
    evidence: Evidence,
    point: Point,
    known: Mapping[str, Costs] | None = None,
) -> Ranking:
    """Work every option out for every variant and pick the winner of each.

    An option is eligible if every gate lets it pass and its quality reaches the target. The
    cheapest eligible one wins, after training was charged with what it has to bring.

    Args:
        options: What may be done.
        resolved: The question.
        facts: Its numbers, for every variant.
        evidence: What quality and margins are taken from.
        point: Where in their ranges the uncertain inputs stand.
        known: Costs by option that were worked out for these very numbers before.
    """
    entries = tuple(
        worked(option, resolved, facts, evidence, point, (known or {}).get(option.id))
        for option in options
    )
    if not entries:
        return _empty(facts.shape)
    shapes = (np.shape(x) for e in entries for x in (e.costs.monthly, e.quality.likely))
    shape = np.broadcast_shapes(facts.shape, *shapes)
    eligible = np.stack([
        np.broadcast_to(allowed(entry.case) & reaches(entry, facts, evidence), shape)
        for entry in entries
    ])  # fmt: skip
    cost = np.stack([
        np.broadcast_to(_handicapped(entry, evidence), shape) for entry in entries
    ])  # fmt: skip
    score = np.where(eligible, cost, np.inf)
    winner = np.argmin(score, axis=0)
    nobody = ~eligible.any(axis=0)
    winner = np.where(nobody, len(entries), winner)
    return Ranking(entries, score, eligible, _not_yet(winner, entries, resolved))


def _empty(shape: tuple[int, ...]) -> Ranking:
    """Rank nothing: every rule forbids every option."""
    score = np.empty((0, *shape))
    return Ranking((), score, score.astype(bool), np.zeros(shape, np.intp))


def reaches(entry: Entry, facts: Facts, evidence: Evidence) -> NDArray[np.bool_]:
    """Whether an option will do: an expectation within a tolerance, all else exactly.

    A measurement is exact, and what has to be trained first gets no benefit of the doubt.
    """
    exact = entry.option.is_current or entry.quality.basis.startswith("measured")
    exact = exact or entry.option.trains
    slack = 1e-9 if exact else evidence.tolerance.value
    return np.asarray(entry.quality.likely >= facts.target - slack)


def worked(
    option: Option,
    resolved: Resolved,
    facts: Facts,
    evidence: Evidence,
    point: Point,
    known: Costs | None = None,
) -> Entry:
    """Work one option out for every variant."""
    cost = known or costs(option, resolved, facts, evidence, point)
    quality = expected(option, resolved, facts, evidence, point)
    return Entry(option, cost, quality, Case(option, resolved, facts, cost, evidence))


def _handicapped(entry: Entry, evidence: Evidence) -> Array:
    per_month = np.asarray(entry.costs.per_month)
    if entry.option.is_current:
        return per_month
    steps = SIMPLICITY.index(entry.option.approach)
    per_month = per_month * (1 + TIE_SHARE * steps)
    if entry.option.trains:
        margins = evidence.margins
        per_month = per_month / (1 - margins.share) + margins.usd_per_month
    return per_month


def _not_yet(
    winner: NDArray[np.intp], entries: tuple[Entry, ...], resolved: Resolved
) -> NDArray[np.intp]:
    """Hold back where there is too little to decide on, or training with nothing to measure it."""
    nobody = len(entries)
    if is_too_little(resolved):
        return np.full_like(winner, nobody)
    if resolved.scenario.quality.has_eval is False:
        trains = np.array([entry.option.trains for entry in entries] + [False])
        return np.where(trains[winner], nobody, winner)
    return winner


def is_too_little(resolved: Resolved) -> bool:
    """Whether neither the traffic nor what is good enough is known, nor a way to measure it."""
    scenario = resolved.scenario
    return (
        scenario.traffic.requests_per_month is None
        and scenario.quality.target is None
        and scenario.quality.has_eval is not True
    )
