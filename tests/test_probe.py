"""A probe of this machine: what it finds out, where it is kept, and what plans make of it."""

from __future__ import annotations

import json
import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from advisor.catalog import Book
from advisor.errors import UsageError
from advisor.estimate.fitting import Timed, fit_speeds, misses
from advisor.estimate.parameters import Shape
from advisor.estimate.setup import Setup
from advisor.estimate.speeds import CPU, CPU_RANGE, PROBED_RANGE, TIME_RANGE, Speeds
from advisor.estimate.training import step_seconds
from advisor.recipe import recipe_for
from tests.tiny import make_causal
from trainer.calibrating import Actual, calibration
from trainer.cli.probing import probe as probe_command
from trainer.errors import Refused
from trainer.local_cost import Machine, reckon
from trainer.local_setup import run_of
from trainer.machine_speed import known_of
from trainer.past_runs import factor_of, past_of
from trainer.probing import FILE, Probe, keep, kept_probe, measure

HERE = Machine("cpu", None, Decimal(0), "none", "today", "today", own=True)
SIZES = ((64, 2, 512, 32), (64, 8, 512, 64), (128, 4, 512, 512), (64, 2, 8192, 256),
         (128, 2, 512, 1024), (384, 4, 512, 256), (512, 4, 2048, 32))  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path))
    return tmp_path


def timed(speeds: Speeds) -> list[Timed]:
    made = []
    for hidden, layers, words, tokens in SIZES:
        shape = Shape(layers, hidden, 3 * hidden, 4, 2, hidden // 4, words, True,
                      words * hidden + layers * 12 * hidden**2)  # fmt: skip
        setup = Setup("full", float(tokens), float(min(tokens, 512)), weight_bytes=4.0,
                      checkpointing=False)  # fmt: skip
        made.append(Timed(shape, setup, 1.0, float(step_seconds(shape, setup, speeds))))
    return made


def a_probe(**changes: Any) -> Probe:
    body: dict[str, Any] = {
        "machine": "cpu", "device": "cpu, 2 cores", "made_on": "2026-11-21", "torch": "2.13",
        "threads": 2, "speeds": CPU._asdict(), "own_bytes": 5e8, "memory_factor": 1.2,
        "save_seconds": 0.5, "save_seconds_per_byte": 1e-9, "worst_miss": 0.1, "trainings": 7,
        "seconds": 25.0,
    }  # fmt: skip
    return Probe(**{**body, **changes})


def config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((make_causal(folder / "base") / "config.json").read_text()))


def lengths() -> NDArray[np.int64]:
    return np.arange(20, 60, dtype=np.int64)


def test_speeds_are_found_again_from_the_times_they_make() -> None:
    true = CPU._replace(matmul=21e9, bandwidth=3e9, launch_seconds=4e-3, step_seconds=0.01)
    made = timed(true)

    found = fit_speeds(made, CPU)

    assert np.abs(misses(made, found)).max() < 0.02
    assert found.launch_seconds == pytest.approx(4e-3, rel=0.1)
    assert found.bandwidth == pytest.approx(3e9, rel=0.25)


def test_this_machine_is_probed_and_its_plans_use_it(home: Path, tmp_path: Path) -> None:
    made = measure("cpu", None, 1.0, "2026-11-21")
    keep(made)

    assert made.trainings == 3
    assert math.isfinite(made.worst_miss)  # how small it is depends on what else runs here
    assert made.own_bytes > 1e8
    assert kept_probe("cpu") == made
    _, expected = reckon(HERE, recipe_for("sft", "lora", False, 60, 1.0), config(tmp_path),
                         lengths(), is_here=True)  # fmt: skip
    assert "a probe of cpu" in expected.basis
    assert expected.memory_bytes is not None
    assert expected.memory_bytes[1] > made.own_bytes


def test_a_newer_probe_takes_the_place_of_the_older(home: Path) -> None:
    for one in (a_probe(), a_probe(machine="T4"), a_probe(made_on="2026-11-22")):
        keep(one)

    found = kept_probe("cpu")
    assert found is not None
    assert found.made_on == "2026-11-22"
    assert kept_probe("T4") is not None
    assert len(json.loads((home / FILE).read_text())) == 2


def test_a_broken_probe_file_says_what_to_do(home: Path) -> None:
    (home / FILE).write_text("[{]")

    with pytest.raises(Refused, match="Remove it, then run: trainer probe"):
        kept_probe("cpu")


def test_without_a_probe_the_range_is_wider_and_says_so(home: Path, book: Book) -> None:
    cpu, gpu = known_of("cpu", None, "lora", True), known_of("T4", book.gpu("T4"), "lora", True)

    assert (cpu.range, gpu.range) == (CPU_RANGE, TIME_RANGE)
    assert "nobody probed this machine: run trainer probe" in cpu.basis
    assert "the data sheet of T4" in gpu.basis

    keep(a_probe())
    probed = known_of("cpu", None, "lora", True)
    assert probed.range == PROBED_RANGE
    assert PROBED_RANGE[2] / PROBED_RANGE[0] <= 1.5
    assert probed.basis == "a probe of cpu, 2 cores on 2026-11-21"
    assert known_of("cpu", None, "lora", False).range == CPU_RANGE


def test_past_runs_of_ones_own_come_before_the_probe(home: Path) -> None:
    keep(a_probe())
    result = {"device": "cpu, 2 cores",
              "packages": dict.fromkeys(("torch", "transformers", "trl", "peft"), "1.0")}  # fmt: skip
    with (home / "calibration.yaml").open("a") as out:
        for run, ratio in (("a", 1.4), ("b", 1.6), ("c", 1.5)):
            actual = Actual(factor_of("cpu", "lora"), "1", 1.0, ratio)
            out.write(calibration([actual], run, result, date(2026, 11, 21)))

    past = past_of(home, "cpu", "lora")
    known = known_of("cpu", None, "lora", True)

    assert past == (3, 1.4, 1.5, 1.6)
    assert known.range[1] == 1.5
    assert known.range[0] < 1.4 < 1.6 < known.range[2]
    assert known.basis.startswith("3 past runs of yours, 1.50 times a probe")
    assert known_of("cpu", None, "full", True).range == PROBED_RANGE


@pytest.mark.parametrize("text", ["train_ratio/cpu/lora: 3\n", "a: [\n", "- 1\n",
                                  "train_ratio/cpu/lora: {steps: [{since: x, likely: -1}]}\n"])  # fmt: skip
def test_a_broken_calibration_file_says_what_to_do(home: Path, text: str) -> None:
    (home / "calibration.yaml").write_text(text)

    with pytest.raises(Refused, match="cannot be read"):
        past_of(home, "cpu", "lora")


def test_hours_memory_and_energy_of_a_gpu_are_ranges(
    home: Path, tmp_path: Path, book: Book
) -> None:
    recipe = recipe_for("sft", "lora", True, 60, 1.0)
    there = Machine("L40S", book.gpu("L40S"), Decimal(1), "x", "today", "today", own=False)

    hours, expected = reckon(there, recipe, config(tmp_path), lengths(), is_here=False)

    assert hours[0] < hours[1] < hours[2]
    assert expected.memory_bytes is not None
    assert expected.energy_kwh is not None
    assert expected.energy_kwh[0] < expected.energy_kwh[1] < expected.energy_kwh[2]
    assert expected.energy_kwh[1] <= hours[1] * 0.35 * 1.2


def test_a_training_that_does_not_fit_is_refused(home: Path, book: Book) -> None:
    llama = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
             "vocab_size": 128256, "max_position_embeddings": 8192}  # fmt: skip
    there = Machine("T4", book.gpu("T4"), Decimal(1), "x", "today", "today", own=False)

    with pytest.raises(Refused, match=r"T4: the training needs .* Take qlora"):
        reckon(there, recipe_for("sft", "full", True, 500, 1.0), llama, lengths(), is_here=False)


def test_packed_rows_fill_their_sequences() -> None:
    recipe = recipe_for("sft", "lora", True, 60, 1.0)
    apart = run_of(recipe, np.full(64, 16, np.int64))
    packed = run_of(recipe.model_copy(update={"packing": True}), np.full(64, 16, np.int64))

    assert (apart.steps, packed.steps) == (4, 1)
    assert packed.usual.tokens == recipe.max_tokens * recipe.micro_batch_rows
    assert packed.usual.longest == 16


def test_rows_of_unlike_length_are_reckoned_with_their_padding() -> None:
    recipe = recipe_for("sft", "lora", True, 400, 1.0)
    mixed = run_of(recipe, np.tile(np.array([20, 400], np.int64), 50))

    assert 0.9 * 400 * 4 < float(np.asarray(mixed.usual.tokens)) < 400 * 4
    assert mixed.largest.tokens == 400 * 4


@pytest.mark.parametrize(("gpu", "seconds", "says"), [
    ("T4", 30.0, "this machine has no GPU"), (None, 0.0, "it is from 1 to 300"),
])  # fmt: skip
def test_a_probe_that_cannot_be_says_why(
    home: Path, monkeypatch: pytest.MonkeyPatch, gpu: str | None, seconds: float, says: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    with pytest.raises(UsageError, match=says):
        probe_command(gpu, seconds, False, None)
