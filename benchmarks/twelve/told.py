"""expected.yaml -> for each dataset what is told of it, and which acts are right and forbidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.decision_labels import ACTS

EXPECTED_FILE = Path(__file__).parent / "expected.yaml"


@dataclass(frozen=True)
class DatasetExpectation:
    """What both tools are told of a dataset, and how their answers are judged."""

    name: str
    goal: str
    tried_prompting: bool | None
    scenario: Mapping[str, Any]
    right: tuple[str, ...]
    forbidden: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool answers."""

    act: str
    """One of the five acts; waiting is `not yet`."""
    words: str
    """In the tool's own words."""
    sure: str
    """How sure it says it is."""
    has_caveat: bool
    """Whether it says that this may be wrong."""


def read_expectations() -> tuple[DatasetExpectation, ...]:
    """Read what is told of the twelve.

    Raises:
        ValueError: an act is none of the five, or is right and forbidden at once.
    """
    found = []
    for name, body in yaml.safe_load(EXPECTED_FILE.read_text(encoding="utf-8")).items():
        one = DatasetExpectation(
            name,
            body["goal"],
            body["tried_prompting"],
            body["scenario"],
            tuple(body["right"]),
            tuple(body["forbidden"]),
            body["because"],
        )
        if {*one.right, *one.forbidden} - set(ACTS) or set(one.right) & set(one.forbidden):
            raise ValueError(f"{name}: right {one.right} and forbidden {one.forbidden}")
        found.append(one)
    return tuple(found)


def is_confidently_wrong(said: ToolAnswer, told: DatasetExpectation) -> bool:
    """Whether a forbidden act is given without abstaining and without a caveat."""
    return said.act in told.forbidden and said.act != "not yet" and not said.has_caveat
