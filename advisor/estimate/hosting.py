"""Costs of hosting on GPUs, of retrieval, and of labour."""

from __future__ import annotations

import numpy as np

from advisor.estimate.line import CostLine, priced_line, scaling_lines
from advisor.estimate.periods import peak_factor
from advisor.estimate.sampling import EstimateContext
from advisor.evidence import Range
from advisor.gpu.parameters import ModelShape
from advisor.gpu.roofline import ServingSetup
from advisor.gpu.serving import (
    encoder_requests_per_second,
    gpus_per_copy,
    mean_output_tokens_per_second,
    output_range,
    replicas_needed,
)
from advisor.inputs import CHANGES_PER_MONTH
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.units import HOURS_PER_MONTH, SECONDS_PER_MONTH, Number

BUSY_MARGIN = 1.5
"""Uptime of a machine that scales to zero, relative to the time it is busy."""
BASELINE_REQUESTS_PER_SECOND = 2000.0
"""Speed of a sparse product over a few hundred words; own judgement."""


def hosting_lines(
    batch: OptionBatch, context: EstimateContext, extra: tuple[Number, Number]
) -> list[CostLine]:
    """List the monthly cost of hosting a model on as many GPUs as the peak needs.

    hours [h per month] = copies x GPUs per copy x 730; only the busy hours if all requests can be
    batched. *extra*: tokens that an approach adds to each request, see `extra_tokens`.
    """
    shape, inputs, known = ModelShape.among(batch.architecture), context.inputs, batch.on_known_gpu
    prefix = inputs.tuned_prefix_tokens if batch.trains else inputs.prefix_tokens
    read = prefix + inputs.user_tokens + inputs.context_tokens + (extra[0] + np.asarray(extra[1]))
    per_copy = gpus_per_copy(shape, batch.gpus.memory_bytes, read + inputs.completion_tokens)
    serving = ServingSetup(shape, batch.gpus._replace(gpu_count=per_copy))
    speeds = output_range(serving, read, inputs.completion_tokens)
    speed = context.sampling.value("serving speed", *speeds, worst="low")
    capacity, each = np.where(known, speed, np.inf), np.where(known, per_copy, 1.0)
    mean = mean_output_tokens_per_second(inputs.requests_per_month, inputs.completion_tokens)
    gpus = each * np.asarray(replicas_needed(mean * peak_factor(context), capacity))
    always = gpus * HOURS_PER_MONTH
    busy = each * BUSY_MARGIN * HOURS_PER_MONTH * mean / capacity
    waits = inputs.batchable_share >= 1.0
    price = batch.prices.get("hosting_hour") or batch.prices["gpu_hour"]
    return [priced_line("hosting", np.where(waits, np.minimum(busy, always), always), price)]


def encoder_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the monthly cost of an encoder: between busy hours and a machine that is always on."""
    inputs = context.inputs
    _, speed, _ = encoder_requests_per_second(
        batch.architecture["parameters"], inputs.user_tokens, batch.fp16_tflops
    )
    speed = np.where(batch.on_known_gpu, speed, BASELINE_REQUESTS_PER_SECOND)
    load = inputs.requests_per_month / (SECONDS_PER_MONTH * np.asarray(speed))
    machines = np.maximum(np.ceil(load * peak_factor(context)), 1.0)
    busy = np.minimum(BUSY_MARGIN * load, machines) * HOURS_PER_MONTH
    always = machines * HOURS_PER_MONTH
    waits = inputs.batchable_share >= 1.0
    hours = context.sampling.value("uptime", busy, np.where(waits, busy, always), always)
    return [priced_line("machine hours of inference", hours, batch.prices["gpu_hour"])]


def retrieval_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the cost of retrieval: embedding the documents, their changes and the questions.

    Leaves out: reranking, and reads and writes above what the minimum fee of the store covers.
    """
    embedding, inputs = batch.prices["embedding"], context.inputs
    changes = context.resolved.column(lambda scenario: CHANGES_PER_MONTH[scenario.knowledge.change])
    questions = inputs.requests_per_month * inputs.user_tokens
    return [
        priced_line("embedding the documents", inputs.corpus_tokens, embedding, "once"),
        priced_line("embedding changed documents", inputs.corpus_tokens * changes, embedding),
        *scaling_lines([priced_line("embedding the questions", questions, embedding)]),
        priced_line(
            "vector store", inputs.corpus_tokens * 0 + 1, batch.prices["vector_minimum_month"]
        ),
    ]


def labour_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the hours of work to set up an option, if an hour has a price."""
    rate = np.nan_to_num(context.inputs.usd_per_hour)
    if batch.family in ("measuring", "paid") or not rate.any():
        return []

    def labour(option: Option) -> Range:
        hours: Range = getattr(context.evidence.labour_hours, option.approach)
        return (0.0, 0.0, 0.0) if option.is_current else hours

    hours = context.sampling.value("labour", *batch.bounds(labour))
    return [CostLine("hours of work", rate * 0 + np.asarray(hours), rate, "once", "hour")]
