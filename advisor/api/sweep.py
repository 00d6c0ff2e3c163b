"""POST /api/v1/sweep: a question and its variants -> one row of columns per variant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from advisor import __version__
from advisor.api.bodies import parse_record
from advisor.api.errors import PathRefused, RequestRefused
from advisor.api.service import QUESTION_KEYS, PlanningService, QuestionRequest
from advisor.decision import sweep as engine
from advisor.decision.answer import Question, canonical_json
from advisor.decision.sweep import SweepColumns
from advisor.inputs import Assumption
from advisor.units import Record

Value = bool | int | float | str | tuple[str, ...] | None
"""Value of a scenario field."""


class SweepSpec(Record):
    """Variants, and the columns to compute for each."""

    axes: dict[str, tuple[Value, ...]] | None = None
    """Path -> values. Every combination is a variant; the last path changes fastest."""
    variants: tuple[dict[str, Value], ...] | None = None
    """List of variants: path -> value."""
    ranges: bool = True
    """Whether to compute the 5th and 95th percentile of the cost."""
    win_share: bool = False
    """Whether to compute the win share of the recommended option."""


class SweepRequest(QuestionRequest, SweepSpec):
    """A question and its variants; send `axes` or `variants`, not both."""


class SweepResponse(Record):
    """Columns with one row per variant, in the order of the request."""

    axes: dict[str, tuple[Value, ...]] | None
    """Axes of the request; null if it listed variants."""
    variants: int
    """Number of rows."""
    columns: SweepColumns
    """Results by column."""
    assumptions: tuple[Assumption, ...]
    """Values that were filled in."""
    prices_sha256: str
    """Hash of the price book."""
    engine_version: str
    """Version of the engine."""


def parse_sweep(
    planner: PlanningService, body: Mapping[str, Any]
) -> tuple[Question, SweepSpec, int]:
    """Validate the body of a sweep; its size is checked before any variant is built."""
    spec = {key: value for key, value in body.items() if key not in QUESTION_KEYS}
    size = _size(spec)
    if "question" not in body:
        raise RequestRefused("body: question", "missing required key.", "Send a scenario.")
    shape = parse_record(SweepSpec, spec, "body")
    question = {key: body[key] for key in QUESTION_KEYS if key in body}
    return planner.question(question), shape, size


def _size(spec: Mapping[str, Any]) -> int:
    axes, variants = spec.get("axes"), spec.get("variants")
    if (axes is None) == (variants is None):
        raise RequestRefused(
            "body", "a sweep needs either 'axes' or 'variants'.", "Send one of the two."
        )
    size = _combinations(axes) if variants is None else _listed(variants)
    maps = [axes] if variants is None else variants
    if any("dataset.path" in paths for paths in maps if isinstance(paths, Mapping)):
        raise PathRefused
    if size > engine.MAX_VARIANTS:
        raise RequestRefused(
            "body", f"found {size:,} variants.", f"Send at most {engine.MAX_VARIANTS:,}."
        )
    return size


def _combinations(axes: object) -> int:
    if not isinstance(axes, Mapping) or not axes:
        raise RequestRefused("body: axes", "found no paths.", "Send path -> list of values.")
    for path, values in axes.items():
        if not isinstance(values, list) or not values:
            raise RequestRefused(
                f"body: axes.{path}", "expected a list of values.", "Send at least one value."
            )
    return math.prod(len(values) for values in axes.values())


def _listed(variants: object) -> int:
    if not isinstance(variants, Sequence) or isinstance(variants, str) or not variants:
        raise RequestRefused(
            "body: variants", "expected a list of variants.", "Send a list of {path: value}."
        )
    return len(variants)


def sweep_bytes(planner: PlanningService, question: Question, spec: SweepSpec, size: int) -> bytes:
    """Return the result of a sweep as canonical bytes."""
    planner.meters.variants.inc(size)
    variants = engine.variant_grid(spec.axes) if spec.axes else spec.variants or ()
    with planner.turn:
        columns = engine.sweep(question, variants, ranges=spec.ranges, win_share=spec.win_share)
    return canonical_json(
        SweepResponse(
            axes=spec.axes,
            variants=size,
            columns=columns,
            assumptions=question.default_assumptions,
            prices_sha256=question.book.sha256,
            engine_version=__version__,
        )
    )
