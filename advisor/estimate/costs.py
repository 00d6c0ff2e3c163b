"""Options side by side and many variants -> their lines, their months, and what they cost.

What a panel costs in many variants -> the first one, option by option, in plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.hosting import (
    encoder_lines,
    hosting_lines,
    labour_lines,
    retrieval_lines,
)
from advisor.estimate.inference import inference_lines, request_tokens
from advisor.estimate.line import Cadence, CostLine, priced_line, total_cost, with_all_axes
from advisor.estimate.sampling import Sampling
from advisor.estimate.tuning import (
    gpu_training_lines,
    provider_training_lines,
    retraining_lines,
    teacher_lines,
    training_set,
)
from advisor.evidence import Evidence
from advisor.inputs import Inputs, ResolvedScenario
from advisor.options.batch import OptionBatch
from advisor.prices.series import Price
from advisor.units import DAYS_PER_MONTH, Number

MEASURED_EXAMPLES = 200.0
"""Held-out examples on which a prompt is measured: 92 % right is then known to 3 points."""
SHOTS = 8
"""Worked examples in a few-shot prompt."""
MANY_SHOTS = 200
"""Worked examples where the prompt is filled with them; what repeats is cached."""
MIN_MANY_SHOTS = 50


@dataclass(frozen=True)
class BatchCosts:
    """What the options of a panel cost, each an array that broadcasts to theirs.

    The shapes are [options, variants, 1] at a point and [options, variants, draws] when drawing.
    """

    lines: tuple[CostLine, ...]
    months: Number
    """How long each can be used: the horizon, or until the model ends."""
    one_off: Number
    monthly: Number

    @cached_property
    def total(self) -> Number:
        """USD over those months."""
        return np.asarray(self.one_off + self.monthly * np.asarray(self.months))

    @cached_property
    def per_month(self) -> Number:
        """USD a month of use, what is paid once spread over the months it lasts."""
        return np.asarray(self.total / np.maximum(np.asarray(self.months), 1e-9))


def batch_costs(
    batch: OptionBatch,
    resolved: ResolvedScenario,
    inputs: Inputs,
    evidence: Evidence,
    sampling: Sampling,
) -> BatchCosts:
    """Work out what the options of a panel cost for every variant.

    Args:
        batch: What is done.
        resolved: The question: task, day, and which numbers were counted in the dataset.
        inputs: Numbers of each variant, arrays of shape [variants, 1].
        evidence: Hours of work, and how many rows distillation makes.
        sampling: Where in their ranges the uncertain inputs stand.
    """
    months = usable_months(batch, resolved, inputs)
    lines = _lines(batch, resolved, inputs, sampling)
    if batch.trains:
        lines += _training(batch, resolved, inputs, evidence, sampling, months)
    lines += labour_lines(batch, inputs, evidence, sampling)
    return BatchCosts(tuple(lines), months, total_cost(lines, "once"), total_cost(lines, "month"))


def usable_months(batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs) -> Number:
    """Months an option can be used: the horizon, cut short on the day its model ends."""
    if batch.last_day is None:
        return inputs.horizon_months
    days = np.maximum(batch.last_day - resolved.scenario.asked_on.toordinal(), 0.0)
    return np.minimum(inputs.horizon_months, days / DAYS_PER_MONTH)


def _lines(
    batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs, sampling: Sampling
) -> list[CostLine]:
    match batch.family:
        case "paid":
            paid = inputs.monthly_cost_usd
            lines = [CostLine("what is paid today", paid * 0 + 1, paid, "month", "month")]
        case "measuring":
            lines = _measuring(batch, resolved, inputs, sampling)
        case "encoder":
            lines = encoder_lines(batch, inputs, sampling)
        case "tokens" | "tuned":
            added = extra_tokens(batch, batch.uses, inputs)
            prompt = request_tokens(batch, resolved, inputs, sampling, added)
            lines = inference_lines(batch, prompt, inputs, sampling)
        case "served" | "hosted" | "lora" | "qlora" | "full":
            added = extra_tokens(batch, batch.uses, inputs)
            lines = hosting_lines(batch, inputs, sampling, added)
        case never:
            assert_never(never)
    return lines + (retrieval_lines(batch, resolved, inputs) if "embedding" in batch.prices else [])


def extra_tokens(
    batch: OptionBatch, uses: Callable[..., NDArray[np.bool_]], inputs: Inputs
) -> tuple[Number, Number]:
    """Tokens that approaches add to each request: to its prefix, and to the part that varies.

    Args:
        batch: Options side by side.
        uses: Says which of them take an approach.
        inputs: Numbers of each variant.
    """
    added = inputs.top_k * inputs.chunk_tokens
    retrieved = np.where(uses("rag", "combo"), added, 0.0) if uses("rag", "combo").any() else 0.0
    if not uses("few_shot", "long_context").any():
        return 0.0, retrieved
    shot = inputs.user_tokens + inputs.completion_tokens
    few = np.minimum(float(SHOTS), inputs.examples) * shot
    many = np.minimum(float(MANY_SHOTS), inputs.examples) * shot
    long = np.where(inputs.corpus_tokens > 0, inputs.corpus_tokens, many)
    prefix = np.where(uses("long_context"), long, 0.0)
    prefix = np.where(uses("few_shot"), few, prefix)
    return prefix, retrieved


def _measuring(
    batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs, sampling: Sampling
) -> list[CostLine]:
    """List what it costs to run a prompt once over a few hundred held-out examples."""
    if "input" not in batch.prices:
        return []
    prompt = request_tokens(batch, resolved, inputs, sampling, (0.0, 0.0))
    read = MEASURED_EXAMPLES * (prompt.prefix + np.asarray(prompt.varying))
    written = MEASURED_EXAMPLES * np.asarray(prompt.output)
    return [
        priced_line("input of the measurement", read, batch.prices["input"], "once"),
        priced_line("output of the measurement", written, batch.prices["output"], "once"),
    ]


def _training(
    batch: OptionBatch,
    resolved: ResolvedScenario,
    inputs: Inputs,
    evidence: Evidence,
    sampling: Sampling,
    months: Number,
) -> list[CostLine]:
    rows = training_set(batch, resolved, inputs, evidence, sampling)
    hosted = batch.family in ("tuned", "hosted")
    lines = (
        provider_training_lines(batch, rows)
        if hosted
        else gpu_training_lines(batch, rows, sampling)
    )
    again = retraining_lines(lines, np.maximum(np.asarray(months), 1e-9), inputs)
    if "teacher_input" in batch.prices:
        lines += teacher_lines(batch, rows, inputs)
    return lines + again


AMOUNTS = ("one_off", "monthly", "total", "per_month")
PERCENTILE_SHARES = (0.05, 0.95)
"""Percentiles that low and high are."""


class CostItem(NamedTuple):
    """One line of the bill of one option; a line of nothing is left out."""

    what: str
    cadence: Cadence
    quantity: float
    rate: float
    amount: float
    """USD."""
    price: Price | None
    """The price behind the rate; none for the user's own numbers."""
    own_unit: str
    scales: bool
    """Whether it grows in proportion to the requests."""


class OptionCost(NamedTuple):
    """What one option costs [USD], at one point."""

    months: float
    """How long it can be used."""
    one_off: float
    monthly: float
    total: float
    per_month: float
    items: tuple[CostItem, ...]


def option_costs(costs: BatchCosts, count: int) -> tuple[OptionCost, ...]:
    """Write down what each of *count* options costs in the first variant."""
    items: list[list[CostItem]] = [[] for _ in range(count)]
    for line in costs.lines:
        for row, item in _items(line, count):
            items[row].append(item)
    parts = (costs.months, costs.one_off, costs.monthly, costs.total, costs.per_month)
    rows = zip(
        *(first_variant_values(part, count) for part in parts), map(tuple, items), strict=True
    )
    return tuple(OptionCost._make(row) for row in rows)


def _items(line: CostLine, count: int) -> list[tuple[int, CostItem]]:
    amounts = first_variant_values(line.amount, count)
    quantities, rates = (
        first_variant_values(line.quantity, count),
        first_variant_values(line.rate, count),
    )
    prices = line.prices or (None,) * count
    return [
        (
            row,
            CostItem(
                line.what,
                line.cadence,
                quantities[row],
                rates[row],
                amount,
                prices[row],
                line.own_unit,
                line.scales,
            ),
        )
        for row, amount in enumerate(amounts)
        if amount > 0
    ]


def first_variant_values(value: Number, count: int) -> list[float]:
    """Return the value of each option in the first variant, at the first draw."""
    return _spread(with_all_axes(value)[:, 0, 0], count)


def _spread(values: NDArray[np.float64], count: int) -> list[float]:
    found: list[float] = values.tolist()
    return found if len(found) == count else found * count


def cost_ranges(costs: BatchCosts, count: int) -> Mapping[str, list[tuple[float, float]]]:
    """Say between which percentiles of the draws each amount lies, in the first variant."""
    found = {}
    for name in AMOUNTS:
        low, high = percentile_range(with_all_axes(getattr(costs, name))[:, 0])
        found[name] = list(zip(_spread(low, count), _spread(high, count), strict=True))
    return found


def percentile_range(draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low and the high end over the last axis, between the two nearest draws.

    >>> [round(float(end), 6) for end in percentile_range(np.arange(101.0))]
    [5.0, 95.0]
    """
    if draws.shape[-1] == 1:
        return draws[..., 0], draws[..., 0]
    ordered = np.sort(draws, axis=-1)
    low, high = (_between(ordered, share * (draws.shape[-1] - 1)) for share in PERCENTILE_SHARES)
    return low, high


def _between(ordered: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    """Interpolate from the nearer neighbour, as NumPy's quantile does, to the last bit."""
    below, above = (
        ordered[..., int(place)],
        ordered[..., min(int(place) + 1, ordered.shape[-1] - 1)],
    )
    part = place - int(place)
    if part < 0.5:
        return np.asarray(below + (above - below) * part)
    return np.asarray(above - (above - below) * (1 - part))
