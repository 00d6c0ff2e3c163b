"""One question and many variants of it -> columns of answers, by the same code as one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from advisor.estimate.sampling import LIKELY, Sampling
from advisor.inputs import INPUT_PATHS, Inputs, ResolvedScenario, number_at
from advisor.options.batch import OptionBatch, option_batches
from advisor.options.candidates import Candidates
from advisor.options.option import Option
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Scenario
from advisor.units import Record, usd

MAX_VARIANTS = 10_000
MAX_GROUPS = 200
"""Different combinations of what is not a number: each needs a menu of its own."""
MAX_TRIALS = 10_000
"""Variants times rules of the team that read what differs in each."""
BLOCK = 1024
"""Variants ranked at once; larger blocks are no faster, and take more memory."""
DRAWN_BLOCK = 256
"""Variants of one option drawn at once."""
SHARED_BLOCK = 16
"""Variants of all options drawn at once."""

Array = NDArray[np.float64]
Positions = NDArray[np.intp]


class SweepColumns(Record):
    """A row per variant, column by column."""

    recommended: tuple[str, ...]
    """Id of the recommended option, or not_yet."""
    approach: tuple[str, ...]
    """How it is done, or not_yet."""
    one_off: tuple[str, ...]
    """Paid once, likely [USD]."""
    monthly: tuple[str, ...]
    """Paid a month, likely [USD]."""
    per_month: tuple[str, ...]
    """All spread, likely [USD]."""
    per_month_low: tuple[str, ...]
    """Fifth percentile [USD]; the likely value where no ranges were asked for."""
    per_month_high: tuple[str, ...]
    """Ninety-fifth percentile [USD]; the likely value where no ranges were asked for."""
    win_share: tuple[str, ...] | None
    """Share of draws in which it wins, if that was asked for."""


@dataclass(frozen=True)
class VariantGroup:
    """Variants that differ in numbers only."""

    resolved: ResolvedScenario
    candidates: Candidates
    inputs: Inputs
    """One row for each of the variants."""
    places: Positions
    """Where they stand among all variants."""

    def blocks(self, size: int) -> Iterator[tuple[Inputs, Positions]]:
        """Cut the variants into blocks: their facts, and where they stand in the group."""
        within = np.arange(len(self.places))
        for start in range(0, len(within), size):
            some = within[start : start + size]
            yield self.inputs.only(some), some


def variant_grid(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Make a variant of every combination; the last axis goes fastest.

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
        question: What all variants start from.
        variants: For each variant, path -> value, as `--set` takes them.
        ranges: Whether to draw the cost of each winner, for its low and high end.
        win_share: Whether to draw every option, for the share of draws that each winner wins.

    Raises:
        UsageError: there are too many variants, or too many that differ in more than numbers.
        ScenarioError: there is no such path, or a value does not fit it.
    """
    if not 0 < len(variants) <= MAX_VARIANTS:
        raise UsageError(
            "variants",
            f"found {len(variants):,} of them.",
            f"Ask for 1 to {MAX_VARIANTS:,} at a time.",
        )
    _refuse_too_much(question, len(variants))
    names = np.empty((2, len(variants)), object)
    amounts = np.zeros((5, len(variants)))
    shares = np.zeros(len(variants))
    for group in _groups(question, variants):
        winner = _winner(group, question)
        if win_share:
            shares[group.places] = _shares(group, question, winner)
        options = (*group.candidates.options, group.candidates.measuring)
        for index in np.unique(winner):
            option, within = options[index], np.flatnonzero(winner == index)
            places = group.places[within]
            names[:, places] = [[option.id], [option.approach]]
            amounts[:, places] = _amounts(group, option, within, question, ranges)
    one_off, monthly, per_month, low, high = (_written(row) for row in amounts)
    return SweepColumns(
        recommended=tuple(names[0]),
        approach=tuple(names[1]),
        one_off=one_off,
        monthly=monthly,
        per_month=per_month,
        per_month_low=low,
        per_month_high=high,
        win_share=tuple(f"{share:.2f}" for share in shares.tolist()) if win_share else None,
    )


def _refuse_too_much(question: Question, variants: int) -> None:
    """Refuse more trials of the team's rules than can be waited for."""
    moving = sum(rule.moves for rule in question.rules)
    if moving * variants > MAX_TRIALS:
        raise UsageError(
            "variants",
            f"{moving} of the team's rules read costs or numbers, which "
            f"differ in each of {variants:,} variants.",
            f"Ask for at most {MAX_TRIALS // moving:,} variants.",
        )


def _winner(group: VariantGroup, question: Question) -> Positions:
    """Index of the winner of each variant; the number of options: not yet."""
    found = []
    for inputs, some in group.blocks(BLOCK):
        done = rank(group.candidates.batches, group.resolved, inputs, question.evidence, LIKELY)
        found.append(np.broadcast_to(done.winner[:, 0], some.shape))
    return np.concatenate(found)


def _shares(group: VariantGroup, question: Question, winner: Positions) -> Array:
    """Share of the draws that each winner wins."""
    sampling, found = Sampling("draws", question.seed), []
    for inputs, some in group.blocks(SHARED_BLOCK):
        drawn = rank(group.candidates.batches, group.resolved, inputs, question.evidence, sampling)
        found.append(np.mean(drawn.winner == winner[some][:, None], axis=1))
    return np.concatenate(found)


def _amounts(
    group: VariantGroup, option: Option, within: Positions, question: Question, ranges: bool
) -> Array:
    """What an option costs where it wins: once, a month, all spread, and between which ends."""
    (batch,) = option_batches([option])
    found = np.empty((5, len(within)))
    for start in range(0, len(within), DRAWN_BLOCK):
        inputs = group.inputs.only(within[start : start + DRAWN_BLOCK])
        part = found[:, start : start + DRAWN_BLOCK]
        at = batch_costs(batch, group.resolved, inputs, question.evidence, LIKELY)
        for row, amount in enumerate((at.one_off, at.monthly, at.per_month)):
            part[row] = with_all_axes(amount)[0, :, 0]
        part[3:] = part[2]
        if ranges:
            low, high = _ends(batch, group.resolved, inputs, question)
            part[3], part[4] = np.minimum(low, part[2]), np.maximum(high, part[2])
    return found


def _ends(
    batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs, question: Question
) -> tuple[Array, Array]:
    sampling = Sampling("draws", question.seed)
    drawn = batch_costs(batch, resolved, inputs, question.evidence, sampling)
    return percentile_range(with_all_axes(drawn.per_month)[0])


def _written(amounts: Array) -> tuple[str, ...]:
    """Write each different amount once."""
    different, which = np.unique(amounts, return_inverse=True)
    written = [usd(amount) for amount in different.tolist()]
    return tuple(written[i] for i in which.tolist())


Key = tuple[tuple[str, ...], tuple[tuple[str, bytes], ...], bool]


def _groups(question: Question, variants: Sequence[Mapping[str, Any]]) -> Iterator[VariantGroup]:
    """Part the variants into groups that differ in numbers only."""
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
        words = tuple((path, _bytes(variant[path])) for path in variant if path not in given)
        has_documents = given.get("knowledge.corpus_tokens", 0.0) > 0
        places.setdefault((tuple(given), words, has_documents), []).append(place)
    different = len({words for _, words, _ in places})
    if different > MAX_GROUPS:
        raise UsageError(
            "variants",
            f"found {different:,} combinations of what is no number.",
            f"Ask for at most {MAX_GROUPS} of those at a time.",
        )
    for (paths, _, _), members in places.items():
        scenario = with_paths(question.scenario, variants[members[0]])
        resolved, candidates = prepare(question, scenario)
        values = {path: np.array([numbers[place][path] for place in members]) for path in paths}
        yield VariantGroup(resolved, candidates, resolved.at(values), np.array(members))


def _reader(question: Question) -> Callable[[str, Any], float]:
    """Make a function that checks a number as `--set` does, each different one once."""
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
                path, f"found it beside {within}, which is a part of it.", "Give one of the two."
            )


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value, default=str)
