"""Probe: measured training speed and memory of this machine, stored in the home folder.

Also the schedule of a training (steps, batches, checkpoints) that time and memory formulas read.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from advisor.estimate.tokens import longest_of_batch
from advisor.gpu.fit_throughput import TimedTraining, fit_speeds, relative_errors
from advisor.gpu.memory import allocated_bytes
from advisor.gpu.model_config import architecture_of
from advisor.gpu.parameters import ALL_LINEAR, ModelShape
from advisor.gpu.recipe import Method as RecipeMethod
from advisor.gpu.recipe import Objective as RecipeObjective
from advisor.gpu.recipe import Recipe
from advisor.gpu.throughput import CPU, Speeds, prior_speeds
from advisor.gpu.training_setup import Method, Objective, Optimizer, TrainingSetup
from advisor.prices.models import Gpu
from advisor.units import Record
from trainer.errors import Refused
from trainer.home import home_folder
from trainer.local.process import environment

METHODS: Mapping[RecipeMethod, Method] = {
    "full": "full",
    "lora": "lora",
    "qlora": "qlora",
    "prefix": "lora",
    "ia3": "lora",
}
OBJECTIVES: Mapping[RecipeObjective, Objective] = {
    "text": "sft",
    "sft": "sft",
    "grpo": "sft",
    "dpo": "dpo",
    "classification": "classification",
}
"""Generating the answers of reward tuning is left out."""
TILE = (4096.0, 32768.0)
"""Tokens and vocabulary entries in a tile of the loss head. Source: trl 1.16."""
TILE_BYTES = 22.0
"""Per number in a tile, in addition to the count for a GPU: on a CPU scores, their exponentials
and gradients are in memory at once. Counted in trl 1.16."""
OPTIMIZERS: Mapping[str, Optimizer] = {"adamw_8bit": "adamw_8bit"}


class TrainingSchedule(NamedTuple):
    """One training as time and memory formulas read it."""

    usual: TrainingSetup
    """With an average micro-batch, padding included."""
    largest: TrainingSetup
    """With the longest rows in one micro-batch: memory must suffice for them."""
    steps: int
    micro_batches: int
    saves: int
    """Checkpoints written."""


def training_schedule(recipe: Recipe, lengths: NDArray[np.int64]) -> TrainingSchedule:
    """Return the schedule of a training on rows of these lengths [tokens, before truncation]."""
    cut = np.minimum(np.asarray(lengths), recipe.max_tokens)
    longest, rows, count = float(cut.max()), recipe.micro_batch_rows, cut.size
    usual = longest_of_batch(cut, rows)
    scored = usual
    if recipe.packing:  # packed rows are separate: a token attends to its own row only
        longest = usual = float(recipe.max_tokens)
        count = math.ceil(int(cut.sum()) / recipe.max_tokens)
        scored = float((cut.astype(np.float64) ** 2).sum() / cut.sum())
    steps = math.ceil(math.ceil(count / recipe.rows_per_step) * recipe.epochs)
    steps = min(steps, recipe.most_steps or steps)
    average = training_setup(recipe, usual * rows, scored)
    largest = training_setup(recipe, longest * rows, longest)
    saves = math.ceil(steps / recipe.save_steps)
    return TrainingSchedule(average, largest, steps, recipe.accumulation_steps, saves)


def training_setup(recipe: Recipe, tokens: float, longest: float) -> TrainingSetup:
    """Return what time and memory depend on in a recipe.

    A micro-batch has *tokens*, padding included, and attention spans *longest* of them.
    """
    half = recipe.dtype != "float32"
    return TrainingSetup(
        METHODS[recipe.method],
        tokens,
        longest,
        rank=recipe.lora_rank,
        targets=() if recipe.method == "prefix" else ALL_LINEAR,
        objective=OBJECTIVES[recipe.objective],
        optimizer=OPTIMIZERS.get(recipe.optimizer, "adamw"),
        weight_bytes=2.0 if half else 4.0,
        adapter_bytes=4.0 if recipe.adapter_dtype == "float32" else 2.0,
        checkpointing=recipe.gradient_checkpointing,
        attention="eager" if recipe.attention == "eager" else "fused",
        autocast=half,
        drops_out=recipe.lora_dropout > 0,
        accumulates=recipe.accumulation_steps > 1,
        double_quantised=recipe.double_quantised,
    )


def cpu_peak_bytes(shape: ModelShape, setup: TrainingSetup) -> float:
    """Return the peak memory of a training's tensors without fused loss kernels, as on a CPU."""
    tokens, words = np.minimum(setup.positions, TILE[0]), np.minimum(shape.vocabulary, TILE[1])
    is_tiled = setup.head == "fused" and setup.objective != "classification"
    return float(allocated_bytes(shape, setup) + TILE_BYTES * tokens * words * is_tiled)


SCRIPT = Path(__file__).parent.parent / "scripts" / "probe.py"
PROBES_FILE = "probes.json"
MAX_SECONDS = 600.0
"""After which a probe counts as hung."""
STATE_BYTES = 8
"""Bytes of the two moments of a weight in a checkpoint."""


class Probe(Record):
    """Measurements of one machine."""

    machine: str
    """GPU as in the price book, or `cpu`."""
    device: str
    """Device name as reported by the machine."""
    made_on: str
    """Day of the measurement."""
    torch: str
    """Version of torch."""
    threads: int
    """Threads of the host."""
    speeds: Mapping[str, float]
    """See `Speeds`."""
    own_bytes: float
    """Memory of a process without tensors."""
    memory_factor: float
    """Measured bytes per byte of tensors."""
    save_seconds: float
    """Fixed time of a checkpoint."""
    save_seconds_per_byte: float
    """Additional time per byte of a checkpoint."""
    worst_miss: float
    """Largest relative error of the fitted formulas over the probe's trainings."""
    trainings: int
    """Number of trainings."""
    seconds: float
    """Duration of the probe."""

    @property
    def as_speeds(self) -> Speeds:
        """The speeds, for the formulas."""
        return Speeds(**self.speeds)


def measure_machine(machine: str, gpu: Gpu | None, seconds: float, day: str) -> Probe:
    """Run the probe script, new trainings for some seconds, and fit the speeds to its measurements.

    Raises:
        Refused: the script failed.
    """
    return fit_probe(run_script(gpu is not None, seconds), machine, gpu, day)


def run_script(on_gpu: bool, seconds: float) -> dict[str, Any]:
    """Run the probe script in a subprocess; return its measurements.

    Raises:
        Refused: it failed or timed out.
    """
    with tempfile.TemporaryDirectory(prefix="probe-") as name:
        env = dict(environment())
        if not on_gpu:
            env["CUDA_VISIBLE_DEVICES"] = ""
        command = [sys.executable, str(SCRIPT), name, str(seconds)]
        try:
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=MAX_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise Refused(
                f"the probe took over {MAX_SECONDS:.0f} s. Is the machine busy? Try "
                "again when it is not."
            ) from error
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
            raise Refused(
                f"the probe failed: {last[0]}. Is the extra installed? Run: pip install "
                "'tune-or-not[local]'"
            )
        return dict(json.loads((Path(name) / "probe.json").read_text(encoding="utf-8")))


def fit_probe(measured: Mapping[str, Any], machine: str, gpu: Gpu | None, day: str) -> Probe:
    """Fit speeds and sizes to the script's measurements."""
    entries = measured["timed"]
    runs = [
        training_schedule(Recipe.model_validate(entry["recipe"]), np.array(entry["lengths"]))
        for entry in entries
    ]
    shapes = [ModelShape.of(architecture_of(entry["config"])) for entry in entries]
    timed = [
        TimedTraining(shape, run.usual, 1.0, float(entry["step_seconds"]))
        for shape, run, entry in zip(shapes, runs, entries, strict=True)
    ]
    speeds = fit_speeds(timed, CPU if gpu is None else prior_speeds(machine, gpu))
    own, factor = _memory(measured, shapes, runs)
    fixed, each = _fit_line(
        [float(entry["trained_parameters"]) * (4 + STATE_BYTES) for entry in entries],
        [entry["save_seconds"] for entry in entries],
    )
    return Probe(
        machine=machine,
        device=measured["device"],
        made_on=day,
        torch=measured["torch"],
        threads=measured["threads"],
        own_bytes=own,
        memory_factor=factor,
        save_seconds=fixed,
        speeds={name: float(value) for name, value in speeds._asdict().items()},
        save_seconds_per_byte=each,
        trainings=len(entries),
        seconds=measured["seconds"],
        worst_miss=float(np.abs(relative_errors(timed, speeds)).max()),
    )


def save_probe(probe: Probe) -> None:
    """Store a probe in the home folder; it replaces an older one of the same machine."""
    path = home_folder() / PROBES_FILE
    probes = {known.machine: known for known in _read(path)} | {probe.machine: probe}
    part = path.with_suffix(".part")
    part.write_text(json.dumps([known.model_dump() for known in probes.values()], indent=1))
    os.replace(part, path)


def saved_probe(machine: str) -> Probe | None:
    """Return the probe of a machine, if it was probed."""
    found = (probe for probe in _read(home_folder() / PROBES_FILE) if probe.machine == machine)
    return next(found, None)


def _read(path: Path) -> Sequence[Probe]:
    if not path.is_file():
        return ()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [Probe.model_validate(entry) for entry in entries]
    except (ValueError, ValidationError) as error:
        raise Refused(
            f"{path}: not a valid probe file ({error}). Remove it, then run: trainer probe"
        ) from error


def _memory(
    measured: Mapping[str, Any], shapes: Sequence[ModelShape], runs: Sequence[TrainingSchedule]
) -> tuple[float, float]:
    """Return the memory of a process without tensors, and per byte of tensors."""
    if measured["timed"][0]["peak_allocated_bytes"] is not None:  # a GPU reports it
        return float(measured["own_bytes"]), 1.0
    sizes = [cpu_peak_bytes(shape, run.largest) for shape, run in zip(shapes, runs, strict=True)]
    peaks = [float(entry["peak_bytes"]) for entry in measured["timed"]]
    largest = [max(sizes[: n + 1]) for n in range(len(sizes))]  # measured peaks only grow
    own, factor = _fit_line(largest, peaks)
    return max(own, float(measured["own_bytes"])), max(factor, 1.0)


def _fit_line(along: Sequence[float], up: Sequence[float]) -> tuple[float, float]:
    """Fit a line through points; neither intercept nor slope is below 0."""
    fitted = np.polyfit(np.array(along), np.array(up), 1)
    slope = max(float(fitted[0]), 0.0)
    return max(float(np.mean(up) - slope * np.mean(along)), 0.0), slope
