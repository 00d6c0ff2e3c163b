"""Costs of one option month by month: its lines at the prices and traffic of each month."""

from __future__ import annotations

import numpy as np

from advisor.estimate.costs import OptionCost, item_name, month_costs
from advisor.estimate.line import CostLine, first_value
from advisor.estimate.periods import month_shares, traffic_varies
from advisor.estimate.sampling import EstimateContext
from advisor.options.batch import OptionBatch
from advisor.options.price_column import Period


def changes_within(batch: OptionBatch, context: EstimateContext, months: float) -> bool:
    """Whether a price or the traffic changes within the months of use."""
    period = Period(0.0, months, context.resolved.scenario.asked_on)
    return traffic_varies(context) or batch.during(period) is not batch


def usd_by_month(batch: OptionBatch, context: EstimateContext, costs: OptionCost) -> list[float]:
    """Return the USD of each month of use of a batch of one option; one-off costs are left out.

    The last month may be a part of a month. Trainings after the first, and other costs that do not
    follow traffic, are spread evenly.
    """
    shares = [first_value(share) for _, share in month_shares(costs.months)]
    if not changes_within(batch, context, costs.months):
        return [costs.monthly * share for share in shares]
    following = [_usd(month_costs(batch, context, m, costs.months)) for m in range(len(shares))]
    covered = float(np.dot(following, shares)) / max(costs.months, 1e-9)
    spread = costs.monthly - covered
    return [(usd + spread) * share for usd, share in zip(following, shares, strict=True)]


def quantities_by_month(
    batch: OptionBatch, context: EstimateContext, costs: OptionCost
) -> dict[str, tuple[float, ...]]:
    """Return the quantity of each monthly item in each month of use of a batch of one option.

    Empty if nothing changes; an item that is missing has its mean quantity in every month.
    """
    if not changes_within(batch, context, costs.months):
        return {}
    months = list(month_shares(costs.months))
    found: dict[str, list[float]] = {}
    for month, share in months:
        for line in month_costs(batch, context, month, costs.months):
            for place, (prices, quantity) in enumerate(line.quantities_by_price()):
                name = item_name(line, place, prices[0] if prices else None)
                column = found.setdefault(name, [0.0] * len(months))
                column[month] += first_value(quantity) * first_value(share)
    return {name: tuple(column) for name, column in found.items()}


def _usd(lines: list[CostLine]) -> float:
    return sum(first_value(line.amount) for line in lines if line.cadence == "month")
