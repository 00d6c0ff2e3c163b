"""ActualLine: one row of an export of usage or costs, in the names of the price book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from advisor.prices.series import TIERS, TOKEN_RATES
from advisor.units import Record

REQUESTS = "requests"
"""Kind of the lines that count requests; they have no cost."""
TOKEN_KINDS = frozenset(f"{tier}{rate}" for tier in TIERS for rate in TOKEN_RATES) | {
    f"tuned_{tier}{rate}" for tier in TIERS for rate in TOKEN_RATES
}
"""Kinds of the tokens of a request."""


class ActualLine(Record):
    """What was used or billed in one period, from one row of an export."""

    provider: str
    """Provider, as in the price book where it is known."""
    model: str
    """Model, without the date of its snapshot; empty if the row names none."""
    kind: str
    """Kind of price, such as input or output, or the meter's own name."""
    sku: str
    """SkuId of the row, else provider/model/kind."""
    quantity: Decimal | None
    """Quantity in *unit*; None if the export has costs only."""
    unit: str
    """Unit of the quantity."""
    usd: Decimal | None
    """Cost [USD]; None if the export has usage only."""
    starts_on: date
    """First day of the period, in UTC."""
    ends_on: date
    """First day after the period."""
    currency: str = "USD"
    """Currency of the export; only USD is accepted."""
    tags: Mapping[str, str] = {}
    """Project, key, workspace or tags of the row."""
    source_line: str
    """File and line of the row."""

    @property
    def key(self) -> tuple[str, ...]:
        """Identity of what was billed; two rows with the same key are the same charge."""
        parts = (self.sku, self.quantity, self.usd, self.starts_on, self.ends_on)
        return (*map(str, parts), *(f"{name}={value}" for name, value in sorted(self.tags.items())))


class Actuals(Record):
    """The lines of one or more exports, and what in them is not used."""

    lines: tuple[ActualLine, ...]
    """Every charge or usage that was read."""
    not_used: tuple[str, ...]
    """Rows and columns that are not used, and why."""


def actual_sku(provider: str, model: str, kind: str) -> str:
    """Return the id under which a line is compared.

    >>> actual_sku("openai", "gpt-4o", "input"), actual_sku("openai", "", "vector-storage")
    ('openai/gpt-4o/input', 'openai/vector-storage')
    """
    return "/".join(part for part in (provider, model, kind) if part)


def merged(parts: Iterable[Actuals]) -> Actuals:
    """Combine exports; a row that is in two of them is counted once and listed."""
    lines: list[ActualLine] = []
    not_used: list[str] = []
    seen: dict[tuple[str, ...], str] = {}
    for part in parts:
        own: dict[tuple[str, ...], str] = {}
        for line in part.lines:
            if line.key in seen:
                not_used.append(f"{line.source_line}: the same row as {seen[line.key]}")
                continue
            own[line.key] = line.source_line
            lines.append(line)
        seen |= own
        not_used += part.not_used
    return Actuals(lines=tuple(lines), not_used=tuple(not_used))
