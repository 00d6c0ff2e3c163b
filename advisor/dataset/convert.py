"""Converts a dataset file to canonical JSONL rows and a file of rejected rows."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import orjson

from advisor.dataset.example import Reject, canonical_row
from advisor.dataset.reader import Progress, read_rows
from advisor.errors import UsageError
from advisor.units import Record


class ConversionResult(Record):
    """Counts and hashes of a conversion."""

    written: int
    """Number of canonical rows."""
    rejected: int
    """Number of rows that cannot be used."""
    dataset_sha256: str
    """Hash of the canonical rows."""
    source_sha256: str
    """Hash of the source file."""


def convert(
    path: Path, out: Path, rejects: Path, progress: Progress | None = None
) -> ConversionResult:
    """Write canonical rows and rejects; neither file appears before both are complete.

    Raises:
        DatasetError: the file cannot be read at all.
        UsageError: an output would overwrite the input, or its folder does not exist.
    """
    for target in (out, rejects):
        if target.resolve() == path.resolve():
            raise UsageError(str(target), "this is the input file.", "Choose another output file.")
        if not target.parent.is_dir():
            raise UsageError(str(target), "its folder does not exist.", f"Create {target.parent}.")
    parts = [target.with_name(target.name + ".part") for target in (out, rejects)]
    source: list[str] = []
    digest, counts = hashlib.sha256(), [0, 0]
    with parts[0].open("wb") as rows, parts[1].open("wb") as bad:
        for row in read_rows(path, progress, source):
            if isinstance(row, Reject):
                bad.write(orjson.dumps(row.model_dump()) + b"\n")
                counts[1] += 1
                continue
            line = canonical_row(row) + b"\n"
            digest.update(line)
            rows.write(line)
            counts[0] += 1
    for part, target in zip(parts, (out, rejects), strict=True):
        os.replace(part, target)
    return ConversionResult(
        written=counts[0],
        rejected=counts[1],
        dataset_sha256=digest.hexdigest(),
        source_sha256=source[0],
    )
