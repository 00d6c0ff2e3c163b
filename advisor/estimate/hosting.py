"""Traffic and a GPU -> hours of hosting, and the lines of storage, retrieval and labour."""

from __future__ import annotations

import numpy as np

from advisor.estimate.line import Line, priced, scaling
from advisor.estimate.memory import Shape
from advisor.estimate.point import Point
from advisor.estimate.serving import (
    decode_tokens_per_second,
    encoder_requests_per_second,
    gpus_per_replica,
    mean_output_tokens_per_second,
    replicas_needed,
)
from advisor.facts import CHANGES_PER_MONTH, Facts, Resolved
from advisor.options.option import Option
from advisor.quality import Evidence
from advisor.units import HOURS_PER_MONTH, SECONDS_PER_MONTH, Number

CAPACITY_RANGE = (0.5, 1.0, 1.6)
"""Real over reckoned tokens per second; own judgement after measured engines of two years."""
BUSY_MARGIN = 1.5
"""Hours that a machine which sleeps between requests is up, over the hours it works."""


def replica_capacity(option: Option, facts: Facts, point: Point) -> tuple[Number, int]:
    """Output tokens per second of one copy of the model, and on how many GPUs the copy lies."""
    shape, gpu = shape_of(option), option.gpu
    if shape is None or gpu is None:
        return np.inf, 1
    gpus = gpus_per_replica(shape, gpu.memory_bytes)
    context = facts.tuned_prefix_tokens + facts.user_tokens + facts.context_tokens
    speed = decode_tokens_per_second(
        shape, gpus * gpu.memory_bytes, gpus * gpu.bandwidth_bytes_per_second,
        gpus * (gpu.bf16_tflops or gpu.fp16_tflops), context, facts.completion_tokens,
    )  # fmt: skip
    low, likely, high = (share * np.asarray(speed) for share in CAPACITY_RANGE)
    return point.value("serving speed", low, likely, high, dear="low"), gpus


def shape_of(option: Option) -> Shape | None:
    """The numbers of the model that is served on a GPU, if it is an open one."""
    card = option.base or option.served_like or option.card
    return Shape.of(card.architecture) if card and card.architecture else None


def hosting_lines(option: Option, facts: Facts, point: Point) -> list[Line]:
    """List what a month of keeping a tuned model on GPUs costs: as many as carry the peak.

    hours [h a month] = copies x GPUs of a copy x 730; one whose every request may wait is
    up only while it works
    """
    price = option.prices.get("hosting_hour") or option.prices["gpu_hour"]
    mean = mean_output_tokens_per_second(facts.requests_per_month, facts.completion_tokens)
    capacity, each = replica_capacity(option, facts, point)
    gpus = each * replicas_needed(mean * facts.peak_factor, capacity)
    busy = each * BUSY_MARGIN * HOURS_PER_MONTH * mean / capacity
    hours = np.where(facts.batchable_share >= 1.0, np.minimum(busy, gpus * HOURS_PER_MONTH),
                     gpus * HOURS_PER_MONTH)  # fmt: skip
    return [priced("hosting", hours, price)]


def encoder_lines(option: Option, facts: Facts, point: Point) -> list[Line]:
    """List what a month of labelling costs: between the busy hours and a machine always up."""
    if option.base and option.base.architecture and option.gpu:
        _, speed, _ = encoder_requests_per_second(
            option.base.architecture.parameters, facts.user_tokens,
            option.gpu.fp16_tflops or option.gpu.bf16_tflops or 1.0,
        )  # fmt: skip
    else:
        speed = 2000.0  # a sparse product of a few hundred words; own judgement
    load = facts.requests_per_month / (SECONDS_PER_MONTH * np.asarray(speed))
    machines = np.maximum(np.ceil(load * facts.peak_factor), 1.0)
    busy = np.minimum(BUSY_MARGIN * load, machines) * HOURS_PER_MONTH
    always = machines * HOURS_PER_MONTH
    waits = facts.batchable_share >= 1.0
    hours = point.value("uptime", busy, np.where(waits, busy, always), always)
    return [priced("machine hours of labelling", hours, option.prices["gpu_hour"])]


def retrieval_lines(option: Option, resolved: Resolved, facts: Facts) -> list[Line]:
    """List what finding the right documents costs: embed once, anew as they change, each question.

    Leaves out: reranking, and reads and writes above what the store's least fee covers.
    """
    embedding = option.prices["embedding"]
    changes = CHANGES_PER_MONTH[resolved.scenario.knowledge.change]
    questions = facts.requests_per_month * facts.user_tokens
    return [
        priced("embedding the documents", facts.corpus_tokens, embedding, "once"),
        priced("embedding them anew", facts.corpus_tokens * changes, embedding),
        *scaling([priced("embedding the questions", questions, embedding)]),
        priced("vector store", facts.corpus_tokens * 0 + 1, option.prices["vector_minimum_month"]),
    ]


def labour_lines(option: Option, facts: Facts, evidence: Evidence, point: Point) -> list[Line]:
    """List the hours of work to set an option up, where an hour has a price."""
    if option.is_current or option.approach == "not_yet":
        return []
    low, likely, high = getattr(evidence.labour_hours, option.approach)
    hours = point.value("labour", low, likely, high)
    rate = np.nan_to_num(facts.usd_per_hour)
    return [Line("hours of work", rate * 0 + hours, rate, "once", "hour")]
