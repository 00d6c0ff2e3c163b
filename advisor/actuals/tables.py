"""Text of an export -> rows: CSV dialects, numbers, days, and messages with file and line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from io import StringIO

from advisor.errors import ActualsFileError, did_you_mean, shortened_repr

DELIMITERS = (",", ";", "\t", "|")
DECIMAL_COMMA = re.compile(r"-?(\d{1,3}(\.\d{3})+|\d+),(\d{1,2}|\d{4,})")
DECIMAL_POINT = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)\.(\d{1,2}|\d{4,})(E-?\d+)?", re.IGNORECASE)
AMBIGUOUS = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}")
"""A separator and three digits: thousands for one reader, decimals for another."""
NUMBER = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?(E[-+]?\d+)?", re.IGNORECASE)
"""A number with points, commas between thousands at most."""
SWAPPED = str.maketrans(",.", ".,")
UNIX_SECONDS = re.compile(r"\d{9,11}")
US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
CURRENCY_REMEDY = (
    "Export in USD (Azure: the column costInUsd; FOCUS: BillingCurrency USD), or convert the "
    "amounts to USD with the rate of the invoice."
)


@dataclass(frozen=True)
class Row:
    """One row of an export, with its place."""

    table: Table
    number: int
    """Line in the file, from 1."""
    cells: Mapping[str, str]
    """Values by column, in lower case."""

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.table.name}:{self.number}"

    def text(self, *columns: str) -> str:
        """Return the first value that is not empty among some columns."""
        values = (self.cells.get(column.lower(), "").strip() for column in columns)
        return next((value for value in values if value), "")

    def number_at(self, *columns: str) -> Decimal | None:
        """Return the number in the first of some columns that is not empty.

        Raises:
            ActualsFileError: it is not a number, or can be read in two ways.
        """
        for column in columns:
            text = self.cells.get(column.lower(), "").strip()
            if text:
                return self.table.number(text, f"{self.place}, {column}")
        return None

    def day_at(self, *columns: str) -> date:
        """Return the day in the first of some columns that is not empty, in UTC.

        Raises:
            ActualsFileError: there is none, or it is not a day.
        """
        text = self.text(*columns)
        day = _day(text)
        if day is None:
            raise ActualsFileError(
                f"{self.place}, {columns[0]}",
                f"expected a day such as 2026-11-28, found {shortened_repr(text)}.",
                "Export the file again without changing its dates.",
            )
        return day

    def require_usd(self, *columns: str) -> None:
        """Refuse a row in another currency.

        Raises:
            ActualsFileError: it is not in USD.
        """
        found = self.text(*columns).upper()
        if found and found != "USD":
            place = f"{self.place}, {columns[0]}"
            raise ActualsFileError(place, f"found amounts in {found}.", CURRENCY_REMEDY)


@dataclass(frozen=True)
class Table:
    """The rows of an export."""

    name: str
    """Name of the file."""
    columns: tuple[str, ...]
    """Names as in the file."""
    records: tuple[tuple[int, tuple[str, ...]], ...]
    """Line and values of each row."""
    delimiter: str = ","
    """Between the values; a semicolon is written where numbers have decimal commas."""

    @cached_property
    def known(self) -> frozenset[str]:
        """Names of the columns in lower case."""
        return frozenset(column.lower() for column in self.columns)

    @property
    def rows(self) -> Iterator[Row]:
        """Each row with its values by column."""
        names = [column.lower() for column in self.columns]
        for number, values in self.records:
            yield Row(self, number, dict(zip(names, values, strict=False)))

    def has(self, *columns: str) -> bool:
        """Whether the table has all of some columns; case does not count."""
        return all(column.lower() in self.known for column in columns)

    def unused_columns(self, used: Sequence[str]) -> tuple[str, ...]:
        """List the columns that a reader does not use, as one note."""
        read = {column.lower() for column in used}
        names = [column for column in self.columns if column.lower() not in read]
        return (f"{self.name}: columns not used: {', '.join(names)}",) if names else ()

    @cached_property
    def has_decimal_commas(self) -> bool | None:
        """Whether numbers are written as 1.234,56; None if no value shows it."""
        cells = [cell.strip() for _, values in self.records for cell in values]
        commas = any(DECIMAL_COMMA.fullmatch(cell) for cell in cells)
        points = any(DECIMAL_POINT.fullmatch(cell) for cell in cells)
        return None if commas == points else commas

    def number(self, text: str, place: str) -> Decimal:
        """Parse a number as the file writes them.

        Raises:
            ActualsFileError: it is not a number, or can be read in two ways.
        """
        plain = text.removeprefix("$").replace("\u00a0", "").replace(" ", "")
        commas = self.has_decimal_commas
        may_be_thousands = "," in plain or self.delimiter == ";"
        if commas is None and may_be_thousands and AMBIGUOUS.fullmatch(plain):
            raise ActualsFileError(
                place,
                f"{text} can be read in two ways, and no other number of the file decides.",
                "Write it without a separator, such as 1234 or 1.234.",
            )
        if commas:
            plain = plain.translate(SWAPPED)
        is_number = NUMBER.fullmatch(plain) and any(map(str.isdigit, plain))
        value = Decimal(plain.replace(",", "")) if is_number else Decimal("NaN")
        if not value.is_finite():
            raise ActualsFileError(
                place,
                f"expected a number, found {shortened_repr(text)}.",
                "Remove the row, or export the file again.",
            )
        return value


def read_table(text: str, name: str) -> Table:
    """Split the text of a CSV file; the delimiter is the one that splits its first line most.

    Raises:
        ActualsFileError: it is empty, or a row has another number of values than the first line.
    """
    text = text.removeprefix("\ufeff")
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=head.count)
    if not head or delimiter not in head:
        remedy = "Give the CSV or JSON file as the provider exports it."
        raise ActualsFileError(name, "found no table with a line of column names.", remedy)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] = ()
    records = []
    try:
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if not columns:
                columns = tuple(value.strip() for value in values)
            elif len(values) != len(columns):
                found = f"found {len(values)} values under {len(columns)} columns."
                remedy = "The file may be cut off: export it again."
                raise ActualsFileError(f"{name}:{reader.line_num}", found, remedy)
            else:
                records.append((reader.line_num, tuple(values)))
    except csv.Error as error:
        place = f"{name}:{reader.line_num}"
        raise ActualsFileError(place, f"{error}.", "Export the file again.") from error
    return Table(name, columns, tuple(records), delimiter)


def require_columns(table: Table, *columns: str) -> None:
    """Refuse a table without some columns.

    Raises:
        ActualsFileError: one is missing.
    """
    for column in columns:
        if not table.has(column):
            remedy = f"Export the file with this column.{did_you_mean(column, table.columns)}"
            raise ActualsFileError(f"{table.name}:1", f"there is no column '{column}'.", remedy)


def utc_day(seconds: int) -> date:
    """Return the day of a Unix time.

    >>> utc_day(1730419200)
    datetime.date(2024, 11, 1)
    """
    return datetime.fromtimestamp(seconds, tz=UTC).date()


def next_day(day: date) -> date:
    """Return the day after a day."""
    return day + timedelta(days=1)


def _day(text: str) -> date | None:
    """Parse a day: ISO 8601, Unix seconds, or MM/DD/YYYY as Azure writes it."""
    american = US_DATE.match(text)
    try:
        if american:
            month, day, year = map(int, american.groups())
            return date(year, month, day)
        if UNIX_SECONDS.fullmatch(text):
            return utc_day(int(text))
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (instant.astimezone(UTC) if instant.tzinfo else instant).date()
