"""Bills replayed from a small made-up trace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.prices.book import PriceBook
from benchmarks.trace_bills import forecast
from benchmarks.trace_files import RequestTrace, read_azure, read_mooncake
from tests.support.paths import ROOT

DAY = "2026-11-28"
MINUTES = 40


def steady(folder: Path) -> RequestTrace:
    """Return a request every ten seconds, with the same 2,048 tokens in front of each."""
    rows = [
        {
            "timestamp": 10_000 * number,
            "input_length": 2100,
            "output_length": 100,
            "hash_ids": [0, 1, 2, 3, 1000 + number],
        }
        for number in range(MINUTES * 6)
    ]
    path = folder / "steady.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return read_mooncake(path)


def test_a_steady_trace_is_estimated_to_the_cent(tmp_path: Path, book: PriceBook) -> None:
    found = forecast(steady(tmp_path), "openai/gpt-4o-mini", book, DAY)

    # 120 requests: 52 tokens at 0.15, 2,048 cached at 0.075, 100 written at 0.60 USD a million
    assert found.cached_share == pytest.approx(2048 / 2100)
    assert found.actual == pytest.approx(120 * (52 * 0.15 + 2048 * 0.075 + 100 * 0.60) / 1e6)
    assert found.with_means == pytest.approx(found.actual)
    assert found.likely == pytest.approx(found.actual, rel=0.01)
    assert found.low < found.actual < found.high


def test_a_cache_with_a_longer_shortest_prefix_has_nothing(tmp_path: Path, book: PriceBook) -> None:
    found = forecast(steady(tmp_path), "anthropic/claude-haiku-4-5", book, DAY)

    # shorter than 4,096 tokens: 2,100 at 1 USD and 100 at 5 USD a million
    assert found.cached_share == 0
    assert found.actual == pytest.approx(120 * (2100 * 1 + 100 * 5) / 1e6)
    assert found.with_means == pytest.approx(found.actual)


def test_a_second_half_that_doubles_is_outside_the_range(tmp_path: Path, book: PriceBook) -> None:
    times = [60 * n for n in range(20)] + [1200 + 20 * n for n in range(61)]
    lines = [f"2023-11-16 18:{s // 60:02d}:{s % 60:02d}.1234567,1000,10" for s in times]
    path = tmp_path / "busier.csv"
    path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]))

    found = forecast(read_azure(path), "openai/gpt-4o-mini", book, DAY)

    assert not found.low <= found.actual <= found.high
    assert found.with_requests == pytest.approx(found.actual)


def test_the_command_prints_cache_shares_bills_and_peaks(tmp_path: Path) -> None:
    steady(tmp_path)

    command = [sys.executable, "-m", "benchmarks.traces", "--mooncake", tmp_path / "steady.jsonl"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    # the 2,048 shared tokens of all requests but the first
    share = 239 * 2048 / (240 * 2100)
    assert f"    300 s                0 {share:22.2%}" in done.stdout.splitlines()
    assert "inside the range" in done.stdout
    assert "busiest 60 s" in done.stdout


def test_the_command_asks_for_a_trace() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.traces"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "give the path of a trace" in done.stderr
