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
    panel: OptionBatch,
    resolved: ResolvedScenario,
    facts: Inputs,
    evidence: Evidence,
    point: Sampling,
) -> BatchCosts:
    """Work out what the options of a panel cost for every variant.

    Args:
        panel: What is done.
        resolved: The question: task, day, and which numbers were counted in the dataset.
        facts: Numbers of each variant, arrays of shape [variants, 1].
        evidence: Hours of work, and how many rows distillation makes.
        point: Where in their ranges the uncertain inputs stand.
    """
    months = usable_months(panel, resolved, facts)
    lines = _lines(panel, resolved, facts, point)
    if panel.trains:
        lines += _training(panel, resolved, facts, evidence, point, months)
    lines += labour_lines(panel, facts, evidence, point)
    return BatchCosts(tuple(lines), months, total_cost(lines, "once"), total_cost(lines, "month"))


def usable_months(panel: OptionBatch, resolved: ResolvedScenario, facts: Inputs) -> Number:
    """Months an option can be used: the horizon, cut short on the day its model ends."""
    if panel.last_day is None:
        return facts.horizon_months
    days = np.maximum(panel.last_day - resolved.scenario.asked_on.toordinal(), 0.0)
    return np.minimum(facts.horizon_months, days / DAYS_PER_MONTH)


def _lines(
    panel: OptionBatch, resolved: ResolvedScenario, facts: Inputs, point: Sampling
) -> list[CostLine]:
    match panel.family:
        case "paid":
            paid = facts.current_monthly_usd
            lines = [CostLine("what is paid today", paid * 0 + 1, paid, "month", "month")]
        case "measuring":
            lines = _measuring(panel, resolved, facts, point)
        case "encoder":
            lines = encoder_lines(panel, facts, point)
        case "tokens" | "tuned":
            added = extra_tokens(panel, panel.does, facts)
            prompt = request_tokens(panel, resolved, facts, point, added)
            lines = inference_lines(panel, prompt, facts, point)
        case "served" | "hosted" | "lora" | "qlora" | "full":
            added = extra_tokens(panel, panel.does, facts)
            lines = hosting_lines(panel, facts, point, added)
        case never:
            assert_never(never)
    return lines + (retrieval_lines(panel, resolved, facts) if "embedding" in panel.prices else [])


def extra_tokens(
    panel: OptionBatch, does: Callable[..., NDArray[np.bool_]], facts: Inputs
) -> tuple[Number, Number]:
    """Tokens that approaches add to each request: to its prefix, and to the part that varies.

    Args:
        panel: Options side by side.
        does: Says which of them take an approach.
        facts: Numbers of each variant.
    """
    added = facts.top_k * facts.chunk_tokens
    retrieved = np.where(does("rag", "combo"), added, 0.0) if does("rag", "combo").any() else 0.0
    if not does("few_shot", "long_context").any():
        return 0.0, retrieved
    shot = facts.user_tokens + facts.completion_tokens
    few = np.minimum(float(SHOTS), facts.examples) * shot
    many = np.minimum(float(MANY_SHOTS), facts.examples) * shot
    long = np.where(facts.corpus_tokens > 0, facts.corpus_tokens, many)
    prefix = np.where(does("long_context"), long, 0.0)
    prefix = np.where(does("few_shot"), few, prefix)
    return prefix, retrieved


def _measuring(
    panel: OptionBatch, resolved: ResolvedScenario, facts: Inputs, point: Sampling
) -> list[CostLine]:
    """List what it costs to run a prompt once over a few hundred held-out examples."""
    if "input" not in panel.prices:
        return []
    prompt = request_tokens(panel, resolved, facts, point, (0.0, 0.0))
    read = MEASURED_EXAMPLES * (prompt.prefix + np.asarray(prompt.varying))
    written = MEASURED_EXAMPLES * np.asarray(prompt.output)
    return [
        priced_line("input of the measurement", read, panel.prices["input"], "once"),
        priced_line("output of the measurement", written, panel.prices["output"], "once"),
    ]


def _training(
    panel: OptionBatch,
    resolved: ResolvedScenario,
    facts: Inputs,
    evidence: Evidence,
    point: Sampling,
    months: Number,
) -> list[CostLine]:
    rows = training_set(panel, resolved, facts, evidence, point)
    hosted = panel.family in ("tuned", "hosted")
    lines = (
        provider_training_lines(panel, rows) if hosted else gpu_training_lines(panel, rows, point)
    )
    again = retraining_lines(lines, np.maximum(np.asarray(months), 1e-9), facts)
    if "teacher_input" in panel.prices:
        lines += teacher_lines(panel, rows, facts)
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
