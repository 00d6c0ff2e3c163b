"""`advisor sweep`: the recommended option for every combination of some values."""

from __future__ import annotations

import csv
import io
import sys
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer
import yaml

from advisor.cli.recommend import QuestionFlags
from advisor.console import console, plain_table, write_bytes
from advisor.decision.answer import canonical_json
from advisor.decision.sweep import SweepColumns, variant_grid
from advisor.decision.sweep import sweep as evaluate_variants
from advisor.errors import UsageError
from advisor.loading import Loader

COLUMN_HEADINGS = {
    "one_off": "once",
    "monthly": "a month",
    "per_month_low": "range",
    "per_month_high": "to",
    "recommended": "wins",
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
    """Evaluate every combination in one call and print the recommended option of each.

    Raises:
        UsageError: an axis is not PATH=VALUE,VALUE, or there are too many combinations.
    """
    variants = variant_grid(dict(_axis(flag) for flag in axis))
    found = evaluate_variants(question.question(), variants)
    if format_ == "json":
        write_bytes(canonical_json(found))
    elif format_ == "csv":
        sys.stdout.write(_csv(variants, found))
    else:
        paths = list(variants[0])
        rows = [
            (*(_cell(variant[path]) for path in paths), *row)
            for variant, row in zip(variants, _rows(found), strict=True)
        ]
        head = (
            *(path.rpartition(".")[2].replace("_", " ") for path in paths),
            *COLUMN_HEADINGS.values(),
        )
        right = {*head} - {"wins"}
        console().print(plain_table(head, rows, right))
        console().print(f"\n{len(rows)} variants; US dollars.")


def _axis(flag: str) -> tuple[str, list[Any]]:
    path, equals, text = flag.partition("=")
    if not equals or not text:
        raise UsageError(
            f"--axis {flag}",
            "this is not PATH=VALUE,VALUE.",
            "Write --axis traffic.requests_per_month=1e4,1e5,1e6.",
        )
    return path.strip(), [_value(flag, one.strip()) for one in text.split(",")]


def _value(flag: str, text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        pass  # a word, or a switch: YAML reads those
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise UsageError(
            f"--axis {flag}", f"found '{text}', which is no value.", "Give numbers or words."
        ) from error


def _rows(found: SweepColumns) -> list[tuple[str, ...]]:
    return list(zip(*(getattr(found, name) for name in COLUMN_HEADINGS), strict=True))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.10g}"
    return str(orjson.dumps(value).decode()).strip('"')


def _csv(variants: list[dict[str, Any]], found: SweepColumns) -> str:
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow([*variants[0], *COLUMN_HEADINGS])
    for variant, row in zip(variants, _rows(found), strict=True):
        write.writerow([*variant.values(), *row])
    return out.getvalue()
