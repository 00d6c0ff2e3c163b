"""A file of published cases -> the facts of each, apart from its gold answer."""

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
    """What the source of a case shipped or measured best, and what else was judged."""

    best: str
    acceptable: tuple[str, ...]
    wrong: tuple[str, ...]
    combo_of: tuple[str, ...]


@dataclass(frozen=True)
class PublishedCase:
    """One published case: nothing but `inputs` and `norm` is read for an answer."""

    id: str
    year: int
    inputs: Mapping[str, Any]
    """What a user would have told: `inputs` of the file."""
    norm: Mapping[str, Any]
    """The same in coded form: `inputs_norm` of the file."""
    group: str | None
    """Cases of one group differ in the fact that decides."""
    gold: GoldAnswer

    @property
    def goals(self) -> dict[str, bool]:
        """What the work needs, those that are said to be so."""
        given = self.inputs.get("goals")
        return {key: True for key, value in given.items() if value is True} if given else {}

    def text(self, key: str) -> str:
        """Return an entry of `inputs` as lower-case words; empty if nobody said."""
        value = self.inputs.get(key)
        return "" if value is None else str(value).lower()


class CaseError(Exception):
    """A case cannot be read; the message names it and says what to do."""


def read_cases(path: Path) -> list[PublishedCase]:
    """Read a file of cases.

    Raises:
        SystemExit: there is no such file, or a case in it cannot be read.
    """
    if not path.is_file():
        sys.exit(
            f"There is no file {path}. Give a YAML list of cases in the format of {EXAMPLE_FILE}."
        )
    try:
        listed = yaml.load(path.read_text(encoding="utf-8-sig"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        sys.exit(f"{path} is no YAML: {' '.join(str(error).split())} Mend it there.")
    if not isinstance(listed, list) or not listed:
        sys.exit(f"{path} holds no list of cases. Start each with '- id:', as {EXAMPLE_FILE} does.")
    try:
        cases = [parse_case(one, place) for place, one in enumerate(listed, 1)]
        _reject_duplicates(cases)
    except CaseError as error:
        sys.exit(f"{path}: {error}")
    return cases


def parse_case(given: object, place: int = 1) -> PublishedCase:
    """Make a case of what stands in the file.

    Args:
        given: One entry of the list.
        place: Which one it is, for messages where it has no id.

    Raises:
        CaseError: a part is missing or is not what it should be.
    """
    if not isinstance(given, dict):
        raise CaseError(f"case {place} is {_value_text(given)}, no mapping. Start it with 'id:'.")
    name = str(given.get("id") or f"number {place}")
    gold = _mapping(given, "gold", name)
    best = gold.get("best")
    if not isinstance(best, str) or not best:
        raise CaseError(
            f"case {name}: gold.best is {_value_text(best)}. Give the label that was best."
        )
    year = given.get("as_of_year")
    year = int(year) if isinstance(year, str) and year.strip().isdigit() else year
    if not isinstance(year, int) or not 2000 <= year <= 2100:
        raise CaseError(
            f"case {name}: as_of_year is {_value_text(year)}. Give a year, such as 2024."
        )
    inputs = _mapping(given, "inputs", name)
    if not isinstance(inputs.get("goals") or {}, dict):
        raise CaseError(f"case {name}: inputs.goals is no mapping. Give needs as 'name: true'.")
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
            f"case {name}: '{key}' is {_value_text(found)}, no mapping. See {EXAMPLE_FILE}."
        )
    return found


def _labels(gold: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    found = gold.get(key)
    found = [found] if isinstance(found, str) else found or []
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise CaseError(f"case {name}: gold.{key} is {_value_text(found)}. Give a list of labels.")
    return tuple(found)


def _reject_duplicates(cases: list[PublishedCase]) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise CaseError(f"case {case.id} stands there twice. Take one out.")
        seen.add(case.id)


def _value_text(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**12 else "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."
