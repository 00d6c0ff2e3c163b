"""What differs systematically: traffic, tokens per request, cache share, prices, models.

A difference counts if it has the same direction in at least `MIN_MONTHS` complete months in a row,
by more than `TOLERANCE` and outside the 90% range of the forecast.

* Traffic is requests over forecast requests; without a count of requests it is the input tokens.
* Tokens per request are tokens over forecast tokens, divided by the traffic.
* The cache share is the share of cached input tokens, over the same share in the forecast.
* A model is changed if the forecast's model has no tokens in a month and another one has; its
  tokens then count as the forecast's, so that a change of model is not a change of traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Literal

from advisor.actuals.compare import ByMonth, ComparedLine, ForecastByMonth, UnexpectedLine
from advisor.actuals.lines import REQUESTS, TOKEN_KINDS
from advisor.decision.bill_months import split_item
from advisor.units import Record, dollars

MIN_MONTHS = 3
TOLERANCE = 0.05
"""Difference below which a month counts as forecast; own judgement, above monthly noise."""
PRICE_TOLERANCE = 0.01
"""Difference of a unit price below which it is rounding of the export."""
SHARE_UNIT = "share"
FACTOR_UNIT = "1"
DriftKind = Literal["quantity", "price", "model", "line"]


class Drift(Record):
    """One systematic difference between forecast and actuals."""

    kind: DriftKind
    """Quantity, price, change of model, or a line that is not in the forecast."""
    name: str
    """Factor of calibration.yaml, or the item."""
    since: date
    """First month."""
    until: date | None
    """First month in which it is over; None if it lasts to the end of the exports."""
    months: int
    """Number of months."""
    low: float | None
    """Lowest month: actual over forecast, or the actual value."""
    likely: float | None
    """Median month."""
    high: float | None
    """Highest month."""
    unit: str
    """1 for a factor, share for a value from 0 to 1, else the unit of a price."""
    says: str
    """The difference in one sentence."""


@dataclass(frozen=True)
class ForecastInputs:
    """Numbers of the forecast that the exports can be compared with, and its 90% range."""

    requests_per_month: float
    prefix_tokens: float
    user_tokens: float
    has_given_cache_share: bool
    """Whether the scenario states the cache share; else the estimate derives it."""
    low_ratio: float
    """Monthly cost at the 5th percentile over the likely one."""
    high_ratio: float
    """At the 95th percentile."""


@dataclass(frozen=True)
class MonthTokens:
    """Tokens of one month, forecast or actual."""

    input: float
    cached: float
    output: float


def find_drifts(
    forecast: ForecastByMonth,
    actual: ByMonth,
    compared: Iterable[ComparedLine],
    inputs: ForecastInputs,
    complete: frozenset[date],
) -> tuple[Drift, ...]:
    """Return every systematic difference of quantities, prices and models."""
    changed = changed_models(forecast, actual)
    months = sorted(complete & {month for month, _ in forecast})
    found = [*_model_drifts(changed)]
    found += _quantity_drifts(forecast, actual, inputs, months, changed)
    found += _price_drifts(compared, months)
    return tuple(sorted(found, key=lambda drift: (drift.since, drift.kind, drift.name)))


def changed_models(
    forecast: ForecastByMonth, actual: ByMonth
) -> dict[date, dict[str, frozenset[str]]]:
    """Return, by month, the forecast's models without tokens and the models that have them."""
    changed: dict[date, dict[str, frozenset[str]]] = {}
    models = {_model(sku) for _, sku in forecast if _is_tokens(sku)}
    by_month: dict[date, set[str]] = {}
    for (month, sku), item in actual.items():
        if _is_tokens(sku) and (item.quantity or item.usd):
            by_month.setdefault(month, set()).add(_model(sku))
    for month, used in by_month.items():
        others = frozenset(used - models)
        gone = {m for m in models if m not in used and _has_tokens(forecast, month, m)}
        if gone and others:
            changed[month] = dict.fromkeys(sorted(gone), others)
    return changed


def _model_drifts(changed: Mapping[date, Mapping[str, frozenset[str]]]) -> Iterator[Drift]:
    by_pair: dict[tuple[str, str], list[date]] = {}
    for month, models in sorted(changed.items()):
        for before, others in models.items():
            by_pair.setdefault((before, ", ".join(sorted(others))), []).append(month)
    for (before, after), months in by_pair.items():
        says = (
            f"From {months[0]:%Y-%m} {before} has no tokens and {after} has: the model was "
            "changed. Compare with the bill of an option with the new model."
        )
        yield Drift(
            kind="model",
            name=f"{before} -> {after}",
            since=months[0],
            until=None,
            months=len(months),
            low=None,
            likely=None,
            high=None,
            unit="",
            says=says,
        )


def _quantity_drifts(
    forecast: ForecastByMonth,
    actual: ByMonth,
    inputs: ForecastInputs,
    months: list[date],
    changed: Mapping[date, Mapping[str, frozenset[str]]],
) -> Iterator[Drift]:
    """Compare traffic, tokens per request and cache share month by month."""
    ratios: dict[str, dict[date, float]] = {}
    values: dict[str, dict[date, float]] = {}
    for month in months:
        models = {_model(sku) for at, sku in forecast if at == month and _is_tokens(sku)}
        models |= {model for others in changed.get(month, {}).values() for model in others}
        ours = _forecast_tokens(forecast, month)
        theirs, requests = _actual_tokens(actual, month, models)
        if ours.input <= 0 or theirs.input <= 0 or inputs.requests_per_month <= 0:
            continue
        for name, (ratio, value) in _month_ratios(ours, theirs, requests, inputs).items():
            ratios.setdefault(name, {})[month] = ratio
            values.setdefault(name, {})[month] = value
    bounds = min(inputs.low_ratio, 1 - TOLERANCE), max(inputs.high_ratio, 1 + TOLERANCE)
    for name, by_month in ratios.items():
        for run in runs(by_month, bounds, MIN_MONTHS):
            yield _quantity_drift(name, run, by_month, values[name], inputs)


def _month_ratios(
    ours: MonthTokens, theirs: MonthTokens, requests: float, inputs: ForecastInputs
) -> dict[str, tuple[float, float]]:
    """Return by factor: actual over forecast, and the value for calibration.yaml."""
    planned = inputs.requests_per_month
    traffic = requests / planned if requests else theirs.input / ours.input
    found = {"requests_per_month": (traffic, traffic)}
    if requests:
        prompt = theirs.input / ours.input / traffic
        per_request = ours.input / planned
        factor = 1 + (prompt - 1) * per_request / max(inputs.user_tokens, 1.0)
        found["user_tokens"] = prompt, max(factor, 0.0)
    if ours.output > 0 and theirs.output > 0:
        output = theirs.output / ours.output / traffic
        found["completion_tokens"] = output, output
    if ours.cached > 0:
        ratio = theirs.cached / theirs.input / (ours.cached / ours.input)
        hits = theirs.cached / max(traffic * planned * inputs.prefix_tokens, 1e-9)
        found["cache_hit_share"] = ratio, ratio if inputs.has_given_cache_share else min(hits, 1.0)
    return found


def _quantity_drift(
    name: str,
    run: list[date],
    ratios: Mapping[date, float],
    values: Mapping[date, float],
    inputs: ForecastInputs,
) -> Drift:
    is_share = name == "cache_hit_share" and not inputs.has_given_cache_share
    ratio = median(ratios[month] for month in run)
    found = [values[month] for month in run]
    later = [month for month in ratios if month > run[-1]]
    says = f"{SUBJECTS[name]} {ratio:.3g} times the forecast in {len(run)} months"
    return Drift(
        kind="quantity",
        name=name,
        since=run[0],
        until=min(later, default=None),
        months=len(run),
        low=round(min(found), 4),
        likely=round(median(found), 4),
        high=round(max(found), 4),
        unit=SHARE_UNIT if is_share else FACTOR_UNIT,
        says=f"{says}, from {run[0]:%Y-%m}.",
    )


SUBJECTS = {
    "requests_per_month": "Requests per month are",
    "user_tokens": "Input tokens per request are",
    "completion_tokens": "Output tokens per request are",
    "cache_hit_share": "The share of cached input tokens is",
}


def _price_drifts(compared: Iterable[ComparedLine], months: list[date]) -> Iterator[Drift]:
    """Compare unit prices: a price that differs in one month already is a finding."""
    by_sku: dict[str, dict[date, ComparedLine]] = {}
    for line in compared:
        has_both = line.actual_price is not None and line.forecast_price
        if line.starts_on in months and has_both and not line.has_price_step:
            by_sku.setdefault(line.sku, {})[line.starts_on] = line
    bounds = 1 - PRICE_TOLERANCE, 1 + PRICE_TOLERANCE
    for sku, lines in by_sku.items():
        ratios = {month: _price_ratio(line) for month, line in lines.items()}
        for run in runs(ratios, bounds, 1):
            prices = sorted(float(lines[month].actual_price or 0) for month in run)
            first = lines[run[0]]
            later = [month for month in ratios if month > run[-1]]
            likely = round(median(prices), 6)
            says = (
                f"{sku} costs {dollars(f'{likely:.4g}')} ({first.price_unit}) from "
                f"{run[0]:%Y-%m}, {first.forecast_price} in the forecast: check the price book, or "
                "add your price to an overlay (--prices)."
            )
            yield Drift(
                kind="price",
                name=sku,
                since=run[0],
                until=min(later, default=None),
                months=len(run),
                low=prices[0],
                likely=likely,
                high=prices[-1],
                unit=first.price_unit,
                says=says,
            )


def _price_ratio(line: ComparedLine) -> float:
    assert line.actual_price is not None
    assert line.forecast_price is not None
    return float(line.actual_price / line.forecast_price)


def line_drifts(
    unexpected: Iterable[UnexpectedLine],
    changed: Mapping[date, Mapping[str, frozenset[str]]],
) -> Iterator[Drift]:
    """Return a finding for every item that is not in the forecast and no change of model."""
    for line in unexpected:
        others = {
            m for month in line.months for names in changed.get(month, {}).values() for m in names
        }
        if _is_tokens(line.sku) and _model(line.sku) in others:
            continue
        cost = f" for {dollars(round(line.usd, 2))}" if line.usd is not None else ""
        says = f"{line.sku} is not in the forecast: {len(line.months)} months{cost}."
        yield Drift(
            kind="line",
            name=line.sku,
            since=line.months[0],
            until=None,
            months=len(line.months),
            low=None,
            likely=None,
            high=None,
            unit=line.unit,
            says=says,
        )


def runs(
    ratios: Mapping[date, float], bounds: tuple[float, float], min_months: int
) -> Iterator[list[date]]:
    """Yield runs of months with the same direction outside the bounds.

    >>> months = [date(2026, month, 1) for month in (1, 2, 3, 4)]
    >>> [len(run) for run in runs(dict(zip(months, (1.0, 1.3, 1.3, 1.2))), (0.95, 1.05), 3)]
    [3]
    """
    run: list[date] = []
    direction = 0
    for month in sorted(ratios):
        low, high = bounds
        now = (ratios[month] > high) - (ratios[month] < low)
        if now != direction:
            if direction and len(run) >= min_months:
                yield run
            run, direction = [], now
        if now:
            run.append(month)
    if len(run) >= min_months:
        yield run


def _is_tokens(sku: str) -> bool:
    return sku.count("/") >= 2 and split_item(sku)[2] in TOKEN_KINDS


def _model(sku: str) -> str:
    return sku.rpartition("/")[0]


def _has_tokens(forecast: ForecastByMonth, month: date, model: str) -> bool:
    return any(
        at == month and _is_tokens(sku) and _model(sku) == model and lines[0].cadence == "month"
        for (at, sku), lines in forecast.items()
    )


def _forecast_tokens(forecast: ForecastByMonth, month: date) -> MonthTokens:
    lines = [
        (sku, sum(float(line.quantity) for line in lines if line.cadence == "month"))
        for (at, sku), lines in forecast.items()
        if at == month and _is_tokens(sku)
    ]
    return _tokens(lines)


def _actual_tokens(actual: ByMonth, month: date, models: set[str]) -> tuple[MonthTokens, float]:
    """Return the tokens and the requests of some models in a month."""
    lines, requests = [], 0.0
    for (at, sku), item in actual.items():
        if at != month or _model(sku) not in models or item.quantity is None:
            continue
        if sku.endswith(f"/{REQUESTS}"):
            requests += float(item.quantity)
        elif _is_tokens(sku):
            lines.append((sku, float(item.quantity)))
    return _tokens(lines), requests


def _tokens(lines: Iterable[tuple[str, float]]) -> MonthTokens:
    def total(matches: Callable[[str], bool]) -> float:
        return sum(quantity for sku, quantity in lines if matches(split_item(sku)[2]))

    lines = list(lines)
    return MonthTokens(
        input=total(lambda kind: not kind.endswith("output")),
        cached=total(lambda kind: kind.endswith("cached_input")),
        output=total(lambda kind: kind.endswith("output")),
    )
