"""Break-even: from how many requests, and when, training costs no more than another option."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

import numpy as np

from advisor.decision.ranking import OptionResult
from advisor.estimate.by_month import usd_by_month
from advisor.estimate.costs import OptionCost
from advisor.options.batch import option_batches
from advisor.units import Record, usd

Outcome = Literal["from_start", "at_first", "once", "twice", "after_end", "never"]
MONTHS_AHEAD = 120
"""Months over which a saving is continued after the end of the horizon."""


class BreakEven(Record):
    """The usage from which the option with training costs no more, and when it has paid off."""

    option: str
    """The option with training."""
    against: str
    """The option it is compared with."""
    requests: int | None
    """Smallest number of requests over the months of use; None if it never pays."""
    requests_per_month: int | None
    """The same per month."""
    months: str | None
    """Months until the one-off cost is recovered, with the prices and traffic of each month."""
    crossings: tuple[str, ...] = ()
    """Months at which the cumulative costs of the two options are equal, within the horizon."""
    outcome: Outcome = "never"
    """Cheaper from the start, only at first, after one crossing, with two or more crossings, only
    after the end of the model or of the horizon, or never."""


class LinearCost(NamedTuple):
    """Cost over the months of use as a linear function of requests [USD]."""

    fixed: float
    per_request: float


def linear_cost(costs: OptionCost, requests_per_month: float) -> LinearCost:
    """Split a cost into a fixed part and a part per request [USD]."""
    monthly = {True: 0.0, False: 0.0}
    for item in costs.items:
        if item.cadence == "month":
            monthly[item.scales] += item.amount
    fixed = costs.one_off + monthly[False] * costs.months
    return LinearCost(fixed, monthly[True] / requests_per_month if requests_per_month else 0.0)


def break_even_requests(extra_usd: float, saving_per_request_usd: float) -> int:
    """Number of requests after which the saving has paid for the extra fixed cost.

    requests = extra / saving per request, rounded up

    >>> break_even_requests(13.23, 0.000147), break_even_requests(2912.70, 0.0028)
    (90000, 1040250)
    """
    return int(np.ceil(round(extra_usd / saving_per_request_usd, 6)))


def break_even(tuned: OptionResult, other: OptionResult, requests_per_month: float) -> BreakEven:
    """Find from how many requests, and when, *tuned* costs no more than *other*.

    requests = (fixed of tuned - fixed of other) / (per request of other - per request of tuned)

    The months follow from the cumulative costs of the two options, month by month.
    """
    ours, theirs = (linear_cost(o.costs, requests_per_month) for o in (tuned, other))
    saving = theirs.per_request - ours.per_request
    extra = ours.fixed - theirs.fixed
    requests = 0 if extra <= 0 <= saving else None
    if extra > 0 and saving > 0:
        requests = break_even_requests(extra, saving)
    per_month = None if requests is None else int(np.ceil(requests / tuned.costs.months - 1e-9))
    outcome, months, crossings = payback(
        tuned.costs.one_off - other.costs.one_off, monthly_usd(tuned), monthly_usd(other)
    )
    return BreakEven(
        option=tuned.option.id,
        against=other.option.id,
        requests=requests,
        requests_per_month=per_month,
        months=None if months is None else usd(months, 1 if months >= 0.1 else 4),
        crossings=tuple(usd(month, 1 if month >= 0.1 else 4) for month in crossings),
        outcome=outcome,
    )


def monthly_usd(entry: OptionResult) -> list[float]:
    """Return the most likely USD of each month of use, one-off costs left out."""
    (batch,) = option_batches([entry.option])
    return usd_by_month(batch, entry.batch_result, entry.costs)


def payback(
    extra_usd: float, tuned_usd: Sequence[float], other_usd: Sequence[float]
) -> tuple[Outcome, float | None, tuple[float, ...]]:
    """Return how two cumulative costs compare: outcome, months to pay back, and all crossings.

    Args:
        extra_usd: One-off cost of the tuned option above that of the other.
        tuned_usd: USD of each month of use of the tuned option.
        other_usd: The same of the other option.

    >>> payback(100.0, [0.0] * 12, [40.0] * 12)
    ('once', 2.5, (2.5,))
    >>> payback(100.0, [0.0, 0.0, 30.0, 60.0], [60.0, 60.0, 0.0, 0.0])
    ('twice', 1.6666666666666665, (1.6666666666666665, 2.6666666666666665))
    >>> payback(100.0, [0.0], [40.0])
    ('after_end', 2.5, ())
    """
    steps = [ours - theirs for ours, theirs in zip(tuned_usd, other_usd, strict=False)]
    ahead = list(accumulate(steps, initial=extra_usd))
    crossings = tuple(
        month + before / (before - after)
        for month, (before, after) in enumerate(pairwise(ahead))
        if before > 0 >= after or before < 0 < after or (month and before == 0 < after)
    )
    if len(crossings) > 1:
        return "twice", 0.0 if extra_usd <= 0 else crossings[0], crossings
    if crossings:
        return ("once", crossings[0], crossings) if extra_usd > 0 else ("at_first", 0.0, crossings)
    if ahead[-1] <= 0 and not (extra_usd == 0 and ahead[-1] == 0):
        return "from_start", 0.0, ()
    last = steps[-1] if steps else 0.0
    months = len(steps) - ahead[-1] / last if last < 0 else np.inf
    return ("after_end", float(months), ()) if months <= MONTHS_AHEAD else ("never", None, ())
