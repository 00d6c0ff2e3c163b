"""Rows of published training runs, and the rules that exclude rows from a benchmark."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

Row = Mapping[str, str]
Target = Literal["memory", "time"]
PeakKind = Literal["allocated", "reserved", "process", "bound", "unknown"]
Part = Literal["fit", "test"]

NEEDED = (
    "id",
    "source",
    "framework",
    "model",
    "params_b",
    "method",
    "lora_r",
    "lora_targets",
    "quant",
    "precision",
    "optimizer",
    "seq_len",
    "micro_batch",
    "packed",
    "grad_ckpt",
    "attn",
    "flags",
    "gpu",
    "n_gpu",
    "parallel",
    "peak_gib",
    "peak_kind",
    "tokens_per_s",
    "step_s",
    "category",
    "confidence",
)
"""Columns that every benchmark of training reads; the header of the file describes each."""
FIT_GPUS = re.compile(r"\b(T4|A100)\b")
"""Constants are fitted on rows of these GPUs only; rows of every other GPU are test rows."""
KINDS: tuple[tuple[str, PeakKind], ...] = (
    (r"card size|bound", "bound"),
    (r"unspecified", "unknown"),
    (r"allocated|active", "allocated"),
    (r"reserved", "reserved"),
    (r"nvidia-smi|process", "process"),
)
"""Words of `peak_kind`, first match wins; otherwise unknown."""
OTHER_KERNELS = re.compile(r"unsloth|liger|megatron|nemo", re.IGNORECASE)
"""Frameworks with other kernels than stock PyTorch."""
GPUS: tuple[tuple[str, str], ...] = (
    (r"A100.*40", "A100_40GB_SXM"),
    (r"A100", "A100_80GB_SXM"),
    (r"H100", "H100_SXM"),
    (r"H200", "H200_SXM"),
    (r"B200", "B200"),
    (r"L40S", "L40S"),
    (r"\bL4\b", "L4"),
    (r"A10G", "A10G"),
    (r"4090", "RTX_4090"),
    (r"3090", "RTX_3090"),
    (r"\bT4\b", "T4"),
)
"""Words of `gpu` -> our name, first match wins."""


def read_rows(
    path: Path, needed: tuple[str, ...] = NEEDED, like: str = "measured_training.csv"
) -> list[Row]:
    """Read a file of measurements; lines that start with # are its header.

    Args:
        path: A CSV.
        needed: Required columns.
        like: The file of benchmarks/data that shows the format.

    Raises:
        SystemExit: the file does not exist, has no rows, or lacks columns.
    """
    if not path.is_file():
        sys.exit(f"{path}: file not found. Give a CSV in the format of benchmarks/data/{like}.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        sys.exit(f"{path}: not UTF-8 text. Save it as CSV in UTF-8.")
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        sys.exit(
            f"{path}: missing column {', '.join(missing)}. Use the columns of "
            f"benchmarks/data/{like}."
        )
    rows: list[Row] = [{name: value or "" for name, value in row.items() if name} for row in reader]
    if not rows:
        sys.exit(f"{path}: no rows.")
    return rows


def row_number(row: Row, column: str) -> float | None:
    """Return the number a cell starts with, such as 768 of '<=768'; None if there is none."""
    found = re.match(r"\s*[<>=~]*\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\b", row[column])
    return float(found[1]) if found else None


def peak_kind(row: Row) -> PeakKind:
    """Return which kind of memory was measured."""
    for words, kind in KINDS:
        if re.search(words, row["peak_kind"]):
            return kind
    return "unknown"


def row_part(row: Row) -> Part:
    """Return whether constants may be fitted on a row."""
    return "fit" if FIT_GPUS.search(row["gpu"]) else "test"


def gpu_of(row: Row) -> str | None:
    """Return the GPU name of the price book; None if the row names no known GPU."""
    return next((name for words, name in GPUS if re.search(words, row["gpu"])), None)


def has_other_kernels(row: Row) -> bool:
    """Whether a run used kernels that change memory and speed; such rows have their own table."""
    return bool(OTHER_KERNELS.search(f"{row['framework']} {row['flags']} {row['category']}"))


def exclusion_reason(row: Row, target: Target) -> str | None:
    """Return the rule that excludes a row; None if it is scored.

    The rules only read columns, and were written before any constant was fitted.
    """
    if row["confidence"].strip() == "D":
        return "confidence D"
    if row["category"] == "kernel":
        return "a single kernel, not a training step"
    if row["category"] == "capacity":
        return "a capacity: an inequality, not a peak"
    if target == "time":
        has_time = any(row_number(row, name) for name in ("tokens_per_s", "step_s"))
        return None if has_time else "no time measured"
    if not row_number(row, "peak_gib"):
        return "no memory measured"
    return "unknown kind of peak" if peak_kind(row) in ("unknown", "bound") else None


def exclusion_counts(rows: list[Row], target: Target) -> Iterator[tuple[str, int]]:
    """Count the rows that each rule excludes."""
    reasons = Counter(reason for row in rows if (reason := exclusion_reason(row, target)))
    yield from sorted(reasons.items())
