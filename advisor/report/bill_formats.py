"""A bill in the formats of the people who pay it: Markdown, CSV, HTML, XLSX, JSON, FOCUS."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from io import BytesIO, StringIO
from typing import Any, Literal

from advisor.decision.answer import canonical_json
from advisor.decision.bill_months import MonthLine
from advisor.errors import UsageError
from advisor.prices.display_names import option_name
from advisor.report.bill_document import (
    BillDocument,
    document_note,
    month_columns,
    month_rows,
    month_totals,
)
from advisor.report.focus import focus_rows, focus_text
from advisor.report.markdown import bill_markdown, bill_notes, bill_summary, markdown_table
from advisor.units import US_DOLLARS, amount_text

BillFormat = Literal["json", "markdown", "csv", "html", "focus", "xlsx"]
MEDIA_TYPES: Mapping[BillFormat, str] = {
    "json": "application/json",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "focus": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def document_bytes(document: BillDocument, format_: BillFormat) -> bytes:
    """Write a bill in one of the formats.

    Raises:
        UsageError: the format needs a package that is not installed.
    """
    return WRITERS[format_](document)


CSV_COLUMNS: Mapping[str, Callable[[MonthLine], object]] = {
    "month": lambda line: f"{line.starts_on:%Y-%m}",
    "line": lambda line: line.item,
    "cadence": lambda line: line.cadence,
    "sku": lambda line: line.sku,
    "provider": lambda line: line.provider,
    "model": lambda line: line.model,
    "kind": lambda line: line.kind,
    "quantity": lambda line: line.quantity,
    "unit": lambda line: line.unit,
    "price": lambda line: line.price,
    "price_unit": lambda line: line.price_unit,
    "usd": lambda line: line.billed_usd,
    "usd_low": lambda line: line.low_usd,
    "usd_high": lambda line: line.high_usd,
    "usd_list": lambda line: line.list_usd,
    "usd_contracted": lambda line: line.contracted_usd,
    "usd_effective": lambda line: line.effective_usd,
    "since": lambda line: line.since,
    "source": lambda line: line.source,
    "read_on": lambda line: line.read_on,
}
"""Columns of the CSV file and of the workbook, and what they show."""


def _csv_rows(document: BillDocument) -> list[dict[str, object]]:
    """Return one row per line and month in USD, and in the printed currency if it is another."""
    currency = document.printed_in
    rows = [{name: read(line) for name, read in CSV_COLUMNS.items()} for line in document.months]
    if currency == US_DOLLARS:
        return rows
    return [
        row
        | {
            "currency": currency.code,
            "amount": amount_text(line.billed_usd, currency, 4).replace(",", ""),
            "usd_for_one": currency.usd,
            "rate_on": currency.on,
        }
        for row, line in zip(rows, document.months, strict=True)
    ]


def _focus(document: BillDocument) -> list[dict[str, object]]:
    return focus_rows(document.option, document.months, document.scenario)


def _csv_bytes(rows: Sequence[Mapping[str, object]]) -> bytes:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(rows[0] if rows else ())
    writer.writerows([_harmless(focus_text(value)) for value in row.values()] for row in rows)
    return out.getvalue().encode()


def _harmless(text: str) -> str:
    """Quote a text that a spreadsheet would run as a formula.

    >>> _harmless("=HYPERLINK(1)"), _harmless("-3.5"), _harmless("-cmd")
    ("'=HYPERLINK(1)", '-3.5', "'-cmd")
    """
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    is_number = text.removeprefix("-").replace(".", "", 1).isdigit()
    return text if is_number else f"'{text}"


def _markdown_bytes(document: BillDocument) -> bytes:
    table = markdown_table(month_columns(document), month_rows(document))
    parts = [f"# {document.scenario}", bill_markdown(document.option, document.printed_in)]
    parts += ["## Months", table] if document.months else []
    parts.append(document_note(document))
    return ("\n\n".join(parts) + "\n").encode()


STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;text-align:left;"
    "border-bottom:1px solid #ddd}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def _html_bytes(document: BillDocument) -> bytes:
    bill, currency = document.option, document.printed_in
    head = ("Item", "Cadence", "Quantity", "Price", currency.code, "Source", "Read on")
    title = escape(f"{option_name(bill.id)}: {document.scenario}")
    lines = [
        (
            line.item,
            line.cadence,
            f"{float(line.quantity):,.6g} {line.unit}",
            f"{line.price} {line.price_unit}",
            amount_text(line.amount, currency, 4),
            line.source,
            str(line.read_on or ""),
        )
        for line in bill.bill
    ]
    caveats = "".join(f"<li>{escape(caveat.says)}</li>" for caveat in bill.caveats)
    months = _html_table(month_columns(document), month_rows(document), {1, 2})
    notes = "".join(f"<p>{escape(note)}</p>" for note in bill_notes(bill, currency))
    parts = (
        f"<h1>{title}</h1><p>{escape(bill_summary(bill, currency))}.</p>{notes}",
        _html_table(head, lines, {2, 4}),
        f"<h2>Months</h2>{months}",
        f"<p>{escape(document_note(document))}</p>"
        + (f"<h2>Caveats</h2><ul>{caveats}</ul>" if caveats else ""),
        f"<p>Prices for {document.asked_on}, price book {document.prices_sha256[:12]}, "
        f"engine {escape(document.engine_version)}.</p>",
    )
    meta = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    page = f'<html lang="en"><head>{meta}</head><body>{"".join(parts)}</body></html>'
    return f"<!doctype html>{page}\n".encode()


def _html_table(head: Sequence[str], rows: Iterable[Sequence[str]], right_aligned: set[int]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right_aligned else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', head)}</tr>{body}</table>"


def _xlsx_bytes(document: BillDocument) -> bytes:
    """Write a workbook: totals by month, lines, FOCUS rows, caveats."""
    try:
        from openpyxl import Workbook
    except ImportError as error:
        remedy = "Install it with: pip install 'tune-or-not[xlsx]', or use --format csv."
        raise UsageError("format xlsx", "it needs openpyxl.", remedy) from error
    book = Workbook()
    lines = _csv_rows(document)
    _fill_summary(book.active, document, len(lines) + 1)
    for title, rows in (("Lines", lines), ("FOCUS", _focus(document))):
        _add_sheet(book, title, rows)
    notes = book.create_sheet("Caveats")
    for caveat in document.option.caveats:
        notes.append((_cell(caveat.says),))
    for note in (*bill_notes(document.option, document.printed_in), document_note(document)):
        notes.append((_cell(note),))
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def _fill_summary(sheet: Any, document: BillDocument, last_row: int) -> None:
    """Write the totals of each month as formulas over the sheet of lines."""
    sheet.title = "Bill"
    head = (("Scenario", document.scenario), ("Option", document.option.id))
    for row in (*head, ("Prices for", document.asked_on), ()):
        sheet.append([_cell(value) for value in row])
    code, rate = document.printed_in.code, document.printed_in.usd
    sheet.append(("Month", code, f"{code} low", f"{code} high"))
    columns = [_letter(name) for name in ("month", "usd", "usd_low", "usd_high")]
    month, *amounts = (f"Lines!${column}$2:${column}${last_row}" for column in columns)
    for day, *_ in month_totals(document.months):
        place = sheet.max_row + 1
        exchange = "" if rate == 1 else f"/{rate:f}"
        sums = [f"=SUMIF({month},$A{place},{amount}){exchange}" for amount in amounts]
        sheet.append((f"{day:%Y-%m}", *sums))


def _letter(column: str) -> str:
    return chr(ord("A") + list(CSV_COLUMNS).index(column))


def _add_sheet(book: Any, title: str, rows: Sequence[Mapping[str, object]]) -> None:
    sheet = book.create_sheet(title)
    if rows:
        sheet.append(list(rows[0]))
        sheet.freeze_panes = "A2"
    for row in rows:
        sheet.append([_cell(value) for value in row.values()])


def _cell(value: object) -> object:
    return _harmless(value) if isinstance(value, str) else value


WRITERS: Mapping[BillFormat, Callable[[BillDocument], bytes]] = {
    "markdown": _markdown_bytes,
    "csv": lambda document: _csv_bytes(_csv_rows(document)),
    "html": _html_bytes,
    "json": canonical_json,
    "focus": lambda document: _csv_bytes(_focus(document)),
    "xlsx": _xlsx_bytes,
}
