"""A dataset read once: canonical rows on disk with their token counts, split into files."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from advisor.dataset.example import Example, canonical_row
from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.errors import UsageError
from advisor.plan.training_plan import DataFile, PlanData
from trainer.evaluation.split import TEST, TRAIN, VALIDATION, split
from trainer.home import file_of, uploads_folder
from trainer.plan.request import PlanRequest

NO_ROWS_REMEDY = "`advisor profile` shows what the file contains."


@dataclass(frozen=True)
class CanonicalRows:
    """Every usable row of a file, one line each on disk; memory grows by five bytes a row."""

    profile: Profile
    path: Path
    tokens: NDArray[np.uint32]
    """Of each row, with the encoding of the profile."""
    is_pair: NDArray[np.bool_]
    """Whether a row is a preference pair."""

    def lines(self, wanted: NDArray[np.bool_]) -> Iterator[bytes]:
        """Yield the lines of some rows, in the order of the file."""
        with self.path.open("rb") as lines:
            yield from compress(lines, wanted)

    def of_method(self, method: str) -> NDArray[np.bool_]:
        """Return which rows a method can train on."""
        return self.is_pair if method == "dpo" else ~self.is_pair

    def store(self, wanted: NDArray[np.bool_]) -> DataFile | None:
        """Store some rows under the hash of their bytes; None if there are none."""
        if not wanted.any():
            return None
        part, digest = _part_file(), hashlib.sha256()
        with part.open("wb") as out:
            for line in self.lines(wanted):
                digest.update(line)
                out.write(line)
        size, tokens = part.stat().st_size, self.tokens[wanted]
        os.replace(part, file_of(digest.hexdigest()))
        count = {"tokens": int(tokens.sum(dtype=np.int64)), "longest_tokens": int(tokens.max())}
        return DataFile(sha256=digest.hexdigest(), bytes=size, rows=len(tokens), **count)


@contextmanager
def canonical_rows(path: Path) -> Iterator[CanonicalRows]:
    """Parse and count a dataset in one pass; the rows are on disk until the block ends.

    Raises:
        DatasetError: the file cannot be read, or has no usable row.
    """
    spool, tokens, pairs = _part_file(), array("I"), array("b")
    try:
        with spool.open("wb") as out:

            def append(examples: Sequence[Example], counts: Sequence[int]) -> None:
                out.writelines(canonical_row(example) + b"\n" for example in examples)
                tokens.extend(counts)
                pairs.extend(example.kind == "preference" for example in examples)

            profile = profile_file(path, on_batch=append)
        yield CanonicalRows(
            profile, spool, np.frombuffer(tokens, np.uint32), np.frombuffer(pairs, np.bool_)
        )
    finally:
        spool.unlink(missing_ok=True)


class SplitRows(NamedTuple):
    """The files of one dataset."""

    data: PlanData
    validation: DataFile | None
    """Rows whose loss a local training reports."""


def split_rows(rows: CanonicalRows, path: Path, request: PlanRequest, method: str) -> SplitRows:
    """Store the training, validation and held-out rows of a dataset as files of their own.

    Near-duplicates stay in one part, so that no held-out row paraphrases a training row.

    Raises:
        UsageError: there are no rows for the method.
    """
    usable = rows.of_method(method)
    part = np.where(usable, np.int8(TRAIN), np.int8(-1))
    shares = request.validation_share, 0.0 if request.held_out else request.held_out_share
    if any(shares):
        part[usable] = split(map(_user_text, rows.lines(usable)), *shares).half
    training = rows.store(part == TRAIN)
    if training is None:
        raise UsageError(str(path), f"it has no training rows for {method}.", NO_ROWS_REMEDY)
    held_out = rows.store(part == TEST)
    if request.held_out is not None:
        held_out = _store_held_out(request.held_out, method)
    data = PlanData(
        training=training,
        held_out=held_out,
        sends_held_out=request.sends_held_out,
        source_sha256=rows.profile.source_sha256,
        dataset_sha256=_hash_of(rows, usable),
        encoding=rows.profile.encoding,
    )
    return SplitRows(data, rows.store(part == VALIDATION))


def _hash_of(rows: CanonicalRows, usable: NDArray[np.bool_]) -> str:
    if usable.all():
        return rows.profile.dataset_sha256
    digest = hashlib.sha256()
    for line in rows.lines(usable):
        digest.update(line)
    return digest.hexdigest()


def _store_held_out(path: Path, method: str) -> DataFile:
    with canonical_rows(path) as rows:
        stored = rows.store(rows.of_method(method))
    if stored is None:
        raise UsageError(str(path), f"it has no rows for {method}.", NO_ROWS_REMEDY)
    return stored


def _user_text(line: bytes) -> str:
    """Return what the user asks in a row: near-duplicates are found by it."""
    row = orjson.loads(line)
    messages = row["messages"] if "messages" in row else row["input"]["messages"]
    return "\n".join(turn["content"] for turn in messages if turn["role"] == "user")


def store_file(path: Path) -> DataFile:
    """Store a file of rows by the hash of its rows, as it is."""
    profile, part = profile_file(path), _part_file()
    shutil.copyfile(path, part)
    size = part.stat().st_size
    os.replace(part, file_of(profile.dataset_sha256))
    return DataFile(
        sha256=profile.dataset_sha256,
        bytes=size,
        rows=profile.examples,
        tokens=profile.total_tokens,
        longest_tokens=profile.max_tokens,
    )


def _part_file() -> Path:
    return uploads_folder() / f"{secrets.token_hex(8)}.part"
