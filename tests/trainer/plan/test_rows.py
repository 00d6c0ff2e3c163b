"""Rows of a plan: read and counted once, and split into files whose counts are those of a profile."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest

from advisor.dataset import reader
from advisor.dataset.reader import profile_file
from advisor.errors import UsageError
from advisor.prices.loader import load_prices
from trainer.home import file_of, uploads_folder
from trainer.plan.provider import plan_provider_job
from trainer.plan.request import PlanRequest
from trainer.plan.rows import canonical_rows, split_rows

SCENARIO = {"task": "generation", "traffic": {"requests_per_month": 100_000}}
ROWS = 400
OPTION = "managed_lora:together:meta-llama/Llama-3.1-8B-Instruct:H100_SXM"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    draw = random.Random(7)
    lines = (
        f"{' '.join(''.join(draw.choices(ascii_lowercase, k=7)) for _ in range(6))},answer {n}"
        for n in range(ROWS)
    )
    path.write_text("\n".join(("prompt,completion", *lines)))
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of the files that were parsed, in order."""
    paths: list[Path] = []
    original = reader.read_rows

    def counted(path: Path, *more: Any) -> Iterator[Any]:
        paths.append(path)
        return original(path, *more)

    monkeypatch.setattr(reader, "read_rows", counted)
    return paths


def test_a_plan_reads_its_dataset_once(rows_file: Path, reads: list[Path]) -> None:
    request = PlanRequest(
        scenario=SCENARIO, where="s.yaml", option=OPTION, dataset=rows_file, held_out_share=0.25
    )

    plan = plan_provider_job(request, load_prices(), datetime(2026, 11, 20, tzinfo=UTC))

    assert reads == [rows_file]
    assert plan.held_out is not None
    assert (plan.training.rows, plan.held_out.rows) == (300, 100)


def test_the_parts_are_counted_as_a_profile_counts_them(rows_file: Path) -> None:
    request = PlanRequest(held_out_share=0.2, validation_share=0.1)
    with canonical_rows(rows_file) as rows:
        data, validation = split_rows(rows, rows_file, request, "supervised")

    for part in (data.training, data.held_out, validation):
        assert part is not None
        profile = profile_file(file_of(part.sha256))
        assert (part.sha256, part.rows) == (profile.dataset_sha256, profile.examples)
        assert (part.tokens, part.longest_tokens) == (profile.total_tokens, profile.max_tokens)
        assert part.bytes == file_of(part.sha256).stat().st_size
    assert data.dataset_sha256 == profile_file(rows_file).dataset_sha256
    assert not list(uploads_folder().glob("*.part"))


def test_rows_of_the_other_kind_are_left_out(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    pair = {
        "input": {"messages": chat["messages"][:1]},
        "preferred_output": chat["messages"][1:],
        "non_preferred_output": [{"role": "assistant", "content": "c"}],
    }
    path = tmp_path / "mixed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (chat, pair, pair)))
    request = PlanRequest(held_out_share=0.0)

    with canonical_rows(path) as rows:
        found = {
            method: split_rows(rows, path, request, method).data.training.rows
            for method in ("supervised", "dpo")
        }
        pairs_only = rows.store(rows.of_method("dpo"))

    assert found == {"supervised": 1, "dpo": 2}
    assert pairs_only is not None
    with (
        canonical_rows(file_of(pairs_only.sha256)) as rows,
        pytest.raises(UsageError, match="no training rows for supervised"),
    ):
        split_rows(rows, path, request, "supervised")
