"""Published peaks beside ours, rows left out, and the tables of the benchmark."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from advisor.gpu.memory import allocated_bytes
from advisor.prices.book import PriceBook
from advisor.units import GIB
from benchmarks import memory as benchmark
from benchmarks.memory_rows import MemoryCase, case_of
from benchmarks.rows import exclusion_reason, has_other_kernels, peak_kind, read_rows, row_part


@pytest.fixture(scope="module")
def cases(book: PriceBook) -> list[MemoryCase]:
    rows = [row for row in read_rows(benchmark.DATA) if exclusion_reason(row, "memory") is None]
    read = [case_of(row, book) for row in rows if not has_other_kernels(row)]
    return [case for case in read if isinstance(case, MemoryCase)]


def test_tensors_of_forty_nine_runs_on_t4_are_within_five_percent(cases: list[MemoryCase]) -> None:
    pairs = [
        benchmark.estimate_pair(case, "allocated")
        for case in cases
        if case.row["source"].startswith("fitcheck")
    ]

    assert len(pairs) == 49
    assert max(abs(pair.error) for pair in pairs) < 0.05
    assert sum(abs(pair.error) for pair in pairs) / 49 < 0.007


def test_what_the_allocator_keeps_on_t4_is_in_the_range_nine_times_of_ten(
    cases: list[MemoryCase],
) -> None:
    pairs = [
        benchmark.estimate_pair(case, "reserved")
        for case in cases
        if case.row["source"].startswith("fitcheck")
    ]

    assert sum(pair.is_covered for pair in pairs) / len(pairs) > 0.9
    assert all(pair.high / pair.low <= 1.25 for pair in pairs)


def test_each_lever_of_torchtune_saves_what_was_measured(cases: list[MemoryCase]) -> None:
    """A100, Llama-3.2-3B, 2 x 4,096 tokens: 60, 51, 42.9, 24.9, 23.1, 21.8 GiB and adapters 8.5."""
    ours = {
        case.row["flags"].removeprefix("cumulative: ")[:12]: allocated_bytes(case.shape, case.setup)
        for case in cases
        if case.row["source"].startswith("torchtune-readme")
    }

    for lever, measured in (
        ("+packed", 60.0),
        ("+compile", 51.0),
        ("+chunked CE", 42.9),
        ("+activation ", 21.8),
        ("+optimizer i", 23.1),
        ("LoRA (all pr", 8.5),
        ("QLoRA", 4.6),
    ):
        assert float(ours[lever]) / GIB == pytest.approx(measured, rel=0.06), lever


def test_the_first_figure_on_other_gpus_is_told_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["memory", "--peers", str(tmp_path), "--each"])
    monkeypatch.setattr(benchmark, "PEERS", benchmark.PEERS[:3])

    benchmark.main()

    told = capsys.readouterr().out
    first, after = told.split("The same with framework behavior")
    total = next(line for line in first.splitlines() if line.startswith("test all"))
    assert total.split()[-7:] == ["111", "17.0%", "-4.2%", "+135.7%", "T0216", "54%", "1.23"]
    assert "179 of the remaining 199 are scored, 89.9%" in first
    assert "fitcheck-llm: not installed. Run uv pip install --target" in after
    assert "GPUs within 15 % of the peak" in after
    assert after.count("T0079 fit") == 3


def test_rows_are_left_out_by_columns_alone() -> None:
    rows = read_rows(benchmark.DATA)
    reasons = Counter(exclusion_reason(row, "memory") for row in rows)

    assert reasons.pop(None) == 284
    assert reasons == {
        "no memory measured": 168,
        "unknown kind of peak": 17,
        "confidence D": 2,
        "a capacity: an inequality, not a peak": 15,
        "a single kernel, not a training step": 8,
    }
    assert {row_part(row) for row in rows if "T4" in row["gpu"] or "A100" in row["gpu"]} == {"fit"}
    assert {row_part(row) for row in rows if "L40S" in row["gpu"] or "H100" in row["gpu"]} == {
        "test"
    }
    kinds = {row["peak_kind"]: peak_kind(row) for row in rows}
    assert kinds["max_allocated (reserved, process in notes)"] == "allocated"
    assert kinds["nvidia-smi per GPU (GB)"] == "process"
    assert kinds["GB rounded"] == kinds["max memory (GiB) unspecified kind"] == "unknown"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "file not found"),
        ("", "missing column id, source"),
        ("# a header\nid,gpu\n1,T4\n", "missing column source.*Use the columns of"),
        ("\udcff", "not UTF-8 text.*Save it"),
    ],
)
def test_a_file_in_another_format_is_refused_by_what_it_lacks(
    tmp_path: Path, text: str | None, words: str
) -> None:
    path = tmp_path / "rows.csv"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(SystemExit, match=f"(?s){words}"):
        read_rows(path)


def test_any_file_in_the_format_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = [row for row in read_rows(benchmark.DATA) if row["id"] in ("T0079", "T0204")]
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(some[0]))
        writer.writeheader()
        writer.writerows(some)
    monkeypatch.setattr("sys.argv", ["memory", str(path), "--peers", str(tmp_path)])
    monkeypatch.setattr(benchmark, "PEERS", ())

    benchmark.main()

    assert "2 of the remaining 2 are scored, 100.0%" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")
def test_tiny_models_on_this_cpu_take_what_is_estimated() -> None:
    """A full training and adapters under checkpointing, their tensors counted while they live."""
    pytest.importorskip("peft")
    from benchmarks.memory_here import TRAININGS, measured_pair

    pairs = [measured_pair(TRAININGS[0]), measured_pair(TRAININGS[3])]

    assert all(abs(pair.error) < 0.11 for pair in pairs), [pair.error for pair in pairs]
