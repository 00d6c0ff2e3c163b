"""Time, memory, energy and cost of a training on your own machine, as ranges with their basis."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
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
from advisor.scenario.scenario import Hardware
from advisor.units import CENT, GIB, round_up_to_cents
from trainer.errors import Refused
from trainer.home import home_folder
from trainer.plan.probe import (
    TrainingSchedule,
    cpu_peak_bytes,
    saved_probe,
    training_schedule,
)
from trainer.runs.calibration import read_past_runs

UNKNOWN_SAVE = (1.0, 5e-9)
"""Checkpoint time: fixed seconds, and seconds per byte; own judgement for an ordinary disk."""


@dataclass(frozen=True)
class MachineSpeed:
    """Training speed of a machine, as far as it is known."""

    speeds: Speeds
    range: Range
    """Actual over estimated time: low, likely, high."""
    basis: str
    """Source of the numbers, as text."""
    save: tuple[float, float] = UNKNOWN_SAVE
    """Checkpoint time: fixed seconds, and seconds per byte."""
    own_bytes: float | None = None
    """Memory of a process without tensors, if it was measured."""
    memory_factor: float = 1.0
    """Measured bytes per byte of tensors."""


def find_machine_speed(machine: str, gpu: Gpu | None, method: str, is_here: bool) -> MachineSpeed:
    """Return the speed by past runs of the machine with this method, else its probe or data sheet.

    The machine is a GPU as in the price book, or `cpu`; a probe applies to this machine only.

    Raises:
        Refused: a file in the home folder cannot be read.
    """
    probe = saved_probe(machine) if is_here else None
    past = read_past_runs(home_folder(), machine, method)
    if probe:
        basis = f"a probe of {probe.device} on {probe.made_on}"
        save = (probe.save_seconds, probe.save_seconds_per_byte)
        memory = (probe.own_bytes, probe.memory_factor)
        known = MachineSpeed(probe.as_speeds, PROBED_RANGE, basis, save, *memory)
    else:
        known = _from_data_sheet(machine, gpu)
    if past is None:
        return known
    # the middle and the spread of past runs, widened for the next run
    low, _, high = min(known.range, PAST_RUN_RANGE, key=lambda bounds: bounds[2])
    runs = "1 past run" if past.runs == 1 else f"{past.runs} past runs"
    basis = f"{runs} of yours, {past.likely:.2f} times {known.basis.partition(';')[0]}"
    return replace(known, range=(past.low * low, past.likely, past.high * high), basis=basis)


def _from_data_sheet(machine: str, gpu: Gpu | None) -> MachineSpeed:
    wide = "wide range, this machine was not probed: run trainer probe"
    if gpu is None:
        return MachineSpeed(CPU, CPU_RANGE, f"a guess for a few cores; {wide}")
    basis = f"the data sheet of {gpu.name} and published runs; {wide}"
    return MachineSpeed(prior_speeds(machine, gpu), TIME_RANGE, basis)


SETUP_SECONDS = (20.0, 60.0, 300.0)
"""Loading libraries, checking, answering the held-out rows; own measurement and judgement."""
CHECKPOINT_BYTES = 12.0
"""Per trained weight, with its two moments."""
CPU_MEMORY_RANGE = (0.90, 1.12)
"""Actual over estimated peak memory on a CPU with a probe. Own measurement, see
benchmarks.train_time --here: 5% mean error."""
POWER_SHARE = 0.2
"""Deviation of the mean power from the estimate, either way; own judgement."""


@dataclass(frozen=True)
class TrainingMachine:
    """A machine that trains, with its hourly cost."""

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
    """Return the machine with its hourly cost: the user's, the scenario's, else the cloud's price.

    Raises:
        UsageError: the cost is not specified.
    """
    known = None if gpu == "cpu" else book.gpu(gpu)
    source = "your own price (--usd-per-hour)"
    for own in scenario.get("hardware") or ():
        if usd is None and own.get("gpu") == gpu:
            hour = Hardware.model_validate(own).hour_usd(known.tdp_watts if known else 0.0)
            usd, source = Decimal(repr(round(hour, 9))), "hardware in your scenario"
    if usd is not None:
        return TrainingMachine(gpu, known, usd, source, "today", "today", own=True)
    price: Price | None = None
    if where in book.clouds(gpu):
        with suppress(PricingError):
            price = book.prices.on(f"{where}/{gpu}/gpu_hour", scenario["asked_on"])
    if price is None:
        raise UsageError(
            "--usd-per-hour",
            f"the hourly cost of this {gpu} is not specified.",
            "Set it, power included: 0.3 kW at 0.30 USD/kWh is 0.09.",
        )
    usd, since, read_on = Decimal(str(price.value)), str(price.since), str(price.read_on)
    return TrainingMachine(gpu, known, usd, price.source, since, read_on, price.own)


def estimate_training(
    machine: TrainingMachine,
    recipe: Recipe,
    config: Mapping[str, Any],
    lengths: NDArray[np.int64],
    is_here: bool,
) -> tuple[tuple[float, float, float], TrainingEstimate]:
    """Estimate the time as low, likely and worst case [h], and memory and energy.

    Leaves out: generating answers in reward tuning, and the loss of validation rows. *config* is
    config.json of the base, *lengths* the tokens of each training row.

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
    hours: Range = (low, likely, high)
    energy: Range | None = None
    if machine.gpu is not None:
        busy = float(busy_share(shape, run.usual, known.speeds))
        watts = float(mean_watts(machine.gpu.tdp_watts, busy))
        least, usual, most = (float(energy_kwh(hour, watts)) for hour in hours)
        energy = (least * (1 - POWER_SHARE), usual, most * (1 + POWER_SHARE))
    expected = TrainingEstimate(
        basis=known.basis, train_seconds=seconds, memory_bytes=memory, energy_kwh=energy
    )
    return hours, expected


def peak_memory(
    shape: ModelShape, run: TrainingSchedule, known: MachineSpeed, machine: TrainingMachine
) -> Range | None:
    """Estimate the peak memory with the longest rows, as low, likely and worst case [bytes].

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
            f"{machine.name}: the training needs {need / GIB:.1f} GiB, the GPU has "
            f"{machine.gpu.memory_bytes / GIB:.1f}. Use qlora, a smaller micro_batch_rows or "
            "max_tokens, or another GPU."
        )
    low, high = MEMORY_RANGE
    return need * low, need, need * high


def _save_seconds(shape: ModelShape, run: TrainingSchedule, known: MachineSpeed) -> float:
    """Return the seconds of one checkpoint: trained weights with both moments."""
    fixed, each = known.save
    return fixed + each * CHECKPOINT_BYTES * float(trained_parameters(shape, run.usual))


def cost_figure(
    machine: TrainingMachine, hours: tuple[float, float, float], trained_tokens: int
) -> PlannedCost:
    """Return the cost of some hours, rounded up to a cent."""
    usd = [round_up_to_cents(machine.usd_per_hour * Decimal(repr(hour))) for hour in hours]
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
    """Return the shape of a decoder or encoder from its config.json.

    An unknown model family counts as a plain decoder.
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
