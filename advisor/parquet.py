"""A Parquet file -> its rows, a batch at a time; needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from advisor.errors import DatasetError

BATCH_ROWS = 512
BUFFER_BYTES = 1 << 20


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and columns of each row.

    Raises:
        DatasetError: the extra is not installed, or the file is no Parquet.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DatasetError(str(path), "this is a Parquet file, and pyarrow is not installed.",
                           "Run: pip install 'tune-or-not[parquet]'.") from error  # fmt: skip
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
            number = 0
            for group in range(file.num_row_groups):
                # group by group: one iterator over all of them keeps every group it has read
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], use_threads=False):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, row
    except arrow.ArrowInvalid as error:
        raise DatasetError(str(path), f"the Parquet file is broken: {error}.",
                           "Write it anew.") from error  # fmt: skip
