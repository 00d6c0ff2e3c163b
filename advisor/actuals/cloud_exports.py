"""Cost exports of clouds: Azure cost details, AWS Cost and Usage Report (CSV and 2.0).

Azure: https://learn.microsoft.com/azure/cost-management-billing/dataset-schema/cost-usage-details-ea
(EA, version 2024-08-01) and .../cost-usage-details-mca (MCA, 2023-12-01-preview): the columns have
the same names in another case. `Quantity` counts units of `UnitOfMeasure`, such as 1K tokens, and
costs `EffectivePrice` each; dates are MM/DD/YYYY.

AWS: https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2-line-item.html, with the
names of CUR 2.0 (line_item_usage_type) and of the report before it (lineItem/UsageType). A usage
type of Bedrock is region-model-kind, such as USE1-Claude4.6Opus-input-tokens; a usage amount counts
units of `pricing_unit`, such as 1K tokens.

Meters name models in their own way: a file of own names maps them to models of the price book.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from advisor.actuals.lines import ActualLine, Actuals, actual_sku
from advisor.actuals.names import kind_name
from advisor.actuals.tables import Row, Table, next_day, require_columns

BLOCK = re.compile(r"(?P<count>\d+)(?P<scale>[KM]?)\b(?P<unit>.*)", re.IGNORECASE)
SCALES = {"": 1, "K": 1_000, "M": 1_000_000}
AZURE_COLUMNS = (
    *("Date", "MeterName", "MeterCategory", "MeterSubCategory", "UnitOfMeasure", "Quantity"),
    *("CostInBillingCurrency", "costInUsd", "BillingCurrency", "BillingCurrencyCode"),
    *("ChargeType", "Tags", "ResourceGroup"),
)
AZURE_METER = re.compile(
    r"(?P<model>.+?) (?P<cached>cached |cchd )?(?P<kind>inp(?:t|ut)?|out(?:p|pt|put)|opt)\b.*",
    re.IGNORECASE,
)
"""Meters of Azure OpenAI, such as "gpt-4o 1120 cached Inp glbl Tokens"."""
AWS_KINDS = (
    ("cache-read-input-token-count", "cached_input"),
    ("cache-write-input-token-count-1-hour", "cache_write_1h"),
    ("cache-write-input-token-count", "cache_write"),
    ("cache-read-tokens", "cached_input"),
    ("cache-write-tokens", "cache_write"),
    ("input-tokens", "input"),
    ("output-tokens", "output"),
)
"""Part of a usage type of Bedrock -> kind; the first that occurs."""
AWS_REGION = re.compile(r"^[A-Z]{2,4}\d?-")
AWS_NAMES = {
    "usage": ("line_item_usage_type", "lineItem/UsageType"),
    "type": ("line_item_line_item_type", "lineItem/LineItemType"),
    "product": ("line_item_product_code", "lineItem/ProductCode"),
    "starts": ("line_item_usage_start_date", "lineItem/UsageStartDate"),
    "ends": ("line_item_usage_end_date", "lineItem/UsageEndDate"),
    "quantity": ("line_item_usage_amount", "lineItem/UsageAmount"),
    "unit": ("pricing_unit", "pricing/unit"),
    "usd": ("line_item_unblended_cost", "lineItem/UnblendedCost"),
    "currency": ("line_item_currency_code", "lineItem/CurrencyCode"),
    "tags": ("resource_tags",),
}
"""What is read -> column of CUR 2.0, and of the report before it."""


def is_azure_cost(table: Table) -> bool:
    """Whether a table is an Azure cost export."""
    return table.has("MeterName", "UnitOfMeasure", "Quantity")


def is_aws_report(table: Table) -> bool:
    """Whether a table is an AWS Cost and Usage Report."""
    return any(table.has(name) for name in AWS_NAMES["usage"])


def read_azure_cost(table: Table) -> Actuals:
    """Read an Azure cost export: the actual cost of each meter and day, in USD."""
    in_usd = table.has("costInUsd")
    if not in_usd:
        require_columns(table, "CostInBillingCurrency")
    lines = []
    for row in table.rows:
        if not in_usd:
            row.require_usd("BillingCurrency", "BillingCurrencyCode")
        usd = row.number_at("costInUsd" if in_usd else "CostInBillingCurrency")
        scale, unit = _block(row.text("UnitOfMeasure"))
        quantity = row.number_at("Quantity")
        model, kind = _azure_meter(row)
        tags = _tags(row.text("Tags")) | {"resource group": row.text("ResourceGroup")}
        day = row.day_at("Date")
        amount = (quantity and quantity * scale, unit, usd)
        item = ("azure", model, kind)
        lines.append(_line(row, item, amount, (day, next_day(day)), tags))
    return Actuals(lines=tuple(lines), not_used=table.unused_columns(AZURE_COLUMNS))


def _azure_meter(row: Row) -> tuple[str, str]:
    """Return model and kind of a meter of tokens; else the meter itself as the kind."""
    name = row.text("MeterName")
    if row.text("ChargeType").lower() not in ("", "usage"):
        return "", kind_name(f"{row.text('ChargeType')}-{name}")
    match = AZURE_METER.fullmatch(name) if "token" in name.lower() else None
    if match is None:
        return "", kind_name(f"{row.text('MeterCategory')}-{name}")
    kind = "input" if match["kind"].lower().startswith("inp") else "output"
    batch = "batch_" if "batch" in name.lower() else ""
    cached = "cached_" if match["cached"] else ""
    return kind_name(match["model"].removesuffix(" Batch")), f"{batch}{cached}{kind}"


def read_aws_report(table: Table) -> Actuals:
    """Read a Cost and Usage Report: unblended cost of each usage type."""
    for key in ("starts", "usd"):
        if not any(table.has(name) for name in AWS_NAMES[key]):
            require_columns(table, AWS_NAMES[key][0])
    lines = []
    for row in table.rows:
        row.require_usd(*AWS_NAMES["currency"])
        scale, unit = _block(row.text(*AWS_NAMES["unit"]))
        quantity = row.number_at(*AWS_NAMES["quantity"])
        amount = (quantity and quantity * scale, unit, row.number_at(*AWS_NAMES["usd"]))
        day = row.day_at(*AWS_NAMES["starts"])
        has_end = bool(row.text(*AWS_NAMES["ends"]))
        period = (day, row.day_at(*AWS_NAMES["ends"]) if has_end else next_day(day))
        tags = _tags(row.text(*AWS_NAMES["tags"]))
        lines.append(_line(row, _aws_item(row), amount, period, tags))
    used = [name for names in AWS_NAMES.values() for name in names]
    return Actuals(lines=tuple(lines), not_used=table.unused_columns(used))


def _aws_item(row: Row) -> tuple[str, str, str]:
    """Return provider, model and kind: Bedrock's tokens, else product and usage type."""
    product, usage = row.text(*AWS_NAMES["product"]), row.text(*AWS_NAMES["usage"])
    line_type = row.text(*AWS_NAMES["type"])
    if line_type not in ("", "Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"):
        return "aws", "", kind_name(f"{product}-{line_type}")
    plain = AWS_REGION.sub("", usage)
    for text, kind in AWS_KINDS:
        place = plain.find(f"-{text}")
        if "bedrock" in product.lower() and place > 0:
            batch = "batch_" if "-batch" in plain[place:] else ""
            return "bedrock", plain[:place].removesuffix("-mantle"), f"{batch}{kind}"
    return "aws", "", kind_name(f"{product}-{usage}")


def _block(unit: str) -> tuple[Decimal, str]:
    """Return the size and the unit of a unit of measure.

    >>> _block("1K"), _block("1K tokens"), _block("1 Hour")
    ((Decimal('1000'), ''), (Decimal('1000'), 'tokens'), (Decimal('1'), 'Hour'))
    """
    match = BLOCK.fullmatch(unit.strip())
    if match is None:
        return Decimal(1), unit.strip()
    return Decimal(int(match["count"]) * SCALES[match["scale"].upper()]), match["unit"].strip()


def _tags(text: str) -> dict[str, str]:
    """Parse tags: a JSON object, also without its braces as Azure writes it."""
    text = text.strip()
    if not text:
        return {}
    try:
        tags = json.loads(text if text.startswith("{") else f"{{{text}}}")
    except json.JSONDecodeError:
        return {"tags": text}
    return {str(key): str(value) for key, value in tags.items()}


def _line(
    row: Row,
    item: tuple[str, str, str],
    amount: tuple[Decimal | None, str, Decimal | None],
    period: tuple[date, date],
    tags: Mapping[str, str],
) -> ActualLine:
    provider, model, kind = item
    quantity, unit, usd = amount
    return ActualLine(
        provider=provider,
        model=model,
        kind=kind,
        sku=actual_sku(provider, model, kind),
        quantity=quantity,
        unit=unit or "tokens",
        usd=usd,
        starts_on=period[0],
        ends_on=period[1],
        tags={name: value for name, value in tags.items() if value},
        source_line=row.place,
    )
