"""`advisor prices`: prices on a date, and their age and that of facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Self

import orjson
import typer

from advisor.cli.flags import DayFlag, Format, FormatFlag, PricesFlag
from advisor.console import console, parse_day, plain_table, write_bytes
from advisor.errors import PricingError, UsageError, did_you_mean
from advisor.prices.loader import load_prices
from advisor.prices.series import STALE_AFTER_DAYS
from advisor.report.markdown import markdown_table

FACTS = "facts on models, offers and providers"


def show(
    item: Annotated[str | None, typer.Argument(help="Only items whose name contains this.")] = None,
    on: DayFlag = None,
    prices: PricesFlag = None,
    format_: FormatFlag = Format.text,
) -> None:
    """List the prices that apply on a date."""
    book, day = load_prices(overlay=prices).prices, parse_day(on)
    items = [name for name in book.series if (item or "") in name]
    if not items:
        raise UsageError(
            f"prices show {item}",
            "no item has this in its name.",
            did_you_mean(str(item), book.series).strip(),
        )
    rows: list[tuple[str, ...]] = []
    records = []
    for name in sorted(items):
        try:
            price = book.on(name, day)
        except PricingError as error:
            rows.append((name, "-", error.code, "", "", ""))
            records.append({"item": name, "problem": str(error)})
            continue
        unit = price.unit.removeprefix("USD/")
        dates = str(price.since), str(price.read_on)
        rows.append((name, str(price.value), unit, *dates, price.source))
        records.append(price.model_dump(mode="json"))
    if format_ == "json":
        write_bytes(orjson.dumps(records, option=orjson.OPT_SORT_KEYS))
        return
    _print_table(("item", "USD", "per", "since", "read on", "source"), rows, format_)


def age(on: DayFlag = None, prices: PricesFlag = None, format_: FormatFlag = Format.text) -> None:
    """List the age of prices, and of facts on models and offers, by source, oldest first."""
    book, day = load_prices(overlay=prices), parse_day(on)
    found = []
    for item in book.prices.series:
        try:
            price = book.prices.on(item, day)
        except PricingError:
            continue  # not sold on that date, or unpriced: it has no age
        found.append(((day - price.read_on).days, price.source))
    priced = _AgeTable.of(found)
    facts = _AgeTable.of(
        ((day - fact.read_on).days if fact.read_on else None, fact.source)
        for _, fact in book.facts_on(day)
    )
    if format_ == "json":
        body = {"day": day, "stale": priced.stale, "sources": priced.sources("prices")}
        body["facts"] = {
            "stale": facts.stale,
            "undated": facts.undated,
            "sources": facts.sources("facts"),
        }
        write_bytes(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
        return
    for table, name, what in ((priced, "prices", "prices"), (facts, "facts", FACTS)):
        note = f"{table.stale} were last read {STALE_AFTER_DAYS} days ago or more."
        if table.undated:
            note += f" {table.undated} have no day."
        console().print(f"{table.total} {what} on {day}; {note}", markup=False, soft_wrap=True)
        _print_table(("age in days", name, "source"), table.cells, format_)


@dataclass(frozen=True)
class _AgeTable:
    """Age in days and source -> how many were read there on that day; undated ones last."""

    rows: tuple[tuple[int | None, int, str], ...]

    @classmethod
    def of(cls, found: Iterable[tuple[int | None, str]]) -> Self:
        """Count ages and sources, oldest first."""
        counts = Counter(found)
        keys = sorted(counts, key=lambda k: (k[0] is not None, k[0] or 0, k[1]), reverse=True)
        return cls(tuple((days, counts[days, source], source) for days, source in keys))

    @property
    def total(self) -> int:
        """Number of all."""
        return sum(count for _, count, _ in self.rows)

    @property
    def stale(self) -> int:
        """Number of those that are too old."""
        return sum(n for days, n, _ in self.rows if days is not None and days >= STALE_AFTER_DAYS)

    @property
    def undated(self) -> int:
        """Number of those whose day of reading is not recorded."""
        return sum(count for days, count, _ in self.rows if days is None)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """Rows as text."""
        return [("-" if a is None else str(a), str(n), source) for a, n, source in self.rows]

    def sources(self, what: str) -> list[dict[str, Any]]:
        """Rows as records."""
        return [{"age_days": a, what: n, "source": source} for a, n, source in self.rows]


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]], format_: str) -> None:
    if format_ == "markdown":
        console().print(markdown_table(head, rows), markup=False, soft_wrap=True)
    else:
        console().print(plain_table(head, rows, {"USD", "age in days", "prices", "facts"}))
