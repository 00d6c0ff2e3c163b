"""Dotted paths of a scenario, such as `traffic.requests_per_month`: read, set, remove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.scenario.scenario import Scenario, scenario_from


def get_path(source: Any, path: str) -> Any:
    """Return the value at a dotted path of a mapping or a record, or None.

    >>> get_path({"quality": {"target": 0.9}}, "quality.target")
    0.9
    """
    for part in path.split("."):
        source = source.get(part) if isinstance(source, Mapping) else getattr(source, part, None)
    return source


def set_path(mapping: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the value at a dotted path; missing sections are added.

    >>> set_path({}, "quality.target", 0.9)
    {'quality': {'target': 0.9}}
    """
    section, _, rest = path.partition(".")
    if not rest:
        return {**mapping, section: value}
    inner = mapping.get(section)
    return {**mapping, section: set_path(inner if isinstance(inner, Mapping) else {}, rest, value)}


def without_path(mapping: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a copy without the value at a dotted path, and without sections that become empty.

    >>> without_path({"traffic": {"turns": 2}, "task": "code"}, "traffic.turns")
    {'task': 'code'}
    """
    section, _, rest = path.partition(".")
    inner = mapping.get(section)
    kept = without_path(inner, rest) if rest and isinstance(inner, Mapping) else {}
    return {
        key: kept if key == section else value
        for key, value in mapping.items()
        if key != section or kept
    }


def with_paths(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """Return the scenario with values set at dotted paths, as `--set` does.

    Raises:
        ScenarioError: a path does not exist, or a value is not valid there.
    """
    mapping = scenario.model_dump(mode="json", exclude_unset=True)
    for path, value in changes.items():
        mapping = set_path(mapping, path, value)
    return scenario_from(mapping, "scenario")
