"""Forecast and actuals side by side: every item in every month, with quantity and price apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from advisor.actuals.lines import REQUESTS, ActualLine, Actuals
from advisor.decision.bill_months import OWN, MonthLine, price_scale
from advisor.units import Record

EDGE_DAYS = 3
"""Days without any row at the ends of an export before a month counts as incomplete."""
MICRO = Decimal("0.000001")


class ComparedLine(Record):
    """One item in one month: forecast and actual."""

    starts_on: date
    """First day of the month."""
    sku: str
    """Item of the price book, or provider/model/kind of the export."""
    items: tuple[str, ...]
    """Lines of the bill that bill it; empty if it is not in the forecast."""
    unit: str
    """Unit of the quantity."""
    price_unit: str
    """Unit of the price."""
    forecast_quantity: Decimal | None
    """Quantity in the forecast."""
    actual_quantity: Decimal | None
    """Quantity in the exports; None if they have none."""
    forecast_price: Decimal | None
    """Unit price in the forecast."""
    has_price_step: bool
    """Whether the forecast has two prices in this month; they are shown as their mean."""
    actual_price: Decimal | None
    """Cost per unit in the exports; None without both."""
    forecast_usd: Decimal | None
    """Cost in the forecast [USD]."""
    low_usd: Decimal | None
    """5th percentile of the forecast [USD]."""
    high_usd: Decimal | None
    """95th percentile of the forecast [USD]."""
    actual_usd: Decimal | None
    """Cost in the exports [USD]; None if they have usage only."""
    quantity_effect_usd: Decimal | None
    """Part of the difference that comes from the quantity, at the price of the forecast [USD]."""
    price_effect_usd: Decimal | None
    """Part that comes from the price, at the actual quantity [USD]."""


class MonthTotal(Record):
    """All costs of one month; the actual ones also of items that are not in the forecast."""

    starts_on: date
    """First day of the month."""
    forecast_usd: Decimal
    """Cost in the forecast, without own costs [USD]."""
    low_usd: Decimal
    """5th percentile [USD]."""
    high_usd: Decimal
    """95th percentile [USD]."""
    actual_usd: Decimal | None
    """Cost in the exports [USD]; None if they have usage only."""
    unexpected_usd: Decimal
    """Part of it for items that are not in the forecast [USD]."""


class UnexpectedLine(Record):
    """An item of the exports that is not in the forecast."""

    sku: str
    """provider/model/kind, or the meter's own name."""
    months: tuple[date, ...]
    """First day of each month with a row."""
    quantity: Decimal | None
    """Sum of its quantities."""
    unit: str
    """Unit of the quantity."""
    usd: Decimal | None
    """Sum of its costs [USD]."""
    first_line: str
    """File and line of its first row."""


@dataclass(frozen=True)
class MonthItem:
    """The sum of an item's rows in one month."""

    quantity: Decimal | None
    usd: Decimal | None
    rows: tuple[ActualLine, ...]


ByMonth = Mapping[tuple[date, str], MonthItem]
ForecastByMonth = Mapping[tuple[date, str], tuple[MonthLine, ...]]


def month_of(day: date) -> date:
    """Return the first day of a month."""
    return day.replace(day=1)


def actuals_by_month(actuals: Actuals) -> ByMonth:
    """Add up the rows of each item and month; a row counts in the month in which it starts."""
    rows: dict[tuple[date, str], list[ActualLine]] = {}
    for line in actuals.lines:
        rows.setdefault((month_of(line.starts_on), line.sku), []).append(line)
    return {key: _month_item(lines) for key, lines in rows.items()}


def _month_item(rows: list[ActualLine]) -> MonthItem:
    """Add up rows; a usage export next to a cost export does not count its quantities twice."""
    costs = [row.usd for row in rows if row.usd is not None]
    both = [row.quantity for row in rows if row.quantity is not None and row.usd is not None]
    usage = [row.quantity for row in rows if row.quantity is not None and row.usd is None]
    quantities = both if len(both) == len(costs) and both else usage or both
    return MonthItem(
        quantity=sum(quantities, Decimal(0)) if quantities else None,
        usd=sum(costs, Decimal(0)) if costs else None,
        rows=tuple(rows),
    )


def forecast_by_month(months: Iterable[MonthLine]) -> ForecastByMonth:
    """Return the lines of each item and month."""
    found: dict[tuple[date, str], list[MonthLine]] = {}
    for line in months:
        found.setdefault((line.starts_on, line.sku), []).append(line)
    return {key: tuple(lines) for key, lines in found.items()}


def complete_months(actuals: Actuals) -> frozenset[date]:
    """Return the months that the exports cover to their ends."""
    if not actuals.lines:
        return frozenset()
    first = min(line.starts_on for line in actuals.lines) - timedelta(days=EDGE_DAYS)
    last = max(line.ends_on for line in actuals.lines) + timedelta(days=EDGE_DAYS)
    months = {month_of(line.starts_on) for line in actuals.lines}
    ends = {month: month_of(month + timedelta(days=32)) for month in months}
    return frozenset(month for month in months if first <= month and ends[month] <= last)


def compared_lines(forecast: ForecastByMonth, actual: ByMonth) -> tuple[ComparedLine, ...]:
    """Return every item of the forecast in every month that the exports cover.

    Own costs such as working hours are on no provider's bill and are left out.
    """
    covered = {month for month, _ in actual}
    return tuple(
        _compared(month, sku, lines, actual.get((month, sku)))
        for (month, sku), lines in sorted(forecast.items(), key=lambda entry: entry[0])
        if month in covered and lines[0].provider != OWN
    )


def month_totals(
    forecast: ForecastByMonth, actual: ByMonth, lines: Iterable[ComparedLine]
) -> tuple[MonthTotal, ...]:
    """Return the totals of the months that both have."""
    by_month: dict[date, list[ComparedLine]] = {}
    for line in lines:
        by_month.setdefault(line.starts_on, []).append(line)
    return tuple(
        _month_total(month, by_month.get(month, []), forecast, actual)
        for month in sorted({month for month, _ in forecast} & {month for month, _ in actual})
    )


def _month_total(
    month: date, lines: list[ComparedLine], forecast: ForecastByMonth, actual: ByMonth
) -> MonthTotal:
    paid = {sku: item.usd for (at, sku), item in actual.items() if at == month and item.usd}
    others = [usd for sku, usd in paid.items() if (month, sku) not in forecast and usd is not None]

    def total(name: str) -> Decimal:
        return sum((getattr(line, name) for line in lines), Decimal(0))

    return MonthTotal(
        starts_on=month,
        forecast_usd=total("forecast_usd"),
        low_usd=total("low_usd"),
        high_usd=total("high_usd"),
        actual_usd=sum(filter(None, paid.values()), Decimal(0)) if paid else None,
        unexpected_usd=sum(others, Decimal(0)),
    )


def _compared(
    month: date, sku: str, lines: tuple[MonthLine, ...], actual: MonthItem | None
) -> ComparedLine:
    first = lines[0]
    scale = price_scale(first.price_unit)
    quantity = sum((line.quantity for line in lines), Decimal(0))
    usd = sum((line.billed_usd for line in lines), Decimal(0))
    price = usd / quantity * scale if quantity else first.price
    used, paid = (actual.quantity, actual.usd) if actual else (None, None)
    has_price = used is not None and paid is not None and used > 0
    actual_price = paid / used * scale if has_price and paid is not None and used else None
    quantity_effect = None if used is None else (used - quantity) * price / scale
    price_effect = None
    if actual_price is not None and used is not None:
        price_effect = (actual_price - price) * used / scale
    return ComparedLine(
        starts_on=month,
        sku=sku,
        items=tuple(dict.fromkeys(line.item for line in lines)),
        unit=first.unit,
        price_unit=first.price_unit,
        forecast_quantity=quantity,
        actual_quantity=used,
        forecast_price=_rounded(price),
        has_price_step=len({line.price for line in lines}) > 1,
        actual_price=_rounded(actual_price),
        forecast_usd=usd,
        low_usd=sum((line.low_usd for line in lines), Decimal(0)),
        high_usd=sum((line.high_usd for line in lines), Decimal(0)),
        actual_usd=paid,
        quantity_effect_usd=_rounded(quantity_effect),
        price_effect_usd=_rounded(price_effect),
    )


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(MICRO).normalize() + 0


def unexpected_lines(forecast: ForecastByMonth, actual: ByMonth) -> tuple[UnexpectedLine, ...]:
    """Return the items of the exports that the forecast has in no month; counts of requests aside.

    Rows of a forecast item outside the forecast's months are listed too.
    """
    known = {sku for _, sku in forecast}
    months = {month for month, _ in forecast}
    found: dict[str, list[tuple[date, MonthItem]]] = {}
    for (month, sku), item in sorted(actual.items(), key=lambda entry: entry[0]):
        is_known = sku in known and month in months
        if not is_known and not all(row.kind == REQUESTS for row in item.rows):
            found.setdefault(sku, []).append((month, item))
    return tuple(_unexpected(sku, items) for sku, items in found.items())


def _unexpected(sku: str, items: list[tuple[date, MonthItem]]) -> UnexpectedLine:
    quantities = [item.quantity for _, item in items if item.quantity is not None]
    costs = [item.usd for _, item in items if item.usd is not None]
    row = items[0][1].rows[0]
    return UnexpectedLine(
        sku=sku,
        months=tuple(month for month, _ in items),
        quantity=sum(quantities, Decimal(0)) if quantities else None,
        unit=row.unit,
        usd=sum(costs, Decimal(0)) if costs else None,
        first_line=row.source_line,
    )
