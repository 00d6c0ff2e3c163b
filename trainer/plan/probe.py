"""Thirty seconds of this machine -> how fast it trains and what a process takes, kept at home.

A recipe and the lengths of its rows -> what the formulas of time and memory read of it.
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
"""Drawing the answers of reward tuning is left out; that is told."""
TILE = (4096.0, 32768.0)
"""Tokens and words of a tile of the loss head. Source: trl 1.16."""
TILE_BYTES = 22.0
"""Of a number in it, beside what is counted for a GPU: on a CPU scores, their exponentials and
gradients stand in memory at once. Counted in trl 1.16."""
OPTIMIZERS: Mapping[str, Optimizer] = {"adamw_8bit": "adamw_8bit"}


class TrainingSchedule(NamedTuple):
    """One training as the formulas read it."""

    usual: TrainingSetup
    """With a micro-batch as it is in the middle, padding included."""
    largest: TrainingSetup
    """With the longest rows at once: memory has to do for them."""
    steps: int
    micro_batches: int
    saves: int
    """Checkpoints that are written."""


def training_schedule(recipe: Recipe, lengths: NDArray[np.int64]) -> TrainingSchedule:
    """Lay a training out.

    Args:
        recipe: Every setting.
        lengths: Tokens of each row, before the cut.
    """
    cut = np.minimum(np.asarray(lengths), recipe.max_tokens)
    longest, rows, count = float(cut.max()), recipe.micro_batch_rows, cut.size
    usual = longest_of_batch(cut, rows)
    scored = usual
    if recipe.packing:  # rows are kept apart: a token looks back in its own
        longest = usual = float(recipe.max_tokens)
        count = math.ceil(int(cut.sum()) / recipe.max_tokens)
        scored = float((cut.astype(np.float64) ** 2).sum() / cut.sum())
    steps = math.ceil(math.ceil(count / recipe.rows_per_step) * recipe.epochs)
    steps = min(steps, recipe.most_steps or steps)
    return TrainingSchedule(
        training_setup(recipe, usual * rows, scored),
        training_setup(recipe, longest * rows, longest),
        steps,
        recipe.accumulation_steps,
        math.ceil(steps / recipe.save_steps),
    )


def training_setup(recipe: Recipe, tokens: float, longest: float) -> TrainingSetup:
    """Read of a recipe what time and memory depend on.

    Args:
        recipe: Every setting.
        tokens: Of a micro-batch, padding included.
        longest: Tokens that attention spans.
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
    """Count the peak of a training's tensors where no kernels of their own work the loss out."""
    tokens, words = np.minimum(setup.positions, TILE[0]), np.minimum(shape.vocabulary, TILE[1])
    told = setup.head == "fused" and setup.objective != "classification"
    return float(allocated_bytes(shape, setup) + TILE_BYTES * tokens * words * told)


SCRIPT = Path(__file__).parent.parent / "scripts" / "probe.py"
PROBES_FILE = "probes.json"
MAX_SECONDS = 600.0
"""After which a probe is taken to hang."""
STATE_BYTES = 8
"""Of the two moments of a weight in a checkpoint."""


class Probe(Record):
    """What was measured on one machine."""

    machine: str
    """GPU as in the price book, or `cpu`."""
    device: str
    """What the machine calls itself."""
    made_on: str
    """Day."""
    torch: str
    """Version it was measured with."""
    threads: int
    """Threads of the host."""
    speeds: Mapping[str, float]
    """See `Speeds`."""
    own_bytes: float
    """What a process takes beside tensors."""
    memory_factor: float
    """Taken for each byte of tensors."""
    save_seconds: float
    """Of a checkpoint of nothing."""
    save_seconds_per_byte: float
    """And for each byte in it."""
    worst_miss: float
    """How far the formulas are from the furthest training of the probe, as a share."""
    trainings: int
    """How many there were."""
    seconds: float
    """How long it took."""

    @property
    def as_speeds(self) -> Speeds:
        """The speeds, for the formulas."""
        return Speeds(**self.speeds)


def measure_machine(machine: str, gpu: Gpu | None, seconds: float, day: str) -> Probe:
    """Run the script and find the speeds that explain what it measured.

    Args:
        machine: GPU as in the price book, or `cpu`.
        gpu: Its numbers there.
        seconds: How long it may go on beginning new trainings.
        day: Today.

    Raises:
        Refused: it could not be run.
    """
    return fit_probe(run_script(gpu is not None, seconds), machine, gpu, day)


def run_script(on_gpu: bool, seconds: float) -> dict[str, Any]:
    """Train what there is time for in a process of its own; return what it wrote down.

    Raises:
        Refused: it did not end, or not well.
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
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise Refused(
                f"the probe did not end well: {last[0]}. Is the extra installed? pip "
                "install 'tune-or-not[local]'"
            )
        return dict(json.loads((Path(name) / "probe.json").read_text(encoding="utf-8")))


def fit_probe(told: Mapping[str, Any], machine: str, gpu: Gpu | None, day: str) -> Probe:
    """Turn what the script measured into speeds and sizes."""
    entries = told["timed"]
    runs = [
        training_schedule(Recipe.model_validate(one["recipe"]), np.array(one["lengths"]))
        for one in entries
    ]
    shapes = [ModelShape.of(architecture_of(one["config"])) for one in entries]
    timed = [
        TimedTraining(shape, run.usual, 1.0, float(one["step_seconds"]))
        for shape, run, one in zip(shapes, runs, entries, strict=True)
    ]
    speeds = fit_speeds(timed, CPU if gpu is None else prior_speeds(machine, gpu))
    own, factor = _memory(told, shapes, runs)
    fixed, each = _line([_saved(one) for one in entries], [one["save_seconds"] for one in entries])
    return Probe(
        machine=machine,
        device=told["device"],
        made_on=day,
        torch=told["torch"],
        threads=told["threads"],
        own_bytes=own,
        memory_factor=factor,
        save_seconds=fixed,
        speeds={name: float(value) for name, value in speeds._asdict().items()},
        save_seconds_per_byte=each,
        trainings=len(entries),
        seconds=told["seconds"],
        worst_miss=float(np.abs(relative_errors(timed, speeds)).max()),
    )


def save_probe(probe: Probe) -> None:
    """Keep it in the home folder, in place of an older one of the same machine."""
    path = home_folder() / PROBES_FILE
    kept = {one.machine: one for one in _read(path)} | {probe.machine: probe}
    part = path.with_suffix(".part")
    part.write_text(json.dumps([one.model_dump() for one in kept.values()], indent=1))
    os.replace(part, path)


def saved_probe(machine: str) -> Probe | None:
    """Find the probe of a machine, if it was ever probed."""
    found = (probe for probe in _read(home_folder() / PROBES_FILE) if probe.machine == machine)
    return next(found, None)


def _read(path: Path) -> Sequence[Probe]:
    if not path.is_file():
        return ()
    try:
        return [Probe.model_validate(one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, ValidationError) as error:
        raise Refused(
            f"{path}: it holds no probe ({error}). Remove it, then run: trainer probe"
        ) from error


def _saved(entry: Mapping[str, Any]) -> float:
    trained = float(entry["trained_parameters"])
    return trained * (4 + STATE_BYTES)


def _memory(
    told: Mapping[str, Any], shapes: Sequence[ModelShape], runs: Sequence[TrainingSchedule]
) -> tuple[float, float]:
    """What a process takes by itself, and for each byte of tensors; measured peaks only grow."""
    if told["timed"][0]["peak_allocated_bytes"] is not None:  # a GPU's allocator is known
        return float(told["own_bytes"]), 1.0
    sizes = [cpu_peak_bytes(shape, run.largest) for shape, run in zip(shapes, runs, strict=True)]
    peaks = [float(entry["peak_bytes"]) for entry in told["timed"]]
    largest = [max(sizes[: n + 1]) for n in range(len(sizes))]
    own, factor = _line(largest, peaks)
    return max(own, float(told["own_bytes"])), max(factor, 1.0)


def _line(along: Sequence[float], up: Sequence[float]) -> tuple[float, float]:
    """Lay a line through points; neither where it begins nor its slope is below 0."""
    fitted = np.polyfit(np.array(along), np.array(up), 1)
    slope = max(float(fitted[0]), 0.0)
    return max(float(np.mean(up) - slope * np.mean(along)), 0.0), slope
