"""A scenario and a base model -> what GPUs would have to train, and what to answer."""

from __future__ import annotations

import numpy as np

from advisor.estimate.engines import NEWEST, PRECISIONS, SIXTEEN_BIT, Engine, Precision
from advisor.estimate.gpus import Load, Training
from advisor.estimate.serving import mean_output_tokens_per_second
from advisor.estimate.setup import Method, Setup
from advisor.estimate.tuning import ACCUMULATION, PADDED_SHARE, default_epochs
from advisor.facts import Facts, Resolved
from advisor.models import ModelCard
from advisor.recipe import ROWS_PER_STEP


def training_of(resolved: Resolved, base: ModelCard, method: Method) -> Training:
    """Lay out the training of our own recipe on the examples of a scenario."""
    facts = resolved.facts
    row = resolved.tokens_per_example
    if np.isnan(row):
        row = _first(facts.prefix_tokens + facts.user_tokens + facts.completion_tokens)
    padded, examples = PADDED_SHARE * row, _first(facts.examples)
    longest = padded if np.isnan(resolved.longest_tokens) else resolved.longest_tokens
    tokens = examples * float(np.asarray(default_epochs(examples))) * padded
    setup = Setup(method, padded * ROWS_PER_STEP / ACCUMULATION, padded)
    return Training(base, setup, tokens, longest, ACCUMULATION)


def load_of(
    resolved: Resolved,
    base: ModelCard,
    engine: Engine = NEWEST,
    precision: Precision = PRECISIONS[SIXTEEN_BIT],
    unmerged: bool = False,
) -> Load:
    """Lay out the traffic of a scenario at its peak."""
    facts: Facts = resolved.facts
    prompt = _first(facts.tuned_prefix_tokens + facts.user_tokens + facts.context_tokens)
    mean = mean_output_tokens_per_second(facts.requests_per_month, facts.completion_tokens)
    peak = _first(mean * facts.peak_factor)
    return Load(
        base, prompt, _first(facts.completion_tokens), peak, engine, precision, unmerged
    )  # fmt: skip


def _first(values: object) -> float:
    return float(np.asarray(values, np.float64).flat[0])
