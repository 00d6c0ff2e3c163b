"""Readers of public request traces: times, tokens, hashes of blocks."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RequestTrace:
    """Requests in the order of their arrival."""

    name: str
    times: Array
    """Seconds since the first request."""
    input_tokens: Array
    output_tokens: Array
    blocks: tuple[tuple[int, ...], ...]
    """Hashes of the blocks of each input; empty where the trace has none."""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def seconds(self) -> float:
        """Time from the first to the last request."""
        return float(self.times[-1])


def _trace(name: str, rows: list[tuple[float, float, float, tuple[int, ...]]]) -> RequestTrace:
    rows.sort(key=lambda row: row[0])
    times, read, written, blocks = zip(*rows, strict=True)
    seconds = np.asarray(times, np.float64)
    return RequestTrace(
        name,
        seconds - seconds[0],
        np.asarray(read, np.float64),
        np.asarray(written, np.float64),
        blocks,
    )


def read_azure(path: Path) -> RequestTrace:
    """Read a trace of Azure: a CSV with TIMESTAMP, ContextTokens and GeneratedTokens."""
    with path.open(newline="") as file:
        rows = [
            (
                datetime.fromisoformat(row["TIMESTAMP"]).timestamp(),
                float(row["ContextTokens"]),
                float(row["GeneratedTokens"]),
                (),
            )
            for row in csv.DictReader(file)
        ]
    return _trace(path.stem, list(rows))


def read_mooncake(path: Path) -> RequestTrace:
    """Read a trace of Mooncake: a JSON object a line, with milliseconds and hashes of blocks."""
    requests = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    rows = [
        (
            request["timestamp"] / 1000.0,
            float(request["input_length"]),
            float(request["output_length"]),
            tuple(request["hash_ids"]),
        )
        for request in requests
    ]
    return _trace(path.stem, rows)
