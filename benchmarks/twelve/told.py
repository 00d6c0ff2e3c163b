"""Expectations of expected.yaml: scenario, right and forbidden acts for each dataset."""

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
    """Input of both tools for a dataset, and how their answers are graded."""

    name: str
    goal: str
    tried_prompting: bool | None
    scenario: Mapping[str, Any]
    right: tuple[str, ...]
    forbidden: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class ToolAnswer:
    """Answer of a tool."""

    act: str
    """One of the five acts; waiting is `not yet`."""
    words: str
    """Text of the answer, as the tool prints it."""
    sure: str
    """Stated confidence."""
    has_caveat: bool
    """Whether it states that the answer may be wrong."""


def read_expectations() -> tuple[DatasetExpectation, ...]:
    """Read the expectations.

    Raises:
        ValueError: an act is unknown, or both right and forbidden.
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
