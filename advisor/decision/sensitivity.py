"""A question and its winner -> what would flip it: numbers up to 100 times, and switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.decision.checks import words_of
from advisor.decision.ranking import Costed, Ranking, holds_training_back, is_too_little, rank
from advisor.estimate.sampling import LIKELY
from advisor.evidence import Evidence
from advisor.inputs import PATHS, SHARES, WHOLE, Resolved, stacked
from advisor.options.batch import Panel
from advisor.options.candidates import Menu
from advisor.scenario.fields import OPENS_OR_CLOSES, switch_values
from advisor.units import Record

Array = NDArray[np.float64]
MOST_FLIPS = 5
GRID = np.geomspace(1.0, 100.0, 25)[1:]
REFINE = np.linspace(0.0, 1.0, 33)
SWITCH_DISTANCE = float(np.log(3.0))
"""How far a switch counts as being, beside the logarithm of a factor."""


class Flip(Record):
    """One change of the question that changes the answer."""

    path: str
    """What is changed, as `--set` takes it."""
    before: str
    """Value now."""
    after: str
    """Value at which the answer is another."""
    becomes: str
    """The option that is then recommended."""


Rebuild = Callable[[str, Any], tuple[Resolved, Menu]]
"""Makes the question anew with one path set; given by the caller, who knows the dataset."""


class Asked(NamedTuple):
    """A question with its options, worked out at the likely point."""

    resolved: Resolved
    menu: Menu
    ranking: Ranking

    @property
    def verdict(self) -> str:
        """The approach that is recommended."""
        return _approach(self.menu, int(self.ranking.winner[0, 0]))


def flips(asked: Asked, evidence: Evidence, rebuild: Rebuild) -> tuple[Flip, ...]:
    """Search every number and every switch for the nearest changes that change the verdict.

    A verdict is changed when another approach is recommended, not just another model of the same.

    Args:
        asked: The question as it is.
        evidence: What the decision rests on.
        rebuild: Makes the question and its menu anew with one path set to a value.
    """
    found = _switches(asked, evidence, rebuild)
    if not is_too_little(asked.resolved):
        found += _numbers(asked, evidence)
    nearest = [flip for _, flip in sorted(found, key=lambda pair: (pair[0], pair[1].path))]
    return tuple(islice(_proved(nearest, asked, evidence, rebuild), MOST_FLIPS))


def _proved(
    nearest: Sequence[Flip], asked: Asked, evidence: Evidence, rebuild: Rebuild
) -> Iterator[Flip]:
    """Keep the changes that give that other answer when made in the question itself."""
    for start in range(0, len(nearest), MOST_FLIPS):
        some = nearest[start : start + MOST_FLIPS]
        moved = [flip for flip in some if flip.path in PATHS]
        others = [rebuild(flip.path, float(flip.after)) for flip in moved]
        becomes = dict(zip(moved, _together(others, evidence), strict=True))
        for flip in some:
            # switches were tried in the question itself
            approach, name = becomes.get(flip, (None, flip.becomes))
            if approach != asked.verdict and name == flip.becomes:
                yield flip


def _together(others: Sequence[tuple[Resolved, Menu]], evidence: Evidence) -> list[tuple[str, str]]:
    """Rank questions that differ in numbers only side by side: approach and name of each winner."""
    groups: dict[tuple[int, frozenset[str]], list[int]] = {}
    for place, (resolved, menu) in enumerate(others):
        groups.setdefault((id(menu), resolved.measured), []).append(place)
    found: dict[int, tuple[str, str]] = {}
    for places in groups.values():
        resolved, menu = others[places[0]]
        facts = stacked([others[place][0].facts for place in places])
        winners = rank(menu.panels, resolved, facts, evidence, LIKELY).winner[:, 0]
        for place, index in zip(places, winners.tolist(), strict=True):
            found[place] = (_approach(menu, index), _name(menu, index))
    return [found[place] for place in range(len(others))]


def _approach(menu: Menu, index: int) -> str:
    if index >= len(menu.options):
        return "not_yet"
    option = menu.options[index]
    return "current" if option.is_current else option.approach


def _name(menu: Menu, index: int) -> str:
    return menu.options[index].id if index < len(menu.options) else "not_yet"


class Walk(NamedTuple):
    """Values of one number, away from where it is."""

    path: str
    start: float
    values: Array
    winner: int = -1
    """Who wins at the last of the values, once that is known."""


def _numbers(asked: Asked, evidence: Evidence) -> list[tuple[float, Flip]]:
    """Walk every number away from where it is, then narrow down on the first change."""
    starts = {path: float(getattr(asked.resolved.facts, PATHS[path])[0, 0]) for path in PATHS}
    walks = [walk for path, start in starts.items() for walk in _walks(path, start)]
    for _ in range(3):
        walks = _narrowed(walks, asked, evidence)
    return [_flip_of(walk, asked.menu) for walk in walks]


def _flip_of(walk: Walk, menu: Menu) -> tuple[float, Flip]:
    last = float(walk.values[-1])
    distance = abs(np.log(max(last, 1e-9) / max(walk.start, 1e-9)))
    flip = Flip(
        path=walk.path,
        before=f"{walk.start:.6g}",
        after=written(walk.path, last),
        becomes=_name(menu, walk.winner),
    )
    return float(min(distance, 1e3)), flip


def _walks(path: str, start: float) -> Iterator[Walk]:
    if np.isnan(start):
        return
    if path in SHARES:
        low, high = (0.2, 0.99) if path == "quality.target" else (0.0, 1.0)
        ends = [(start, high), (start, low)]
        for begin, end in ends:
            if begin != end:
                yield Walk(path, start, np.linspace(begin, end, 26)[1:])
        return
    if start == 0:
        return
    for values in (start * GRID, start / GRID):
        least = 1.0 if path in WHOLE or path in ("traffic.turns", "traffic.peak_factor") else 0.0
        values = values[(values >= least) & ((path != "horizon_months") | (values <= 120))]
        if values.size:
            yield Walk(path, start, values)


def _narrowed(walks: list[Walk], asked: Asked, evidence: Evidence) -> list[Walk]:
    """Cut each walk down to the step on which the verdict first changes, the far end last."""
    as_set = [walk._replace(values=_settable(walk.path, walk.values)) for walk in walks]
    kept = []
    for walk, winners in zip(as_set, _winners(as_set, asked, evidence), strict=True):
        changed = [_approach(asked.menu, index) != asked.verdict for index in winners.tolist()]
        if True in changed:
            first = changed.index(True)
            before = walk.values[first - 1] if first else walk.start
            values = before + (walk.values[first] - before) * REFINE[1:]
            kept.append(walk._replace(values=values, winner=int(winners[first])))
    return kept


def _settable(path: str, values: Array) -> Array:
    """Round as `--set` will be given them, so that what is tried is what is printed."""
    return np.array([float(written(path, value)) for value in values])


def written(path: str, value: float) -> str:
    """Write a value with four digits, whole where only whole numbers make sense."""
    return f"{value:.0f}" if path in WHOLE else f"{value:.4g}"


def _winners(walks: Sequence[Walk], asked: Asked, evidence: Evidence) -> list[NDArray[np.intp]]:
    """Rank all values of all walks in one pass."""
    if not walks:
        return []
    ends = np.cumsum([walk.values.size for walk in walks])
    changes = {walk.path: np.full(int(ends[-1]), walk.start) for walk in walks}
    for walk, end in zip(walks, ends.tolist(), strict=True):
        changes[walk.path][end - walk.values.size : end] = walk.values
    facts = asked.resolved.facts.at(changes)
    winner = rank(asked.menu.panels, asked.resolved, facts, evidence, LIKELY).winner[:, 0]
    return np.split(winner, ends[:-1])


class Try(NamedTuple):
    """A switch set to another value: the question and the menu that this makes."""

    place: int
    """The first value of a path that changes the answer is the one that is said."""
    path: str
    now: object
    value: object
    resolved: Resolved
    menu: Menu


def _switches(asked: Asked, evidence: Evidence, rebuild: Rebuild) -> list[tuple[float, Flip]]:
    groups: dict[tuple[object, ...], list[Try]] = {}
    for one in _tries(asked, rebuild):
        groups.setdefault(_read_of(one), []).append(one)
    found: dict[str, tuple[int, Flip]] = {}
    for group in groups.values():
        for one, index in zip(group, _winners_of(group, asked, evidence), strict=True):
            if _approach(one.menu, index) != asked.verdict:
                flip = Flip(
                    path=one.path,
                    before=_word(one.now),
                    after=_word(one.value),
                    becomes=_name(one.menu, index),
                )
                found[one.path] = min(
                    found.get(one.path, (one.place, flip)),
                    (one.place, flip),
                    key=lambda pair: pair[0],
                )
    return [(SWITCH_DISTANCE, flip) for _, flip in found.values()]


def _tries(asked: Asked, rebuild: Rebuild) -> Iterator[Try]:
    """Set every switch to every other value that can change the answer."""
    retrieves = any(option.approach in ("rag", "combo") for option in asked.menu.options)
    for path, values in switch_values().items():
        if path == "knowledge.change" and not retrieves:
            continue
        section, name = path.split(".")
        now = getattr(getattr(asked.resolved.scenario, section), name)
        for place, value in enumerate(values):
            if value == now:
                continue
            resolved, menu = rebuild(path, value)
            if path not in OPENS_OR_CLOSES or menu.rules or _ids(menu) != _ids(asked.menu):
                yield Try(place, path, now, value, resolved, menu)


def _read_of(one: Try) -> tuple[object, ...]:
    """What is the same in switches that are ranked side by side: all but numbers and shifts."""
    scenario, resolved = one.resolved.scenario, one.resolved
    return (
        id(one.menu),
        resolved.task,
        resolved.measured,
        words_of(resolved),
        scenario.knowledge.change,
        holds_training_back(resolved),
        scenario if one.menu.rules else None,
    )


def _winners_of(group: Sequence[Try], asked: Asked, evidence: Evidence) -> list[int]:
    """Rank switches side by side, with the costs that stay as they are."""
    first = group[0]
    beside = tuple(one.resolved.scenario for one in group)
    facts = stacked([one.resolved.facts for one in group])
    known = _known(first, asked) if all(_moves_no_cost(one, asked) for one in group) else {}
    resolved = replace(first.resolved, beside=beside)
    winner = rank(first.menu.panels, resolved, facts, evidence, LIKELY, known).winner[:, 0]
    found: list[int] = np.broadcast_to(winner, (len(group),)).tolist()
    return found


def _known(one: Try, asked: Asked) -> dict[Panel, Costed]:
    """Take over what panels cost, and where the menu is the same, what the numbers allow."""
    now, then = asked.resolved.scenario, one.resolved.scenario
    costed = {sheet.panel.ids: sheet.costed for sheet in asked.ranking.sheets}
    same_gates = one.menu is asked.menu and words_of(asked.resolved) == words_of(one.resolved)
    same_gates = same_gates and not one.menu.rules
    known = {}
    for panel in one.menu.panels:
        old = costed.get(panel.ids)
        if old is None or (
            now.knowledge.change != then.knowledge.change and "embedding" in panel.prices
        ):
            continue
        known[panel] = old if same_gates else Costed(old.case.under(one.resolved, panel))
    return known


def _moves_no_cost(one: Try, asked: Asked) -> bool:
    """Whether every number that a cost is made from stays as it is."""
    ours, theirs = asked.resolved, one.resolved
    same = (ours.task, ours.measured) == (theirs.task, theirs.measured)
    return same and ours.facts.equals(theirs.facts, but="target")


def _ids(menu: Menu) -> tuple[str, ...]:
    return tuple(option.id for option in menu.options)


def _word(value: object) -> str:
    if value is None:
        return "not given"
    return str(value).lower() if isinstance(value, bool) else str(value)
