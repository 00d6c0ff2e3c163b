"""`advisor sweep`: the recommended option for every combination of some values."""

from __future__ import annotations

import csv
import io
import sys
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer

from advisor.cli.recommend import QuestionFlags
from advisor.console import console, plain_table, write_bytes
from advisor.decision.answer import canonical_json
from advisor.decision.sweep import SweepColumns, variant_grid
from advisor.decision.sweep import sweep as evaluate_variants
from advisor.errors import UsageError
from advisor.loading import parse_value
from advisor.units import US_DOLLARS, Currency, amount_text

COLUMN_HEADINGS = {
    "one_off": "one-off",
    "monthly": "monthly",
    "per_month_low": "90% range from",
    "per_month_high": "to",
    "recommended": "recommended",
}


class SweepFormat(StrEnum):
    """Output format of a sweep."""

    text = "text"
    csv = "csv"
    json = "json"


def sweep(
    question: QuestionFlags,
    axis: Annotated[
        list[str],
        typer.Option(
            "--axis", metavar="PATH=VALUES", help="Values separated by commas; repeatable."
        ),
    ],
    format_: Annotated[
        SweepFormat, typer.Option("--format", help="Output format.")
    ] = SweepFormat.text,
) -> None:
    """Evaluate every combination in one call and print the recommended option of each."""
    variants = variant_grid(dict(_axis(flag) for flag in axis))
    asked = question.question()
    columns = evaluate_variants(asked, variants)
    if format_ == "json":
        write_bytes(canonical_json(columns))
    elif format_ == "csv":
        sys.stdout.write(_csv(variants, columns))
    else:
        paths = list(variants[0])
        currency = asked.book.contract.currency(asked.scenario.currency)
        rows = [
            (*(_cell(variant[path]) for path in paths), *_printed(row, currency))
            for variant, row in zip(variants, _rows(columns), strict=True)
        ]
        names = (path.rpartition(".")[2].replace("_", " ") for path in paths)
        head = (*names, *COLUMN_HEADINGS.values())
        console().print(plain_table(head, rows, {*head} - {"recommended"}))
        console().print(f"\n{len(rows)} variants; {currency.note}.", markup=False)


def _axis(flag: str) -> tuple[str, list[Any]]:
    path, equals, text = flag.partition("=")
    if not equals or not text:
        raise UsageError(
            f"--axis {flag}",
            "not PATH=VALUE,VALUE.",
            "Use for example --axis traffic.requests_per_month=1e4,1e5,1e6.",
        )
    values = [parse_value(f"--axis {flag}", value.strip()) for value in text.split(",")]
    return path.strip(), values


def _rows(columns: SweepColumns) -> list[tuple[str, ...]]:
    return list(zip(*(getattr(columns, name) for name in COLUMN_HEADINGS), strict=True))


def _printed(row: tuple[str, ...], currency: Currency) -> tuple[str, ...]:
    """Return a row with its amounts in a currency; the last cell is the option."""
    if currency == US_DOLLARS:
        return row
    return (*(amount_text(usd, currency).replace(",", "") for usd in row[:-1]), row[-1])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.10g}"
    return str(orjson.dumps(value).decode()).strip('"')


def _csv(variants: list[dict[str, Any]], columns: SweepColumns) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*variants[0], *COLUMN_HEADINGS])
    for variant, row in zip(variants, _rows(columns), strict=True):
        writer.writerow([*variant.values(), *row])
    return out.getvalue()
