"""Terminal output of the commands: console, plain tables, JSON, progress bar; dates from flags."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from advisor.errors import UsageError

BAR_AFTER_SECONDS = 1.0


def console() -> Console:
    """Return a console on standard output."""
    return Console(highlight=False, emoji=False)


def print_text(*lines: str) -> None:
    """Print lines on standard output as they are: unwrapped, and without markup."""
    console().print("\n".join(lines), soft_wrap=True, markup=False)


def write_bytes(data: bytes) -> None:
    """Write canonical bytes to standard output, with a final newline."""
    sys.stdout.buffer.write(data + b"\n")


def plain_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: set[str]) -> Table:
    """Build a table without borders; the columns named in `numbers` are right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def today() -> date:
    """Return today's date in UTC; the core takes the date as an argument."""
    return datetime.now(tz=UTC).date()


def parse_day(text: str | None) -> date:
    """Parse the value of --on; today if it is not given.

    Raises:
        UsageError: it is not a date in the form YYYY-MM-DD.
    """
    if text is None:
        return today()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--on {text}", "not a date.", "Write YYYY-MM-DD.") from error


@contextmanager
def reading_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to report bytes read; a bar appears after one second."""
    started = time.monotonic()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(f"reading {name}", total=None)

    def report(done: int, total: int) -> None:
        if time.monotonic() - started > BAR_AFTER_SECONDS and not bar.live.is_started:
            bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield report
    finally:
        if bar.live.is_started:
            bar.stop()


def write_json(body: Any) -> None:
    """Write JSON to standard output."""
    sys.stdout.write(json.dumps(body, indent=2, sort_keys=True, default=str) + "\n")
