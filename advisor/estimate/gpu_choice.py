"""Which available GPUs can run a training or serve a load, how long it takes, what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.errors import UsageError
from advisor.estimate.line import first_value
from advisor.estimate.periods import peak_factor
from advisor.estimate.sampling import EstimateContext
from advisor.estimate.tuning import ACCUMULATION, PADDED_SHARE, SETUP_HOURS, default_epochs
from advisor.gpu.memory import fits_in_memory, process_bytes
from advisor.gpu.parameters import ModelShape
from advisor.gpu.recipe import ROWS_PER_STEP
from advisor.gpu.roofline import GpuSet, ServingSetup, served_weight_bytes
from advisor.gpu.serving import (
    answer_seconds,
    gpus_per_copy,
    mean_output_tokens_per_second,
    output_range,
    replicas_needed,
    with_adapters,
)
from advisor.gpu.serving_engines import (
    NEWEST_ENGINE,
    PRECISIONS,
    SIXTEEN_BIT,
    Precision,
    ServingEngine,
)
from advisor.gpu.throughput import TIME_RANGE, Range, prior_speeds
from advisor.gpu.training_setup import Method, Sharding, TrainingSetup
from advisor.gpu.training_time import step_seconds
from advisor.inputs import Inputs, ResolvedScenario
from advisor.options.gpu_tuning import lacks_bf16
from advisor.options.machines import AvailableGpu
from advisor.options.option import RuledOutOption, rule_out, short_name
from advisor.prices.models import Gpu, ModelCard
from advisor.units import GIB, HOURS_PER_MONTH

COUNTS = (1, 2, 4, 8)
"""Numbers of GPUs of one machine that are considered for training."""


@dataclass(frozen=True)
class TrainingWorkload:
    """A training, independent of the machine."""

    base: ModelCard
    setup: TrainingSetup
    """With the tokens of one micro-batch."""
    tokens: float
    """Tokens trained on, all epochs and padding included."""
    longest_tokens: float
    """Tokens of the longest row, which has to fit into memory alone."""
    micro_batches: float = 1.0
    """Micro-batches per step on one GPU; several GPUs share them, at least one each."""


@dataclass(frozen=True)
class ServingWorkload:
    """The load that a tuned model has to serve."""

    base: ModelCard
    prompt_tokens: float
    completion_tokens: float
    peak_tokens_per_second: float
    """Output tokens per second of all requests at the peak."""
    engine: ServingEngine = NEWEST_ENGINE
    precision: Precision = PRECISIONS[SIXTEEN_BIT]
    unmerged: bool = False
    """Whether adapters are kept separate from the weights."""


@dataclass(frozen=True)
class GpuChoice:
    """GPUs that can do the work."""

    machine: AvailableGpu
    count: int
    """Number of GPUs."""
    memory_bytes: float
    """Memory needed on each GPU."""
    seconds: Range
    """Duration of the training, or of one answer on an idle server."""
    usd: Range
    """Cost of the training, or of a month of serving."""
    tokens_per_second: float
    """Tokens trained on per second, or output tokens per second at full load."""

    @property
    def name(self) -> str:
        """Name such as 2 x H100_SXM at runpod."""
        return f"{self.count} x {self.machine.gpu.name} at {self.machine.provider}"


GpuChoices = Iterator[GpuChoice | RuledOutOption]
"""For each machine its choices, or why it is ruled out."""


def training_choices(
    training: TrainingWorkload, machines: Sequence[AvailableGpu], licences: Sequence[str] = ()
) -> GpuChoices:
    """Return time and cost of a training on each machine with 1, 2, 4 and 8 GPUs.

    Each GPU has a copy of the model if it fits; else the weights are sharded over all GPUs.
    Without allowed licences, every licence of the model is allowed.
    """
    for machine in machines:
        refused = _unfit(training.base, machine, licences, lacks_bf16(machine.gpu))
        if refused:
            yield refused
            continue
        counts = [count for count in COUNTS if count <= machine.most]
        setups = [_distributed_setup(training, machine.gpu, count) for count in counts]
        fits = [setup for setup in setups if _fits_gpu(training, setup, machine.gpu)]
        yield from (_trained(training, setup, machine) for setup in fits)
        if not fits:
            says = (
                f"Training needs {_memory(training, setups[-1]) / GIB:.1f} GiB on each of "
                f"{counts[-1]} GPUs, and a {machine.gpu.name} has "
                f"{machine.gpu.memory_bytes / GIB:.0f} GiB."
            )
            yield _out(training.base, machine, "gpu-memory", says)


def serving_choices(
    load: ServingWorkload, machines: Sequence[AvailableGpu], licences: Sequence[str] = ()
) -> GpuChoices:
    """Return how many GPUs of each machine serve the peak, and their cost per month.

    Without allowed licences, every licence of the model is allowed.
    """
    for machine in machines:
        refused = _unfit(load.base, machine, licences, _lacks_kernels(machine.gpu, load.precision))
        yield refused or _served(load, machine)


def cheapest(choices: Sequence[GpuChoice]) -> GpuChoice | None:
    """Return the cheapest choice, or None."""
    return min(choices, key=lambda choice: (choice.usd[1], choice.seconds[1]), default=None)


def fastest(choices: Sequence[GpuChoice]) -> GpuChoice | None:
    """Return the fastest choice, or None."""
    return min(choices, key=lambda choice: (choice.seconds[1], choice.usd[1]), default=None)


def fastest_within_budget(choices: Sequence[GpuChoice], budget_usd: float) -> GpuChoice | None:
    """Return the fastest choice whose worst-case cost is within a budget, or None."""
    return fastest([choice for choice in choices if choice.usd[2] <= budget_usd])


def _unfit(
    base: ModelCard, machine: AvailableGpu, licences: Sequence[str], lacks: str | None
) -> RuledOutOption | None:
    if licences and base.licence not in licences:
        says = f"{base.id} has the licence {base.licence}; allowed: {', '.join(licences)}."
        return _out(base, machine, "licence", says)
    return _out(base, machine, "dtype", lacks) if lacks else None


def _lacks_kernels(gpu: Gpu, precision: Precision) -> str | None:
    if gpu.compute_capability >= precision.least_capability:
        return None
    return (
        f"{gpu.name} has compute capability {gpu.compute_capability:g}; this precision needs "
        f"{precision.least_capability:g}."
    )


def model_shape(base: ModelCard) -> ModelShape:
    """Return the shape of a model.

    Raises:
        UsageError: the price book has no architecture of it.
    """
    if base.architecture is None:
        raise UsageError(
            f"model {base.id}",
            "the price book does not contain its architecture.",
            "Name an open model, or give its config.json.",
        )
    return ModelShape.of(base.architecture)


def _memory(training: TrainingWorkload, setup: TrainingSetup) -> float:
    one_row = setup.with_changes(tokens=training.longest_tokens, longest=training.longest_tokens)
    return float(process_bytes(model_shape(training.base), one_row))


def _fits_gpu(training: TrainingWorkload, setup: TrainingSetup, gpu: Gpu) -> bool:
    return bool(fits_in_memory(_memory(training, setup), gpu.memory_bytes))


def _distributed_setup(training: TrainingWorkload, gpu: Gpu, count: int) -> TrainingSetup:
    """Set up one copy per GPU if it fits, else one copy sharded over all GPUs."""
    sharding: Sharding = "none" if count == 1 else "ddp"
    setup = training.setup.with_changes(gpus=float(count), sharding=sharding)
    if count == 1 or _fits_gpu(training, setup, gpu):
        return setup
    return setup.with_changes(sharding="zero3")


def _trained(training: TrainingWorkload, setup: TrainingSetup, machine: AvailableGpu) -> GpuChoice:
    speeds, count = prior_speeds(machine.gpu.name, machine.gpu), int(np.asarray(setup.gpus))
    micro_batches = max(training.micro_batches / count, 1.0)
    each = step_seconds(model_shape(training.base), setup, speeds, micro_batches)
    tokens = float(np.asarray(setup.tokens)) * micro_batches * count
    seconds = math.ceil(training.tokens / tokens) * float(each)
    rented = 0.0 if machine.is_own else 1.0
    low, likely, high = (seconds * share for share in TIME_RANGE)
    price = count * float(machine.price.value)
    cheap, usual, worst = (
        price * (time / 3600.0 + rented * setup_hours)
        for time, setup_hours in zip((low, likely, high), SETUP_HOURS, strict=True)
    )
    usd = (cheap, usual, worst)
    memory, speed = _memory(training, setup), training.tokens / likely
    return GpuChoice(machine, count, memory, (low, likely, high), usd, speed)


def _served(load: ServingWorkload, machine: AvailableGpu) -> GpuChoice | RuledOutOption:
    shape, gpu = model_shape(load.base), machine.gpu
    live = load.prompt_tokens + load.completion_tokens
    each = int(gpus_per_copy(shape, gpu.memory_bytes, live, load.precision))
    serving = ServingSetup(shape, GpuSet.of(gpu, each), load.engine, load.precision)
    if each > machine.most:
        return _needs_more(load.base, machine, f"One copy needs {each}")
    plain = output_range(serving, load.prompt_tokens, load.completion_tokens)
    speeds = [with_adapters(speed, float(load.unmerged), load.engine) for speed in plain]
    gpus = [each * int(replicas_needed(load.peak_tokens_per_second, speed)) for speed in speeds]
    if machine.is_own and gpus[1] > machine.most:
        return _needs_more(load.base, machine, f"The peak needs {gpus[1]}")
    month = float(machine.price.value) * HOURS_PER_MONTH
    tokens = load.prompt_tokens, load.completion_tokens
    seconds = [
        float(answer_seconds(serving._replace(engine=load.engine.at(end)), *tokens))
        for end in (1.0, 0.0, -1.0)
    ]
    return GpuChoice(
        machine,
        gpus[1],
        float(served_weight_bytes(serving)) / each,
        (seconds[0], seconds[1], seconds[2]),
        (month * gpus[2], month * gpus[1], month * gpus[0]),
        float(speeds[1]) * gpus[1] / each,
    )


def _needs_more(base: ModelCard, machine: AvailableGpu, needs: str) -> RuledOutOption:
    says = f"{needs} {machine.gpu.name}; {machine.most} are available."
    return _out(base, machine, "gpu-memory", says)


def _out(base: ModelCard, machine: AvailableGpu, rule: str, says: str) -> RuledOutOption:
    where = f"gpu:{machine.provider}:{short_name(base.id)}:{machine.gpu.name}"
    return rule_out(where, rule, says, machine.gpu.source)


def training_workload(
    resolved: ResolvedScenario, base: ModelCard, method: Method
) -> TrainingWorkload:
    """Return the training of a scenario's examples with our own recipe."""
    inputs = resolved.inputs
    row = resolved.tokens_per_example
    if np.isnan(row):
        row = first_value(inputs.prefix_tokens + inputs.user_tokens + inputs.completion_tokens)
    padded, examples = PADDED_SHARE * row, first_value(inputs.examples)
    longest = padded if np.isnan(resolved.longest_tokens) else resolved.longest_tokens
    tokens = examples * float(np.asarray(default_epochs(examples))) * padded
    setup = TrainingSetup(method, padded * ROWS_PER_STEP / ACCUMULATION, padded)
    return TrainingWorkload(base, setup, tokens, longest, ACCUMULATION)


def serving_workload(context: EstimateContext, base: ModelCard) -> ServingWorkload:
    """Return the traffic of a scenario at its peak, on the newest engine in 16 bit."""
    inputs: Inputs = context.inputs
    prompt = first_value(inputs.tuned_prefix_tokens + inputs.user_tokens + inputs.context_tokens)
    mean = mean_output_tokens_per_second(inputs.requests_per_month, inputs.completion_tokens)
    peak = first_value(mean * np.asarray(peak_factor(context)))
    return ServingWorkload(base, prompt, first_value(inputs.completion_tokens), peak)
