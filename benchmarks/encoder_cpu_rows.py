"""Measured speeds of encoders and TF-IDF on a CPU: rows, the fitted speed, and the evidence."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import NamedTuple, get_args, get_type_hints

import numpy as np

from advisor.estimate.cpu_speed import (
    REFERENCE_HIDDEN_SIZE,
    REFERENCE_TOKENS,
    encoder_cpu_requests_per_second,
    relative_token_cost,
)
from advisor.evidence import CpuRuntime

DATA_FILE = Path(__file__).parent / "data" / "measured_encoder_cpu.csv"
RUNTIMES = get_args(CpuRuntime)


class EncoderShape(NamedTuple):
    """Sizes of an encoder of the BERT family; its MLP is four times as wide."""

    layers: int
    hidden_size: int
    attention_heads: int

    @property
    def parameters_without_embeddings(self) -> int:
        """Weights of the layers: 12 h^2 of matrices, 9 h of biases, 4 h of norms."""
        return self.layers * (12 * self.hidden_size**2 + 13 * self.hidden_size)


ENCODERS = {"minilm_l6": EncoderShape(6, 384, 12), "bert_base": EncoderShape(12, 768, 12)}


class CpuRow(NamedTuple):
    """Time of one request in one run; a line of the data file."""

    model: str
    runtime: str
    batch: int
    tokens: int
    """Tokens per request; words for TF-IDF."""
    cpu_ms: float
    """CPU time per request, median of the calls [ms]."""
    wall_ms: float
    """Wall time per request, median of the calls [ms]."""
    calls: int

    @property
    def requests_per_second(self) -> float:
        """Requests per second of CPU time on one core."""
        return 1e3 / self.cpu_ms

    @property
    def gflops(self) -> float:
        """GFLOP/s of the matrices of the layers: 2 x weights x tokens per request."""
        weights = ENCODERS[self.model].parameters_without_embeddings
        return 2e-9 * weights * self.tokens * self.requests_per_second


class PublishedLatency(NamedTuple):
    """A published latency of one request of 128 tokens on four vCPUs."""

    model: str
    parameters_without_embeddings: int
    hidden_size: int
    runtime: str
    milliseconds: float


PUBLISHED_VCPUS, PUBLISHED_TOKENS = 4, 128
PUBLISHED = (
    PublishedLatency("MiniLM-L6", 10_646_784, 384, "onnx_fp32", 25.6),
    PublishedLatency("MiniLM-L6", 10_646_784, 384, "onnx_int8", 12.3),
    PublishedLatency("DistilBERT", 42_527_232, 768, "onnx_fp32", 68.4),
    PublishedLatency("DistilBERT", 42_527_232, 768, "onnx_int8", 27.55),
)
"""95th percentiles on c6i.xlarge (Ice Lake), 2022, with tokenizing."""
PUBLISHED_SOURCE = "https://github.com/philschmid/optimum-transformers-optimizations"


class CpuSpeed(NamedTuple):
    """Fitted speed of one runtime on one core, as `advisor.estimate.cpu_speed` uses it."""

    gflops: float
    """At 128 tokens in BERT-base."""
    fixed_tokens: float
    attention_cost: float

    def requests_per_second(self, row: CpuRow) -> float:
        """Estimate the speed of a measured row."""
        shape = ENCODERS[row.model]
        cost = relative_token_cost(row.tokens, shape.hidden_size, *self[1:])
        weights = shape.parameters_without_embeddings
        return float(encoder_cpu_requests_per_second(weights, row.tokens, self.gflops, 1, cost))


def read_cpu_rows(path: Path = DATA_FILE) -> tuple[dict[str, str], list[CpuRow]]:
    """Read the stored rows and the description of the machine in their header."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = [line[2:].split(": ", 1) for line in lines if line.startswith("#")]
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    kinds = get_type_hints(CpuRow)
    rows = [CpuRow(**{name: kinds[name](row[name]) for name in kinds}) for row in reader]
    return dict(header), rows


def write_cpu_rows(
    header: Mapping[str, str], rows: Iterable[CpuRow], path: Path = DATA_FILE
) -> None:
    """Store rows, with the description of the machine as their header."""
    lines = [f"# {name}: {value}" for name, value in header.items()]
    lines.append(",".join(CpuRow._fields))
    lines += [
        ",".join(f"{value:.5g}" if isinstance(value, float) else str(value) for value in row)
        for row in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def online_rows(rows: Iterable[CpuRow], runtime: str) -> list[CpuRow]:
    """Return the rows of one runtime with one request at a time."""
    return [row for row in rows if row.runtime == runtime and row.batch == 1]


def fit_speed(rows: Sequence[CpuRow]) -> CpuSpeed:
    """Fit the three numbers of a runtime to its rows, by least squares of relative errors.

    seconds / (2 x weights) = base + slope x tokens + attention x tokens^2 / (6 x width)
    """
    tokens = np.array([row.tokens for row in rows], np.float64)
    widths = np.array([ENCODERS[row.model].hidden_size for row in rows])
    seconds = tokens / np.array([row.gflops for row in rows])
    columns = np.stack([np.ones(len(rows)), tokens, tokens**2 / (6.0 * widths)], axis=1)
    found, *_ = np.linalg.lstsq(columns / seconds[:, None], np.ones(len(rows)), rcond=None)
    base, slope, attention = map(float, found)
    reference = REFERENCE_TOKENS**2 / (6.0 * REFERENCE_HIDDEN_SIZE)
    gflops = REFERENCE_TOKENS / (base + slope * REFERENCE_TOKENS + attention * reference)
    return CpuSpeed(gflops, base / slope, attention / slope)


def relative_errors(rows: Iterable[CpuRow], speed: CpuSpeed) -> list[float]:
    """Relative errors: estimated / measured requests per second - 1."""
    return [speed.requests_per_second(row) / row.requests_per_second - 1.0 for row in rows]


def published_gflops(runtime: str, speed: CpuSpeed) -> float:
    """Geometric mean of the published speeds per vCPU, at 128 tokens in BERT-base."""
    return geometric_mean(
        2e-9
        * PUBLISHED_TOKENS
        * one.parameters_without_embeddings
        * float(relative_token_cost(PUBLISHED_TOKENS, one.hidden_size, *speed[1:]))
        / (1e-3 * one.milliseconds * PUBLISHED_VCPUS)
        for one in PUBLISHED
        if one.runtime == runtime
    )
