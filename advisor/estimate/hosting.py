"""Traffic and a GPU -> hours of hosting, and the lines of storage, retrieval and labour."""

from __future__ import annotations

import numpy as np

from advisor.estimate.line import CostLine, priced_line, scaling_lines
from advisor.estimate.sampling import Sampling
from advisor.evidence import Evidence
from advisor.gpu.parameters import ModelShape
from advisor.gpu.roofline import GpuSet, ServingSetup
from advisor.gpu.serving import (
    encoder_requests_per_second,
    gpus_per_copy,
    mean_output_tokens_per_second,
    output_range,
    replicas_needed,
)
from advisor.inputs import CHANGES_PER_MONTH, Inputs, ResolvedScenario
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.units import HOURS_PER_MONTH, SECONDS_PER_MONTH, Number

BUSY_MARGIN = 1.5
"""Hours that a machine which sleeps between requests is up, over the hours it works."""
BASELINE_REQUESTS_PER_SECOND = 2000.0
"""A sparse product of a few hundred words; own judgement."""


def replica_capacity(
    panel: OptionBatch, facts: Inputs, point: Sampling, extra: tuple[Number, Number] = (0.0, 0.0)
) -> tuple[Number, Number]:
    """Output tokens per second of one copy of each model, and on how many GPUs the copy lies.

    Args:
        panel: Models and GPUs.
        facts: Numbers of each variant.
        point: Where in its range the speed stands.
        extra: Tokens that an approach adds to each request; see `extra_tokens`.
    """
    shape = ModelShape.among(panel.architecture)
    prefix = facts.tuned_prefix_tokens if panel.trains else facts.prefix_tokens
    context = prefix + facts.user_tokens + facts.context_tokens + (extra[0] + np.asarray(extra[1]))
    live = context + facts.completion_tokens
    gpus = gpus_per_copy(shape, panel.gpu_memory_bytes, live)
    cards = GpuSet(
        panel.gpu_memory_bytes,
        panel.gpu_bandwidth,
        panel.bf16_tflops,
        link=panel.gpu_link,
        how_many=gpus,
    )
    low, likely, high = output_range(ServingSetup(shape, cards), context, facts.completion_tokens)
    capacity = point.value("serving speed", low, likely, high, dear="low")
    known = panel.on_known_gpu
    return np.where(known, capacity, np.inf), np.where(known, gpus, 1.0)


def hosting_lines(
    panel: OptionBatch, facts: Inputs, point: Sampling, extra: tuple[Number, Number]
) -> list[CostLine]:
    """List what a month of keeping a model on GPUs costs: as many as carry the peak.

    hours [h a month] = copies x GPUs of a copy x 730; one whose every request may wait is
    up only while it works
    """
    price = panel.prices.get("hosting_hour") or panel.prices["gpu_hour"]
    mean = mean_output_tokens_per_second(facts.requests_per_month, facts.completion_tokens)
    capacity, each = replica_capacity(panel, facts, point, extra)
    gpus = each * np.asarray(replicas_needed(mean * facts.peak_factor, capacity))
    always = gpus * HOURS_PER_MONTH
    busy = each * BUSY_MARGIN * HOURS_PER_MONTH * mean / capacity
    waits = facts.batchable_share >= 1.0
    return [priced_line("hosting", np.where(waits, np.minimum(busy, always), always), price)]


def encoder_lines(panel: OptionBatch, facts: Inputs, point: Sampling) -> list[CostLine]:
    """List what a month of labelling costs: between the busy hours and a machine always up."""
    _, speed, _ = encoder_requests_per_second(
        panel.architecture["parameters"], facts.user_tokens, panel.fp16_tflops
    )
    speed = np.where(panel.on_known_gpu, speed, BASELINE_REQUESTS_PER_SECOND)
    load = facts.requests_per_month / (SECONDS_PER_MONTH * np.asarray(speed))
    machines = np.maximum(np.ceil(load * facts.peak_factor), 1.0)
    busy = np.minimum(BUSY_MARGIN * load, machines) * HOURS_PER_MONTH
    always = machines * HOURS_PER_MONTH
    waits = facts.batchable_share >= 1.0
    hours = point.value("uptime", busy, np.where(waits, busy, always), always)
    return [priced_line("machine hours of labelling", hours, panel.prices["gpu_hour"])]


def retrieval_lines(
    panel: OptionBatch, resolved: ResolvedScenario, facts: Inputs
) -> list[CostLine]:
    """List what finding the right documents costs: embed once, anew as they change, each question.

    Leaves out: reranking, and reads and writes above what the store's least fee covers.
    """
    embedding = panel.prices["embedding"]
    changes = CHANGES_PER_MONTH[resolved.scenario.knowledge.change]
    questions = facts.requests_per_month * facts.user_tokens
    return [
        priced_line("embedding the documents", facts.corpus_tokens, embedding, "once"),
        priced_line("embedding them anew", facts.corpus_tokens * changes, embedding),
        *scaling_lines([priced_line("embedding the questions", questions, embedding)]),
        priced_line(
            "vector store", facts.corpus_tokens * 0 + 1, panel.prices["vector_minimum_month"]
        ),
    ]


def labour_lines(
    panel: OptionBatch, facts: Inputs, evidence: Evidence, point: Sampling
) -> list[CostLine]:
    """List the hours of work to set an option up, where an hour has a price."""
    rate = np.nan_to_num(facts.usd_per_hour)
    if panel.family in ("measuring", "paid") or not rate.any():
        return []
    hours = point.value("labour", *panel.bounds(lambda o: _labour(o, evidence)))
    return [CostLine("hours of work", rate * 0 + np.asarray(hours), rate, "once", "hour")]


def _labour(option: Option, evidence: Evidence) -> tuple[float, float, float]:
    hours: tuple[float, float, float] = getattr(evidence.labour_hours, option.approach)
    return (0.0, 0.0, 0.0) if option.is_current else hours
