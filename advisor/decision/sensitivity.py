"""A question and its winner -> what would flip it: numbers up to 100 times, and switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.decision.checks import categorical_inputs
from advisor.decision.ranking import (
    Ranking,
    ScoredBatch,
    holds_training_back,
    lacks_minimum_information,
    rank,
)
from advisor.estimate.sampling import LIKELY
from advisor.evidence import Evidence
from advisor.inputs import (
    INPUT_PATHS,
    ResolvedScenario,
    stack_inputs,
)
from advisor.options.batch import OptionBatch
from advisor.options.candidates import Candidates
from advisor.scenario.fields import CHOICE_FIELDS, NUMBER_FIELDS
from advisor.scenario.paths import get_path
from advisor.units import Record

Array = NDArray[np.float64]
MAX_CHANGES = 5
FACTOR_GRID = np.geomspace(1.0, 100.0, 25)[1:]
REFINEMENT_STEPS = np.linspace(0.0, 1.0, 33)
SWITCH_DISTANCE = float(np.log(3.0))
"""How far a switch counts as being, beside the logarithm of a factor."""


class NearestChange(Record):
    """One change of the question that changes the answer."""

    path: str
    """What is changed, as `--set` takes it."""
    before: str
    """Value now."""
    after: str
    """Value at which the answer is another."""
    becomes: str
    """The option that is then recommended."""


Rebuild = Callable[[str, Any], tuple[ResolvedScenario, Candidates]]
"""Makes the question anew with one path set; given by the caller, who knows the dataset."""


class BaseCase(NamedTuple):
    """A question with its options, worked out at the likely point."""

    resolved: ResolvedScenario
    candidates: Candidates
    ranking: Ranking

    @property
    def verdict(self) -> str:
        """The approach that is recommended."""
        return _approach(self.candidates, int(self.ranking.winner[0, 0]))


def nearest_changes(
    asked: BaseCase, evidence: Evidence, rebuild: Rebuild
) -> tuple[NearestChange, ...]:
    """Search every number and every switch for the nearest changes that change the verdict.

    A verdict is changed when another approach is recommended, not just another model of the same.

    Args:
        asked: The question as it is.
        evidence: What the decision rests on.
        rebuild: Makes the question and its menu anew with one path set to a value.
    """
    found = _switch_changes(asked, evidence, rebuild)
    if not lacks_minimum_information(asked.resolved):
        found += _number_changes(asked, evidence)
    nearest = [flip for _, flip in sorted(found, key=lambda pair: (pair[0], pair[1].path))]
    return tuple(islice(_verified_changes(nearest, asked, evidence, rebuild), MAX_CHANGES))


def _verified_changes(
    nearest: Sequence[NearestChange], asked: BaseCase, evidence: Evidence, rebuild: Rebuild
) -> Iterator[NearestChange]:
    """Keep the changes that give that other answer when made in the question itself."""
    for start in range(0, len(nearest), MAX_CHANGES):
        some = nearest[start : start + MAX_CHANGES]
        moved = [flip for flip in some if flip.path in INPUT_PATHS]
        others = [rebuild(flip.path, float(flip.after)) for flip in moved]
        becomes = dict(zip(moved, _joint_winners(others, evidence), strict=True))
        for flip in some:
            # switches were tried in the question itself
            approach, name = becomes.get(flip, (None, flip.becomes))
            if approach != asked.verdict and name == flip.becomes:
                yield flip


def _joint_winners(
    others: Sequence[tuple[ResolvedScenario, Candidates]], evidence: Evidence
) -> list[tuple[str, str]]:
    """Rank questions that differ in numbers only side by side: approach and name of each winner."""
    groups: dict[tuple[int, frozenset[str]], list[int]] = {}
    for place, (resolved, candidates) in enumerate(others):
        groups.setdefault((id(candidates), resolved.measured), []).append(place)
    found: dict[int, tuple[str, str]] = {}
    for places in groups.values():
        resolved, candidates = others[places[0]]
        inputs = stack_inputs([others[place][0].inputs for place in places])
        winners = rank(candidates.batches, resolved, inputs, evidence, LIKELY).winner[:, 0]
        for place, index in zip(places, winners.tolist(), strict=True):
            found[place] = (_approach(candidates, index), _option_id(candidates, index))
    return [found[place] for place in range(len(others))]


def _approach(candidates: Candidates, index: int) -> str:
    if index >= len(candidates.options):
        return "not_yet"
    option = candidates.options[index]
    return "current" if option.is_current else option.approach


def _option_id(candidates: Candidates, index: int) -> str:
    return candidates.options[index].id if index < len(candidates.options) else "not_yet"


class LineSearch(NamedTuple):
    """Values of one number, away from where it is."""

    path: str
    start: float
    values: Array
    winner: int = -1
    """Who wins at the last of the values, once that is known."""


def _number_changes(asked: BaseCase, evidence: Evidence) -> list[tuple[float, NearestChange]]:
    """Walk every number away from where it is, then narrow down on the first change."""
    starts = {
        path: float(getattr(asked.resolved.inputs, INPUT_PATHS[path])[0, 0]) for path in INPUT_PATHS
    }
    walks = [walk for path, start in starts.items() for walk in _line_searches(path, start)]
    for _ in range(3):
        walks = _refined(walks, asked, evidence)
    return [_flip_of(walk, asked.candidates) for walk in walks]


def _flip_of(walk: LineSearch, candidates: Candidates) -> tuple[float, NearestChange]:
    last = float(walk.values[-1])
    distance = abs(np.log(max(last, 1e-9) / max(walk.start, 1e-9)))
    flip = NearestChange(
        path=walk.path,
        before=f"{walk.start:.6g}",
        after=format_value(walk.path, last),
        becomes=_option_id(candidates, walk.winner),
    )
    return float(min(distance, 1e3)), flip


def _line_searches(path: str, start: float) -> Iterator[LineSearch]:
    if np.isnan(start):
        return
    field = NUMBER_FIELDS[path]
    if field.kind == "share":
        low, high = (0.2, 0.99) if path == "quality.target" else (0.0, 1.0)
        ends = [(start, high), (start, low)]
        for begin, end in ends:
            if begin != end:
                yield LineSearch(path, start, np.linspace(begin, end, 26)[1:])
        return
    if start == 0:
        return
    for values in (start * FACTOR_GRID, start / FACTOR_GRID):
        low, high = field.bounds
        low = max(low, 1.0) if field.kind == "whole" else low
        values = values[(values >= low) & (values <= high)]
        if values.size:
            yield LineSearch(path, start, values)


def _refined(walks: list[LineSearch], asked: BaseCase, evidence: Evidence) -> list[LineSearch]:
    """Cut each walk down to the step on which the verdict first changes, the far end last."""
    as_set = [walk._replace(values=_settable(walk.path, walk.values)) for walk in walks]
    kept = []
    for walk, winners in zip(as_set, _winners(as_set, asked, evidence), strict=True):
        changed = [
            _approach(asked.candidates, index) != asked.verdict for index in winners.tolist()
        ]
        if True in changed:
            first = changed.index(True)
            before = walk.values[first - 1] if first else walk.start
            values = before + (walk.values[first] - before) * REFINEMENT_STEPS[1:]
            kept.append(walk._replace(values=values, winner=int(winners[first])))
    return kept


def _settable(path: str, values: Array) -> Array:
    """Round as `--set` will be given them, so that what is tried is what is printed."""
    return np.array([float(format_value(path, value)) for value in values])


def format_value(path: str, value: float) -> str:
    """Write a value with four digits, whole where only whole numbers make sense."""
    return f"{value:.0f}" if NUMBER_FIELDS[path].kind == "whole" else f"{value:.4g}"


def _winners(
    walks: Sequence[LineSearch], asked: BaseCase, evidence: Evidence
) -> list[NDArray[np.intp]]:
    """Rank all values of all walks in one pass."""
    if not walks:
        return []
    ends = np.cumsum([walk.values.size for walk in walks])
    changes = {walk.path: np.full(int(ends[-1]), walk.start) for walk in walks}
    for walk, end in zip(walks, ends.tolist(), strict=True):
        changes[walk.path][end - walk.values.size : end] = walk.values
    inputs = asked.resolved.inputs.at(changes)
    winner = rank(asked.candidates.batches, asked.resolved, inputs, evidence, LIKELY).winner[:, 0]
    return np.split(winner, ends[:-1])


class SwitchTrial(NamedTuple):
    """A switch set to another value: the question and the menu that this makes."""

    place: int
    """The first value of a path that changes the answer is the one that is said."""
    path: str
    now: object
    value: object
    resolved: ResolvedScenario
    candidates: Candidates


def _switch_changes(
    asked: BaseCase, evidence: Evidence, rebuild: Rebuild
) -> list[tuple[float, NearestChange]]:
    groups: dict[tuple[object, ...], list[SwitchTrial]] = {}
    for one in _switch_trials(asked, rebuild):
        groups.setdefault(_group_key(one), []).append(one)
    found: dict[str, tuple[int, NearestChange]] = {}
    for group in groups.values():
        for one, index in zip(group, _winners_of(group, asked, evidence), strict=True):
            if _approach(one.candidates, index) != asked.verdict:
                flip = NearestChange(
                    path=one.path,
                    before=_value_text(one.now),
                    after=_value_text(one.value),
                    becomes=_option_id(one.candidates, index),
                )
                found[one.path] = min(
                    found.get(one.path, (one.place, flip)),
                    (one.place, flip),
                    key=lambda pair: pair[0],
                )
    return [(SWITCH_DISTANCE, flip) for _, flip in found.values()]


def _switch_trials(asked: BaseCase, rebuild: Rebuild) -> Iterator[SwitchTrial]:
    """Set every switch to every other value that can change the answer."""
    retrieves = any(option.approach in ("rag", "combo") for option in asked.candidates.options)
    for path, field in CHOICE_FIELDS.items():
        if not field.varied or (path == "knowledge.change" and not retrieves):
            continue
        now = get_path(asked.resolved.scenario, path)
        for place, value in enumerate(field.choices):
            if value == now:
                continue
            resolved, candidates = rebuild(path, value)
            if (
                not field.eligibility_only
                or candidates.rules
                or _ids(candidates) != _ids(asked.candidates)
            ):
                yield SwitchTrial(place, path, now, value, resolved, candidates)


def _group_key(one: SwitchTrial) -> tuple[object, ...]:
    """What is the same in switches that are ranked side by side: all but numbers and shifts."""
    scenario, resolved = one.resolved.scenario, one.resolved
    return (
        id(one.candidates),
        resolved.task,
        resolved.measured,
        categorical_inputs(resolved),
        scenario.knowledge.change,
        holds_training_back(resolved),
        scenario if one.candidates.rules else None,
    )


def _winners_of(group: Sequence[SwitchTrial], asked: BaseCase, evidence: Evidence) -> list[int]:
    """Rank switches side by side, with the costs that stay as they are."""
    first = group[0]
    beside = tuple(one.resolved.scenario for one in group)
    inputs = stack_inputs([one.resolved.inputs for one in group])
    known = (
        _reusable_batches(first, asked) if all(_keeps_costs(one, asked) for one in group) else {}
    )
    resolved = replace(first.resolved, beside=beside)
    winner = rank(first.candidates.batches, resolved, inputs, evidence, LIKELY, known).winner[:, 0]
    found: list[int] = np.broadcast_to(winner, (len(group),)).tolist()
    return found


def _reusable_batches(one: SwitchTrial, asked: BaseCase) -> dict[OptionBatch, ScoredBatch]:
    """Take over what panels cost, and where the menu is the same, what the numbers allow."""
    now, then = asked.resolved.scenario, one.resolved.scenario
    scored = {sheet.batch.ids: sheet.scored for sheet in asked.ranking.batch_results}
    same_gates = one.candidates is asked.candidates and categorical_inputs(
        asked.resolved
    ) == categorical_inputs(one.resolved)
    same_gates = same_gates and not one.candidates.rules
    known = {}
    for batch in one.candidates.batches:
        old = scored.get(batch.ids)
        if old is None or (
            now.knowledge.change != then.knowledge.change and "embedding" in batch.prices
        ):
            continue
        known[batch] = old if same_gates else ScoredBatch(old.case.under(one.resolved, batch))
    return known


def _keeps_costs(one: SwitchTrial, asked: BaseCase) -> bool:
    """Whether every number that a cost is made from stays as it is."""
    ours, theirs = asked.resolved, one.resolved
    same = (ours.task, ours.measured) == (theirs.task, theirs.measured)
    return same and ours.inputs.equals(theirs.inputs, except_field="target")


def _ids(candidates: Candidates) -> tuple[str, ...]:
    return tuple(option.id for option in candidates.options)


def _value_text(value: object) -> str:
    if value is None:
        return "not given"
    return str(value).lower() if isinstance(value, bool) else str(value)
