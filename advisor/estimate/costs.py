"""An option and the numbers of many variants -> its lines, its months, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.estimate.hosting import (
    encoder_lines,
    hosting_lines,
    labour_lines,
    retrieval_lines,
)
from advisor.estimate.inference import inference_lines, prompt_of
from advisor.estimate.line import Line, priced, total
from advisor.estimate.point import Point
from advisor.estimate.tuning import (
    gpu_training,
    hosted_training,
    repeated,
    teacher_lines,
    training_set,
)
from advisor.facts import Facts, Resolved
from advisor.options.option import Option
from advisor.quality import Evidence
from advisor.units import DAYS_PER_MONTH, Number

MEASURED_EXAMPLES = 200.0
"""Held-out examples on which a prompt is measured: 92 % right is then known to 3 points."""
SHOTS = 8
"""Worked examples in a few-shot prompt."""
MANY_SHOTS = 200
"""Worked examples where the prompt is filled with them; what repeats is cached."""
LEAST_MANY_SHOTS = 50


@dataclass(frozen=True)
class Costs:
    """What an option costs, each of shape [variants, 1] or [variants, draws]."""

    lines: tuple[Line, ...]
    months: Number
    """How long it can be used: the horizon, or until the model ends."""
    one_off: Number
    monthly: Number

    @property
    def total(self) -> Number:
        """USD over those months."""
        return np.asarray(self.one_off + self.monthly * np.asarray(self.months))

    @property
    def per_month(self) -> Number:
        """USD a month of use, what is paid once spread over the months it lasts."""
        return np.asarray(self.total / np.maximum(np.asarray(self.months), 1e-9))


def costs(
    option: Option, resolved: Resolved, facts: Facts, evidence: Evidence, point: Point
) -> Costs:
    """Work out what one option costs for every variant.

    Args:
        option: What is done.
        resolved: The question: task, day, and which numbers were counted in the dataset.
        facts: Numbers of each variant, arrays of shape [variants, 1].
        evidence: Hours of work, and how many rows distillation makes.
        point: Where in their ranges the uncertain inputs stand.
    """
    months = months_of(option, resolved, facts)
    lines = _lines(option, resolved, facts, evidence, point)
    if option.trains:
        lines += _training(option, resolved, facts, evidence, point, months)
    lines += labour_lines(option, facts, evidence, point)
    zero = facts.requests_per_month * 0.0
    return Costs(tuple(lines), months, zero + total(lines, "once"), zero + total(lines, "month"))


def months_of(option: Option, resolved: Resolved, facts: Facts) -> Number:
    """Months an option can be used: the horizon, cut short on the day its model ends."""
    if option.ends_on is None:
        return facts.horizon_months
    days = max((option.ends_on - resolved.scenario.asked_on).days, 0)
    return np.minimum(facts.horizon_months, days / DAYS_PER_MONTH)


def _lines(
    option: Option, resolved: Resolved, facts: Facts, evidence: Evidence, point: Point
) -> list[Line]:
    if option.is_current:
        return _current(option, resolved, facts, point)
    if option.approach == "not_yet":
        return _measuring(option, resolved, facts, point)
    if option.approach == "encoder":
        return encoder_lines(option, facts, point)
    if option.per_token:
        prompt = prompt_of(option, resolved, facts, point, extra_tokens(option, resolved, facts))
        lines = inference_lines(option, prompt, facts, point)
    else:
        lines = hosting_lines(option, facts, point)
    if option.approach in ("rag", "combo"):
        lines += retrieval_lines(option, resolved, facts)
    return lines


def extra_tokens(option: Option, resolved: Resolved, facts: Facts) -> tuple[Number, Number]:
    """Tokens that an approach adds to each request: to its prefix, and to the part that varies."""
    match option.approach:
        case "few_shot":
            return shot_tokens(resolved, facts), 0.0
        case "long_context":
            many = np.minimum(float(MANY_SHOTS), facts.examples) * _shot(facts)
            return np.where(facts.corpus_tokens > 0, facts.corpus_tokens, many), 0.0
        case "rag" | "combo":
            return 0.0, facts.top_k * facts.chunk_tokens
        case _:
            return 0.0, 0.0


def shot_tokens(resolved: Resolved, facts: Facts) -> Number:
    """Tokens of the worked examples in a few-shot prompt: as many as there are, at most eight."""
    return np.minimum(float(SHOTS), facts.examples) * _shot(facts)


def _shot(facts: Facts) -> Number:
    return facts.user_tokens + facts.completion_tokens


def _current(option: Option, resolved: Resolved, facts: Facts, point: Point) -> list[Line]:
    paid = facts.current_monthly_usd
    if option.per_token and bool(np.isnan(paid).all()):
        prompt = prompt_of(option, resolved, facts, point, (0.0, 0.0))
        return inference_lines(option, prompt, facts, point)
    return [Line("what is paid today", paid * 0 + 1, paid, "month", "month")]


def _measuring(option: Option, resolved: Resolved, facts: Facts, point: Point) -> list[Line]:
    """List what it costs to run a prompt once over a few hundred held-out examples."""
    if not option.per_token:
        return []
    prompt = prompt_of(option, resolved, facts, point, (0.0, 0.0))
    read = MEASURED_EXAMPLES * (prompt.prefix + np.asarray(prompt.varying))
    written = MEASURED_EXAMPLES * np.asarray(prompt.output)
    return [
        priced("input of the measurement", read, option.prices["input"], "once"),
        priced("output of the measurement", written, option.prices["output"], "once"),
    ]


def _training(
    option: Option,
    resolved: Resolved,
    facts: Facts,
    evidence: Evidence,
    point: Point,
    months: Number,
) -> list[Line]:
    rows = training_set(option, resolved, facts, evidence, point)
    if option.offer is None:
        lines = gpu_training(option, rows, point)
    else:
        lines = hosted_training(option, rows)
    again = repeated(lines, np.maximum(np.asarray(months), 1e-9), facts)
    if option.approach == "distill":
        lines += teacher_lines(option, rows, facts)
    return lines + again
