"""Scenarios and the evidence -> what their circumstances add to or take from quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from advisor.quality import Evidence, Range
from advisor.scenario import Scenario
from advisor.units import Number

Three = tuple[Number, Number, Number]
"""Low, likely and high."""
NO_SHIFT: Range = (0.0, 0.0, 0.0)


class Shifts(NamedTuple):
    """What circumstances add, each bound a number or of shape [variants, 1]."""

    effort: Three
    """By how hard prompting was tried."""
    labels: Three
    """By who made the answers."""
    needs_prompt: tuple[Three, ...]
    """What each need takes from prompting."""
    needs_tuned: tuple[Three, ...]
    """What each need takes from a tuned model."""


def shifts_of(scenarios: Sequence[Scenario], evidence: Evidence) -> Shifts:
    """Look the shifts up: of one scenario, or of a variant each."""
    needs = [
        (need, flags)
        for name, need in evidence.needs.items()
        if any(flags := [getattr(one.needs, name) for one in scenarios])
    ]
    year = evidence.model_year.of(scenarios[0].asked_on.year)
    needs += [(year, [True] * len(scenarios))] if year else []
    return Shifts(
        effort=_laid_out([getattr(evidence.prompt_effort, one.quality.prompt_effort)
                          for one in scenarios]),
        labels=_laid_out([getattr(evidence.label_quality, one.dataset.label_quality)
                          for one in scenarios]),
        needs_prompt=tuple(_laid_out([need.prompt if flag else NO_SHIFT for flag in flags])
                           for need, flags in needs),
        needs_tuned=tuple(_laid_out([need.tuned if flag else NO_SHIFT for flag in flags])
                          for need, flags in needs),
    )  # fmt: skip


def _laid_out(ranges: Sequence[Range]) -> Three:
    """Turn a range for each variant into three columns, or one range for all into numbers."""
    if all(one == ranges[0] for one in ranges):
        return ranges[0]
    low, likely, high = np.array(ranges).T[:, :, None]
    return low, likely, high
