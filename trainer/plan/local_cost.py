"""A base, rows and a machine -> hours and money of a training, as low, likely and at most.

What trains -> how fast, within which range, and how that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import PricingError, UsageError
from advisor.gpu.memory import CONTEXT_BYTES, MEMORY_RANGE, process_bytes, trained_parameters
from advisor.gpu.model_config import architecture_of, is_known_family
from advisor.gpu.parameters import ModelShape, parameter_count
from advisor.gpu.recipe import Recipe
from advisor.gpu.throughput import (
    CPU,
    CPU_RANGE,
    PAST_RUN_RANGE,
    PROBED_RANGE,
    TIME_RANGE,
    Range,
    Speeds,
    prior_speeds,
)
from advisor.gpu.training_time import busy_share, energy_kwh, mean_watts, step_seconds
from advisor.plan.training_plan import PlannedCost, TrainingEstimate
from advisor.prices.book import PriceBook
from advisor.prices.models import Gpu
from advisor.prices.series import Price
from advisor.units import GIB
from trainer.errors import Refused
from trainer.home import home_folder
from trainer.plan.probe import (
    Probe,
    TrainingSchedule,
    cpu_peak_bytes,
    saved_probe,
    training_schedule,
)
from trainer.runs.calibration import PastRuns, read_past_runs

UNKNOWN_SAVE = (1.0, 5e-9)
"""Of a checkpoint: seconds of one of nothing, and for each byte; own judgement, a plain disk."""


@dataclass(frozen=True)
class MachineSpeed:
    """How fast a machine trains, as far as anybody knows."""

    speeds: Speeds
    range: Range
    """Real over reckoned time: low, likely, high."""
    basis: str
    """How that is known, in words for a person."""
    save: tuple[float, float] = UNKNOWN_SAVE
    """Of a checkpoint: seconds of one of nothing, and for each byte."""
    own_bytes: float | None = None
    """What a process takes beside tensors, where it was measured."""
    memory_factor: float = 1.0
    """Taken for each byte of tensors."""


def find_machine_speed(machine: str, gpu: Gpu | None, method: str, is_here: bool) -> MachineSpeed:
    """Take past runs of the machine, else its probe, else its data sheet.

    Args:
        machine: GPU as in the price book, or `cpu`.
        gpu: Its numbers there.
        method: How is trained; past runs teach of their own method only.
        is_here: Whether it is this machine: a probe is of no other.

    Raises:
        Refused: what is kept in the home folder cannot be read.
    """
    probe = saved_probe(machine) if is_here else None
    past = read_past_runs(home_folder(), machine, method)
    known = _from_probe(probe) if probe else _from_data_sheet(machine, gpu)
    return _with_past_runs(known, past) if past else known


def _from_probe(probe: Probe) -> MachineSpeed:
    return MachineSpeed(
        probe.as_speeds,
        PROBED_RANGE,
        f"a probe of {probe.device} on {probe.made_on}",
        (probe.save_seconds, probe.save_seconds_per_byte),
        probe.own_bytes,
        probe.memory_factor,
    )


def _from_data_sheet(machine: str, gpu: Gpu | None) -> MachineSpeed:
    wide = "wide, for nobody probed this machine: run trainer probe"
    if gpu is None:
        return MachineSpeed(CPU, CPU_RANGE, f"a guess of a few cores; {wide}")
    return MachineSpeed(
        prior_speeds(machine, gpu),
        TIME_RANGE,
        f"the data sheet of {gpu.name} and published runs; {wide}",
    )


def _with_past_runs(known: MachineSpeed, past: PastRuns) -> MachineSpeed:
    """Let past runs move the middle; they lie apart as far as they do, and the next one further."""
    low, _, high = min(known.range, PAST_RUN_RANGE, key=lambda one: one[2])
    runs = "1 past run" if past.runs == 1 else f"{past.runs} past runs"
    spread = (past.low * low, past.likely, past.high * high)
    return MachineSpeed(
        known.speeds,
        spread,
        f"{runs} of yours, {past.likely:.2f} times {_short(known)}",
        known.save,
        known.own_bytes,
        known.memory_factor,
    )


def _short(known: MachineSpeed) -> str:
    return known.basis.partition(";")[0]


CENT = Decimal("0.01")
SETUP_SECONDS = (20.0, 60.0, 300.0)
"""Loading libraries, checking, answering the held-out rows; own measurement and judgement."""
CHECKPOINT_BYTES = 12.0
"""Of a trained weight, with its two moments."""
CPU_MEMORY_RANGE = (0.90, 1.12)
"""Peak of a training on a CPU over what is reckoned with its probe. Own measurement, see
benchmarks.train_time --here: 5 % off in the mean."""
POWER_SHARE = 0.2
"""How far the mean power lies from what is reckoned, either way; own judgement."""


@dataclass(frozen=True)
class TrainingMachine:
    """What trains, and what an hour of it costs."""

    name: str
    """GPU as in the price book, or `cpu`."""
    gpu: Gpu | None
    usd_per_hour: Decimal
    source: str
    since: str
    read_on: str
    own: bool


def find_machine(
    book: PriceBook, scenario: Mapping[str, Any], where: str, gpu: str, usd: Decimal | None
) -> TrainingMachine:
    """Find what an hour costs: as the user says, as the scenario does, or as a cloud asks.

    Raises:
        UsageError: nobody says it.
    """
    known = None if gpu == "cpu" else book.gpu(gpu)
    said = "your own price (--usd-per-hour)"
    for own in scenario.get("hardware") or ():
        if usd is None and own.get("gpu") == gpu:
            usd, said = Decimal(str(own["usd_per_hour"])), "your scenario, hardware"
    if usd is not None:
        return TrainingMachine(gpu, known, usd, said, "today", "today", own=True)
    price = _rented(book, where, gpu, scenario)
    if price is None:
        raise UsageError(
            "--usd-per-hour",
            f"nobody says what an hour of this {gpu} costs.",
            "Give it, power too: 0.3 kW at 0.30 USD/kWh is 0.09.",
        )
    return TrainingMachine(
        gpu,
        known,
        Decimal(str(price.value)),
        price.source,
        str(price.since),
        str(price.read_on),
        price.own,
    )


def _rented(book: PriceBook, where: str, gpu: str, scenario: Mapping[str, Any]) -> Price | None:
    if where not in book.clouds(gpu):
        return None
    try:
        return book.prices.on(f"{where}/{gpu}/gpu_hour", scenario["asked_on"])
    except PricingError:
        return None


def estimate_training(
    machine: TrainingMachine,
    recipe: Recipe,
    config: Mapping[str, Any],
    lengths: NDArray[np.int64],
    is_here: bool,
) -> tuple[tuple[float, float, float], TrainingEstimate]:
    """Work out how long it takes, as low, likely and at most [h], and what else it takes.

    Leaves out: answers that are drawn in reward tuning, and the loss of validation rows.

    Args:
        machine: What trains.
        recipe: Every setting.
        config: config.json of the base.
        lengths: Tokens of each row that is learned from.
        is_here: Whether the machine is this one.

    Raises:
        Refused: it would not fit the memory of the GPU.
    """
    shape, run = shape_from_config(config), training_schedule(recipe, lengths)
    known = find_machine_speed(machine.name, machine.gpu, recipe.method, is_here)
    memory = peak_memory(shape, run, known, machine)
    step = float(step_seconds(shape, run.usual, known.speeds, float(run.micro_batches)))
    seconds = run.steps * step + run.saves * _save_seconds(shape, run, known)
    low, likely, high = (
        (seconds * share + setup) / 3600.0
        for share, setup in zip(known.range, SETUP_SECONDS, strict=True)
    )
    expected = TrainingEstimate(
        basis=known.basis,
        train_seconds=seconds,
        memory_bytes=memory,
        energy_kwh=_energy((low, likely, high), machine, shape, run, known),
    )
    return (low, likely, high), expected


def peak_memory(
    shape: ModelShape, run: TrainingSchedule, known: MachineSpeed, machine: TrainingMachine
) -> Range | None:
    """Work out the peak of the process with the longest rows, as low, likely and at most [bytes].

    Raises:
        Refused: it would not fit the memory of the GPU.
    """
    if machine.gpu is None:
        if known.own_bytes is None:
            return None
        tensors = known.memory_factor * cpu_peak_bytes(shape, run.largest)
        need, (low, high) = known.own_bytes + tensors, CPU_MEMORY_RANGE
        return need * low, need, need * high
    context = CONTEXT_BYTES if known.own_bytes is None else known.own_bytes
    need = float(process_bytes(shape, run.largest, context))
    if need > machine.gpu.memory_bytes:
        raise Refused(
            f"{machine.name}: the training needs {need / GIB:.1f} GiB, and it has "
            f"{machine.gpu.memory_bytes / GIB:.1f}. Take qlora, a smaller "
            "micro_batch_rows or max_tokens, or another GPU."
        )
    low, high = MEMORY_RANGE
    return need * low, need, need * high


def _save_seconds(shape: ModelShape, run: TrainingSchedule, known: MachineSpeed) -> float:
    """Seconds of one checkpoint: the weights that are trained and both their moments."""
    fixed, each = known.save
    return fixed + each * CHECKPOINT_BYTES * float(trained_parameters(shape, run.usual))


def _energy(
    hours: Range,
    machine: TrainingMachine,
    shape: ModelShape,
    run: TrainingSchedule,
    known: MachineSpeed,
) -> Range | None:
    if machine.gpu is None:
        return None
    busy = float(busy_share(shape, run.usual, known.speeds))
    watts = float(mean_watts(machine.gpu.tdp_watts, busy))
    low, likely, high = (float(energy_kwh(hour, watts)) for hour in hours)
    return low * (1 - POWER_SHARE), likely, high * (1 + POWER_SHARE)


def cost_figure(
    machine: TrainingMachine, hours: tuple[float, float, float], trained_tokens: int
) -> PlannedCost:
    """Turn hours into money, rounded up to a cent."""
    usd = [(machine.usd_per_hour * Decimal(repr(hour))).quantize(CENT, ROUND_UP) for hour in hours]
    return PlannedCost(
        item=f"local/{machine.name}/gpu_hour",
        price=str(machine.usd_per_hour),
        unit="USD/hour",
        since=machine.since,
        source=machine.source,
        read_on=machine.read_on,
        own=machine.own,
        trained_tokens=trained_tokens,
        trained_tokens_at_most=trained_tokens,
        low=str(usd[0]),
        likely=str(usd[1]),
        at_most=str(max(usd[2], CENT)),
        minimum=None,
    )


def shape_from_config(config: Mapping[str, Any]) -> ModelShape:
    """Read what the formulas need out of a config.json, of a decoder or an encoder.

    A family that we do not know is counted as a plain decoder.
    """
    if is_known_family(config):
        return ModelShape.of(architecture_of(config))
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    shape = ModelShape(
        layers=int(config["num_hidden_layers"]),
        hidden_size=hidden,
        intermediate_size=int(config.get("intermediate_size") or 4 * hidden),
        attention_heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or hidden // heads),
        vocabulary=int(config["vocab_size"]),
        tied_embeddings=bool(config.get("tie_word_embeddings", False)),
        parameters=0,
    )
    return shape._replace(parameters=parameter_count(shape))
