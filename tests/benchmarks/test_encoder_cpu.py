"""The benchmark of classifiers on a CPU: the fit, the evidence it writes, and missing packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import encoder_cpu
from benchmarks.encoder_cpu_evidence import EVIDENCE, SECTION, evidence_section, write_evidence
from benchmarks.encoder_cpu_rows import (
    ENCODERS,
    CpuRow,
    CpuSpeed,
    fit_speed,
    read_cpu_rows,
    relative_errors,
    write_cpu_rows,
)
from benchmarks.encoder_cpu_runs import call_time, optional_module


def exact_rows(speed: CpuSpeed) -> list[CpuRow]:
    """Rows that a core of this speed would give."""
    rows = [
        CpuRow(model, "onnx_int8", 1, tokens, 1.0, 1.0, 5)
        for model in ENCODERS
        for tokens in (16, 128, 512)
    ]
    return [row._replace(cpu_ms=1e3 / speed.requests_per_second(row)) for row in rows]


def test_the_fit_finds_the_speed_that_produced_the_rows() -> None:
    speed = CpuSpeed(500.0, 20.0, 10.0)

    assert fit_speed(exact_rows(speed)) == pytest.approx(speed)


def test_errors_are_relative_to_the_measurement() -> None:
    rows = exact_rows(CpuSpeed(500.0, 20.0, 10.0))

    assert relative_errors(rows, CpuSpeed(250.0, 20.0, 10.0)) == pytest.approx([-0.5] * 6)


def test_the_evidence_is_what_the_stored_rows_give() -> None:
    found = SECTION.search(EVIDENCE.read_text())

    assert found is not None
    assert found.group() == evidence_section(*read_cpu_rows())


def test_stored_rows_are_read_back(tmp_path: Path) -> None:
    header, rows = read_cpu_rows()
    write_cpu_rows(header, rows, tmp_path / "rows.csv")

    assert read_cpu_rows(tmp_path / "rows.csv") == (header, rows)


@pytest.mark.parametrize("before", ["a: 1\n", "a: 1\nencoder_cpu:\n  x: 1\n  y:\n    z: 2\n"])
def test_writing_replaces_the_section_and_nothing_else(tmp_path: Path, before: str) -> None:
    path = tmp_path / "evidence.yaml"
    path.write_text(before + "b: 2\n")

    write_evidence("encoder_cpu:\n  x: 3\n", path)

    assert sorted(path.read_text().splitlines()) == ["  x: 3", "a: 1", "b: 2", "encoder_cpu:"]


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(SystemExit, match=r"package no_such_package not found. Run pip install"):
        optional_module("no_such_package.part")


def test_packages_are_checked_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(encoder_cpu, "MODULES", ("json", "no_such_package"))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")

    with pytest.raises(SystemExit, match="package no_such_package not found"):
        encoder_cpu.measure(0.0)

    assert capsys.readouterr().out == ""


def test_a_call_is_repeated_as_often_as_asked_for() -> None:
    calls: list[int] = []

    timed = call_time(lambda: calls.append(1), 0.0, 7)

    assert (timed.calls, len(calls)) == (7, 8)
