"""Reads dataset files (JSONL, JSON, CSV, Parquet) row by row, in constant memory."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import ijson
import orjson

from advisor.dataset.example import Example, Reject
from advisor.dataset.formats import UnusableRow, parse_row
from advisor.dataset.profile import Profile, ProfileBuilder
from advisor.dataset.tokenizers import token_counter
from advisor.errors import DatasetError

BATCH_ROWS = 512
BUFFER_BYTES = 1 << 20


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and columns of each row of a Parquet file.

    Raises:
        DatasetError: the extra `parquet` is not installed, or the file is corrupt.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DatasetError(
            str(path),
            "this is a Parquet file, and pyarrow is not installed.",
            "Run: pip install 'tune-or-not[parquet]'.",
        ) from error
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
            number = 0
            for group in range(file.num_row_groups):
                # per group: one iterator over all groups would keep all of them in memory
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], use_threads=False):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, row
    except arrow.ArrowInvalid as error:
        raise DatasetError(
            str(path), f"the Parquet file is corrupt: {error}.", "Write it again."
        ) from error


MAX_LINE_BYTES = 16 * 1024 * 1024
DEFAULT_LIMIT_TOKENS = 65_536
"""Longest example of OpenAI's fine-tuning; longer ones are truncated at the end."""
Progress = Callable[[int, int], None]
CountedBatch = Callable[[Sequence[Example], Sequence[int]], None]
"""Receives a batch of examples and the tokens of each."""
Row = Example | Reject


class _Hashing(io.RawIOBase):
    """A file that is hashed and counted while it is read."""

    def __init__(self, raw: BinaryIO, size: int, progress: Progress | None) -> None:
        self._raw, self._size, self._progress = raw, size, progress
        self.digest = hashlib.sha256()
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.digest.update(data)
        self.done += len(data)
        if self._progress:
            self._progress(self.done, self._size)
        return len(data)


if TYPE_CHECKING:
    Stream = io.BufferedReader[_Hashing]


def profile_file(
    path: Path,
    encoding: str = "o200k_base",
    limit_tokens: int = DEFAULT_LIMIT_TOKENS,
    progress: Progress | None = None,
    on_batch: CountedBatch | None = None,
) -> Profile:
    """Compute the statistics of a dataset: examples, tokens, lengths, labels, duplicates.

    Args:
        path: A JSONL, JSON, CSV or Parquet file.
        encoding: Encoding to count tokens with, or the path of a tokenizer.json.
        limit_tokens: Longest example; longer ones are counted as truncated.
        progress: Called with bytes read and bytes in total.
        on_batch: Called with each batch of usable examples, in the order of the file.

    Raises:
        DatasetError: it cannot be read at all, or has no usable row.
    """
    builder = ProfileBuilder(token_counter(encoding), limit_tokens)

    def add(examples: Sequence[Example]) -> None:
        tokens = builder.add(examples)
        if on_batch is not None:
            on_batch(examples, tokens)

    source: list[str] = []
    batch: list[Example] = []
    seen = 0
    first: Reject | None = None
    for row in read_rows(path, progress, source):
        if isinstance(row, Reject):
            first = first or row
            builder.reject(row)
            continue
        seen += 1
        batch.append(row)
        if len(batch) >= BATCH_ROWS:
            add(batch)
            batch.clear()
    add(batch)
    if not seen:
        if first is None:
            raise DatasetError(str(path), "the file has no rows.", "Give at least one example.")
        found = f"no row can be used; first error: {first.found}"
        raise DatasetError(f"{path}:{first.line}", found, first.remedy)
    return builder.finish(source[0])


def read_rows(
    path: Path, progress: Progress | None = None, source_sha256: list[str] | None = None
) -> Iterator[Row]:
    """Yield every row of a dataset as an example or a reject.

    The format is detected from the first bytes, not from the name. *progress* is called with bytes
    read and bytes in total; *source_sha256* receives the hash of the file at the end.

    Raises:
        DatasetError: it cannot be read at all.
    """
    _check(path)
    with path.open("rb") as raw:
        hashing = _Hashing(raw, path.stat().st_size, progress)
        stream = io.BufferedReader(hashing, BUFFER_BYTES)
        head = stream.peek(4096)[:4096]
        if head[:4] == b"PAR1":
            yield from (_row(number, row) for number, row in parquet_rows(path))
        else:
            yield from _text_rows(path, stream, head)
        while stream.read(BUFFER_BYTES):
            pass  # the hash covers the complete file, even if the parser stopped earlier
    if source_sha256 is not None:
        source_sha256.append(hashing.digest.hexdigest())


def _check(path: Path) -> None:
    if path.is_dir():
        raise DatasetError(str(path), "this is a folder.", "Give the path of a file in it.")
    if not path.is_file():
        raise DatasetError(str(path), "there is no such file.", "Check the path.")
    if path.stat().st_size == 0:
        raise DatasetError(str(path), "the file is empty.", "Give at least one example.")


def _text_rows(path: Path, stream: Stream, head: bytes) -> Iterator[Row]:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DatasetError(str(path), "the file is UTF-16.", "Save it as UTF-8.")
    if head[:2] == b"\x1f\x8b":
        raise DatasetError(str(path), "the file is compressed with gzip.", "Decompress it first.")
    if head.startswith(b"\xef\xbb\xbf"):
        stream.read(3)
        head = head[3:]
    start = head.lstrip()[:1]
    if start == b"[":
        yield from _array_rows(path, stream)
    elif start == b"{":
        yield from (_row(number, line, _json_value) for number, line in _lines(stream))
    elif start == b"":
        raise DatasetError(str(path), "the file is blank.", "Give at least one example.")
    else:
        yield from _csv_rows(path, stream, head)


def _row(number: int, raw: Any, decode: Callable[[Any], object] | None = None) -> Row:
    try:
        return parse_row(decode(raw) if decode else raw)
    except UnusableRow as error:
        return Reject(line=number, code=error.code, found=error.found, remedy=error.remedy)


def _lines(stream: Stream) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and bytes of each line that is not blank; None for one that is too long."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) <= MAX_LINE_BYTES:
            if line.strip():
                yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
        yield number, None


def _json_value(line: bytes | None) -> object:
    if line is None:
        found = f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB."
        raise UnusableRow("line-too-long", found, "Split the example, or remove it.")
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        problem = str(error).split(": line")[0]
        found = f"invalid JSON at column {error.colno}: {problem}."
        remedy = "Fix the line; each example is one line."
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as bad:
            found = f"byte {line[bad.start]:#04x} at column {bad.start + 1} is not UTF-8."
            remedy = "Save the file as UTF-8."
        raise UnusableRow("broken-json", found, remedy) from error


def _array_rows(path: Path, stream: Stream) -> Iterator[Row]:
    number = 0
    try:
        for raw in ijson.items(stream, "item", use_float=True):
            number += 1
            yield _row(number, raw)
    except ijson.JSONError as error:
        where = f"{path}, after row {number}"
        problem = " ".join(str(error).split())[:80]
        raise DatasetError(
            where, f"the JSON array is not valid: {problem}.", "Fix the file at this location."
        ) from error


def _csv_rows(path: Path, stream: Stream, head: bytes) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE_BYTES)
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace")
    delimiter = max("\t;,", key=first.count)
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    reader = csv.DictReader(text, delimiter=delimiter)
    if not reader.fieldnames or len(reader.fieldnames) < 2:
        raise DatasetError(
            str(path),
            f"the first line is {first[:60]!r}: neither JSON nor a CSV header.",
            "Give JSONL, a JSON array, or a CSV with a header such as text,label.",
        )
    while True:
        number = reader.line_num + 1
        row: dict[str | Any, Any] | csv.Error | None
        try:
            row = next(reader, None)
        except csv.Error as error:
            row = error
        if row is None:
            break
        yield _row(number, row, _fields)
    text.detach()


def _fields(row: dict[str | Any, Any] | csv.Error) -> dict[str, str]:
    if isinstance(row, csv.Error):
        raise UnusableRow("broken-csv", f"{row}.", "Close the quotes, or split the field.")
    if None in row:
        found = f"the row has {len(row[None])} more fields than the header."
        raise UnusableRow("too-many-fields", found, "Quote fields that contain the delimiter.")
    values = (value for value in row.values() if value and not value.isascii())
    if any("\udc80" <= character <= "\udcff" for value in values for character in value):
        found = "the row has bytes that are not UTF-8."
        raise UnusableRow("not-utf8", found, "Save the file as UTF-8.")
    return {key: value or "" for key, value in row.items()}
