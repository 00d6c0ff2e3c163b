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

from advisor.errors import UsageError
from advisor.gpu.fit_throughput import TimedTraining, fit_speeds, relative_errors
from advisor.gpu.parameters import ModelShape
from advisor.gpu.recipe import recipe_for
from advisor.gpu.throughput import CPU, CPU_RANGE, PROBED_RANGE, TIME_RANGE, Speeds
from advisor.gpu.training_setup import TrainingSetup
from advisor.gpu.training_time import step_seconds
from advisor.prices.book import PriceBook
from tests.support.tiny_models import make_causal
from trainer.cli.machine import probe_machine as probe_command
from trainer.errors import Refused
from trainer.plan.local_cost import TrainingMachine, estimate_training, find_machine_speed
from trainer.plan.probe import (
    PROBES_FILE,
    Probe,
    measure_machine,
    save_probe,
    saved_probe,
    training_schedule,
)
from trainer.runs.calibration import MeasuredFactor, calibration_yaml, read_past_runs

HERE = TrainingMachine("cpu", None, Decimal(0), "none", "today", "today", own=True)
SIZES = ((64, 2, 512, 32), (64, 8, 512, 64), (128, 4, 512, 512), (64, 2, 8192, 256),
         (128, 2, 512, 1024), (384, 4, 512, 256), (512, 4, 2048, 32))  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path))
    return tmp_path


def timed_step(speeds: Speeds) -> list[TimedTraining]:
    made = []
    for hidden, layers, words, tokens in SIZES:
        shape = ModelShape(layers, hidden, 3 * hidden, 4, 2, hidden // 4, words, True,
                      words * hidden + layers * 12 * hidden**2)  # fmt: skip
        setup = TrainingSetup("full", float(tokens), float(min(tokens, 512)), weight_bytes=4.0,
                      checkpointing=False)  # fmt: skip
        made.append(TimedTraining(shape, setup, 1.0, float(step_seconds(shape, setup, speeds))))
    return made


def make_probe(**changes: Any) -> Probe:
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
    made = timed_step(true)

    found = fit_speeds(made, CPU)

    assert np.abs(relative_errors(made, found)).max() < 0.02
    assert found.launch_seconds == pytest.approx(4e-3, rel=0.1)
    assert found.bandwidth == pytest.approx(3e9, rel=0.25)


def test_this_machine_is_probed_and_its_plans_use_it(home: Path, tmp_path: Path) -> None:
    made = measure_machine("cpu", None, 1.0, "2026-11-21")
    save_probe(made)

    assert made.trainings == 3
    assert math.isfinite(made.worst_miss)  # how small it is depends on what else runs here
    assert made.own_bytes > 1e8
    assert saved_probe("cpu") == made
    _, expected = estimate_training(HERE, recipe_for("sft", "lora", False, 60, 1.0), config(tmp_path),
                         lengths(), is_here=True)  # fmt: skip
    assert "a probe of cpu" in expected.basis
    assert expected.memory_bytes is not None
    assert expected.memory_bytes[1] > made.own_bytes


def test_a_newer_probe_takes_the_place_of_the_older(home: Path) -> None:
    for one in (make_probe(), make_probe(machine="T4"), make_probe(made_on="2026-11-22")):
        save_probe(one)

    found = saved_probe("cpu")
    assert found is not None
    assert found.made_on == "2026-11-22"
    assert saved_probe("T4") is not None
    assert len(json.loads((home / PROBES_FILE).read_text())) == 2


def test_a_broken_probe_file_says_what_to_do(home: Path) -> None:
    (home / PROBES_FILE).write_text("[{]")

    with pytest.raises(Refused, match="Remove it, then run: trainer probe"):
        saved_probe("cpu")


def test_without_a_probe_the_range_is_wider_and_says_so(home: Path, book: PriceBook) -> None:
    cpu, gpu = (
        find_machine_speed("cpu", None, "lora", True),
        find_machine_speed("T4", book.gpu("T4"), "lora", True),
    )

    assert (cpu.range, gpu.range) == (CPU_RANGE, TIME_RANGE)
    assert "this machine was not probed: run trainer probe" in cpu.basis
    assert "the data sheet of T4" in gpu.basis

    save_probe(make_probe())
    probed = find_machine_speed("cpu", None, "lora", True)
    assert probed.range == PROBED_RANGE
    assert PROBED_RANGE[2] / PROBED_RANGE[0] <= 1.5
    assert probed.basis == "a probe of cpu, 2 cores on 2026-11-21"
    assert find_machine_speed("cpu", None, "lora", False).range == CPU_RANGE


def test_past_runs_of_ones_own_come_before_the_probe(home: Path) -> None:
    save_probe(make_probe())
    result = {"device": "cpu, 2 cores",
              "packages": dict.fromkeys(("torch", "transformers", "trl", "peft"), "1.0")}  # fmt: skip
    with (home / "calibration.yaml").open("a") as out:
        for run, ratio in (("a", 1.4), ("b", 1.6), ("c", 1.5)):
            actual = MeasuredFactor("train_ratio/cpu/lora", "1", 1.0, ratio)
            out.write(calibration_yaml([actual], run, result, date(2026, 11, 21)))

    past = read_past_runs(home, "cpu", "lora")
    known = find_machine_speed("cpu", None, "lora", True)

    assert past == (3, 1.4, 1.5, 1.6)
    assert known.range[1] == 1.5
    assert known.range[0] < 1.4 < 1.6 < known.range[2]
    assert known.basis.startswith("3 past runs of yours, 1.50 times a probe")
    assert find_machine_speed("cpu", None, "full", True).range == PROBED_RANGE


@pytest.mark.parametrize("text", ["train_ratio/cpu/lora: 3\n", "a: [\n", "- 1\n",
                                  "train_ratio/cpu/lora: {steps: [{since: x, likely: -1}]}\n"])  # fmt: skip
def test_a_broken_calibration_file_says_what_to_do(home: Path, text: str) -> None:
    (home / "calibration.yaml").write_text(text)

    with pytest.raises(Refused, match="cannot be read"):
        read_past_runs(home, "cpu", "lora")


def test_hours_memory_and_energy_of_a_gpu_are_ranges(
    home: Path, tmp_path: Path, book: PriceBook
) -> None:
    recipe = recipe_for("sft", "lora", True, 60, 1.0)
    there = TrainingMachine("L40S", book.gpu("L40S"), Decimal(1), "x", "today", "today", own=False)

    hours, expected = estimate_training(there, recipe, config(tmp_path), lengths(), is_here=False)

    assert hours[0] < hours[1] < hours[2]
    assert expected.memory_bytes is not None
    assert expected.energy_kwh is not None
    assert expected.energy_kwh[0] < expected.energy_kwh[1] < expected.energy_kwh[2]
    assert expected.energy_kwh[1] <= hours[1] * 0.35 * 1.2


def test_a_training_that_does_not_fit_is_refused(home: Path, book: PriceBook) -> None:
    llama = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
             "vocab_size": 128256, "max_position_embeddings": 8192}  # fmt: skip
    there = TrainingMachine("T4", book.gpu("T4"), Decimal(1), "x", "today", "today", own=False)

    with pytest.raises(Refused, match=r"T4: the training needs .* Use qlora"):
        estimate_training(
            there, recipe_for("sft", "full", True, 500, 1.0), llama, lengths(), is_here=False
        )


def test_packed_rows_fill_their_sequences() -> None:
    recipe = recipe_for("sft", "lora", True, 60, 1.0)
    apart = training_schedule(recipe, np.full(64, 16, np.int64))
    packed = training_schedule(
        recipe.model_copy(update={"packing": True}), np.full(64, 16, np.int64)
    )

    assert (apart.steps, packed.steps) == (4, 1)
    assert packed.usual.tokens == recipe.max_tokens * recipe.micro_batch_rows
    assert packed.usual.longest == 16


def test_rows_of_unlike_length_are_reckoned_with_their_padding() -> None:
    recipe = recipe_for("sft", "lora", True, 400, 1.0)
    mixed = training_schedule(recipe, np.tile(np.array([20, 400], np.int64), 50))

    assert 0.9 * 400 * 4 < float(np.asarray(mixed.usual.tokens)) < 400 * 4
    assert mixed.largest.tokens == 400 * 4


@pytest.mark.parametrize(("gpu", "seconds", "says"), [
    ("T4", 30.0, "this machine has no GPU"), (None, 0.0, "expected a number from 1 to 300"),
])  # fmt: skip
def test_a_probe_that_cannot_be_says_why(
    home: Path, monkeypatch: pytest.MonkeyPatch, gpu: str | None, seconds: float, says: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    with pytest.raises(UsageError, match=says):
        probe_command(gpu, seconds, False, None)
