"""Evidence: published results on quality, examples and labour, as ranges with their sources."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from advisor.operations import Operations
from advisor.units import Number, Record, Task

Range = tuple[float, float, float]
CpuRuntime = Literal["torch_fp32", "onnx_fp32", "onnx_int8"]


class LearningCurve(Record):
    """Learning curve: quality by number of examples, from a start towards a ceiling."""

    ceiling: Range
    """With unlimited examples."""
    start: Range = (0.0, 0.0, 0.0)
    """Of a small model without examples."""
    half_at_examples: float = 1.0
    """Scale of the curve [examples]."""
    half_at_per_label: float = 1.0
    """Scale of the curve [examples per label]."""
    exponent: float
    """How fast the gain decreases."""


class QualityByTier(Record):
    """Quality of prompting by model size."""

    tiny: Range
    """Models with a few billion parameters."""
    small: Range
    """Cheapest models of a provider."""
    mid: Range
    """Mid-priced models of a provider."""
    large: Range
    """Most capable models of a provider."""


class TaskEvidence(Record):
    """Evidence about one kind of task."""

    tasks: tuple[Task, ...]
    """Tasks of this kind."""
    prompt: QualityByTier
    """Prompting, with a systematic prompt."""
    few_shot_gain: Range
    """Gain from a few examples in the prompt."""
    many_shot_gain: Range
    """Gain from filling the prompt with examples; source: https://arxiv.org/abs/2404.11018."""
    tuned: LearningCurve
    """A tuned language model."""
    encoder: LearningCurve | None = None
    """A small encoder on fixed labels."""
    baseline: LearningCurve | None = None
    """TF-IDF with logistic regression on fixed labels."""
    tune_least_examples: float
    """Below this, tuning is not considered: the fewest examples with a published gain."""
    tune_from_examples: float
    """Below this, tuning is considered only where prompting was tried and fell short."""
    comfortable_examples: float
    """From here, there are enough examples for tuning."""
    encoder_from_per_label: float = 8
    """Fewest examples per label for an encoder."""
    basis: str
    """Published points that the ranges are based on."""
    source: str
    """The nearest published point."""


class CircumstanceShift(Record):
    """Effect of a circumstance on quality."""

    none: Range = (0.0, 0.0, 0.0)
    """No prompt tried."""
    naive: Range = (0.0, 0.0, 0.0)
    """A first prompt."""
    systematic: Range = (0.0, 0.0, 0.0)
    """A prompt improved with an evaluation."""
    unknown: Range = (0.0, 0.0, 0.0)
    """Not specified."""
    expert: Range = (0.0, 0.0, 0.0)
    """Labels by experts."""
    mixed: Range = (0.0, 0.0, 0.0)
    """Labels of uneven quality."""
    noisy: Range = (0.0, 0.0, 0.0)
    """Labels with many mistakes."""
    tiny: Range = (0.0, 0.0, 0.0)
    """A tiny base."""
    small: Range = (0.0, 0.0, 0.0)
    """A small base."""
    mid: Range = (0.0, 0.0, 0.0)
    """A mid-size base."""
    large: Range = (0.0, 0.0, 0.0)
    """A large base."""
    source: str
    """Source."""


class QualityFactor(Record):
    """A factor on quality."""

    factor: Range
    """Multiplies the share of correct answers."""
    source: str
    """Source."""
    says: str
    """Explanation."""


class Threshold(Record):
    """A number that a rule compares with."""

    value: float
    """The number."""
    source: str
    """Source."""
    says: str
    """Explanation."""


class TrainingMargins(Record):
    """Savings that training must bring to justify its maintenance."""

    share: float
    """Saving as a share of the cost."""
    usd_per_month: float
    """Saving per month [USD]."""
    basis: str
    """Basis of the estimate."""
    says: str
    """Explanation."""


class LabourHours(Record):
    """Hours of work to set an approach up."""

    prompt: Range
    few_shot: Range
    long_context: Range
    rag: Range
    ft_api: Range
    managed_lora: Range
    lora: Range
    qlora: Range
    full_ft: Range
    dpo: Range
    encoder: Range
    distill: Range
    combo: Range
    basis: str
    """Basis of the estimate."""


class NeedShift(Record):
    """Effect of a need on each approach."""

    prompt: Range
    """Effect on prompting."""
    tuned: Range
    """Effect on a tuned model."""


class ModelYearShifts(Record):
    """How much lower the quality of models of earlier years is."""

    before: dict[int, NeedShift]
    """By year; an earlier year counts as the first one."""
    basis: str
    """Basis of the estimate."""
    source: str
    """The nearest published point."""

    def of(self, year: int) -> NeedShift | None:
        """Return the effect of a year; None for the present."""
        return self.before.get(max(year, min(self.before)))


class Percentiles(Record):
    """A measured distribution by three of its percentiles."""

    p10: Annotated[float, Field(gt=0)]
    """Tenth percentile."""
    p50: Annotated[float, Field(gt=0)]
    """Median."""
    p90: Annotated[float, Field(gt=0)]
    """Ninetieth percentile."""
    says: str
    """What was measured."""
    basis: Literal["measured", "own"]
    """Whether it was measured or is our own judgement."""
    source: str
    """Source."""
    read_on: date
    """Date the source was last read."""


class MeasuredEncoder(Record):
    """Sizes of an encoder whose speed was measured."""

    parameters_without_embeddings: int
    """Weights of its layers."""
    hidden_size: int
    """Width."""


class EncoderCpuRuntime(Record):
    """Speed of encoders in one runtime on a CPU, see `advisor.estimate.cpu_speed`."""

    gflops_per_core: Range
    """Achieved at 128 tokens in BERT-base, one request at a time [GFLOP/s]."""
    fixed_tokens: float
    """Time of a request that does not depend on its length [tokens]."""
    attention_cost: float
    """Time of a FLOP of attention, relative to a FLOP of the matrices."""
    requests_per_second: dict[str, dict[int, float]]
    """Measured on one core, one request at a time: encoder -> tokens -> requests per second."""


class TfidfCpuSpeed(Record):
    """Speed of TF-IDF with logistic regression on a CPU."""

    requests_per_second_per_core: Range
    """One text at a time; high is without character n-grams."""
    words: int
    """Words per text that the range is for."""
    one_at_a_time: dict[str, dict[int, float]]
    """Measured on one core, one text at a time: features -> words -> texts per second."""
    in_batches: dict[str, dict[int, float]]
    """Measured on one core, 32 texts at a time."""


class EncoderCpuEvidence(Record):
    """Speed of classifiers on one CPU core."""

    cpu: str
    """CPU of the measurement."""
    measured_on: date
    """Day of the measurement."""
    encoders: dict[str, MeasuredEncoder]
    """By name."""
    runtimes: dict[CpuRuntime, EncoderCpuRuntime]
    """By runtime and precision."""
    tfidf: TfidfCpuSpeed
    """Without an encoder."""
    basis: str
    """What the ranges assume about a cloud vCPU."""
    source: str
    """Command of the measurement."""


class Evidence(Record):
    """Everything in the decision that is based on published work."""

    kinds: dict[str, TaskEvidence]
    """By kind of task."""
    without_retrieval: QualityFactor
    """Knowledge is needed, and not provided."""
    retrieval: QualityFactor
    """Knowledge is retrieved."""
    prompt_effort: CircumstanceShift
    """By the effort spent on the prompt."""
    model_year: ModelYearShifts
    """By the year of the question: baselines of 2023 were weaker."""
    label_quality: CircumstanceShift
    """By the quality of the labels."""
    needs: dict[str, NeedShift]
    """By need of the scenario."""
    tolerance: Threshold
    """How far below the target an expectation still counts; 0 for a measurement."""
    base_size: CircumstanceShift
    """By size of the base model."""
    full_context_tokens: Threshold
    """Largest corpus that fits into the prompt completely."""
    adapter_most_examples: Threshold
    """From here, a new skill needs full fine-tuning rather than an adapter."""
    pretraining_tokens: Threshold
    """Smallest corpus worth training on."""
    preference_pairs: Threshold
    """Fewest pairs for preference tuning."""
    peak_factor: Percentiles
    """Requests of the busiest hour over those of an average hour, if not given."""
    reasoning_per_answer: Percentiles
    """Reasoning tokens per completion token of a model that always reasons, if not given."""
    margins: TrainingMargins
    """Savings that training must bring."""
    labour_hours: LabourHours
    """Work to set up an approach."""
    encoder_cpu: EncoderCpuEvidence
    """Speed of classifiers on CPUs."""
    operations: Operations
    """What running a model takes."""

    def of(self, task: Task) -> TaskEvidence:
        """Return the evidence about a task."""
        return next(kind for kind in self.kinds.values() if task in kind.tasks)


class QualityRange(NamedTuple):
    """An expected quality, each bound a number or an array over variants."""

    low: Number
    likely: Number
    high: Number
    basis: str
    source: str


def saturation(examples: Number, half_at: float, exponent: float) -> Number:
    """Share of the possible gain reached with a number of examples.

    gain [1] = 1 - (1 + examples / half_at) ** -exponent

    Leaves out: some datasets of a few hundred examples make open generation worse; a threshold
    covers that.

    Source: shape after https://arxiv.org/abs/2402.17193 (power law in data size).

    >>> round(float(saturation(300.0, 100.0, 1.0)), 2)
    0.75
    """
    return 1.0 - (1.0 + np.asarray(examples) / half_at) ** -exponent


def wilson_range(value: float, n: float) -> Range:
    """90% interval of a share measured on *n* examples (Wilson score).

    >>> tuple(round(bound, 3) for bound in wilson_range(0.9, 100))
    (0.84, 0.9, 0.939)
    """
    z = 1.6449
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((value * (1 - value) / n + z * z / (4 * n * n)) ** 0.5)
    return (min(centre - half, value), value, max(centre + half, value))
