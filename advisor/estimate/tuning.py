"""Examples and prices -> what tuning costs once, and again each time it is repeated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.estimate.inference import token_factor
from advisor.estimate.line import Line, priced, total
from advisor.estimate.memory import Method, Shape
from advisor.estimate.point import Point
from advisor.estimate.tokens import trained_tokens
from advisor.estimate.training import (
    hfu_prior,
    qlora_slowdown,
    tokens_per_second,
    train_flops_per_token,
)
from advisor.facts import Facts, Resolved
from advisor.options.option import Option
from advisor.quality import Evidence
from advisor.recipe import ENCODER_EPOCHS
from advisor.units import Number

SETUP_HOURS = (0.1, 0.3, 1.0)
"""Fetching weights and starting up on a rented GPU [h]; own judgement."""


@dataclass(frozen=True)
class TrainingSet:
    """What is trained on: rows, tokens of a row, and passes over them."""

    examples: Number
    tokens_per_example: Number
    epochs: Number

    @property
    def tokens(self) -> Number:
        """Tokens trained on."""
        return trained_tokens(self.examples * np.asarray(self.tokens_per_example), self.epochs)


def default_epochs(examples: Number) -> Number:
    """Passes over the data when nobody says: three, more for few examples, fewer for many.

    epochs [1] = 3; below 100 / 3 examples min(25, 100 // n); above 25,000 / 3 max(1, 25000 // n)

    Source: OpenAI cookbook, examples/Chat_finetuning_data_prep.ipynb.

    >>> [int(default_epochs(n)) for n in (1, 5, 34, 8334, 12501)]
    [25, 20, 3, 2, 1]
    """
    n = np.maximum(np.asarray(examples, np.float64), 1.0)
    few = np.minimum(25.0, 100.0 // n)
    many = np.maximum(1.0, 25_000.0 // n)
    return np.where(3 * n < 100, few, np.where(3 * n > 25_000, many, 3.0))


def training_set(
    option: Option, resolved: Resolved, facts: Facts, evidence: Evidence, point: Point
) -> TrainingSet:
    """Lay out what is trained on; a distilled model learns from as many rows as are comfortable.

    Rows of a file count as they are. Without a file a row is prefix, question and answer: the
    prefix is left in, which is the dear way to do it.
    """
    examples = facts.examples
    if option.approach == "distill":
        examples = np.maximum(examples, evidence.of(resolved.task).comfortable_examples)
    row = facts.prefix_tokens + facts.user_tokens + facts.completion_tokens
    if not np.isnan(resolved.tokens_per_example):
        row = row * 0 + resolved.tokens_per_example * token_factor(option.counted_as, point)
    return TrainingSet(examples, row, default_epochs(examples))


def hosted_training(option: Option, rows: TrainingSet) -> list[Line]:
    """List what one training job at a provider costs, with the least that a job is billed."""
    lines = [priced("training", rows.tokens, option.prices["training"], "once")]
    minimum = option.prices.get("job_minimum")
    if minimum:
        least = float(minimum.value)
        missing = np.maximum(least - np.asarray(total(lines, "once")), 0.0)
        share = np.where(rows.examples > 0, missing / least, 0.0)
        lines.append(priced("up to the least price of a job", share, minimum, "once"))
    return lines


def teacher_lines(option: Option, rows: TrainingSet, facts: Facts) -> list[Line]:
    """List what it costs to have a large model write the answers to learn from."""
    written = np.maximum(rows.examples - np.asarray(facts.examples), 0.0)
    question = facts.prefix_tokens + facts.user_tokens + facts.context_tokens
    return [
        priced("questions to the teacher", written * question,
               option.prices["teacher_input"], "once"),
        priced("answers of the teacher", written * facts.completion_tokens,
               option.prices["teacher_output"], "once"),
    ]  # fmt: skip


def gpu_training_seconds(option: Option, rows: TrainingSet, point: Point) -> Number:
    """Seconds of one training run on one GPU, from FLOPs and the share of its peak that is met."""
    if option.gpu is None or option.base is None or option.base.architecture is None:
        return rows.examples * 0.0 + 60.0  # the plain baseline: a minute on a CPU
    shape = Shape.of(option.base.architecture)
    method = method_of(option)
    flops = train_flops_per_token(shape, method, rows.tokens_per_example)
    low, likely, high = hfu_prior(option.gpu.name, method)
    share = point.value("training speed", low, likely, high, dear="low")
    tflops = option.gpu.bf16_tflops or option.gpu.fp16_tflops or 1.0
    speed = tokens_per_second(flops, tflops, share)
    if method == "qlora":
        slow = qlora_slowdown()
        speed = speed / point.value("training speed", slow[2], slow[1], slow[0], dear="low")
    passes = ENCODER_EPOCHS if option.approach == "encoder" else rows.epochs
    return rows.examples * np.asarray(rows.tokens_per_example) * passes / speed


def method_of(option: Option) -> Method:
    """Name the way memory and time are reckoned for an option."""
    if option.approach == "qlora":
        return "qlora"
    return "full" if option.approach in ("full_ft", "encoder") else "lora"


def gpu_training(option: Option, rows: TrainingSet, point: Point) -> list[Line]:
    """List what one training run on a rented or owned GPU costs."""
    setup = 0.0 if option.gpu_usd_is_own else point.value("setup", *SETUP_HOURS)
    hours = gpu_training_seconds(option, rows, point) / 3600.0 + setup
    return [priced("GPU hours of training", hours, option.prices["gpu_hour"], "once")]


def repeated(lines: list[Line], months: Number, facts: Facts) -> list[Line]:
    """Turn one training into the monthly cost of doing it anew.

    trainings after the first = ceil(months / retrain_every_months) - 1, spread over the months
    """
    again = np.maximum(np.ceil(months / facts.retrain_every_months - 1e-9) - 1, 0.0)
    return [
        Line(f"{line.what}, repeated", line.quantity * again / months, line.rate, "month",
             line.unit, line.price)
        for line in lines
    ]  # fmt: skip
