"""Sweep: answers to many variants of a question, as columns, by the same code as one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from advisor.decision.evaluate import Question, prepare
from advisor.decision.ranking import rank
from advisor.errors import UsageError
from advisor.estimate.costs import batch_costs, percentile_range
from advisor.estimate.line import with_all_axes
from advisor.estimate.sampling import EstimateContext, Sampling
from advisor.inputs import INPUT_PATHS, number_at
from advisor.options.batch import option_batches
from advisor.options.candidates import Candidates
from advisor.options.option import Option
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Scenario
from advisor.units import Record, usd

MAX_VARIANTS = 10_000
MAX_GROUPS = 200
"""Combinations of values that are not numbers: each has its own candidates."""
MAX_TRIALS = 10_000
"""Variants times team rules that have to be evaluated for each of them."""
BLOCK = 1024
"""Variants ranked at once; larger blocks are not faster, and need more memory."""
DRAWN_BLOCK = 256
"""Variants of one option sampled at once."""
SHARED_BLOCK = 16
"""Variants of all options sampled at once."""
DECIDING_NUMBERS = ("knowledge.corpus_tokens", "quality.judged_per_month")
"""Numbers of which the candidates depend on whether they are 0."""
AMOUNT_COLUMNS = ("one_off", "monthly", "per_month", "per_month_low", "per_month_high")

Array = NDArray[np.float64]
Positions = NDArray[np.intp]


class SweepColumns(Record):
    """The answers, one row per variant, as columns."""

    recommended: tuple[str, ...]
    """Id of the recommended option, or not_yet."""
    approach: tuple[str, ...]
    """Its approach, or not_yet."""
    one_off: tuple[str, ...]
    """Likely one-off cost [USD]."""
    monthly: tuple[str, ...]
    """Likely monthly cost [USD]."""
    per_month: tuple[str, ...]
    """Likely cost per month, one-off costs included [USD]."""
    per_month_low: tuple[str, ...]
    """5th percentile [USD]; the likely value if no ranges were requested."""
    per_month_high: tuple[str, ...]
    """95th percentile [USD]; the likely value if no ranges were requested."""
    win_share: tuple[str, ...] | None
    """Share of simulations in which it is the best option, if requested."""


@dataclass(frozen=True)
class VariantGroup:
    """Variants that differ in numbers only."""

    candidates: Candidates
    context: EstimateContext
    """At the likely values, with one row of inputs for each of the variants."""
    places: Positions
    """Positions among all variants."""

    def blocks(self, within: Positions, size: int) -> Iterator[tuple[EstimateContext, Positions]]:
        """Split some of the variants into blocks: their context, and their positions."""
        for start in range(0, len(within), size):
            some = within[start : start + size]
            yield replace(self.context, inputs=self.context.inputs.only(some)), some


def variant_grid(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return a variant for every combination; the last axis varies fastest.

    >>> variant_grid({"horizon_months": [6, 12], "task": ["code"]})
    [{'horizon_months': 6, 'task': 'code'}, {'horizon_months': 12, 'task': 'code'}]
    """
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def sweep(
    question: Question,
    variants: Sequence[Mapping[str, Any]],
    *,
    ranges: bool = True,
    win_share: bool = False,
) -> SweepColumns:
    """Answer many variants of one question in one pass.

    Args:
        question: The question that all variants start from.
        variants: For each variant, path -> value, as for `--set`.
        ranges: Whether to sample the cost of each winner, for its 90% range.
        win_share: Whether to sample every option, for the win share of each winner.

    Raises:
        UsageError: there are too many variants, or too many that differ in more than numbers.
        ScenarioError: a path does not exist, or a value is not allowed there.
    """
    if not 0 < len(variants) <= MAX_VARIANTS:
        raise UsageError(
            "variants",
            f"found {len(variants):,} variants.",
            f"Send 1 to {MAX_VARIANTS:,} at a time.",
        )
    _refuse_too_much(question, len(variants))
    names = np.empty((2, len(variants)), object)
    amounts = np.zeros((5, len(variants)))
    shares, draws = np.zeros(len(variants)), Sampling("draws", question.seed)
    for group in _groups(question, variants):
        winner = _winner(group)
        if win_share:
            shares[group.places] = _shares(group, winner, draws)
        options = (*group.candidates.options, group.candidates.measuring)
        for index in np.unique(winner):
            option, within = options[index], np.flatnonzero(winner == index)
            places = group.places[within]
            names[:, places] = [[option.id], [option.approach]]
            amounts[:, places] = _amounts(group, option, within, draws if ranges else None)
    return SweepColumns(
        recommended=tuple(names[0]),
        approach=tuple(names[1]),
        **dict(zip(AMOUNT_COLUMNS, map(_written, amounts), strict=True)),
        win_share=tuple(f"{share:.2f}" for share in shares.tolist()) if win_share else None,
    )


def _refuse_too_much(question: Question, variants: int) -> None:
    """Refuse more evaluations of team rules than finish in reasonable time."""
    moving = sum(rule.moves for rule in question.rules)
    if moving * variants > MAX_TRIALS:
        raise UsageError(
            "variants",
            f"{moving} team rules read costs or numbers, and have to be evaluated for each of "
            f"{variants:,} variants.",
            f"Send at most {MAX_TRIALS // moving:,} variants.",
        )


def _winner(group: VariantGroup) -> Positions:
    """Index of the winner of each variant; the last option is not yet."""
    found = []
    for context, some in group.blocks(np.arange(len(group.places)), BLOCK):
        winner = rank(group.candidates.batches, context).winner[:, 0]
        found.append(np.broadcast_to(winner, some.shape))
    return np.concatenate(found)


def _shares(group: VariantGroup, winner: Positions, draws: Sampling) -> Array:
    """Share of the draws in which each winner is the best option."""
    found = []
    for context, some in group.blocks(np.arange(len(winner)), SHARED_BLOCK):
        drawn = rank(group.candidates.batches, replace(context, sampling=draws)).winner
        found.append(np.mean(drawn == winner[some][:, None], axis=1))
    return np.concatenate(found)


def _amounts(
    group: VariantGroup, option: Option, within: Positions, draws: Sampling | None
) -> Array:
    """Costs of an option where it wins: one-off, monthly, per month, 5th and 95th percentile."""
    (batch,) = option_batches([option])
    blocks = []
    for context, some in group.blocks(within, DRAWN_BLOCK):
        part = np.empty((5, len(some)))
        at = batch_costs(batch, context)
        for row, amount in enumerate((at.one_off, at.monthly, at.per_month)):
            part[row] = with_all_axes(amount)[0, :, 0]
        part[3:] = part[2]
        if draws:
            drawn = batch_costs(batch, replace(context, sampling=draws))
            low, high = percentile_range(with_all_axes(drawn.per_month)[0])
            part[3], part[4] = np.minimum(low, part[2]), np.maximum(high, part[2])
        blocks.append(part)
    return np.concatenate(blocks, axis=1)


def _written(amounts: Array) -> tuple[str, ...]:
    """Format each distinct amount once."""
    different, which = np.unique(amounts, return_inverse=True)
    written = [usd(amount) for amount in different.tolist()]
    return tuple(written[i] for i in which.tolist())


Key = tuple[tuple[str, ...], tuple[tuple[str, bytes], ...], tuple[bool, ...]]


def _groups(question: Question, variants: Sequence[Mapping[str, Any]]) -> Iterator[VariantGroup]:
    """Split the variants into groups that differ in numbers only."""
    for paths in {tuple(variant) for variant in variants}:
        _refuse_duplicate_paths(paths)
    read = _reader(question)
    numbers = [
        {
            path: read(path, value)
            for path, value in variant.items()
            if path in INPUT_PATHS and value is not None
        }
        for variant in variants
    ]
    places: dict[Key, list[int]] = {}
    for place, (variant, given) in enumerate(zip(variants, numbers, strict=True)):
        words = tuple(
            (path, orjson.dumps(variant[path], default=str))
            for path in variant
            if path not in given
        )
        decides = tuple(given.get(path, 0.0) > 0 for path in DECIDING_NUMBERS)
        places.setdefault((tuple(given), words, decides), []).append(place)
    different = len({words for _, words, _ in places})
    if different > MAX_GROUPS:
        raise UsageError(
            "variants",
            f"found {different:,} combinations of values that are not numbers.",
            f"Send at most {MAX_GROUPS} of those at a time.",
        )
    for (paths, _, _), members in places.items():
        scenario = with_paths(question.scenario, variants[members[0]])
        context, candidates = prepare(question, scenario)
        values = {path: np.array([numbers[place][path] for place in members]) for path in paths}
        context = replace(context, inputs=context.resolved.at(values))
        yield VariantGroup(candidates, context, np.array(members))


def _reader(question: Question) -> Callable[[str, Any], float]:
    """Return a function that validates a number as `--set` does, each distinct one once."""
    plain = Scenario(asked_on=question.scenario.asked_on)
    known: dict[tuple[str, str], float] = {}

    def read(path: str, value: Any) -> float:
        key = (path, repr(value))
        if key not in known:
            number = number_at(with_paths(plain, {path: value}), path)
            known[key] = np.nan if number is None else number
        return known[key]

    return read


def _refuse_duplicate_paths(paths: tuple[str, ...]) -> None:
    for path in paths:
        within = next((other for other in paths if other.startswith(f"{path}.")), None)
        if within:
            raise UsageError(
                path, f"it contains {within}, which is set as well.", "Give one of the two."
            )
