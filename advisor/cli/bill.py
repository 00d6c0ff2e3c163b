"""`advisor bill`: the bill of one option as a document, month by month."""

from __future__ import annotations

import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import orjson
import typer

from advisor.cli.recommend import QuestionFlags, print_bill
from advisor.console import console, parse_day, plain_table
from advisor.decision.answer import Answer, evaluate
from advisor.errors import UsageError
from advisor.report.bill_document import (
    BillDocument,
    answer_with_bill,
    bill_document,
    document_note,
    find_option,
    month_columns,
    month_rows,
)
from advisor.report.bill_formats import BillFormat, document_bytes


class BillFormatName(StrEnum):
    """Output format of a bill."""

    text = "text"
    markdown = "markdown"
    csv = "csv"
    html = "html"
    xlsx = "xlsx"
    json = "json"
    focus = "focus"


OptionFlag = Annotated[
    str | None,
    typer.Option("--option", help="Id of the option, or a part that only one id contains."),
]
FromFlag = Annotated[
    str | None, typer.Option("--from", help="First month, YYYY-MM-DD; the scenario's by default.")
]


def bill(
    question: QuestionFlags,
    option: OptionFlag = None,
    from_: FromFlag = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write.")] = None,
    format_: Annotated[
        BillFormatName, typer.Option("--format", help="Output format.")
    ] = BillFormatName.text,
) -> None:
    """Write the bill of one option, by default the recommended one."""
    answer = bill_answer(question, option)
    starts_on: date | None = parse_day(from_) if from_ else None
    document = bill_document(answer, find_option(answer, option, "--option"), starts_on)
    if format_ == "text":
        if out is not None:
            remedy = "Give --format markdown, csv, html, xlsx, json or focus."
            raise UsageError(f"--out {out}", "text is for the terminal.", remedy)
        return _print_text(document)
    body = document_bytes(document, cast(BillFormat, format_.value))
    if out is not None:
        out.write_bytes(body)
        return None
    if format_ == "xlsx" and sys.stdout.isatty():
        raise UsageError("--format xlsx", "a workbook is not text.", "Give --out bill.xlsx.")
    sys.stdout.buffer.write(body if body.endswith(b"\n") or format_ == "xlsx" else body + b"\n")
    return None


def bill_answer(
    question: QuestionFlags, option: str | None, with_calibration: bool = True
) -> Answer:
    """Return a saved answer if the file is one, else the answer to the question.

    A saved answer is used as it is: its amounts, prices and dates.
    """
    path = question.scenario
    if path is not None and path.suffix == ".json" and path.is_file():
        text = path.read_bytes()
        if b'"schema_version"' in text and b'"prices_sha256"' in text:
            try:
                return Answer.model_validate(orjson.loads(text))
            except ValueError as error:
                remedy = "Save one with --format json."
                raise UsageError(str(path), "not a saved answer.", remedy) from error
    return answer_with_bill(evaluate(question.question(with_calibration)), option)


def _print_text(document: BillDocument) -> None:
    out = console()
    out.print(f"[bold]{document.scenario}[/bold]")
    print_bill(out, document.option, document.printed_in)
    columns = month_columns(document)
    out.print(plain_table(columns, month_rows(document), set(columns[1:])))
    out.print(f"\n{document_note(document)}", style="dim", markup=False)
