"""Costs of one option month by month: its lines at the prices and traffic of each month."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from advisor.estimate.contract import contract_applies
from advisor.estimate.costs import OptionCost, item_name, month_costs, paid_by_month
from advisor.estimate.line import CostLine, first_value
from advisor.estimate.periods import month_shares, traffic_varies
from advisor.estimate.sampling import EstimateContext
from advisor.options.batch import OptionBatch
from advisor.options.price_column import Period


def changes_within(batch: OptionBatch, context: EstimateContext, months: float) -> bool:
    """Whether a price, the traffic, or what a contract makes of them differs between months."""
    period = Period(0.0, months, context.resolved.scenario.asked_on)
    return (
        traffic_varies(context)
        or batch.during(period) is not batch
        or contract_applies(context.contract, batch.prices.values())
    )


def usd_by_month(batch: OptionBatch, context: EstimateContext, costs: OptionCost) -> list[float]:
    """Return the USD of each month of use of a batch of one option; one-off costs are left out.

    The last month may be a part of a month. Trainings after the first, and other costs that do not
    follow traffic, are spread evenly.
    """
    shares = [first_value(share) for _, share in month_shares(costs.months)]
    if not changes_within(batch, context, costs.months):
        return [costs.monthly * share for share in shares]
    if contract_applies(context.contract, batch.prices.values()):
        _, uses = paid_by_month(batch, context, costs.months)
        return [_usd(use.lines) * share for use, share in zip(uses, shares, strict=True)]
    following = [_usd(month_costs(batch, context, m, costs.months)) for m in range(len(shares))]
    covered = float(np.dot(following, shares)) / max(costs.months, 1e-9)
    spread = costs.monthly - covered
    return [(usd + spread) * share for usd, share in zip(following, shares, strict=True)]


class ItemByMonth(NamedTuple):
    """One monthly item in each month of use."""

    quantities: list[float]
    paid: list[float]
    """Effective over contracted cost."""


def items_by_month(
    batch: OptionBatch, context: EstimateContext, costs: OptionCost
) -> dict[str, ItemByMonth]:
    """Return each monthly item in each month of use of a batch of one option, by name.

    Empty if nothing changes; an item that is missing has its mean quantity in every month.
    """
    if not changes_within(batch, context, costs.months):
        return {}
    shares = [first_value(share) for _, share in month_shares(costs.months)]
    if contract_applies(context.contract, batch.prices.values()):
        _, uses = paid_by_month(batch, context, costs.months)
        months = [use.lines for use in uses]
    else:
        months = [month_costs(batch, context, m, costs.months) for m in range(len(shares))]
    found: dict[str, ItemByMonth] = {}
    for month, (lines, share) in enumerate(zip(months, shares, strict=True)):
        for line in lines:
            paid = 1.0 if line.paid_share is None else first_value(line.paid_share)
            for place, (prices, quantity) in enumerate(line.quantities_by_price()):
                name = item_name(line, place, prices[0] if prices else None)
                empty = ItemByMonth([0.0] * len(shares), [1.0] * len(shares))
                item = found.setdefault(name, empty)
                item.quantities[month] += first_value(quantity) * share
                item.paid[month] = paid
    return found


def _usd(lines: list[CostLine]) -> float:
    return sum(first_value(line.amount) for line in lines if line.cadence == "month")
