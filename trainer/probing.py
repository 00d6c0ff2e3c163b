"""Thirty seconds of this machine -> how fast it trains and what a process takes, kept at home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from advisor.estimate.configs import architecture_of
from advisor.estimate.fitting import Timed, fit_speeds, misses
from advisor.estimate.parameters import Shape
from advisor.estimate.speeds import CPU, Speeds, prior_speeds
from advisor.models import Gpu
from advisor.recipe import Recipe
from advisor.units import Record
from trainer.database import home_folder
from trainer.errors import Refused
from trainer.local.process import environment
from trainer.local_setup import Run, cpu_bytes, run_of

SCRIPT = Path(__file__).parent / "scripts" / "probe.py"
FILE = "probes.json"
MOST_SECONDS = 600.0
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


def measure(machine: str, gpu: Gpu | None, seconds: float, day: str) -> Probe:
    """Run the script and find the speeds that explain what it measured.

    Args:
        machine: GPU as in the price book, or `cpu`.
        gpu: Its numbers there.
        seconds: How long it may go on beginning new trainings.
        day: Today.

    Raises:
        Refused: it could not be run.
    """
    return probe_of(run_script(gpu is not None, seconds), machine, gpu, day)


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
            done = subprocess.run(command, env=env, capture_output=True, text=True,
                                  timeout=MOST_SECONDS, check=False)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Refused(f"the probe took over {MOST_SECONDS:.0f} s. Is the machine busy? Try "
                          "again when it is not.") from error  # fmt: skip
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise Refused(f"the probe did not end well: {last[0]}. Is the extra installed? pip "
                          "install 'tune-or-not[local]'")  # fmt: skip
        return dict(json.loads((Path(name) / "probe.json").read_text(encoding="utf-8")))


def probe_of(told: Mapping[str, Any], machine: str, gpu: Gpu | None, day: str) -> Probe:
    """Turn what the script measured into speeds and sizes."""
    entries = told["timed"]
    runs = [
        run_of(Recipe.model_validate(one["recipe"]), np.array(one["lengths"])) for one in entries
    ]
    shapes = [Shape.of(architecture_of(one["config"])) for one in entries]
    timed = [
        Timed(shape, run.usual, 1.0, float(one["step_seconds"]))
        for shape, run, one in zip(shapes, runs, entries, strict=True)
    ]
    speeds = fit_speeds(timed, CPU if gpu is None else prior_speeds(machine, gpu))
    own, factor = _memory(told, shapes, runs)
    fixed, each = _line([_saved(one) for one in entries], [one["save_seconds"] for one in entries])
    return Probe(
        machine=machine, device=told["device"], made_on=day, torch=told["torch"],
        threads=told["threads"], own_bytes=own, memory_factor=factor, save_seconds=fixed,
        speeds={name: float(value) for name, value in speeds._asdict().items()},
        save_seconds_per_byte=each, trainings=len(entries), seconds=told["seconds"],
        worst_miss=float(np.abs(misses(timed, speeds)).max()),
    )  # fmt: skip


def keep(probe: Probe) -> None:
    """Keep it in the home folder, in place of an older one of the same machine."""
    path = home_folder() / FILE
    kept = {one.machine: one for one in _read(path)} | {probe.machine: probe}
    part = path.with_suffix(".part")
    part.write_text(json.dumps([one.model_dump() for one in kept.values()], indent=1))
    os.replace(part, path)


def kept_probe(machine: str) -> Probe | None:
    """Find the probe of a machine, if it was ever probed."""
    found = (probe for probe in _read(home_folder() / FILE) if probe.machine == machine)
    return next(found, None)


def _read(path: Path) -> Sequence[Probe]:
    if not path.is_file():
        return ()
    try:
        return [Probe.model_validate(one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, ValidationError) as error:
        raise Refused(f"{path}: it holds no probe ({error}). Remove it, then run: trainer "
                      "probe") from error  # fmt: skip


def _saved(entry: Mapping[str, Any]) -> float:
    trained = float(entry["trained_parameters"])
    return trained * (4 + STATE_BYTES)


def _memory(
    told: Mapping[str, Any], shapes: Sequence[Shape], runs: Sequence[Run]
) -> tuple[float, float]:
    """What a process takes by itself, and for each byte of tensors; measured peaks only grow."""
    if told["timed"][0]["peak_allocated_bytes"] is not None:  # a GPU's allocator is known
        return float(told["own_bytes"]), 1.0
    sizes = [cpu_bytes(shape, run.largest) for shape, run in zip(shapes, runs, strict=True)]
    peaks = [float(entry["peak_bytes"]) for entry in told["timed"]]
    largest = [max(sizes[: n + 1]) for n in range(len(sizes))]
    own, factor = _line(largest, peaks)
    return max(own, float(told["own_bytes"])), max(factor, 1.0)


def _line(along: Sequence[float], up: Sequence[float]) -> tuple[float, float]:
    """Lay a line through points; neither where it begins nor its slope is below 0."""
    fitted = np.polyfit(np.array(along), np.array(up), 1)
    slope = max(float(fitted[0]), 0.0)
    return max(float(np.mean(up) - slope * np.mean(along)), 0.0), slope
