"""Sensitivity: the nearest changes of a scenario that would change the recommended approach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.decision.check_context import value_text
from advisor.decision.evaluate import EvaluatedQuestion, winner_of, winners
from advisor.decision.ranking import lacks_minimum_information, rank
from advisor.inputs import INPUT_PATHS
from advisor.scenario.fields import CHOICE_FIELDS, NUMBER_FIELDS
from advisor.scenario.paths import get_path
from advisor.units import Record

Array = NDArray[np.float64]
MAX_CHANGES = 5
FACTOR_GRID = np.geomspace(1.0, 100.0, 25)[1:]
REFINEMENT_STEPS = np.linspace(0.0, 1.0, 33)
REFINEMENTS = 3
SWITCH_DISTANCE = float(np.log(3.0))
"""A categorical change counts as far away as a threefold change of a number; own judgement."""


class NearestChange(Record):
    """One change of the scenario that changes the recommended approach."""

    path: str
    """Field to change, as for `--set`."""
    before: str
    """Value now."""
    after: str
    """Value from which another approach is recommended."""
    becomes: str
    """Id of the option that is then recommended."""


def nearest_changes(evaluated: EvaluatedQuestion) -> tuple[NearestChange, ...]:
    """Search every number up to a factor of 100, and every categorical field, nearest first.

    Another model or provider of the same approach does not count as a change.
    """
    found = _categorical_changes(evaluated)
    scenario, task = evaluated.resolved.scenario, evaluated.resolved.task
    if not lacks_minimum_information(scenario, task):
        found += _number_changes(evaluated)
    nearest = [change for _, change in sorted(found, key=lambda pair: (pair[0], pair[1].path))]
    return tuple(islice(_confirmed(nearest, evaluated), MAX_CHANGES))


def _confirmed(
    nearest: Sequence[NearestChange], evaluated: EvaluatedQuestion
) -> Iterator[NearestChange]:
    """Keep the changes that have the same effect when set in the scenario itself.

    A search along one number keeps all other inputs; setting the field may also change a default.
    """
    for start in range(0, len(nearest), MAX_CHANGES):
        block = nearest[start : start + MAX_CHANGES]
        numbers = [change for change in block if change.path in INPUT_PATHS]
        variants = [{change.path: float(change.after)} for change in numbers]
        effects = dict(zip(numbers, winners(evaluated.question, variants), strict=True))
        before = winner_of(evaluated.winner.option).approach
        for change in block:
            effect = effects.get(change)
            if effect is None or (effect.approach != before and effect.option_id == change.becomes):
                yield change


def _categorical_changes(evaluated: EvaluatedQuestion) -> list[tuple[float, NearestChange]]:
    """Set every categorical field to every other value; keep the first that changes the answer."""
    scenario, before = evaluated.question.scenario, winner_of(evaluated.winner.option)
    trials = []
    for path, field in CHOICE_FIELDS.items():
        if field.varied:
            now = get_path(scenario, path)
            trials += [(path, now, value) for value in field.choices if value != now]
    effects = winners(evaluated.question, [{path: value} for path, _, value in trials])
    found: dict[str, NearestChange] = {}
    for (path, now, value), effect in zip(trials, effects, strict=True):
        if effect.approach != before.approach and path not in found:
            found[path] = NearestChange(
                path=path,
                before=value_text(now),
                after=value_text(value),
                becomes=effect.option_id,
            )
    return [(SWITCH_DISTANCE, change) for change in found.values()]


class LineSearch(NamedTuple):
    """Values of one number, in one direction from its present value."""

    path: str
    start: float
    values: Array
    winner: int = -1
    """Index of the winner at the last of the values, once known."""


def _number_changes(evaluated: EvaluatedQuestion) -> list[tuple[float, NearestChange]]:
    """Search every number in both directions, then narrow down on the first change."""
    inputs = evaluated.resolved.inputs
    starts = {path: float(getattr(inputs, name)[0, 0]) for path, name in INPUT_PATHS.items()}
    searches = [search for path, start in starts.items() for search in _line_searches(path, start)]
    for _ in range(REFINEMENTS):
        searches = _refined(searches, evaluated)
    return [_change(search, evaluated) for search in searches]


def _change(search: LineSearch, evaluated: EvaluatedQuestion) -> tuple[float, NearestChange]:
    last = float(search.values[-1])
    distance = abs(np.log(max(last, 1e-9) / max(search.start, 1e-9)))
    change = NearestChange(
        path=search.path,
        before=f"{search.start:.6g}",
        after=format_value(search.path, last),
        becomes=evaluated.likely.entries[search.winner].option.id,
    )
    return float(min(distance, 1e3)), change


def _line_searches(path: str, start: float) -> Iterator[LineSearch]:
    field = NUMBER_FIELDS[path]
    if np.isnan(start) or not field.varied:
        return
    if field.kind == "share":
        low, high = (0.2, 0.99) if path == "quality.target" else (0.0, 1.0)
        low = low if field.low_is_valid else field.slider[0]
        for end in (high, low):
            if start != end:
                yield LineSearch(path, start, np.linspace(start, end, 26)[1:])
        return
    if start == 0:
        return
    for values in (start * FACTOR_GRID, start / FACTOR_GRID):
        low, high = field.bounds
        low = max(low, 1.0) if field.kind == "whole" else low
        values = values[(values >= low) & (values <= high)]
        if values.size:
            yield LineSearch(path, start, values)


def _refined(searches: list[LineSearch], evaluated: EvaluatedQuestion) -> list[LineSearch]:
    """Narrow each search to the step in which the approach first changes, far end last."""
    # rounded as printed, so that the value that is tried is the value that `--set` receives
    rounded = [[float(format_value(s.path, value)) for value in s.values] for s in searches]
    searches = [s._replace(values=np.array(v)) for s, v in zip(searches, rounded, strict=True)]
    approaches = [winner_of(entry.option).approach for entry in evaluated.likely.entries]
    before = approaches[evaluated.winner_index]
    found = []
    for search, indices in zip(searches, _winner_indices(searches, evaluated), strict=True):
        changed = [approaches[index] != before for index in indices.tolist()]
        if True in changed:
            first = changed.index(True)
            start = search.values[first - 1] if first else search.start
            values = start + (search.values[first] - start) * REFINEMENT_STEPS[1:]
            found.append(search._replace(values=values, winner=int(indices[first])))
    return found


def format_value(path: str, value: float) -> str:
    """Write a value with four digits, whole where only whole numbers make sense."""
    return f"{value:.0f}" if NUMBER_FIELDS[path].kind == "whole" else f"{value:.4g}"


def _winner_indices(
    searches: Sequence[LineSearch], evaluated: EvaluatedQuestion
) -> list[NDArray[np.intp]]:
    """Rank all values of all searches in one pass."""
    if not searches:
        return []
    ends = np.cumsum([search.values.size for search in searches])
    changes = {search.path: np.full(int(ends[-1]), search.start) for search in searches}
    for search, end in zip(searches, ends.tolist(), strict=True):
        changes[search.path][end - search.values.size : end] = search.values
    context = replace(evaluated.context, inputs=evaluated.resolved.inputs.at(changes))
    return np.split(rank(evaluated.candidates.batches, context).winner[:, 0], ends[:-1])
