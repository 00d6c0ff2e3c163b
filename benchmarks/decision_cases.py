"""Published cases: reads a file of cases, with the facts separate from the gold answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

EXAMPLE_FILE = "benchmarks/data/decision_cases_build.yaml"
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class GoldAnswer:
    """What the source of a case shipped or measured as best, and how other labels are judged."""

    best: str
    acceptable: tuple[str, ...]
    wrong: tuple[str, ...]
    combo_of: tuple[str, ...]


@dataclass(frozen=True)
class PublishedCase:
    """One published case; advice may only read `inputs` and `norm`."""

    id: str
    year: int
    inputs: Mapping[str, Any]
    """Facts a user would have provided: `inputs` of the file."""
    norm: Mapping[str, Any]
    """The same facts as codes: `inputs_norm` of the file."""
    group: str | None
    """Contrast group: its cases differ in the deciding fact."""
    gold: GoldAnswer

    @property
    def goals(self) -> dict[str, bool]:
        """Needs that are set to true."""
        given = self.inputs.get("goals")
        return {key: True for key, value in given.items() if value is True} if given else {}

    def text(self, key: str) -> str:
        """Return an entry of `inputs` in lower case; empty if it is not specified."""
        value = self.inputs.get(key)
        return "" if value is None else str(value).lower()


class CaseError(Exception):
    """A case cannot be read; the message names it and has the remedy."""


def read_cases(path: Path) -> list[PublishedCase]:
    """Read a file of cases.

    Raises:
        SystemExit: the file does not exist, or a case cannot be read.
    """
    if not path.is_file():
        sys.exit(
            f"{path}: file not found. Give a YAML list of cases in the format of {EXAMPLE_FILE}."
        )
    try:
        listed = yaml.load(path.read_text(encoding="utf-8-sig"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        sys.exit(f"{path}: not valid YAML: {' '.join(str(error).split())} Fix the file there.")
    if not isinstance(listed, list) or not listed:
        sys.exit(
            f"{path}: expected a list of cases. Start each with '- id:', as in {EXAMPLE_FILE}."
        )
    try:
        cases = [parse_case(entry, place) for place, entry in enumerate(listed, 1)]
        _reject_duplicates(cases)
    except CaseError as error:
        sys.exit(f"{path}: {error}")
    return cases


def parse_case(given: object, place: int = 1) -> PublishedCase:
    """Parse one entry of the list.

    Args:
        given: The entry.
        place: Its position, for messages if it has no id.

    Raises:
        CaseError: a value is missing or invalid.
    """
    if not isinstance(given, dict):
        raise CaseError(
            f"case {place}: expected a mapping, found {_value_text(given)}. Start it with 'id:'."
        )
    name = str(given.get("id") or f"number {place}")
    gold = _mapping(given, "gold", name)
    best = gold.get("best")
    if not isinstance(best, str) or not best:
        raise CaseError(f"case {name}: gold.best: expected a label, found {_value_text(best)}.")
    year = given.get("as_of_year")
    year = int(year) if isinstance(year, str) and year.strip().isdigit() else year
    if not isinstance(year, int) or not 2000 <= year <= 2100:
        raise CaseError(
            f"case {name}: as_of_year: expected a year such as 2024, found {_value_text(year)}."
        )
    inputs = _mapping(given, "inputs", name)
    if not isinstance(inputs.get("goals") or {}, dict):
        raise CaseError(
            f"case {name}: inputs.goals: expected a mapping. Write needs as 'name: true'."
        )
    group = given.get("counterfactual_group")
    return PublishedCase(
        name,
        year,
        inputs,
        _mapping(given, "inputs_norm", name, needed=False),
        str(group) if group else None,
        GoldAnswer(
            best, *(_labels(gold, key, name) for key in ("acceptable", "wrong", "combo_of"))
        ),
    )


def _mapping(
    given: Mapping[str, Any], key: str, name: str, needed: bool = True
) -> Mapping[str, Any]:
    found = given.get(key)
    if found is None and not needed:
        return {}
    if not isinstance(found, dict):
        raise CaseError(
            f"case {name}: '{key}': expected a mapping, found {_value_text(found)}. "
            f"See {EXAMPLE_FILE}."
        )
    return found


def _labels(gold: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    found = gold.get(key)
    found = [found] if isinstance(found, str) else found or []
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise CaseError(
            f"case {name}: gold.{key}: expected a list of labels, found {_value_text(found)}."
        )
    return tuple(found)


def _reject_duplicates(cases: list[PublishedCase]) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise CaseError(f"duplicate case {case.id}. Remove one.")
        seen.add(case.id)


def _value_text(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**12 else "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."
