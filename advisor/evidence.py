"""Evidence and numbers -> how good an option is expected to be, as a range with its source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from advisor.units import Number, Record, Task

Range = tuple[float, float, float]


class LearningCurve(Record):
    """How quality grows with examples: from start towards a ceiling."""

    ceiling: Range
    """With all the examples one could wish for."""
    start: Range = (0.0, 0.0, 0.0)
    """Of a small model with none."""
    half_at_examples: float = 1.0
    """Scale of the growth [examples]."""
    half_at_per_label: float = 1.0
    """Scale of the growth [examples per label]."""
    exponent: float
    """How fast the gain falls off."""


class QualityByTier(Record):
    """Quality of prompting by size of the model."""

    tiny: Range
    """Models of a few billion weights."""
    small: Range
    """Cheapest models of a provider's list."""
    mid: Range
    """Middle of a provider's list."""
    large: Range
    """Top of a provider's list."""


class TaskEvidence(Record):
    """What is known about one kind of task."""

    tasks: tuple[Task, ...]
    """Tasks of this kind."""
    prompt: QualityByTier
    """Prompting, with a systematic prompt."""
    few_shot_gain: Range
    """What a few worked examples in the prompt add."""
    many_shot_gain: Range
    """What filling the prompt with examples adds; source: https://arxiv.org/abs/2404.11018."""
    tuned: LearningCurve
    """A tuned language model."""
    encoder: LearningCurve | None = None
    """A small encoder on fixed labels."""
    baseline: LearningCurve | None = None
    """TF-IDF with logistic regression on fixed labels."""
    tune_least_examples: float
    """Below this, tuning is not tried: the fewest with which anybody reports a gain."""
    tune_from_examples: float
    """Below this, tuning is tried only where prompting was, and fell short."""
    comfortable_examples: float
    """From here, tuning is at ease."""
    encoder_from_per_label: float = 8
    """Fewest examples per label for an encoder."""
    basis: str
    """Where the ranges stand between."""
    source: str
    """The nearest published point."""


class CircumstanceShift(Record):
    """What a circumstance adds to or takes from quality."""

    none: Range = (0.0, 0.0, 0.0)
    """Nothing tried."""
    naive: Range = (0.0, 0.0, 0.0)
    """A first prompt."""
    systematic: Range = (0.0, 0.0, 0.0)
    """A prompt worked on with an evaluation."""
    unknown: Range = (0.0, 0.0, 0.0)
    """Not said."""
    expert: Range = (0.0, 0.0, 0.0)
    """Labels by people who know."""
    mixed: Range = (0.0, 0.0, 0.0)
    """Labels of uneven quality."""
    noisy: Range = (0.0, 0.0, 0.0)
    """Labels with many mistakes."""
    tiny: Range = (0.0, 0.0, 0.0)
    """A tiny base."""
    small: Range = (0.0, 0.0, 0.0)
    """A small base."""
    mid: Range = (0.0, 0.0, 0.0)
    """A middle base."""
    large: Range = (0.0, 0.0, 0.0)
    """A large base."""
    source: str
    """Who says so."""


class QualityFactor(Record):
    """A factor on quality."""

    factor: Range
    """Multiplies the share of right answers."""
    source: str
    """Who says so."""
    says: str
    """In words."""


class Threshold(Record):
    """A number that a rule compares with."""

    value: float
    """The number."""
    source: str
    """Who says so."""
    says: str
    """In words."""


class TrainingMargins(Record):
    """What training has to bring before it is worth its upkeep."""

    share: float
    """Saving as a share of the cost."""
    usd_per_month: float
    """Saving a month [USD]."""
    basis: str
    """Whose judgement."""
    says: str
    """In words."""


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
    """Whose judgement."""


class NeedShift(Record):
    """What a need takes from each way of working."""

    prompt: Range
    """From prompting."""
    tuned: Range
    """From a tuned model."""


class ModelYearShifts(Record):
    """What models of earlier years did less well than those of today."""

    before: dict[int, NeedShift]
    """By year; what is older is taken as the first of them."""
    basis: str
    """Whose judgement."""
    source: str
    """The nearest published point."""

    def of(self, year: int) -> NeedShift | None:
        """Return what is taken off in a year; nothing today."""
        return self.before.get(max(year, min(self.before)))


class Evidence(Record):
    """Everything that the decision takes from published work."""

    kinds: dict[str, TaskEvidence]
    """By kind of task."""
    without_retrieval: QualityFactor
    """Knowledge asked for and not given."""
    retrieval: QualityFactor
    """Knowledge looked up."""
    prompt_effort: CircumstanceShift
    """By how hard prompting was tried."""
    model_year: ModelYearShifts
    """By the year that is asked about: baselines of 2023 were weaker."""
    label_quality: CircumstanceShift
    """By who made the answers."""
    needs: dict[str, NeedShift]
    """By what the work needs."""
    tolerance: Threshold
    """How close to the target an expectation will do; a measurement has none."""
    base_size: CircumstanceShift
    """By size of the tuned base."""
    full_context_tokens: Threshold
    """Largest corpus that goes into the prompt whole."""
    adapter_most_examples: Threshold
    """From here, a new skill is learnt by all weights rather than by an adapter."""
    pretraining_tokens: Threshold
    """Smallest corpus that is itself worth training on."""
    preference_pairs: Threshold
    """Fewest pairs for preference tuning."""
    margins: TrainingMargins
    """What training has to bring."""
    labour_hours: LabourHours
    """Work to set an approach up."""

    def of(self, task: Task) -> TaskEvidence:
        """Return what is known about the kind of *task*."""
        return next(kind for kind in self.kinds.values() if task in kind.tasks)


class QualityRange(NamedTuple):
    """An expected quality, each bound a number or an array over variants."""

    low: Number
    likely: Number
    high: Number
    basis: str
    source: str


def saturation(examples: Number, half_at: float, exponent: float) -> Number:
    """Share of the possible gain that *examples* bring.

    gain [1] = 1 - (1 + examples / half_at) ** -exponent

    Leaves out: that some sets of a few hundred make open generation worse; a threshold guards it.

    Source: shape after https://arxiv.org/abs/2402.17193 (power law in data size).

    >>> round(float(saturation(300.0, 100.0, 1.0)), 2)
    0.75
    """
    return 1.0 - (1.0 + np.asarray(examples) / half_at) ** -exponent


def wilson_range(value: float, n: float) -> Range:
    """Ninety-percent interval of a share measured on *n* examples (Wilson score).

    >>> tuple(round(bound, 3) for bound in wilson_range(0.9, 100))
    (0.84, 0.9, 0.939)
    """
    z = 1.6449
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((value * (1 - value) / n + z * z / (4 * n * n)) ** 0.5)
    return (min(centre - half, value), value, max(centre + half, value))
