"""Recognises an export by its columns and reads it; a file of another form is an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from advisor.actuals.anthropic_export import (
    is_anthropic_cost,
    is_anthropic_usage,
    read_anthropic_cost,
    read_anthropic_usage,
)
from advisor.actuals.cloud_exports import (
    is_aws_report,
    is_azure_cost,
    read_aws_report,
    read_azure_cost,
)
from advisor.actuals.focus_file import is_focus, read_focus
from advisor.actuals.lines import ActualLine, Actuals
from advisor.actuals.names import renamed
from advisor.actuals.openai_export import (
    is_openai_cost,
    is_openai_usage,
    openai_tables,
    read_openai_cost,
    read_openai_usage,
)
from advisor.actuals.tables import Table, read_table
from advisor.errors import ActualsFileError

FORMATS: tuple[tuple[str, Callable[[Table], bool], Callable[[Table], Actuals]], ...] = (
    ("FOCUS", is_focus, read_focus),
    ("OpenAI costs", is_openai_cost, read_openai_cost),
    ("OpenAI usage", is_openai_usage, read_openai_usage),
    ("Anthropic costs", is_anthropic_cost, read_anthropic_cost),
    ("Anthropic usage", is_anthropic_usage, read_anthropic_usage),
    ("Azure costs", is_azure_cost, read_azure_cost),
    ("AWS Cost and Usage Report", is_aws_report, read_aws_report),
)
"""Name, test and reader of each format; the first that matches."""


def read_actuals(text: str, name: str, names: Mapping[str, str] | None = None) -> Actuals:
    """Read the text of an export: CSV, or JSON of OpenAI's administration API.

    Args:
        text: Content of the file.
        name: Name of the file, for messages.
        names: Own names: name in the export -> name of the price book.

    Raises:
        ActualsFileError: the format is not known, or a row cannot be read.
    """
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        try:
            document = json.loads(text.removeprefix("\ufeff"), parse_float=Decimal)
        except json.JSONDecodeError as error:
            place = f"{name}:{error.lineno}:{error.colno}"
            raise ActualsFileError(place, f"{error.msg}.", "Save the response again.") from error
        tables = openai_tables(document, name)
    else:
        tables = [read_table(text, name)]
    return read_tables(tables, names)


def read_tables(tables: Iterable[Table], names: Mapping[str, str] | None = None) -> Actuals:
    """Read tables, each in its own format.

    Raises:
        ActualsFileError: a format is not known, or a row cannot be read.
    """
    lines: list[ActualLine] = []
    not_used: list[str] = []
    for table in tables:
        found = _reader(table)(table)
        lines += found.lines
        not_used += found.not_used
    if names:
        lines = [line.model_copy(update={"sku": renamed(line.sku, names)}) for line in lines]
    return Actuals(lines=tuple(lines), not_used=tuple(not_used))


def _reader(table: Table) -> Callable[[Table], Actuals]:
    for _, matches, read in FORMATS:
        if matches(table):
            return read
    known = ", ".join(name for name, *_ in FORMATS)
    raise ActualsFileError(
        f"{table.name}:1",
        f"the columns {', '.join(table.columns[:6])} ... belong to no known export.",
        f"Give one of: {known}.",
    )
