"""Anthropic: the usage and the cost export of the Console as CSV.

Exports: https://support.claude.com/en/articles/9534590-cost-and-usage-reporting-in-the-claude-console.
Columns of the usage export (2026-08): usage_date_utc, model_version, api_key, workspace,
usage_type, context_window, usage_input_tokens_no_cache, usage_input_tokens_cache_write_5m,
usage_input_tokens_cache_write_1h, usage_input_tokens_cache_read, usage_output_tokens,
web_search_count, inference_geo, speed. Of the cost export: usage_date_utc, model, workspace,
api_key, usage_type, context_window, token_type, cost_usd, list_price_usd, cost_type,
inference_geo, speed. A row of the cost export is one kind of tokens of one model on one day.
"""

from __future__ import annotations

from decimal import Decimal

from advisor.actuals.lines import ActualLine, Actuals, actual_sku
from advisor.actuals.names import anthropic_model, kind_name
from advisor.actuals.tables import Row, Table, next_day

PROVIDER = "anthropic"
TOKEN_COLUMNS = {
    "usage_input_tokens_no_cache": "input",
    "usage_input_tokens_cache_write_5m": "cache_write",
    "usage_input_tokens_cache_write_1h": "cache_write_1h",
    "usage_input_tokens_cache_read": "cached_input",
    "usage_output_tokens": "output",
}
"""Column of the usage export -> kind."""
TOKEN_TYPES = {
    "input_no_cache": "input",
    "input_cache_write_5m": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "input_cache_read": "cached_input",
    "output": "output",
}
"""token_type of the cost export -> kind."""
SHARED_COLUMNS = ("usage_date_utc", "usage_type", "context_window", "workspace", "api_key", "speed")
SEARCHES = "web_search_count"
TAG_COLUMNS = ("workspace", "api_key")


def is_anthropic_usage(table: Table) -> bool:
    """Whether a table is a usage export of the Console."""
    return table.has("usage_date_utc", "usage_input_tokens_no_cache")


def is_anthropic_cost(table: Table) -> bool:
    """Whether a table is a cost export of the Console."""
    return table.has("usage_date_utc", "cost_usd")


def read_anthropic_usage(table: Table) -> Actuals:
    """Read a usage export: tokens by kind, and web searches."""
    lines = []
    for row in table.rows:
        model, prefix = anthropic_model(row.text("model_version")), _prefix(row)
        for column, kind in TOKEN_COLUMNS.items():
            tokens = row.number_at(column)
            if tokens:
                lines.append(_line(row, model, f"{prefix}{kind}", (tokens, "tokens"), None))
        searches = row.number_at(SEARCHES)
        if searches:
            lines.append(_line(row, "", "web_search_call", (searches, "searches"), None))
    used = (*SHARED_COLUMNS, *TOKEN_COLUMNS, "model_version", SEARCHES)
    return Actuals(lines=tuple(lines), not_used=table.unused_columns(used))


def read_anthropic_cost(table: Table) -> Actuals:
    """Read a cost export: the cost of each kind of tokens, without quantities."""
    lines = []
    for row in table.rows:
        usd = row.number_at("cost_usd")
        token_type = row.text("token_type")
        if usd is None:
            continue
        kind = TOKEN_TYPES.get(token_type)
        if kind is None:
            named = kind_name(token_type or row.text("cost_type") or "not-grouped")
            lines.append(_line(row, "", named, (None, ""), usd))
            continue
        model = anthropic_model(row.text("model"))
        lines.append(_line(row, model, f"{_prefix(row)}{kind}", (None, "tokens"), usd))
    used = (*SHARED_COLUMNS, "model", "token_type", "cost_usd", "cost_type")
    return Actuals(lines=tuple(lines), not_used=table.unused_columns(used))


def _prefix(row: Row) -> str:
    """Return the prefix of the kinds: batch, prompts above the long-context step, fast mode."""
    is_batch = "batch" in row.text("usage_type").lower()
    is_long = row.text("context_window").startswith(">")
    is_fast = row.text("speed").lower() == "fast"
    return f"{'fast_' * is_fast}{'batch_' * is_batch}{'long_' * is_long}"


def _line(
    row: Row,
    model: str,
    kind: str,
    amount: tuple[Decimal | None, str],
    usd: Decimal | None,
) -> ActualLine:
    day = row.day_at("usage_date_utc")
    return ActualLine(
        provider=PROVIDER,
        model=model,
        kind=kind,
        sku=actual_sku(PROVIDER, model, kind),
        quantity=amount[0],
        unit=amount[1],
        usd=usd,
        starts_on=day,
        ends_on=next_day(day),
        tags={name: row.text(name) for name in TAG_COLUMNS if row.text(name)},
        source_line=row.place,
    )
