"""Traffic over time: the busiest hour, and growth, churn, seasons and spikes by month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np

from advisor.estimate.sampling import EstimateContext
from advisor.inputs import Array
from advisor.scenario.scenario import Scenario
from advisor.units import DAYS_PER_MONTH, Number


def peak_factor(context: EstimateContext) -> Number:
    """Requests of the busiest hour over those of an average hour: as given, else measured."""
    given = context.inputs.peak_factor
    if not np.isnan(given).any():
        return given
    assumed = context.sampling.of_percentiles("peak", context.evidence.peak_factor)
    return np.where(np.isnan(given), np.maximum(assumed, 1.0), given)


def traffic_varies(context: EstimateContext) -> bool:
    """Whether the number of requests differs between months, in any variant."""
    inputs = context.inputs
    is_even = (
        not inputs.growth_per_month.any()
        and not inputs.churn_per_month.any()
        and not _has_spike(context)
    )
    return not is_even or any(s.traffic.seasonality for s in context.resolved.scenarios)


def _has_spike(context: EstimateContext) -> bool:
    has_month = ~np.isnan(context.inputs.spike_month)
    return bool((has_month & (context.inputs.spike_factor != 1)).any())


def traffic_factor(context: EstimateContext, month: int) -> Array:
    """Requests of one month relative to `requests_per_month`, for each variant.

    factor [1] = ((1 + growth) x (1 - churn)) ^ month x season x spike

    The first month is 0. Season and spike are those of the calendar month in which the middle of
    the month lies.
    """
    inputs, day = context.inputs, context.resolved.scenario.asked_on
    calendar_month = (day + timedelta(days=(month + 0.5) * DAYS_PER_MONTH)).month
    trend = ((1 + inputs.growth_per_month) * (1 - inputs.churn_per_month)) ** month

    def season(scenario: Scenario) -> float:
        factors = scenario.traffic.seasonality
        return factors[calendar_month - 1] if factors else 1.0

    spike = np.where(inputs.spike_month == calendar_month, inputs.spike_factor, 1.0)
    return np.asarray(trend * context.resolved.column(season) * spike)


def mean_requests_per_month(context: EstimateContext, months: Number) -> Array:
    """Requests of an average month of use, for each variant."""
    requests = context.inputs.requests_per_month
    if not traffic_varies(context):
        return requests
    parts = [traffic_factor(context, month) * share for month, share in month_shares(months)]
    return np.asarray(requests * sum(parts) / np.maximum(np.asarray(months), 1e-9))


def in_month(context: EstimateContext, month: int) -> EstimateContext:
    """Return the context with the requests, and what is paid today, of one month."""
    factor, inputs = traffic_factor(context, month), context.inputs
    scaled = replace(
        inputs,
        requests_per_month=inputs.requests_per_month * factor,
        judged_per_month=inputs.judged_per_month * factor,
        monthly_cost_usd=inputs.monthly_cost_usd * factor,
    )
    return replace(context, inputs=scaled)


def month_shares(months: Number) -> Iterator[tuple[int, Array]]:
    """Yield each month of use, and how much of it is used: 1, less in the last.

    >>> [(month, float(share)) for month, share in month_shares(2.5)]
    [(0, 1.0), (1, 1.0), (2, 0.5)]
    """
    months = np.asarray(months, np.float64)
    for month in range(max(int(np.ceil(np.max(months) - 1e-9)), 1)):
        yield month, np.clip(months - month, 0.0, 1.0)
