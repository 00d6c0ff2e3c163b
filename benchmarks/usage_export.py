"""Twelve synthetic months of a provider's exports, with planted deviations from a forecast.

The forecast's own quantities are spread over days with noise of a few percent, written in the
columns of OpenAI's dashboard exports (usage and costs) or as a FOCUS file.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from advisor.decision.bill_months import MonthLine, split_item

NOISE = 0.1
"""Spread of a day around its month, either way."""
MONTH_NOISE = 0.03
"""Spread of the traffic of a month around the forecast, either way."""
CACHED, INPUT, OUTPUT = "cached_input", "input", "output"
MILLION = 1_000_000
KIND_NAMES = {CACHED: "cached input", INPUT: "input", OUTPUT: "output"}


@dataclass(frozen=True)
class Deviations:
    """What differs from the forecast; months are counted from 1."""

    traffic: tuple[float, int] | None = None
    """Factor of the requests, from a month on."""
    output: tuple[float, int] | None = None
    """Factor of the output tokens per request, from a month on."""
    cached: tuple[float, int] | None = None
    """Factor of the share of cached input tokens, from a month on."""
    price: tuple[float, int] | None = None
    """Factor of the price of output tokens, from a month on."""
    model: tuple[str, int] | None = None
    """Another model, from a month on."""
    line: tuple[str, int] | None = None
    """A line item that is not in the forecast, in three months from a month on."""


@dataclass(frozen=True)
class DayUsage:
    """Usage of one model on one day."""

    day: date
    model: str
    requests: int
    tokens: Mapping[str, int]
    usd: Mapping[str, Decimal]
    extra: tuple[str, Decimal] | None


@dataclass(frozen=True)
class Plan:
    """The forecast that the exports follow."""

    months: tuple[MonthLine, ...]
    requests_per_month: float
    prices: Mapping[str, Mapping[str, Decimal]]
    """Model -> kind -> price [USD per million tokens]."""


def daily_usage(plan: Plan, deviations: Deviations, seed: int = 1) -> Iterator[DayUsage]:
    """Yield the usage of every day of the forecast, with noise and the deviations."""
    noise = random.Random(seed)
    by_month: dict[date, list[MonthLine]] = {}
    for line in plan.months:
        by_month.setdefault(line.starts_on, []).append(line)
    for number, (first, lines) in enumerate(sorted(by_month.items()), 1):
        days = (lines[0].ends_on - first).days
        month_noise = 1 + noise.uniform(-MONTH_NOISE, MONTH_NOISE)
        for place in range(days):
            share = month_noise * (1 + noise.uniform(-NOISE, NOISE)) / days
            yield _day(plan, deviations, (first + timedelta(days=place), number), lines, share)


def _day(
    plan: Plan,
    deviations: Deviations,
    when: tuple[date, int],
    lines: list[MonthLine],
    share: float,
) -> DayUsage:
    """Return the usage of a day: the quantities of its month times *share*, with deviations."""
    day, month = when
    planned = {split_item(line.sku)[2]: float(line.quantity) for line in lines}
    share *= _factor(deviations.traffic, month)
    read = planned[INPUT] + planned[CACHED]
    cached = planned[CACHED] * _factor(deviations.cached, month)
    output = planned[OUTPUT] * _factor(deviations.output, month)
    quantities = {INPUT: read - cached, CACHED: cached, OUTPUT: output}
    tokens = {kind: round(quantity * share) for kind, quantity in quantities.items()}
    is_changed = deviations.model is not None and month >= deviations.model[1]
    model = deviations.model[0] if deviations.model and is_changed else lines[0].model
    factors = {OUTPUT: Decimal(str(_factor(deviations.price, month)))}
    usd = {
        kind: plan.prices[model][kind] * factors.get(kind, 1) * count / MILLION
        for kind, count in tokens.items()
    }
    line = deviations.line
    has_line = line is not None and line[1] <= month < line[1] + 3
    extra = (line[0], Decimal("4.20")) if line and has_line else None
    return DayUsage(day, model, round(plan.requests_per_month * share), tokens, usd, extra)


def _factor(deviation: tuple[float, int] | None, month: int) -> float:
    return deviation[0] if deviation and month >= deviation[1] else 1.0


def openai_usage_csv(days: Iterable[DayUsage]) -> str:
    """Write completions_usage_*.csv: one row per day and model."""
    return _csv(
        {
            **_times(usage.day),
            "model": usage.model,
            "batch": "",
            "input_tokens": usage.tokens[INPUT] + usage.tokens[CACHED],
            "output_tokens": usage.tokens[OUTPUT],
            "input_cached_tokens": usage.tokens[CACHED],
            "num_model_requests": usage.requests,
            "project_id": "proj_1",
        }
        for usage in days
    )


def openai_cost_csv(days: Iterable[DayUsage]) -> str:
    """Write cost_*.csv: one row per day and line item."""
    return _csv(
        {
            **_times(usage.day),
            "amount_value": f"{usd:.10f}",
            "amount_currency": "usd",
            "quantity": quantity,
            "quantity_unit": unit,
            "line_item": item,
            "project_id": "proj_1",
        }
        for usage in days
        for item, usd, quantity, unit in _cost_items(usage)
    )


def _cost_items(usage: DayUsage) -> Iterator[tuple[str, Decimal, object, str]]:
    for kind, count in usage.tokens.items():
        yield f"{usage.model}, {KIND_NAMES[kind]}", usage.usd[kind], count, "tokens"
    if usage.extra:
        yield usage.extra[0], usage.extra[1], "", ""


def focus_csv(days: Iterable[DayUsage], provider: str, provider_id: str) -> str:
    """Write a FOCUS file whose SkuIds are items of the price book."""
    rows = []
    for usage in days:
        charges = [
            (f"{provider_id}/{usage.model}/{kind}", usage.usd[kind], count, "Tokens")
            for kind, count in usage.tokens.items()
        ]
        if usage.extra:
            charges.append((usage.extra[0], usage.extra[1], 1, "Calls"))
        for sku, usd, quantity, unit in charges:
            rows.append(
                {
                    "BilledCost": f"{usd:.10f}",
                    "BillingCurrency": "USD",
                    "ChargeCategory": "Usage",
                    "ChargeDescription": sku,
                    "ChargePeriodStart": f"{usage.day}T00:00:00Z",
                    "ChargePeriodEnd": f"{usage.day + timedelta(days=1)}T00:00:00Z",
                    "ConsumedQuantity": quantity,
                    "ConsumedUnit": unit,
                    "ProviderName": provider,
                    "SkuId": sku,
                }
            )
    return _csv(rows)


def _times(day: date) -> dict[str, object]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    return {
        "start_time": int(start.timestamp()),
        "end_time": int(end.timestamp()),
        "start_time_iso": start.isoformat(),
        "end_time_iso": end.isoformat(),
    }


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    found = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()
