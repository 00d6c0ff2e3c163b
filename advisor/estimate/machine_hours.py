"""Hours that machines run: always, in nightly batches, or only when requests arrive."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from advisor.estimate.line import Cadence, CostLine, priced_line
from advisor.estimate.sampling import EstimateContext
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.options.price_column import Mask
from advisor.units import DAYS_PER_MONTH, HOURS_PER_MONTH, SECONDS_PER_MONTH, Number


def starts_per_month(requests_per_month: Number, on_seconds: Number) -> Number:
    """Requests per month that find the machine stopped.

    starts [1] = requests x exp(-requests per second x seconds a machine stays on after a request)

    Leaves out: requests that come in bursts, which start a machine less often.

    Source: gaps between arrivals of a Poisson process are exponential.

    >>> round(float(starts_per_month(730, 300)), 1)
    671.6
    """
    per_second = np.asarray(requests_per_month) / SECONDS_PER_MONTH
    return requests_per_month * np.exp(-per_second * on_seconds)


def request_hours(
    requests_per_month: Number, each_seconds: Number, kept_seconds: float, cold_seconds: Number
) -> Number:
    """Hours per month that are billed for requests and starts, where idle time is free.

    hours = (requests x seconds of each + starts x cold start) / 3600

    More requests also start an instance less often. So that they never cost less, the hours are at
    least those at the number of requests from which they would fall.

    >>> [round(float(request_hours(n, 0.1, 900, 8.0)), 2) for n in (1_000, 3_000, 6_000, 100_000)]
    [1.61, 2.47, 2.47, 2.78]
    """
    each, cold = np.asarray(each_seconds, np.float64), np.asarray(cold_seconds, np.float64)

    def hours(requests: Number) -> Number:
        starts = starts_per_month(requests, kept_seconds)
        return np.asarray((requests * each + starts * cold) / 3600.0)

    ratio = each / np.maximum(cold, 1e-9)
    falls = ratio < np.exp(-2.0)
    turn = np.ones_like(ratio)  # requests per time kept: (turn - 1) e^-turn = ratio
    for _ in range(40):
        turn = np.where(falls, 1.0 + ratio * np.exp(turn), 1.0)
    most = np.where(falls, turn * SECONDS_PER_MONTH / kept_seconds, np.inf)
    return np.maximum(hours(requests_per_month), hours(np.minimum(requests_per_month, most)))


def awake_hours(requests_per_month: Number, on_seconds: Number, cold_seconds: Number) -> Number:
    """Hours per month that a machine is on if it stops when idle; at most all of them.

    hours = 730 x (1 - exp(-requests per second x on seconds)) + starts x cold start / 3600

    *on_seconds*: how long a machine stays on after a request arrives, if no other does: service and
    idle time. *cold_seconds*: time of a start, which is billed.

    >>> round(float(awake_hours(730, 300, 60)), 1), float(awake_hours(1e7, 300, 60))
    (69.6, 730.0)
    """
    per_second = np.asarray(requests_per_month) / SECONDS_PER_MONTH
    on = -np.expm1(-per_second * on_seconds) * HOURS_PER_MONTH
    starts = starts_per_month(requests_per_month, on_seconds)
    return np.minimum(on + starts * cold_seconds / 3600.0, HOURS_PER_MONTH)


def nightly_starts(requests_per_month: Number) -> Number:
    """Starts per month of a machine that works off what a day has collected.

    >>> round(float(nightly_starts(10_000)), 2), float(nightly_starts(4))
    (30.42, 4.0)
    """
    return np.minimum(DAYS_PER_MONTH, requests_per_month)


def stopped_after_seconds(option: Option, usual: float) -> float:
    """Seconds between the last request and the stop of a serverless machine, which are billed."""
    stated = option.terms.idle_seconds if option.terms else None
    return usual if stated is None else stated


def cold_starts_allowed(context: EstimateContext, cold_seconds: Number) -> Mask:
    """Whether a request may wait for a start: as given, else unless latency matters.

    *cold_seconds* has one value per option; the result broadcasts over options and variants.
    """
    given = context.resolved.mask(lambda s: bool(s.hosting.cold_starts))
    denied = context.resolved.mask(lambda s: s.hosting.cold_starts is False)
    low_latency = context.resolved.mask(lambda s: s.needs.low_latency)
    limit = context.inputs.latency_p95_ms
    is_too_slow = np.asarray(cold_seconds) * 1000.0 > np.where(np.isnan(limit), np.inf, limit)
    return np.asarray(given | ~(denied | low_latency | is_too_slow))


def gpu_hour_lines(
    name: str, hours: Number, batch: OptionBatch, cadence: Cadence = "month", machines: Number = 0.0
) -> list[CostLine]:
    """List the cost of GPU hours: rent, or depreciation and electricity of an own GPU.

    *machines*: GPUs that run at once.
    """
    prices = batch.prices
    lines = [
        replace(priced_line(f"{name}{part}", hours, prices[kind], cadence), machines=machines)
        for kind, part in (("gpu_hour", ""), ("depreciation", ", depreciation"))
        if kind in prices
    ]
    if "electricity_kwh" in prices:
        energy = hours * batch.column(lambda option: option.kilowatts)
        lines.append(
            priced_line(f"{name}, electricity", energy, prices["electricity_kwh"], cadence)
        )
    return lines
