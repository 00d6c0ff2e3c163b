"""`advisor prices`: prices on a date, and their age."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer

from advisor.cli.flags import DayFlag, Format, FormatFlag, PricesFlag
from advisor.console import console, parse_day, plain_table, write_bytes
from advisor.errors import PricingError, UsageError, did_you_mean
from advisor.prices.loader import load_prices
from advisor.prices.series import STALE_AFTER_DAYS, Price
from advisor.report.markdown import markdown_table


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
    """List the age of the prices on a date by source, oldest first."""
    book, day = load_prices(overlay=prices).prices, parse_day(on)
    by_source: dict[tuple[int, str], list[Price]] = {}
    for item in book.series:
        try:
            price = book.on(item, day)
        except PricingError:
            continue  # not sold on that date, or unpriced: it has no age
        by_source.setdefault(((day - price.read_on).days, price.source), []).append(price)
    rows = [
        (days, len(listed), source)
        for (days, source), listed in sorted(by_source.items(), reverse=True)
    ]
    stale = sum(count for days, count, _ in rows if days >= STALE_AFTER_DAYS)
    if format_ == "json":
        sources = [{"age_days": a, "prices": n, "source": s} for a, n, s in rows]
        body = {"day": day, "stale": stale, "sources": sources}
        write_bytes(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
        return
    total = sum(count for _, count, _ in rows)
    age_note = f"{stale} were last read {STALE_AFTER_DAYS} days ago or more."
    console().print(f"{total} prices on {day}; {age_note}", markup=False, soft_wrap=True)
    cells: list[tuple[str, ...]] = [(str(a), str(n), s) for a, n, s in rows]
    _print_table(("age in days", "prices", "source"), cells, format_)


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]], format_: str) -> None:
    if format_ == "markdown":
        console().print(markdown_table(head, rows), markup=False, soft_wrap=True)
    else:
        console().print(plain_table(head, rows, {"USD", "age in days", "prices"}))
