"""OpenAI: usage and cost exports of the dashboard (CSV) and of the administration API (JSON).

Fields: `UsageCompletionsResult` and `CostsResult` of OpenAI's OpenAPI document,
https://github.com/openai/openai-openapi (2026-08-21), for /v1/organization/usage/completions and
/v1/organization/costs, https://platform.openai.com/docs/api-reference/usage. The dashboard exports
the same fields as columns (`completions_usage_*.csv`, `cost_*.csv`), with start_time_iso and
amount_value, amount_currency. `input_tokens` includes cached tokens and tokens written to the
cache. A line item of the costs is written as "[tier | ]model, kind[, long context]".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from advisor.actuals.lines import REQUESTS, ActualLine, Actuals, actual_sku
from advisor.actuals.names import kind_name, openai_model
from advisor.actuals.tables import CURRENCY_REMEDY, Row, Table
from advisor.errors import ActualsFileError

PROVIDER = "openai"
TAG_COLUMNS = ("project_id", "api_key_id")
TIME_COLUMNS = ("start_time_iso", "start_time", "end_time_iso", "end_time")
COUNT_COLUMNS = (
    *("input_tokens", "input_cached_tokens", "input_cache_write_tokens", "output_tokens"),
    "num_model_requests",
)
GROUP_COLUMNS = ("model", "batch", "service_tier")
USAGE_COLUMNS = (
    *(*TIME_COLUMNS, *TAG_COLUMNS, *GROUP_COLUMNS, *COUNT_COLUMNS),
    "input_uncached_tokens",
)
COST_COLUMNS = (
    *TIME_COLUMNS,
    *TAG_COLUMNS,
    *("amount_value", "amount_currency", "quantity", "quantity_unit", "line_item"),
)
TIERS = {"": "", "default": "", "standard": "", "batch": "batch_", "flex": "flex_"}
"""Service tier -> prefix of the kind; other tiers keep their name and match no forecast."""
LINE_ITEM = re.compile(
    r"(?:(?P<tier>[^|]+) \| )?(?P<model>[\w.:-]+), "
    r"(?P<kind>cached input|cache write|input|output|training)(?P<long>, long context)?",
    re.IGNORECASE,
)
KINDS = {"cached input": "cached_input", "cache write": "cache_write"}
UNIT_SCALES = {"tokens": 1, "1000_tokens": 1000}
EMPTY = "buckets without usage or costs"


def is_openai_usage(table: Table) -> bool:
    """Whether a table is a usage export of the dashboard."""
    return table.has("start_time", "input_tokens")


def is_openai_cost(table: Table) -> bool:
    """Whether a table is a cost export of the dashboard."""
    return table.has("start_time", "amount_value")


def read_openai_usage(table: Table) -> Actuals:
    """Read a usage export: tokens by kind, and the number of requests."""
    lines: list[ActualLine] = []
    empty = 0
    for row in table.rows:
        if row.number_at("input_tokens") is None:
            empty += 1
            continue
        values = {name: row.text(name) for name in GROUP_COLUMNS}
        counts = {name: row.number_at(name) or Decimal(0) for name in COUNT_COLUMNS}
        lines += _usage_lines(row, values, counts)
    notes = table.unused_columns(USAGE_COLUMNS)
    return Actuals(lines=tuple(lines), not_used=(*_empty(table.name, empty), *notes))


def _usage_lines(
    row: Row, values: Mapping[str, str], counts: Mapping[str, Decimal]
) -> Iterator[ActualLine]:
    """Split the tokens of a row by how they are billed."""
    tier = "batch" if values["batch"].lower() == "true" else values["service_tier"].lower()
    prefix = TIERS.get(tier, f"{kind_name(tier)}_")
    model, tuned = openai_model(values["model"])
    cached, written = counts["input_cached_tokens"], counts["input_cache_write_tokens"]
    split = {
        "input": counts["input_tokens"] - cached - written,
        "cached_input": cached,
        "cache_write": written,
        "output": counts["output_tokens"],
    }
    if model.startswith("text-embedding"):
        split = {"embedding": counts["input_tokens"]}
    for kind, tokens in split.items():
        if tokens:
            yield _line(row, model, f"{tuned}{prefix}{kind}", (tokens, "tokens"), None)
    if counts["num_model_requests"]:
        yield _line(row, model, REQUESTS, (counts["num_model_requests"], REQUESTS), None)


def read_openai_cost(table: Table) -> Actuals:
    """Read a cost export: the cost of each line item, with its quantity where there is one."""
    lines = []
    empty = 0
    for row in table.rows:
        usd = row.number_at("amount_value")
        if usd is None:
            empty += 1
            continue
        row.require_usd("amount_currency")
        item, unit = row.text("line_item"), row.text("quantity_unit")
        lines.append(_cost_line(row, item, (row.number_at("quantity"), unit), usd))
    notes = table.unused_columns(COST_COLUMNS)
    return Actuals(lines=tuple(lines), not_used=(*_empty(table.name, empty), *notes))


def _cost_line(row: Row, item: str, amount: tuple[Decimal | None, str], usd: Decimal) -> ActualLine:
    quantity, unit = amount
    match = LINE_ITEM.fullmatch(item)
    scale = UNIT_SCALES.get(unit)
    if quantity is not None and scale:
        quantity, unit = quantity * scale, "tokens"
    if match is None:
        return _line(row, "", kind_name(item or "not-grouped"), (quantity, unit), usd)
    tier = (match["tier"] or "").strip().lower()
    prefix = TIERS.get(tier, f"{kind_name(tier)}_") + ("long_" if match["long"] else "")
    model, tuned = openai_model(match["model"])
    kind = KINDS.get(match["kind"].lower(), match["kind"].lower())
    return _line(row, model, f"{tuned}{prefix}{kind}", (quantity, unit or "tokens"), usd)


def _line(
    row: Row,
    model: str,
    kind: str,
    amount: tuple[Decimal | None, str],
    usd: Decimal | None,
) -> ActualLine:
    return ActualLine(
        provider=PROVIDER,
        model=model,
        kind=kind,
        sku=actual_sku(PROVIDER, model, kind),
        quantity=amount[0],
        unit=amount[1],
        usd=usd,
        starts_on=row.day_at("start_time_iso", "start_time"),
        ends_on=row.day_at("end_time_iso", "end_time"),
        tags={name: row.text(name) for name in TAG_COLUMNS if row.text(name)},
        source_line=row.place,
    )


def _empty(name: str, count: int) -> tuple[str, ...]:
    return (f"{name}: {count} {EMPTY}",) if count else ()


def openai_tables(document: Any, name: str) -> list[Table]:
    """Return the pages of the administration API as tables like those of the dashboard.

    Raises:
        ActualsFileError: it is not a page of usage or costs.
    """
    pages = document if isinstance(document, list) else [document]
    rows: list[dict[str, str]] = []
    for page in pages:
        if not isinstance(page, Mapping) or not isinstance(page.get("data"), list):
            remedy = "Save the response of /v1/organization/usage/completions or /costs."
            raise ActualsFileError(name, "found no 'data' list of buckets.", remedy)
        for bucket in page["data"]:
            times = {key: str(bucket.get(key, "")) for key in ("start_time", "end_time")}
            rows += [{**times, **_flat(result)} for result in bucket.get("results") or ()]
    if not rows:
        remedy = "Request a period with usage, and save every page."
        raise ActualsFileError(name, "its buckets have no results.", remedy)
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    records = tuple(
        (number, tuple(row.get(column, "") for column in columns))
        for number, row in enumerate(rows, 1)
    )
    return [Table(f"{name}: result", columns, records)]


def _flat(result: Mapping[str, Any]) -> dict[str, str]:
    amount = result.get("amount")
    if isinstance(amount, Mapping):
        if str(amount.get("currency", "usd")).lower() != "usd":
            found = f"found amounts in {amount['currency']}."
            raise ActualsFileError("amount.currency", found, CURRENCY_REMEDY)
        result = {**result, "amount_value": amount.get("value"), "amount_currency": "usd"}
    return {
        key: str(value)
        for key, value in result.items()
        if value is not None and key not in ("amount", "object")
    }
