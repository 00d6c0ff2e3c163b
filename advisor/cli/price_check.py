"""`advisor prices check`: the price book against genai-prices and newer price lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from decimal import Decimal
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import TypeAdapter, ValidationError

from advisor.cli.flags import DayFlag, Format, FormatFlag
from advisor.console import console, parse_day, print_text, write_bytes
from advisor.errors import PricingFileError, UsageError
from advisor.prices.check import Difference, PriceCheck, PriceException, check_prices
from advisor.prices.loader import InvalidText, load_prices, parse_yaml, read_text
from advisor.prices.other_sources import OtherSource, SourceNames, read_source
from advisor.report.markdown import markdown_table

DATA = Path(__file__).parent.parent / "data"
PACKAGE = "genai-prices"
COLUMNS = ("item", "outcome", "book", "source", "read on", "other", "from", "note")


@dataclass(frozen=True)
class CheckFlags:
    """What the price book is compared with."""

    against: Annotated[
        list[Path],
        typer.Option(
            "--against",
            help="Price list of genai-prices, models.dev or litellm, as JSON; repeatable.",
        ),
    ] = field(default_factory=list)
    on: DayFlag = None
    accept: Annotated[
        Path | None,
        typer.Option("--accept", help="YAML list of more differences that are explained."),
    ] = None
    pricing: Annotated[
        Path | None, typer.Option("--pricing", help="Price book; the bundled one by default.")
    ] = None


def check(flags: CheckFlags, format_: FormatFlag = Format.text) -> None:
    """Compare the price book with other price lists; exit code 1 on an unexplained difference."""
    day, book, names = parse_day(flags.on), load_prices(flags.pricing), source_names()
    exceptions = read_exceptions(DATA / "price_exceptions.yaml")
    exceptions += read_exceptions(flags.accept) if flags.accept else ()
    sources = [source for source in (installed_price_list(),) if source]
    sources += [read_price_list(path) for path in flags.against]
    if not sources:
        raise UsageError(
            "advisor prices check",
            f"{PACKAGE} is not installed and no file is given.",
            "Install it with: pip install 'tune-or-not[prices]', or give --against FILE.",
        )
    checks = [check_prices(book, source, names[source.name], day, exceptions) for source in sources]
    if format_ == "json":
        records = [result.model_dump(mode="json") for result in checks]
        write_bytes(orjson.dumps(records, option=orjson.OPT_SORT_KEYS))
    else:
        for result in checks:
            _print(result, format_)
    if any(result.unexplained for result in checks):
        raise typer.Exit(1)


def source_names() -> Mapping[str, SourceNames]:
    """Read how other price lists name the models of the book."""
    named = parse_yaml(read_text(DATA / "price_names.yaml"))
    return {name: SourceNames.model_validate(entry) for name, entry in named.items()}


def read_exceptions(path: Path) -> tuple[PriceException, ...]:
    """Read explained differences: a YAML list of {item, against, other, reason, source, until}.

    Raises:
        PricingFileError: the file cannot be read, or an entry is not valid.
    """
    try:
        entries = parse_yaml(_text(path))
    except InvalidText as error:
        where = f"{path}{error.position}"
        raise PricingFileError(where, f"{error.problem} {error.remedy}") from error
    try:
        return TypeAdapter(tuple[PriceException, ...]).validate_python(entries or ())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise PricingFileError(
            f"{path}: {place}",
            f"{first['msg']}. Write a list of item, against, other, reason, source, until.",
        ) from error


def read_price_list(path: Path) -> OtherSource:
    """Read the price list of another project; the format is recognised by its content.

    Raises:
        PricingFileError: there is no such file, or it is no price list.
    """
    try:
        document = json.loads(_text(path), parse_float=Decimal)
    except InvalidText as error:
        raise PricingFileError(str(path), f"{error.problem} {error.remedy}") from error
    except json.JSONDecodeError as error:
        raise PricingFileError(
            f"{path}:{error.lineno}:{error.colno}", f"{error.msg}. Download the file again."
        ) from error
    return read_source(document, str(path))


def _text(path: Path) -> str:
    if not path.is_file():
        raise PricingFileError(str(path), "there is no such file. Check the path.")
    return read_text(path)


def installed_price_list() -> OtherSource | None:
    """Return the price list of the installed genai-prices; None if it is not installed."""
    try:
        version = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    providers = import_module("genai_prices.data").providers
    return read_source(plain_values(providers), f"{PACKAGE} {version}")


def plain_values(value: Any) -> Any:
    """Return records of genai-prices as the mappings of its data.json; the matching is left out.

    Its `ModelPrice` is not a dataclass: its attributes are the prices.
    """
    if isinstance(value, list | tuple):
        return [plain_values(part) for part in value]
    if is_dataclass(value) or type(value).__name__ == "ModelPrice":
        return {key: plain_values(part) for key, part in vars(value).items() if key != "match"}
    return value


def _print(result: PriceCheck, format_: str) -> None:
    unexplained, total = len(result.unexplained), len(result.differences)
    title = (
        f"{result.version} on {result.day}: {result.compared} values compared, {total} different, "
        f"{unexplained} unexplained."
    )
    missing = _sentence("Models of the book that are not in the other source", result.unmatched)
    others = len(result.not_in_book)
    missing += f"\n{others} models of the same providers are not in the book." if others else ""
    if format_ == "markdown":
        rows = [_row(item) for item in result.differences]
        table = markdown_table(COLUMNS, rows) if rows else ""
        parts = [f"## {result.against}", title, table, missing.strip()]
        print_text("\n\n".join(part for part in parts if part) + "\n")
        return
    console().print(f"[bold]{title}[/bold]", soft_wrap=True)
    for item in result.differences:
        note = f"; explained: {item.explained}" if item.explained else ""
        print_text(f"  {item.outcome:<22} {item.says}{note}")
    print_text(missing.strip())


def _sentence(title: str, names: tuple[str, ...]) -> str:
    return f"{title}: {', '.join(names)}." if names else ""


def _row(item: Difference) -> tuple[str, ...]:
    note = item.explained or item.hint or ""
    read, ours, theirs = str(item.read_on or ""), item.book or "none", item.other or "none"
    return item.item, item.outcome, ours, item.source or "", read, theirs, str(item.on), note
