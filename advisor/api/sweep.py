"""One question and its variants from a body -> columns; the one place that calls the sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from advisor import __version__
from advisor.api.bodies import parse_record
from advisor.api.errors import PathRefused, RequestRefused
from advisor.api.service import QUESTION_KEYS, PlanningService
from advisor.dataset.profile import Profile
from advisor.decision import sweep as engine
from advisor.decision.answer import Question, canonical_json
from advisor.decision.sweep import SweepColumns
from advisor.inputs import Assumption
from advisor.rules.team_rules import TeamRule
from advisor.scenario.scenario import Scenario
from advisor.units import Record

Value = bool | int | float | str | tuple[str, ...] | None
"""What a path of a scenario can be set to."""


class SweepSpec(Record):
    """Which variants, and what is wanted of each."""

    axes: dict[str, tuple[Value, ...]] | None = None
    """Path -> values; every combination is a variant, the last path changing fastest."""
    variants: tuple[dict[str, Value], ...] | None = None
    """Variants one by one: path -> value."""
    ranges: bool = True
    """Whether to draw the fifth and the ninety-fifth percentile."""
    win_share: bool = False
    """Whether to work out in which share of draws the recommended option wins."""


class SweepRequest(SweepSpec):
    """A question and its variants; give `axes` or `variants`, not both."""

    question: Scenario
    """What every variant begins with."""
    profile: Profile | None = None
    """What the dataset holds, as POST /api/v1/profile returned it."""
    rules: tuple[TeamRule, ...] = ()
    """Rules that your team adds."""


class SweepResponse(Record):
    """Columns with a row for each variant, in the order in which they were asked for."""

    axes: dict[str, tuple[Value, ...]] | None
    """As asked; none where variants were given one by one."""
    variants: int
    """How many rows."""
    columns: SweepColumns
    """The answers."""
    assumptions: tuple[Assumption, ...]
    """What the door filled in."""
    prices_sha256: str
    """Hash of the price book."""
    engine_version: str
    """What worked it out."""


class ParsedSweep(NamedTuple):
    """A sweep that can be worked out."""

    question: Question
    shape: SweepSpec
    size: int


def parse_sweep(planner: PlanningService, body: Mapping[str, Any]) -> ParsedSweep:
    """Read the body of a sweep; its size is known before any variant is made.

    Raises:
        AdvisorError: there are too many, or something cannot be understood.
    """
    given = {key: value for key, value in body.items() if key not in QUESTION_KEYS}
    size = _size(given)
    if "question" not in body:
        raise RequestRefused("body: question", "this key is missing.", "Give a scenario.")
    shape = parse_record(SweepSpec, given, "body")
    asked = {key: body[key] for key in QUESTION_KEYS if key in body}
    return ParsedSweep(planner.question(asked), shape, size)


def _size(given: Mapping[str, Any]) -> int:
    axes, variants = given.get("axes"), given.get("variants")
    if (axes is None) == (variants is None):
        raise RequestRefused("body", "a sweep takes 'axes' or 'variants'.", "Give one of the two.")
    size = _combinations(axes) if variants is None else _listed(variants)
    if size > engine.MAX_VARIANTS:
        raise RequestRefused(
            "body", f"these are {size:,} variants.", f"Give at most {engine.MAX_VARIANTS:,}."
        )
    return size


def _combinations(axes: object) -> int:
    if not isinstance(axes, Mapping) or not axes:
        raise RequestRefused("body: axes", "found no paths.", "Give path -> list of values.")
    for path, values in axes.items():
        if not isinstance(values, list) or not values:
            raise RequestRefused(
                f"body: axes.{path}", "found no list of values.", "Give at least one value."
            )
    _refuse_paths(axes)
    return math.prod(len(values) for values in axes.values())


def _listed(variants: object) -> int:
    if not isinstance(variants, Sequence) or isinstance(variants, str) or not variants:
        raise RequestRefused(
            "body: variants", "found no list of variants.", "Give a list of {path: value}."
        )
    for variant in variants:
        if isinstance(variant, Mapping):
            _refuse_paths(variant)
    return len(variants)


def _refuse_paths(paths: Mapping[str, Any]) -> None:
    if "dataset.path" in paths:
        raise PathRefused


def sweep_bytes(planner: PlanningService, asked: ParsedSweep) -> bytes:
    """Work a sweep out and count it, as canonical bytes.

    Raises:
        AdvisorError: a path or a value does not fit a scenario.
    """
    planner.meters.variants.inc(asked.size)
    with planner.turn:
        found = sweep_response(asked)
    return canonical_json(found)


def sweep_response(asked: ParsedSweep) -> SweepResponse:
    """Work a sweep out.

    Raises:
        AdvisorError: a path or a value does not fit a scenario.
    """
    question, shape = asked.question, asked.shape
    variants = engine.variant_grid(shape.axes) if shape.axes else shape.variants or ()
    columns = engine.sweep(question, variants, ranges=shape.ranges, win_share=shape.win_share)
    return SweepResponse(
        axes=shape.axes,
        variants=asked.size,
        columns=columns,
        assumptions=question.default_assumptions,
        prices_sha256=question.book.sha256,
        engine_version=__version__,
    )
