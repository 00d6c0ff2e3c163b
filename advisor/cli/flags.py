"""Flags that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """Output format of an answer."""

    text = "text"
    markdown = "markdown"
    json = "json"


FormatFlag = Annotated[Format, typer.Option("--format", help="Output format.")]
SetFlag = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Set one field of the scenario; repeatable."),
]
DatasetFlag = Annotated[Path | None, typer.Option("--dataset", help="File of examples.")]
PricesFlag = Annotated[
    Path | None, typer.Option("--prices", help="Your prices; they override the price book.")
]
DayFlag = Annotated[str | None, typer.Option("--on", help="Date, YYYY-MM-DD; today by default.")]
