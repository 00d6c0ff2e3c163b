"""A bill month by month: one record per line and calendar month, with the ids of what is billed.

The ids are those of the rows that `advisor bill --format focus` writes and that the comparison with
actual costs looks for: a forecast and an invoice that name the same item have the same `sku`.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal

from advisor.decision.bill import BillLine, OptionBill
from advisor.estimate.line import Cadence
from advisor.estimate.periods import month_shares
from advisor.units import Money, Record

MICRO = Decimal("0.00000001")
"""Amounts of a month are rounded to this [USD]."""
OWN = "own"
"""Provider of the lines that have no price in the price book."""
DIGITS = Context(prec=10)
"""Significant digits of a quantity."""
SCALES = {"1M ": Decimal(1_000_000), "1K ": Decimal(1_000)}


class MonthLine(Record):
    """One line of a bill in one month."""

    month: int
    """1 for the first month."""
    starts_on: date
    """First day of the calendar month."""
    ends_on: date
    """First day of the next one."""
    sku: str
    """Item of the price book, or own/<name of the line>: the same in forecast and actual."""
    sku_price: str
    """Item with the first day of its price."""
    item: str
    """Name of the line."""
    cadence: Cadence
    """once or month."""
    provider: str
    """Provider of the item; own without a price."""
    model: str
    """Model, GPU or store of the item."""
    kind: str
    """Kind of price, such as input or gpu_hour."""
    quantity: Decimal
    """Quantity in *unit*."""
    unit: str
    """Unit of the quantity."""
    price: Decimal
    """Price [USD per *price_unit*]."""
    price_unit: str
    """Unit of the price."""
    list_price: Decimal
    """List price [USD per *price_unit*]."""
    list_usd: Decimal
    """At list prices [USD]."""
    contracted_usd: Decimal
    """At negotiated prices [USD]."""
    effective_usd: Decimal
    """With commitments spread over what they cover [USD]."""
    billed_usd: Decimal
    """As invoiced in this month [USD]."""
    low_usd: Decimal
    """5th percentile [USD]."""
    high_usd: Decimal
    """95th percentile [USD]."""
    since: date | None
    """First day of the price."""
    source: str
    """Source of the price."""
    read_on: date | None
    """Day on which it was last read there."""


def bill_months(bill: OptionBill, starts_on: date) -> tuple[MonthLine, ...]:
    """Return every line of a bill in every month of use; once lines are in the first month.

    The first month is the calendar month that begins on or after *starts_on*. The last one is a
    part of a month if the months of use are not whole. The 90% range of a line is the range of
    its option, in proportion. Where a price or the traffic changes, the lines need the quantities
    of each month, see `with_months`.
    """
    lines: list[MonthLine] = []
    first = starts_on if starts_on.day == 1 else next_month(starts_on)
    for month, share in month_shares(float(bill.months)):
        for line in bill.bill:
            quantity = _quantity(line, month, Decimal(repr(float(share))))
            if quantity > 0:
                total = bill.monthly if line.cadence == "month" else bill.one_off
                lines.append(_month_line(line, total, month, first, quantity))
        first = next_month(first)
    return tuple(lines)


def next_month(day: date) -> date:
    """Return the first day of the month after a day.

    >>> next_month(date(2026, 12, 31))
    datetime.date(2027, 1, 1)
    """
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def price_scale(price_unit: str) -> Decimal:
    """Units of quantity per unit of price.

    >>> price_scale("USD/1M tokens"), price_scale("USD/GPU hour")
    (Decimal('1000000'), Decimal('1'))
    """
    unit = price_unit.removeprefix("USD/")
    return next((scale for start, scale in SCALES.items() if unit.startswith(start)), Decimal(1))


def split_item(item: str) -> tuple[str, str, str]:
    """Split an item of the price book into provider, model and kind.

    >>> split_item("together/Qwen/Qwen3-8B/training")
    ('together', 'Qwen/Qwen3-8B', 'training')
    """
    provider, _, rest = item.partition("/")
    model, _, kind = rest.rpartition("/")
    return provider, model, kind


def line_sku(line: BillLine) -> str:
    """Return the id of what a line bills."""
    return line.price_item or f"{OWN}/{re.sub(r'[^a-z0-9]+', '-', line.item.lower()).strip('-')}"


def _month_line(
    line: BillLine, total: Money, month: int, first: date, quantity: Decimal
) -> MonthLine:
    sku = line_sku(line)
    has_item = line.price_item is not None
    provider, model, kind = split_item(sku) if has_item else (OWN, "", sku.partition("/")[2])
    price, scale = Decimal(line.price), price_scale(line.price_unit)
    contracted = _rounded(quantity * price / scale)
    usd = _effective_usd(line, month, contracted)
    is_own = line.contracted_amount is None or Decimal(line.contracted_amount) > 0
    has_price = has_item or is_own  # the unused part of a commitment has none
    list_price = Decimal(line.list_price or line.price) if has_price else Decimal(0)
    likely = Decimal(total.likely)
    low, high = (
        _rounded(usd * Decimal(end) / likely) if likely else usd for end in (total.low, total.high)
    )
    return MonthLine(
        month=month + 1,
        starts_on=first,
        ends_on=next_month(first),
        sku=sku,
        sku_price=f"{sku}@{line.since}" if line.since else sku,
        item=line.item,
        cadence="once" if line.cadence == "once" else "month",
        provider=provider,
        model=model,
        kind=kind,
        quantity=quantity,
        unit=line.unit,
        price=price,
        price_unit=line.price_unit,
        list_price=list_price,
        list_usd=_rounded(quantity * list_price / scale),
        contracted_usd=contracted if has_price else Decimal(0),
        effective_usd=usd,
        billed_usd=usd,
        low_usd=low,
        high_usd=high,
        since=line.since,
        source=line.source,
        read_on=line.read_on,
    )


def _effective_usd(line: BillLine, month: int, contracted: Decimal) -> Decimal:
    """Return what is paid for a line in a month: after free tiers and commitments."""
    if line.contracted_amount is None or Decimal(line.contracted_amount) == 0:
        return contracted  # nothing but the price, or the unused part of a commitment
    if line.usd_by_month:
        return _rounded(Decimal(line.usd_by_month[month]))
    return _rounded(contracted * Decimal(line.amount) / Decimal(line.contracted_amount))


def _quantity(line: BillLine, month: int, share: Decimal) -> Decimal:
    """Return the quantity of a line in a month; the first month is 0."""
    if line.cadence == "once":
        return Decimal(line.quantity) if month == 0 else Decimal(0)
    if line.by_month:
        return Decimal(line.by_month[month]) if month < len(line.by_month) else Decimal(0)
    return DIGITS.multiply(Decimal(line.quantity), share).normalize() + 0


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(MICRO, rounding=ROUND_HALF_EVEN).normalize() + 0
