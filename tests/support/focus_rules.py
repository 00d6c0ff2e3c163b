"""Rules of FOCUS 1.2 for a row of usage, from the pages of its columns and attributes.

https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec/tree/v1.2/specification
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

MANDATORY = {
    "BilledCost": False, "BillingAccountId": False, "BillingAccountName": True,
    "BillingCurrency": False, "BillingPeriodEnd": False, "BillingPeriodStart": False,
    "ChargeCategory": False, "ChargeClass": True, "ChargeDescription": True,
    "ChargePeriodEnd": False, "ChargePeriodStart": False, "ContractedCost": False,
    "EffectiveCost": False, "InvoiceIssuerName": False, "ListCost": False,
    "PricingQuantity": True, "PricingUnit": True, "ProviderName": False, "PublisherName": False,
    "ServiceCategory": False, "ServiceName": False,
}  # fmt: skip
"""Mandatory columns -> whether they may be null."""
OTHERS = {
    "AvailabilityZone", "BillingAccountType", "CapacityReservationId", "CapacityReservationStatus",
    "ChargeFrequency", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus",
    "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit",
    "ContractedUnitPrice", "InvoiceId", "ListUnitPrice", "PricingCategory", "PricingCurrency",
    "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "RegionId", "RegionName", "ResourceId", "ResourceName",
    "ResourceType", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId",
    "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
}  # fmt: skip
"""Recommended and conditional columns."""
NOT_NULL_FOR_USAGE = {
    "PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice", "SkuId", "SkuPriceId",
    "PricingCategory", "ConsumedQuantity", "ConsumedUnit", "ChargeFrequency", "ServiceSubcategory",
    "BillingAccountType",
}  # fmt: skip
ALLOWED = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {
        "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases",
        "Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things",
        "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security",
        "Storage", "Web", "Other",
    },
    "ServiceSubcategory": {
        "Generative AI", "Virtual Machines", "Serverless Compute", "Other (Databases)",
        "Other (Other)",
    },
}  # fmt: skip
"""Allowed values; of the subcategories only those that we use."""
PARENTS = {
    "Generative AI": "AI and Machine Learning", "Virtual Machines": "Compute",
    "Serverless Compute": "Compute", "Other (Databases)": "Databases", "Other (Other)": "Other",
}  # fmt: skip
FORMATS = [
    (re.compile(name), re.compile(form), what)
    for name, form, what in (
        (r".*(Cost|Quantity|UnitPrice)", r"-?\d+(\.\d+)?(E-?\d+)?", "number"),
        (r".*Period(Start|End)", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", "instant"),
        (r".*Currency", "[A-Z]{3}", "currency"),
        ("(Pricing|Consumed)Unit", r"(\d+ )?[A-Za-z]+(s|B)?([ -][A-Z][A-Za-z]+s)?", "unit"),
    )
]
"""Columns, the form of their values, and its name."""
CLOSE = Decimal("0.00000002")


def broken_rules(row: Mapping[str, str]) -> Iterator[str]:
    """Yield every rule that a row of a CSV file breaks."""
    yield from (f"{name} is missing" for name in MANDATORY if name not in row)
    ours = [name for name in row if name not in MANDATORY and name not in OTHERS]
    yield from (f"{name} is no column" for name in ours if not re.fullmatch(r"x_[A-Z]\w+", name))
    places = [list(row).index(name) for name in ours]
    if places and min(places) < len(row) - len(ours):
        yield "custom columns come last"
    nulls = {name for name, value in row.items() if value == ""}
    forbidden = {name for name, may in MANDATORY.items() if not may} | NOT_NULL_FOR_USAGE
    yield from (f"{name} is null" for name in sorted(nulls & forbidden))
    for name in sorted(row.keys() - nulls - set(ours)):
        yield from _broken_format(name, row[name])
    if not nulls & forbidden:
        yield from _broken_sums(row)


def _broken_format(name: str, value: str) -> Iterator[str]:
    if value not in ALLOWED.get(name, {value}):
        yield f"{name}: {value} is not allowed"
    for pattern, form, what in FORMATS:
        if pattern.fullmatch(name) and not form.fullmatch(value):
            yield f"{name}: {value} is no {what}"
    if name in ("Tags", "SkuPriceDetails"):
        pairs = json.loads(value)
        if any(isinstance(part, dict | list) for part in pairs.values()):
            yield f"{name} is nested"
    if value != value.strip():
        yield f"{name} has spaces around it"


def _broken_sums(row: Mapping[str, str]) -> Iterator[str]:
    quantity = Decimal(row["PricingQuantity"])
    for cost, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
        if Decimal(row[price]) < 0:
            yield f"{price} is negative"
        if abs(Decimal(row[price]) * quantity - Decimal(row[cost])) > CLOSE:
            yield f"{cost} is not {price} times PricingQuantity"
    if row["ChargePeriodEnd"] <= row["ChargePeriodStart"]:
        yield "the charge period is empty"
    if not row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["BillingPeriodEnd"]:
        yield "the charge period is outside the billing period"
    if PARENTS[row["ServiceSubcategory"]] != row["ServiceCategory"]:
        yield "the subcategory belongs to another category"
