"""Costs of tuning: training set, training at a provider or on a GPU, retraining."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.inference import counted_factor
from advisor.estimate.line import CostLine, priced_line, total_cost
from advisor.estimate.machine_hours import gpu_hour_lines
from advisor.estimate.sampling import EstimateContext, Sampling
from advisor.estimate.tokens import trained_tokens
from advisor.gpu.parameters import ModelShape
from advisor.gpu.recipe import ENCODER_EPOCHS, ROWS_PER_STEP
from advisor.gpu.throughput import CPU, CPU_RANGE, TIME_RANGE, Speeds, prior_speeds
from advisor.gpu.training_setup import Method, TrainingSetup
from advisor.gpu.training_time import step_seconds
from advisor.inputs import Inputs
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.options.price_column import option_column
from advisor.units import Number

SETUP_HOURS = (0.1, 0.3, 1.0)
"""Downloading weights and starting up on a rented GPU [h]; own judgement."""
ACCUMULATION = 4.0
"""Micro-batches per step in our recipe."""
PADDED_SHARE = 1.3
"""Tokens of the longest of four rows, relative to a mean row, without a dataset: lengths with a
standard deviation of 30%. Own judgement."""
VCPUS_OF_CPU_SPEEDS = 4.0
"""vCPUs that the speeds of a CPU are for; own judgement."""
BASELINE_SECONDS = 60.0
"""Training time of the baseline on a CPU."""


@dataclass(frozen=True)
class TrainingSet:
    """The rows to train one model on, their tokens, and the number of epochs."""

    examples: Number
    tokens_per_example: Number
    epochs: Number
    models: Number = 1.0
    """Models that are trained, each on as many rows."""

    @property
    def tokens(self) -> Number:
        """Tokens trained on."""
        return trained_tokens(self.examples * np.asarray(self.tokens_per_example), self.epochs)


def default_epochs(examples: Number) -> Number:
    """Epochs if not given: three, more for few examples, fewer for many.

    epochs [1] = 3; below 100 / 3 examples min(25, 100 // n); above 25,000 / 3 max(1, 25000 // n)

    Source: OpenAI cookbook, examples/Chat_finetuning_data_prep.ipynb.

    >>> [int(default_epochs(n)) for n in (1, 5, 34, 8334, 12501)]
    [25, 20, 3, 2, 1]
    """
    n = np.maximum(np.asarray(examples, np.float64), 1.0)
    few = np.minimum(25.0, 100.0 // n)
    many = np.maximum(1.0, 25_000.0 // n)
    return np.where(3 * n < 100, few, np.where(3 * n > 25_000, many, 3.0))


def models_trained(batch: OptionBatch, context: EstimateContext) -> Number:
    """Models that are trained: one for each task or tenant that needs its own."""
    if not batch.trains:
        return 1.0
    return context.resolved.column(lambda scenario: max(scenario.dataset.tenants or 1.0, 1.0))


def training_set(batch: OptionBatch, context: EstimateContext) -> TrainingSet:
    """Return the training set; a distilled model gets enough generated rows.

    Without a dataset a row is prefix, input and completion. The prefix is kept, which is an upper
    bound of the cost.
    """
    resolved, inputs = context.resolved, context.inputs
    examples = training_example_counts(batch.uses("distill"), context)
    row: Number = inputs.prefix_tokens + inputs.user_tokens + inputs.completion_tokens
    if not np.isnan(resolved.tokens_per_example):
        row = row * 0 + resolved.tokens_per_example * counted_factor(batch, context.sampling)
    models = models_trained(batch, context)
    return TrainingSet(examples, row, default_epochs(examples), models)


def training_example_counts(
    distils: NDArray[np.bool_], context: EstimateContext
) -> NDArray[np.float64]:
    """Number of training examples; for a distilled model at least as many as are enough."""
    examples = context.inputs.examples
    if not distils.any():
        return examples
    enough = np.maximum(examples, context.task_evidence.comfortable_examples)
    return np.where(distils, enough, examples)


def provider_training_lines(batch: OptionBatch, rows: TrainingSet) -> list[CostLine]:
    """List the cost of one training job per model, including the minimum price of a job."""
    tokens = rows.tokens * rows.models
    lines = [priced_line("training", tokens, batch.prices["training"], "once")]
    minimum = batch.prices.get("job_minimum")
    if minimum:
        least = minimum.rate
        missing = np.maximum(least * rows.models - np.asarray(total_cost(lines, "once")), 0.0)
        share = np.where(rows.examples > 0, missing / np.maximum(least, 1e-9), 0.0)
        lines.append(priced_line("top-up to the minimum price of a job", share, minimum, "once"))
    return lines


def teacher_lines(batch: OptionBatch, rows: TrainingSet, inputs: Inputs) -> list[CostLine]:
    """List the cost of generating training examples with a teacher model."""
    written = np.maximum(rows.examples - np.asarray(inputs.examples), 0.0) * rows.models
    question = inputs.prefix_tokens + inputs.user_tokens + inputs.context_tokens
    answers = written * inputs.completion_tokens
    return [
        priced_line("teacher input", written * question, batch.prices["teacher_input"], "once"),
        priced_line("teacher output", answers, batch.prices["teacher_output"], "once"),
    ]


def gpu_training_seconds(batch: OptionBatch, rows: TrainingSet, sampling: Sampling) -> Number:
    """Seconds of one training run on one GPU, or on the CPU of an encoder, from the data sheet."""
    passes = ENCODER_EPOCHS if batch.family == "encoder" else rows.epochs
    gpus = [prior_speeds(o.gpu.name, o.gpu) if o.gpu else _cpu_speeds(o) for o in batch.options]
    speeds = Speeds(*(option_column(list(column)) for column in zip(*gpus, strict=True)))
    longest = PADDED_SHARE * np.asarray(rows.tokens_per_example, np.float64)
    setup = TrainingSetup(
        training_method(batch),
        longest * (ROWS_PER_STEP / ACCUMULATION),
        longest,
        objective="classification" if batch.family == "encoder" else "sft",
    )
    shape = ModelShape.among(batch.architecture)
    step = step_seconds(shape, setup, speeds, ACCUMULATION)
    pairs = batch.uses("dpo")
    if pairs.any():
        of_pairs = step_seconds(shape, setup.with_changes(objective="dpo"), speeds, ACCUMULATION)
        step = np.where(pairs, of_pairs, step)
    steps = rows.examples * np.asarray(passes) / ROWS_PER_STEP
    bounds = batch.bounds(lambda option: TIME_RANGE if option.gpu else CPU_RANGE)
    seconds = steps * np.asarray(step) * sampling.value("training speed", *bounds)
    return np.where(batch.flags(lambda o: o.base is not None), seconds, BASELINE_SECONDS)


def _cpu_speeds(option: Option) -> Speeds:
    """Speeds of a machine without a GPU, in proportion to its vCPUs."""
    cores = option.cpu.vcpus / VCPUS_OF_CPU_SPEEDS if option.cpu else 1.0
    return CPU._replace(
        matmul=float(CPU.matmul) * cores,
        attention=float(CPU.attention) * cores,
        wide=float(CPU.wide) * cores,
    )


def training_method(batch: OptionBatch) -> Method:
    """Return the method by which memory and time of a batch are estimated."""
    if batch.family == "qlora":
        return "qlora"
    return "full" if batch.family in ("full", "encoder") else "lora"


def gpu_training_lines(
    batch: OptionBatch, rows: TrainingSet, context: EstimateContext
) -> list[CostLine]:
    """List the cost of training each model once on rented or owned machines.

    GPU hours = time on one GPU x GPUs of the machine / GPUs that share the work + set-up. In a
    machine of several GPUs the micro-batches of a step are shared, by at most as many as there are.

    Leaves out: exchange between GPUs.
    """
    sampling = context.sampling
    hours = gpu_training_seconds(batch, rows, sampling) * np.asarray(rows.models) / 3600.0
    rented = batch.column(lambda option: not option.gpu_usd_is_own)
    setup = rented * np.asarray(sampling.value("setup", *SETUP_HOURS))
    gpus = batch.column(lambda option: option.least_gpus)
    spot = batch.flags(lambda option: option.billing == "spot")
    if spot.any():
        lost = sampling.value("interruptions", *context.evidence.operations.spot.repeated_share)
        hours = hours * (1.0 + spot * np.asarray(lost))
    on_gpu = gpus * (hours / np.minimum(gpus, ACCUMULATION) + setup)
    name = "GPU hours of training"
    if batch.family != "encoder":
        return gpu_hour_lines(name, on_gpu, batch, "once")
    has_gpu = batch.flags(lambda o: o.gpu is not None or "cpu_hour" not in o.prices)
    lines = gpu_hour_lines(name, np.where(has_gpu, on_gpu, 0.0), batch, "once")
    if "cpu_hour" in batch.prices:
        on_cpu = np.where(has_gpu, 0.0, hours + setup)
        price = batch.prices["cpu_hour"]
        lines.append(priced_line("machine hours of training", on_cpu, price, "once"))
    return lines


def retraining_lines(lines: list[CostLine], months: Number, inputs: Inputs) -> list[CostLine]:
    """Return the monthly cost of repeating a training.

    trainings after the first = ceil(months / retrain_every_months) - 1, spread over the months
    """
    share = trainings_per_month(months, inputs)
    return [
        replace(
            line, what=f"{line.what}, repeated", quantity=line.quantity * share, cadence="month"
        )
        for line in lines
    ]


def trainings_per_month(months: Number, inputs: Inputs) -> Number:
    """Trainings after the first, per month of use."""
    again = np.maximum(np.ceil(months / inputs.retrain_every_months - 1e-9) - 1, 0.0)
    return np.asarray(again / np.maximum(np.asarray(months), 1e-9))
