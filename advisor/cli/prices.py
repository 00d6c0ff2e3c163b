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


def show(
    item: Annotated[str | None, typer.Argument(help="Only items whose name contains this.")] = None,
    on: DayFlag = None,
    prices: PricesFlag = None,
    format_: FormatFlag = Format.text,
) -> None:
    """List the prices that apply on a date.

    Raises:
        UsageError: no price item matches.
    """
    wanted = item
    book, day = load_prices(overlay=prices).prices, parse_day(on)
    items = [item for item in book.series if (wanted or "") in item]
    if not items:
        raise UsageError(
            f"prices show {wanted}",
            "no item has this in its name.",
            did_you_mean(str(wanted), book.series).strip(),
        )
    found: list[tuple[str, ...]] = []
    records = []
    for item in sorted(items):
        try:
            price = book.on(item, day)
        except PricingError as error:
            found.append((item, "-", error.code, "", "", ""))
            records.append({"item": item, "problem": str(error)})
            continue
        found.append(
            (
                item,
                str(price.value),
                price.unit.removeprefix("USD/"),
                str(price.since),
                str(price.read_on),
                price.source,
            )
        )
        records.append(price.model_dump(mode="json"))
    if format_ == "json":
        write_bytes(orjson.dumps(records, option=orjson.OPT_SORT_KEYS))
        return
    _write(("item", "USD", "per", "since", "read on", "source"), found, format_)


def age(on: DayFlag = None, prices: PricesFlag = None, format_: FormatFlag = Format.text) -> None:
    """List the age of the prices on a date by source, oldest first."""
    book, day = load_prices(overlay=prices).prices, parse_day(on)
    by_source: dict[tuple[int, str], list[Price]] = {}
    for item in book.series:
        try:
            price = book.on(item, day)
        except PricingError:
            continue  # not sold on that day, or unpriced: it has no age
        by_source.setdefault(((day - price.read_on).days, price.source), []).append(price)
    rows = [
        (days, len(found), source)
        for (days, source), found in sorted(by_source.items(), reverse=True)
    ]
    stale = sum(count for days, count, _ in rows if days >= STALE_AFTER_DAYS)
    if format_ == "json":
        write_bytes(
            orjson.dumps(
                {
                    "day": day,
                    "stale": stale,
                    "sources": [{"age_days": a, "prices": n, "source": s} for a, n, s in rows],
                },
                option=orjson.OPT_SORT_KEYS,
            )
        )
        return
    total = sum(count for _, count, _ in rows)
    console().print(
        f"{total} prices on {day}; {stale} were last read {STALE_AFTER_DAYS} days before or more.",
        markup=False,
        soft_wrap=True,
    )
    _write(("age in days", "prices", "source"), [(str(a), str(n), s) for a, n, s in rows], format_)


def _write(head: tuple[str, ...], rows: list[tuple[str, ...]], format_: str) -> None:
    if format_ == "markdown":
        lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
        lines.insert(1, "|" + " --- |" * len(head))
        console().print("\n".join(lines), markup=False, soft_wrap=True)
        return
    console().print(plain_table(head, rows, {"USD", "age in days", "prices"}))
