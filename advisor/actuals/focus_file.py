"""FOCUS files, versions 1.0 to 1.3: rows of cost and usage of any provider.

Columns: https://focus.finops.org/focus-specification/. 1.3 replaces ProviderName by
ServiceProviderName; SkuMeter and SkuPriceDetails are new in 1.1. Rows that `advisor bill` wrote
carry an item of the price book as SkuId.
"""

from __future__ import annotations

import json
from decimal import Decimal

from advisor.actuals.lines import ActualLine, Actuals, actual_sku
from advisor.actuals.names import anthropic_model, kind_name, openai_model
from advisor.actuals.tables import Row, Table, require_columns
from advisor.prices.display_names import PROVIDER_NAMES

FOCUS_COLUMNS = (
    *("BilledCost", "BillingCurrency", "ChargeCategory", "ChargeDescription"),
    *("ChargePeriodStart", "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit"),
    *("PricingQuantity", "PricingUnit", "ProviderName", "ServiceProviderName", "ServiceName"),
    *("SkuId", "SkuMeter", "SkuPriceDetails", "Tags", "SubAccountId"),
)
PROVIDERS = {name.lower(): provider for provider, name in PROVIDER_NAMES.items()}
"""Name of a provider -> id in the price book."""
SNAPSHOTS = {"openai": lambda name: openai_model(name)[0], "anthropic": anthropic_model}


def is_focus(table: Table) -> bool:
    """Whether a table has FOCUS columns."""
    return table.has("BilledCost", "ChargePeriodStart")


def read_focus(table: Table) -> Actuals:
    """Read a FOCUS file: billed cost and consumed quantity of each row."""
    require_columns(table, "BillingCurrency", "ChargeCategory", "ChargePeriodEnd")
    lines = []
    for row in table.rows:
        row.require_usd("BillingCurrency")
        lines.append(_line(row))
    return Actuals(lines=tuple(lines), not_used=table.unused_columns(FOCUS_COLUMNS))


def _line(row: Row) -> ActualLine:
    provider, model, kind = _item(row)
    sku = row.text("SkuId")
    quantity, unit = _quantity(row)
    return ActualLine(
        provider=provider,
        model=model,
        kind=kind,
        sku=sku if sku.count("/") >= 2 else actual_sku(provider, model, kind),
        quantity=quantity,
        unit=unit,
        usd=row.number_at("BilledCost"),
        starts_on=row.day_at("ChargePeriodStart"),
        ends_on=row.day_at("ChargePeriodEnd"),
        tags=_object(row.text("Tags")),
        source_line=row.place,
    )


def _item(row: Row) -> tuple[str, str, str]:
    """Return provider, model and kind: of our SkuId, else of provider, meter and details."""
    name = row.text("ProviderName", "ServiceProviderName")
    provider = PROVIDERS.get(name.lower(), kind_name(name))
    category = row.text("ChargeCategory")
    if category != "Usage":
        return provider, "", kind_name(f"{category}-{row.text('ChargeDescription')}")
    sku = row.text("SkuId").split("/")
    if len(sku) >= 3:
        return sku[0], "/".join(sku[1:-1]), sku[-1]
    details = _object(row.text("SkuPriceDetails"))
    model = details.get("x_Model", "")
    meter = details.get("x_Kind") or row.text("SkuMeter", "ChargeDescription", "SkuId")
    return provider, SNAPSHOTS.get(provider, str)(model), kind_name(meter)


def _quantity(row: Row) -> tuple[Decimal | None, str]:
    """Return the consumed quantity; without one the pricing quantity, in single units."""
    consumed = row.number_at("ConsumedQuantity")
    if consumed is not None:
        return consumed, row.text("ConsumedUnit").lower()
    priced, unit = row.number_at("PricingQuantity"), row.text("PricingUnit")
    count, _, rest = unit.partition(" ")
    if priced is not None and count.isdigit():
        return priced * int(count), rest.lower()
    return priced, unit.lower()


def _object(text: str) -> dict[str, str]:
    try:
        parsed = json.loads(text) if text else {}
    except json.JSONDecodeError:
        return {}
    pairs = parsed.items() if isinstance(parsed, dict) else ()
    return {str(key): str(value) for key, value in pairs}
