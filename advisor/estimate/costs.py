"""Option batch and inputs -> bill lines, months of use and costs, for every variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.contract import UseOfMonth, contract_applies, mean_lines, with_contract
from advisor.estimate.encoder_serving import encoder_lines
from advisor.estimate.evaluation import MEASURED_EXAMPLES, evaluation_lines, judging_lines
from advisor.estimate.hosting import hosting_lines
from advisor.estimate.inference import inference_lines, request_tokens
from advisor.estimate.labour import labour_lines
from advisor.estimate.line import (
    Cadence,
    CostLine,
    mean_line,
    priced_line,
    total_cost,
    with_all_axes,
)
from advisor.estimate.periods import in_month, month_shares, traffic_varies
from advisor.estimate.provisioned import cheaper_of_tokens_and_units
from advisor.estimate.retrieval import retrieval_lines
from advisor.estimate.sampling import EstimateContext
from advisor.estimate.tuning import (
    gpu_training_lines,
    provider_training_lines,
    retraining_lines,
    teacher_lines,
    training_set,
)
from advisor.inputs import Inputs
from advisor.options.batch import OptionBatch
from advisor.options.price_column import Period, unit_rate
from advisor.prices.series import Price
from advisor.units import DAYS_PER_MONTH, Number

SHOTS = 8
"""Examples in a few-shot prompt."""
MANY_SHOTS = 200
"""Examples in a prompt that is filled with them; the repeated part is cached."""
MIN_MANY_SHOTS = 50


@dataclass(frozen=True)
class BatchCosts:
    """Costs of the options of a batch, as arrays.

    They broadcast to [options, variants, 1], or to [options, variants, draws] when sampling.
    """

    lines: tuple[CostLine, ...]
    months: Number
    """Months of use: the horizon, or until the model is shut down."""
    one_off: Number
    monthly: Number

    @cached_property
    def total(self) -> Number:
        """USD over the months of use."""
        return np.asarray(self.one_off + self.monthly * np.asarray(self.months))

    @cached_property
    def per_month(self) -> Number:
        """USD per month of use, one-off costs spread over the months."""
        return np.asarray(self.total / np.maximum(np.asarray(self.months), 1e-9))


def batch_costs(batch: OptionBatch, context: EstimateContext) -> BatchCosts:
    """Return the costs of the options of a batch for every variant.

    Monthly costs are the mean over the months of use: of prices that change within them, and of
    traffic that does. Free tiers and commitments are applied month by month.
    """
    months, day = _usable_months(batch, context), context.resolved.scenario.asked_on
    if contract_applies(context.contract, batch.prices.values()):
        paid_once, uses = paid_by_month(batch, context, months)
        lines = [*paid_once, *mean_lines(uses, months)]
    else:
        mean = batch.during(Period(0.0, months, day))
        lines = _lines(mean, context)
        once = lines if mean is batch else _lines(batch, context)
        monthly = _mean_of_months(batch, context, months) if traffic_varies(context) else lines
        lines = [line for line in once if line.cadence == "once"]
        lines += [line for line in monthly if line.cadence == "month"]
        lines += _even_lines(batch, context, months)
    return BatchCosts(tuple(lines), months, total_cost(lines, "once"), total_cost(lines, "month"))


def month_costs(
    batch: OptionBatch, context: EstimateContext, month: int, months: Number
) -> list[CostLine]:
    """List the lines of one month, at its prices and traffic; the first month is 0."""
    end = np.clip(months, month, month + 1.0)
    period = Period(float(month), end, context.resolved.scenario.asked_on)
    return _lines(batch.during(period), in_month(context, month))


def paid_by_month(
    batch: OptionBatch, context: EstimateContext, months: Number
) -> tuple[list[CostLine], list[UseOfMonth]]:
    """Return one-off lines and those of each month, after free tiers and commitments."""
    day = context.resolved.scenario.asked_on
    today, even = _lines(batch, context), _even_lines(batch, context, months)
    varies, steps = traffic_varies(context), _price_steps(batch, day)
    uses = []
    lines = [line for line in (*today, *even) if line.cadence == "month"]
    for month, share in month_shares(months):
        # with even traffic, two months differ only if a price changes within one of them
        if varies or any(month - 1 < step < month + 1 for step in steps):
            following = month_costs(batch, context, month, months)
            lines = [line for line in (*following, *even) if line.cadence == "month"]
        requests = in_month(context, month).inputs.requests_per_month
        uses.append(UseOfMonth(month, share, requests, lines))
    once = [line for line in (*today, *even) if line.cadence == "once"]
    return with_contract(once, uses, context.contract, day)


def _price_steps(batch: OptionBatch, day: date) -> set[float]:
    """Return when prices change [months after *day*]; a withdrawal is not another price."""
    prices = {price for column in batch.prices.values() for price in column.each if price}
    later = (step for price in prices for step in price.later if step.value is not None)
    return {(step.since - day).days / DAYS_PER_MONTH for step in later}


def _even_lines(batch: OptionBatch, context: EstimateContext, months: Number) -> list[CostLine]:
    """List the costs of training, evaluation and labour: one-off, or spread over the months."""
    training = _training(batch, context, months) if batch.trains else []
    evaluations = _evaluations(batch, context, months)
    return training + evaluations + labour_lines(batch, context, months)


def _mean_of_months(batch: OptionBatch, context: EstimateContext, months: Number) -> list[CostLine]:
    """List the monthly lines, averaged over the months of use."""
    found: dict[str, list[tuple[Number, CostLine]]] = {}
    for month, share in month_shares(months):
        weight = share / np.maximum(np.asarray(months), 1e-9)
        for line in month_costs(batch, context, month, months):
            if line.cadence == "month":
                found.setdefault(line.what, []).append((weight, line))
    return [mean_line(parts) for parts in found.values()]


def _usable_months(batch: OptionBatch, context: EstimateContext) -> Number:
    """Months an option can be used: the horizon, or until its model is shut down."""
    horizon = context.inputs.horizon_months
    if batch.last_day is None:
        return horizon
    days = np.maximum(batch.last_day - context.resolved.scenario.asked_on.toordinal(), 0.0)
    return np.minimum(horizon, days / DAYS_PER_MONTH)


def _lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    match batch.family:
        case "paid":
            paid = context.inputs.monthly_cost_usd
            lines = [CostLine("current monthly cost", paid * 0 + 1, paid, "month", "month")]
        case "measuring":
            lines = _measuring(batch, context)
        case "encoder":
            lines = encoder_lines(batch, context)
        case "tokens" | "tuned":
            added = extra_tokens(batch.uses, context.inputs)
            prompt = request_tokens(batch, context, added)
            lines = inference_lines(batch, prompt, context)
            lines = cheaper_of_tokens_and_units(lines, batch, prompt, context)
        case "served" | "hosted" | "lora" | "qlora" | "full":
            added = extra_tokens(batch.uses, context.inputs)
            lines = hosting_lines(batch, context, added)
            if "input" in batch.prices:  # a deployment that bills its tokens too
                lines += inference_lines(batch, request_tokens(batch, context, added), context)
        case never:
            assert_never(never)
    if any(option.stores for option in batch.options):
        lines += retrieval_lines(batch, context)
    return lines + judging_lines(batch, context)


def extra_tokens(uses: Callable[..., NDArray[np.bool_]], inputs: Inputs) -> tuple[Number, Number]:
    """Tokens that approaches add to each request: to its prefix, and to the varying part."""
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


def _measuring(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the cost of running a prompt once on a few hundred held-out examples."""
    if "input" not in batch.prices:
        return []
    prompt = request_tokens(batch, context, (0.0, 0.0))
    read = MEASURED_EXAMPLES * (prompt.prefix + np.asarray(prompt.varying))
    written = MEASURED_EXAMPLES * np.asarray(prompt.output)
    return [
        priced_line("measurement input", read, batch.prices["input"], "once"),
        priced_line("measurement output", written, batch.prices["output"], "once"),
    ]


def _training(batch: OptionBatch, context: EstimateContext, months: Number) -> list[CostLine]:
    rows, inputs = training_set(batch, context), context.inputs
    if batch.family in ("tuned", "hosted"):
        lines = provider_training_lines(batch, rows)
    else:
        lines = gpu_training_lines(batch, rows, context)
    again = retraining_lines(lines, np.maximum(np.asarray(months), 1e-9), inputs)
    if "teacher_input" in batch.prices:
        lines += teacher_lines(batch, rows, inputs)
    return lines + again


def _evaluations(batch: OptionBatch, context: EstimateContext, months: Number) -> list[CostLine]:
    """List the evaluation at the start, and one after each training that follows."""
    lines = evaluation_lines(batch, context, extra_tokens(batch.uses, context.inputs))
    if not batch.trains:
        return lines
    return lines + retraining_lines(lines, months, context.inputs)


AMOUNTS = ("one_off", "monthly", "total", "per_month")
PERCENTILE_SHARES = (0.05, 0.95)
"""Percentiles of low and high."""


class CostItem(NamedTuple):
    """One line of the bill of one option; lines of 0 USD are omitted."""

    what: str
    cadence: Cadence
    quantity: float
    rate: float
    amount: float
    """Effective cost [USD]."""
    price: Price | None
    """Price of the rate; None for the user's own numbers."""
    own_unit: str
    scales: bool
    """Whether it is proportional to the number of requests."""
    listed: float
    """Cost at list prices [USD]."""
    contracted: float
    """Cost at contracted prices [USD]."""
    free: float
    """Part of the quantity that is free."""
    own_source: str
    """Source if there is no price."""
    machines: float = 0.0
    """Machines or GPUs that run at once; 0 if it is not about machine time."""


class LinePart(NamedTuple):
    """What is the same for one option in every part of a line."""

    own_rate: float
    """USD for one unit, if there is no price."""
    paid_share: float
    free_share: float
    machines: float


class OptionCost(NamedTuple):
    """Costs of one option [USD]."""

    months: float
    """Months of use."""
    one_off: float
    monthly: float
    total: float
    per_month: float
    items: tuple[CostItem, ...]


def option_costs(costs: BatchCosts, count: int) -> tuple[OptionCost, ...]:
    """Return the costs of each of *count* options in the first variant."""
    items: list[list[CostItem]] = [[] for _ in range(count)]
    for line in costs.lines:
        paid = 1.0 if line.paid_share is None else line.paid_share
        numbers = (line.rate, paid, line.machines)
        own_rates, paid_shares, machines = (first_variant_values(n, count) for n in numbers)
        same = zip(own_rates, paid_shares, _free_shares(line, count), machines, strict=True)
        parts = [LinePart(*numbers) for numbers in same]
        for place, (prices, quantity) in enumerate(line.quantities_by_price()):
            amounts, of_day = first_variant_values(quantity, count), prices or (None,) * count
            for row, (amount, price, part) in enumerate(zip(amounts, of_day, parts, strict=True)):
                if amount > 0:
                    item = _item(line, place, amount, price, part)
                    if item.listed > 0 or item.amount > 0 or line.always_shown:
                        items[row].append(item)
    totals = (costs.months, costs.one_off, costs.monthly, costs.total, costs.per_month)
    columns = (first_variant_values(total, count) for total in totals)
    rows = zip(*columns, map(tuple, items), strict=True)
    return tuple(OptionCost._make(row) for row in rows)


def _free_shares(line: CostLine, count: int) -> list[float]:
    """Part of the quantity of each option that is free."""
    free, quantity = (first_variant_values(n, count) for n in (line.free, line.quantity))
    return [part / total if total > 0 else 0.0 for part, total in zip(free, quantity, strict=True)]


def _item(
    line: CostLine, place: int, quantity: float, price: Price | None, part: LinePart
) -> CostItem:
    rate = unit_rate(price) if price else part.own_rate
    contracted = quantity * rate
    listed = 0.0 if line.is_unused else contracted
    if price and price.list_value is not None:
        listed = quantity * unit_rate(price, price.list_value)
    return CostItem(
        item_name(line, place, price),
        line.cadence,
        quantity,
        rate,
        contracted if part.paid_share == 1.0 else contracted * part.paid_share,
        price,
        line.own_unit,
        line.scales,
        listed=listed,
        contracted=0.0 if line.is_unused else contracted,
        free=quantity * part.free_share,
        own_source=line.own_source,
        machines=part.machines,
    )


def item_name(line: CostLine, place: int, price: Price | None) -> str:
    """Return the name of a line on the bill: with the first day of a price that applies later."""
    return f"{line.what}, from {price.since}" if place and price else line.what


def first_variant_values(value: Number, count: int) -> list[float]:
    """Return the value of each option in the first variant, at the first draw."""
    return _spread(with_all_axes(value)[:, 0, 0], count)


def _spread(values: NDArray[np.float64], count: int) -> list[float]:
    found: list[float] = values.tolist()
    return found if len(found) == count else found * count


def cost_ranges(costs: BatchCosts, count: int) -> Mapping[str, list[tuple[float, float]]]:
    """Return the 5th and 95th percentile of each amount over the draws, in the first variant."""
    found = {}
    for name in AMOUNTS:
        low, high = percentile_range(with_all_axes(getattr(costs, name))[:, 0])
        found[name] = list(zip(_spread(low, count), _spread(high, count), strict=True))
    return found


def percentile_range(draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 5th and 95th percentile over the last axis, interpolated.

    >>> [round(float(end), 6) for end in percentile_range(np.arange(101.0))]
    [5.0, 95.0]
    """
    if draws.shape[-1] == 1:
        return draws[..., 0], draws[..., 0]
    ordered = np.sort(draws, axis=-1)
    low, high = (_between(ordered, share * (draws.shape[-1] - 1)) for share in PERCENTILE_SHARES)
    return low, high


def _between(ordered: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    """Interpolate from the nearer neighbour: bit-identical to NumPy's quantile."""
    index = int(place)
    below, above = ordered[..., index], ordered[..., min(index + 1, ordered.shape[-1] - 1)]
    part = place - index
    if part < 0.5:
        return np.asarray(below + (above - below) * part)
    return np.asarray(above - (above - below) * (1 - part))
