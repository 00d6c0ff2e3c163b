"""How the commands write: one console, plain tables, a bar for what takes over a second."""

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


def write_bytes(data: bytes) -> None:
    """Write canonical bytes and the newline that a terminal wants."""
    sys.stdout.buffer.write(data + b"\n")


def plain_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: set[str]) -> Table:
    """Lay rows out without lines between them; numbers stand right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def today() -> date:
    """Return the day in UTC: the shell knows the clock, the core is told."""
    return datetime.now(tz=UTC).date()


def parse_day(text: str | None) -> date:
    """Read a day from a flag.

    Raises:
        UsageError: it is not written YYYY-MM-DD.
    """
    if text is None:
        return today()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--on {text}", "this is no day.", "Write YYYY-MM-DD.") from error


@contextmanager
def reading_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function to report bytes read; a bar appears once reading takes a second."""
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
    """Write JSON for machines."""
    sys.stdout.write(json.dumps(body, indent=2, sort_keys=True, default=str) + "\n")
