"""A bill as FOCUS rows: the columns of the FinOps Open Cost and Usage Specification, version 1.2.

Columns, nullability and allowed values: https://focus.finops.org/focus-specification/v1-2/ and
https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec/tree/v1.2/specification/columns.
A row is one line of the bill in one calendar month. FOCUS has no forecast: the columns with `x_`
hold the 90% range, the source of the price and the day on which it was read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from advisor.decision.bill import OptionBill
from advisor.decision.bill_months import OWN, MonthLine, price_scale
from advisor.prices.display_names import provider_name
from advisor.prices.series import KINDS

FOCUS_VERSION = "1.2"
CURRENCY = "USD"
NATIVE_UNITS = {
    "tokens": "Tokens",
    "training tokens": "Tokens",
    "GPU hour": "GPU-Hours",
    "hour": "Hours",
    "vCPU hour": "vCPU-Hours",
    "GiB hour": "GiB-Hours",
    "unit hour": "Unit-Hours",
    "requests": "Requests",
    "searches": "Searches",
    "GB month": "GB-Months",
    "month": "Months",
    "job": "Jobs",
    "read units": "Read Units",
    "write units": "Write Units",
    "kWh": "kWh",
}
"""Unit of a quantity here -> in FOCUS's unit format."""
AI = ("AI and Machine Learning", "Generative AI")
CATEGORIES = {
    "gpu_hour": ("Compute", "Virtual Machines"),
    "spot_gpu_hour": ("Compute", "Virtual Machines"),
    "serverless_gpu_hour": ("Compute", "Serverless Compute"),
    "cpu_hour": ("Compute", "Virtual Machines"),
    "vcpu_hour": ("Compute", "Serverless Compute"),
    "gib_hour": ("Compute", "Serverless Compute"),
    "vector_storage_gb_month": ("Databases", "Other (Databases)"),
    "vector_minimum_month": ("Databases", "Other (Databases)"),
    "vector_read": ("Databases", "Other (Databases)"),
    "vector_write": ("Databases", "Other (Databases)"),
    "electricity_kwh": ("Other", "Other (Other)"),
}
"""Kind -> service category and subcategory; other kinds are AI, own lines are Other."""
RECURRING = ("month", "GB month")
"""Units that are billed per month, used or not."""
SPOT_KINDS = ("spot_gpu_hour",)


def focus_rows(
    bill: OptionBill, months: Iterable[MonthLine], scenario: str
) -> list[dict[str, object]]:
    """Return one row per line and month; keys are FOCUS columns, then ours with x_.

    Hours of work without a price are not billed, and have no row.
    """
    billed = (line for line in months if line.billed_usd or line.provider != OWN)
    return [_row(bill, line, scenario) for line in billed]


def _row(bill: OptionBill, line: MonthLine, scenario: str) -> dict[str, object]:
    provider = "Own costs" if line.provider == OWN else provider_name(line.provider)
    category, subcategory = CATEGORIES.get(line.kind, AI if line.kind in KINDS else OTHER)
    tags = {"scenario": scenario, "option": bill.id, "approach": bill.approach}
    details = {"x_Model": line.model, "x_Kind": line.kind} if line.model else None
    row: dict[str, object] = {
        "BilledCost": line.billed_usd,
        "BillingAccountId": f"forecast/{scenario}",
        "BillingAccountName": f"Forecast: {scenario}",
        "BillingAccountType": "Forecast",
        "BillingCurrency": CURRENCY,
        "BillingPeriodEnd": _instant(line.ends_on),
        "BillingPeriodStart": _instant(line.starts_on),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"{line.item}: {line.price:f} {line.price_unit}",
        "ChargeFrequency": _frequency(line),
        "ChargePeriodEnd": _instant(line.ends_on),
        "ChargePeriodStart": _instant(line.starts_on),
        "CommitmentDiscountStatus": None,
        "InvoiceId": None,
        "InvoiceIssuerName": provider,
        "PricingCategory": "Dynamic" if line.kind in SPOT_KINDS else "Standard",
        "ProviderName": provider,
        "PublisherName": provider,
        "ServiceCategory": category,
        "ServiceName": f"{provider} API" if (category, subcategory) == AI else provider,
        "ServiceSubcategory": subcategory,
        "SkuId": line.sku,
        "SkuMeter": line.kind,
        "SkuPriceDetails": json.dumps(details, sort_keys=True) if details else None,
        "SkuPriceId": line.sku_price,
        "Tags": json.dumps(tags, sort_keys=True),
    } | _amounts(line)
    ours = (line.low_usd, line.high_usd, line.item, line.source, line.read_on)
    return dict(sorted(row.items())) | dict(zip(OUR_COLUMNS, ours, strict=True))


def _amounts(line: MonthLine) -> dict[str, object]:
    """Return the columns of quantities, unit prices and costs."""
    scale = price_scale(line.price_unit)
    # the unused part of a commitment has neither a list nor a contracted cost
    price = line.price if line.contracted_usd else Decimal(0)
    unit = NATIVE_UNITS.get(line.unit, line.unit.title())
    return {
        "ConsumedQuantity": line.quantity,
        "ConsumedUnit": unit,
        "ContractedCost": line.contracted_usd,
        "ContractedUnitPrice": price,
        "EffectiveCost": line.effective_usd,
        "ListCost": line.list_usd,
        "ListUnitPrice": line.list_price,
        "PricingCurrency": CURRENCY,
        "PricingCurrencyContractedUnitPrice": price,
        "PricingCurrencyEffectiveCost": line.effective_usd,
        "PricingCurrencyListUnitPrice": line.list_price,
        "PricingQuantity": line.quantity / scale,
        "PricingUnit": unit if scale == 1 else f"{scale} {unit}",
    }


OTHER = ("Other", "Other (Other)")
OUR_COLUMNS = ("x_LowCost", "x_HighCost", "x_Line", "x_Source", "x_ReadOn")
"""5th and 95th percentile of the cost, name of the line, source of the price, day it was read."""


def _frequency(line: MonthLine) -> str:
    if line.cadence == "once":
        return "One-Time"
    return "Recurring" if line.unit in RECURRING else "Usage-Based"


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def focus_text(value: object) -> str:
    """Write a value as in a CSV file: numbers without exponent, null as nothing.

    >>> focus_text(Decimal("3E+2")), focus_text(None)
    ('300', '')
    """
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
