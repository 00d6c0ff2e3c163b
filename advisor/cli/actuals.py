"""`advisor actuals`: exports of usage and costs next to the forecast of an option."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from advisor.actuals.calibration import calibration_entries
from advisor.actuals.comparison import Comparison, compare_actuals
from advisor.actuals.formats import read_actuals, read_tables
from advisor.actuals.lines import Actuals, merged
from advisor.actuals.tables import Table
from advisor.cli.bill import FromFlag, OptionFlag, bill_answer
from advisor.cli.calibration import calibration_text
from advisor.cli.flags import DatasetFlag, Format, FormatFlag, PricesFlag, SetFlag
from advisor.cli.recommend import QuestionFlags
from advisor.console import console, parse_day, plain_table, print_text, write_bytes
from advisor.decision.answer import canonical_json
from advisor.errors import ActualsFileError, UsageError
from advisor.loading import read_mapping
from advisor.prices.loader import InvalidText, read_text
from advisor.report.actuals import (
    LINE_COLUMNS,
    LINE_NUMBERS,
    comparison_markdown,
    comparison_sections,
    line_rows,
)
from advisor.report.bill_document import find_option


@dataclass(frozen=True)
class ActualsFlags:
    """What is compared."""

    scenario: Annotated[
        Path, typer.Argument(help="Scenario, or an answer saved with --format json.")
    ]
    files: Annotated[
        list[Path],
        typer.Argument(help="Exports: OpenAI or Anthropic usage and costs, Azure, AWS CUR, FOCUS."),
    ]
    option: OptionFlag = None
    from_: FromFlag = None
    names: Annotated[
        Path | None,
        typer.Option("--names", help="YAML of names in the exports: names of the price book."),
    ] = None
    dataset: DatasetFlag = None
    prices: PricesFlag = None
    calibration: Annotated[
        bool, typer.Option("--calibration", help="Print only the lines for calibration.yaml.")
    ] = False
    set_: SetFlag = field(default_factory=list)


def actuals(flags: ActualsFlags, format_: FormatFlag = Format.text) -> None:
    """Compare a forecast with what was used and billed, month by month."""
    names = read_names(flags.names) if flags.names else {}
    found = merged(read_export(path, names) for path in flags.files)
    if not found.lines:
        files = ", ".join(str(path) for path in flags.files)
        remedy = "Export a period with usage."
        raise ActualsFileError(files, "no row has usage or costs.", remedy)
    comparison = compare(flags, found)
    source = ", ".join(path.name for path in flags.files)
    offered = calibration_text(calibration_entries(comparison, source))
    if flags.calibration:
        sys.stdout.write(offered)
    elif format_ == "json":
        write_bytes(canonical_json(comparison))
    elif format_ == "markdown":
        print_text(comparison_markdown(comparison, offered))
    else:
        _print(comparison, offered)


def compare(flags: ActualsFlags, found: Actuals) -> Comparison:
    """Compare exports with the uncalibrated forecast: factors are relative to the scenario."""
    question = QuestionFlags(
        scenario=flags.scenario, dataset=flags.dataset, set_=flags.set_, prices=flags.prices
    )
    answer = bill_answer(question, flags.option, with_calibration=False)
    bill = find_option(answer, flags.option, "--option")
    starts_on = parse_day(flags.from_) if flags.from_ else answer.question.asked_on
    return compare_actuals(answer, bill, found, starts_on)


def read_export(path: Path, names: Mapping[str, str]) -> Actuals:
    """Read one export: CSV or JSON in UTF-8, or Parquet.

    Raises:
        ActualsFileError: it cannot be read.
    """
    if not path.is_file():
        raise ActualsFileError(str(path), "there is no such file.", "Check the path.")
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        return read_tables([_parquet_table(path)], names)
    try:
        return read_actuals(read_text(path), path.name, names)
    except InvalidText as error:
        raise ActualsFileError(str(path), error.problem, error.remedy) from error


def _parquet_table(path: Path) -> Table:
    try:
        from pyarrow import parquet
    except ImportError as error:
        remedy = "Install it with: pip install 'tune-or-not[parquet]', or export CSV."
        raise UsageError(str(path), "Parquet needs pyarrow.", remedy) from error
    try:
        columns = parquet.read_table(path).to_pydict()
    except (OSError, ValueError) as error:
        remedy = "Export the file again."
        raise ActualsFileError(str(path), f"not a Parquet file: {error}.", remedy) from error
    rows = zip(*columns.values(), strict=True)
    records = tuple((n, tuple(_cell(value) for value in row)) for n, row in enumerate(rows, 1))
    return Table(path.name, tuple(columns), records)


def _cell(value: Any) -> str:
    """Write a value of Parquet as in a CSV file; a map of tags as JSON."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        pairs = value.items() if isinstance(value, dict) else _pairs(value)
        return json.dumps({str(key): str(part) for key, part in pairs}, sort_keys=True)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _pairs(value: list[Any]) -> Iterator[tuple[Any, Any]]:
    return ((part[0], part[1]) for part in value if isinstance(part, tuple) and len(part) == 2)


def read_names(path: Path) -> Mapping[str, str]:
    """Read own names: a YAML mapping of names in the exports to names of the price book."""
    mapping = read_mapping(path, "'name in the export: provider/model'", UsageError)
    wrong = [key for key, value in mapping.items() if not isinstance(value, str)]
    if wrong:
        remedy = "Write provider/model, as `advisor prices show` lists them."
        raise UsageError(f"{path}: {wrong[0]}", "the name is not a text.", remedy)
    return {str(key): value for key, value in mapping.items()}


def _print(comparison: Comparison, offered: str) -> None:
    out = console()
    out.print(f"[bold]{comparison.scenario}[/bold]: {comparison.option}", soft_wrap=True)
    out.print(plain_table(LINE_COLUMNS, line_rows(comparison), LINE_NUMBERS))
    for heading, lines in comparison_sections(comparison).items():
        out.print(f"\n[bold]{heading}[/bold]")
        print_text(*(f"  - {line}" for line in lines))
    if offered:
        out.print("\n[bold]Lines for calibration.yaml[/bold]")
        print_text(offered.rstrip())
