"""Requests per second that encoders and TF-IDF classify on one CPU core.

python -m benchmarks.encoder_cpu [--write] [--stored]

Needs torch, transformers, onnx, onnxruntime and scikit-learn, and takes a quarter of an hour.
--stored needs none of them and prints the tables of the stored measurement.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from benchmarks import encoder_cpu_runs as runs
from benchmarks.encoder_cpu_evidence import TFIDF_RUNTIMES, evidence_section, write_evidence
from benchmarks.encoder_cpu_rows import (
    ENCODERS,
    RUNTIMES,
    CpuRow,
    CpuSpeed,
    fit_speed,
    online_rows,
    published_gflops,
    read_cpu_rows,
    relative_errors,
    write_cpu_rows,
)

MODULES = ("torch", "transformers", "onnx", "onnxruntime", "sklearn")
PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "scikit-learn", "numpy")
EXTENSIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")


def cpu_description() -> dict[str, str]:
    """Describe this machine: CPU model, extensions, versions and day."""
    info = dict(
        (part.strip() for part in line.split(":", 1))
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    flags = info.get("flags", "").split()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return {
        "cpu": f"{info['model name']} (family {info['cpu family']}, model {info['model']})",
        "extensions": " ".join(name for name in EXTENSIONS if name in flags),
        "cores": f"{os.cpu_count()} CPUs, one thread used",
        "versions": f"Python {platform.python_version()}, {', '.join(versions)}",
        "day": datetime.now(UTC).date().isoformat(),
    }


def measure(least_seconds: float) -> tuple[dict[str, str], list[CpuRow]]:
    """Measure everything on this machine."""
    runs.use_one_thread()
    for name in MODULES:
        runs.optional_module(name)
    header = cpu_description()
    rows = []
    for name in ENCODERS:
        rows += runs.encoder_rows(name, least_seconds)
        print(f"measured {name}", flush=True)
    rows += runs.tfidf_rows(least_seconds)
    share = runs.speed_with_other_core_busy()
    header["both CPUs busy"] = f"{share:.0%} of the speed with one busy (MiniLM-L6, int8)"
    header["load of the last minute"] = f"{os.getloadavg()[0]:.1f}"
    return header, rows


def print_encoders(rows: Sequence[CpuRow]) -> None:
    """Print requests per second and GFLOP/s in each runtime, next to torch."""
    names = [name.replace("_", " ") for name in RUNTIMES]
    print(f"\n{'':<22} {'requests per second':^32} {'over torch':^19} {'GFLOP/s':^17}")
    print(
        f"{'encoder':<9} {'batch':>5} {'tokens':>6} {' '.join(f'{name:>10}' for name in names)} "
        f"{'onnx fp32':>9} {'onnx int8':>9} {'torch':>5} {'fp32':>5} {'int8':>5}"
    )
    found = {(row.model, row.batch, row.tokens, row.runtime): row for row in rows}
    for model, batch, tokens in dict.fromkeys(key[:3] for key in found):
        if model not in ENCODERS:
            continue
        torch, *others = (found[model, batch, tokens, runtime] for runtime in RUNTIMES)
        speeds = [row.requests_per_second for row in (torch, *others)]
        print(
            f"{model:<9} {batch:>5} {tokens:>6} "
            f"{' '.join(f'{speed:>10.4g}' for speed in speeds)} "
            f"{' '.join(f'{speed / speeds[0]:>8.1f}x' for speed in speeds[1:])} "
            f"{' '.join(f'{row.gflops:>5.0f}' for row in (torch, *others))}"
        )


def print_tfidf(rows: Sequence[CpuRow]) -> None:
    """Print texts per second of each TF-IDF classifier, next to scikit-learn on words."""
    print(
        f"\n{'TF-IDF with logistic regression':<32} {'batch':>5} {'words':>6} "
        f"{'requests per second':>20} {'over words':>10}"
    )
    peers = {(row.batch, row.tokens): row for row in rows if row.runtime == TFIDF_RUNTIMES[0]}
    for row in rows:
        if row.runtime in TFIDF_RUNTIMES:
            ratio = row.requests_per_second / peers[row.batch, row.tokens].requests_per_second
            print(
                f"{row.runtime.replace('_', ' '):<32} {row.batch:>5} {row.tokens:>6} "
                f"{row.requests_per_second:>20.0f} {ratio:>9.2f}x"
            )


def print_fit(rows: Sequence[CpuRow]) -> None:
    """Print the fitted numbers of each runtime, and how far the formula is off."""
    print(
        f"\n{'':<31} {'one at a time':>15} {'other encoder':>15} {'batch of 32':>15}"
        f"\n{'formula':<10} {'GFLOP/s':>7} {'fixed':>5} {'att.':>6} "
        f"{'mean % worst %':>15} {'mean % worst %':>15} {'mean % worst %':>15}"
    )
    for runtime in RUNTIMES:
        online = online_rows(rows, runtime)
        speed = fit_speed(online)
        batches = [row for row in rows if row.runtime == runtime and row.batch > 1]
        print(
            f"{runtime:<10} {speed.gflops:>7.0f} {speed.fixed_tokens:>5.0f} "
            f"{speed.attention_cost:>6.1f} {_errors(relative_errors(online, speed))} "
            f"{_errors(_errors_across(online))} {_errors(relative_errors(batches, speed))}"
        )
    print(
        "other encoder: fitted to one encoder, compared with the other; fixed: tokens; att.: "
        "attention cost"
    )


def print_published(rows: Sequence[CpuRow]) -> None:
    """Print the speed per core next to published speeds per vCPU of an older core."""
    for runtime in ("onnx_fp32", "onnx_int8"):
        speed: CpuSpeed = fit_speed(online_rows(rows, runtime))
        published = published_gflops(runtime, speed)
        print(
            f"{runtime}: {speed.gflops:.0f} GFLOP/s on this core, {published:.0f} published per "
            f"vCPU of c6i.xlarge, {published / speed.gflops:.2f}x"
        )


def _errors_across(rows: Sequence[CpuRow]) -> list[float]:
    found = []
    for name in ENCODERS:
        speed = fit_speed([row for row in rows if row.model == name])
        found += relative_errors([row for row in rows if row.model != name], speed)
    return found


def _errors(off: Iterable[float]) -> str:
    off = list(off)
    return f"{100 * fmean(map(abs, off)):>6.1f} {100 * max(off, key=abs):>8.1f}"


def main() -> None:
    """Measure, or read the stored rows, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store rows and evidence")
    parser.add_argument("--stored", action="store_true", help="print the stored measurement")
    parser.add_argument("--seconds", type=float, default=runs.LEAST_SECONDS, help="per row")
    given = parser.parse_args()
    header, rows = read_cpu_rows() if given.stored else measure(given.seconds)
    for name, value in header.items():
        print(f"{name}: {value}")
    print(
        "requests per second: 1 / median CPU time of a request on one thread; median wall time "
        f"is {fmean(row.wall_ms / row.cpu_ms for row in rows):.2f} times the CPU time on average"
    )
    print_encoders(rows)
    print_tfidf(rows)
    print_fit(rows)
    print_published(rows)
    if given.write:
        write_cpu_rows(header, rows)
        write_evidence(evidence_section(*read_cpu_rows()))


if __name__ == "__main__":
    main()
