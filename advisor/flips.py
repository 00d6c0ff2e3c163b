"""A question and its winner -> what would flip it: numbers up to 100 times, and switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.point import LIKELY
from advisor.facts import PATHS, SHARES, WHOLE, Resolved
from advisor.options import Menu
from advisor.quality import Evidence
from advisor.ranking import is_too_little, rank
from advisor.scenario import Knowledge, Needs, Organisation, Quality
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


NOTES = frozenset({"narrow_label_task", "cost_reduction"})
"""Needs that only tell what is asked about: they move no number and rule nothing out."""
COSTLY = frozenset({"knowledge.change"})
"""Switches that change what an option costs; all others change only what is allowed or good."""
OPENS_OR_CLOSES = frozenset(
    {"limits.data_may_leave", "knowledge.permissions_per_user"}
    | {"organisation.openai", "organisation.azure"}
)
"""Switches that only open and close options: with the same options the answer is the same."""
Rebuild = Callable[[str, Any], tuple[Resolved, Menu]]
"""Makes the question anew with one path set; given by the caller, who knows the dataset."""


def flips(
    resolved: Resolved, menu: Menu, evidence: Evidence, winner: int, rebuild: Rebuild
) -> tuple[Flip, ...]:
    """Search every number and every switch for the nearest changes that change the verdict.

    A verdict is changed when another approach is recommended, not just another model of the same.

    Args:
        resolved: The question, with its numbers.
        menu: Its options.
        evidence: What the decision rests on.
        winner: Index of the recommended option, or how many there are for "not yet".
        rebuild: Makes the question and its menu anew with one path set to a value.
    """
    verdict = _approach(menu, winner)
    found = list(_switches(resolved, menu, evidence, verdict, rebuild))
    if not is_too_little(resolved):
        found += _numbers(resolved, menu, evidence, verdict)
    nearest = sorted(found, key=lambda pair: (pair[0], pair[1].path))
    proved = (flip for _, flip in nearest if _holds(flip, evidence, verdict, rebuild))
    return tuple(islice(proved, MOST_FLIPS))


def _holds(flip: Flip, evidence: Evidence, verdict: str, rebuild: Rebuild) -> bool:
    """Whether the change, made in the question itself, gives that other answer."""
    if flip.path not in PATHS:
        return True  # switches were tried in the question itself
    other, menu = rebuild(flip.path, float(flip.after))
    index = int(rank(menu.options, other, other.facts, evidence, LIKELY).winner[0, 0])
    return _approach(menu, index) != verdict and _name(menu, index) == flip.becomes


def _approach(menu: Menu, index: int) -> str:
    if index >= len(menu.options):
        return "not_yet"
    option = menu.options[index]
    return "current" if option.is_current else option.approach


def _name(menu: Menu, index: int) -> str:
    return menu.options[index].id if index < len(menu.options) else "not_yet"


def _numbers(
    resolved: Resolved, menu: Menu, evidence: Evidence, verdict: str
) -> list[tuple[float, Flip]]:
    """Walk every number away from where it is, then narrow down on the first change."""
    starts = {path: float(getattr(resolved.facts, PATHS[path])[0, 0]) for path in PATHS}
    walks = [walk for path, start in starts.items() for walk in _walks(path, start)]
    if not walks:
        return []
    for _ in range(3):
        walks = _narrowed(walks, resolved, menu, evidence, verdict)
    flips_found = []
    winners = _winners([(path, values[-1:]) for path, _, values in walks], resolved, menu, evidence)
    for (path, start, values), winner in zip(walks, winners, strict=True):
        if _approach(menu, int(winner[0])) != verdict:
            distance = abs(np.log(max(values[-1], 1e-9) / max(start, 1e-9)))
            flip = Flip(path=path, before=f"{start:.6g}", after=written(path, values[-1]),
                        becomes=_name(menu, int(winner[0])))  # fmt: skip
            flips_found.append((float(min(distance, 1e3)), flip))
    return flips_found


Walk = tuple[str, float, Array]


def _walks(path: str, start: float) -> Iterator[Walk]:
    if np.isnan(start):
        return
    if path in SHARES:
        low, high = (0.2, 0.99) if path == "quality.target" else (0.0, 1.0)
        ends = [(start, high), (start, low)]
        for begin, end in ends:
            if begin != end:
                yield path, start, np.linspace(begin, end, 26)[1:]
        return
    if start == 0:
        return
    for values in (start * GRID, start / GRID):
        least = 1.0 if path in WHOLE or path in ("traffic.turns", "traffic.peak_factor") else 0.0
        values = values[(values >= least) & ((path != "horizon_months") | (values <= 120))]
        if values.size:
            yield path, start, values


def _narrowed(
    walks: list[Walk], resolved: Resolved, menu: Menu, evidence: Evidence, verdict: str
) -> list[Walk]:
    """Cut each walk down to the step on which the verdict first changes, the far end last."""
    as_set = [(path, _settable(path, values)) for path, _, values in walks]
    kept = []
    for (path, start, _), (_, values), winners in zip(
        walks, as_set, _winners(as_set, resolved, menu, evidence), strict=True
    ):
        changed = [_approach(menu, int(index)) != verdict for index in winners]
        if True in changed:
            first = changed.index(True)
            before = values[first - 1] if first else start
            kept.append((path, start, before + (values[first] - before) * REFINE[1:]))
    return kept


def _settable(path: str, values: Array) -> Array:
    """Round as `--set` will be given them, so that what is tried is what is printed."""
    return np.array([float(written(path, value)) for value in values])


def written(path: str, value: float) -> str:
    """Write a value with four digits, whole where only whole numbers make sense."""
    return f"{value:.0f}" if path in WHOLE else f"{value:.4g}"


def _winners(
    walks: list[tuple[str, Array]], resolved: Resolved, menu: Menu, evidence: Evidence
) -> list[NDArray[np.intp]]:
    """Rank all values of all walks in one pass."""
    if not walks:
        return []
    sizes = [values.size for _, values in walks]
    changes = {}
    for path in {path for path, _ in walks}:
        start = float(getattr(resolved.facts, PATHS[path])[0, 0])
        changes[path] = np.concatenate([
            _settable(path, values) if name == path else np.full(values.size, start)
            for name, values in walks
        ])  # fmt: skip
    facts = resolved.facts.at(changes)
    winner = rank(menu.options, resolved, facts, evidence, LIKELY).winner[:, 0]
    return np.split(winner, np.cumsum(sizes)[:-1])


def switch_values() -> dict[str, tuple[Any, ...]]:
    """Name every switch of a scenario with the values it can take."""
    found: dict[str, tuple[Any, ...]] = {
        f"needs.{name}": (False, True) for name in Needs.model_fields if name not in NOTES
    }
    found["limits.data_may_leave"] = (True, False)
    found["knowledge.permissions_per_user"] = (False, True)
    found["quality.has_eval"] = (True, False)
    found["dataset.label_quality"] = ("expert", "mixed", "noisy", "unknown")
    for record, prefix, name in (
        (Knowledge, "knowledge", "change"),
        (Quality, "quality", "prompt_effort"),
        (Organisation, "organisation", "openai"),
        (Organisation, "organisation", "azure"),
    ):
        annotation = record.model_fields[name].annotation
        inner = [get_args(arg) or (arg,) for arg in get_args(annotation)]
        values = [value for group in inner for value in group if isinstance(value, str)]
        found[f"{prefix}.{name}"] = tuple(values)
    return found


def _switches(
    resolved: Resolved, menu: Menu, evidence: Evidence, verdict: str, rebuild: Rebuild
) -> Iterator[tuple[float, Flip]]:
    base = rank(menu.options, resolved, resolved.facts, evidence, LIKELY)
    ids = _ids(menu)
    known = {entry.option.id: entry.costs for entry in base.entries}
    for path, values in switch_values().items():
        if path == "knowledge.change" and not _retrieves(menu):
            continue
        section, name = path.split(".")
        now = getattr(getattr(resolved.scenario, section), name)
        for value in values:
            if value == now:
                continue
            other, choices = rebuild(path, value)
            if path in OPENS_OR_CLOSES and _ids(choices) == ids:
                continue
            costs = known if path not in COSTLY and other.task == resolved.task else None
            ranking = rank(choices.options, other, other.facts, evidence, LIKELY, costs)
            index = int(ranking.winner[0, 0])
            if _approach(choices, index) != verdict:
                yield (
                    SWITCH_DISTANCE,
                    Flip(path=path, before=_word(now), after=_word(value),
                         becomes=_name(choices, index)),
                )  # fmt: skip
                break


def _retrieves(menu: Menu) -> bool:
    return any(option.approach in ("rag", "combo") for option in menu.options)


def _ids(menu: Menu) -> tuple[str, ...]:
    return tuple(option.id for option in menu.options)


def _word(value: object) -> str:
    if value is None:
        return "not given"
    return str(value).lower() if isinstance(value, bool) else str(value)
