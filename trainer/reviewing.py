"""Rows that were made -> a sample of them as a page that a person reads."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

SEED = 7


def write_review(rows: Path, page: Path, count: int) -> None:
    """Write some rows, drawn by chance but the same each time, as Markdown."""
    with rows.open("rb") as lines:
        total = sum(1 for _ in lines)
    chosen = sorted(random.Random(SEED).sample(range(total), min(count, total)))
    wanted = set(chosen)
    with rows.open("rb") as lines, page.open("w", encoding="utf-8") as out:
        out.write(f"# {len(chosen)} of {total} rows of {rows.name}\n\n"
                  "Read them before you train: a model learns every fault in them.\n")  # fmt: skip
        for number, line in enumerate(lines):
            if number in wanted:
                out.write("".join(_row(number + 1, orjson.loads(line))))


def _row(number: int, row: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## Row {number}\n"
    for message in row["messages"]:
        yield f"\n**{message['role']}**\n\n"
        text = message.get("content") or ""
        calls = message.get("tool_calls")
        if calls:
            text += f"\n{orjson.dumps(calls, option=orjson.OPT_INDENT_2).decode()}"
        yield "".join(f"> {line}\n" for line in text.strip().splitlines())
