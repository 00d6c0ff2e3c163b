"""Provisioned throughput: capacity rented by the hour in place of a price per token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from advisor.estimate.inference import RequestTokens, uncached_input
from advisor.estimate.line import CostLine, priced_line
from advisor.estimate.periods import peak_factor
from advisor.estimate.sampling import EstimateContext
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.units import HOURS_PER_MONTH, Number

MINUTES_PER_MONTH = HOURS_PER_MONTH * 60.0


def provisioned_units(
    tokens_per_minute: Number, per_unit: Number, least: Number, step: Number
) -> Number:
    """Units that carry a load: at least the smallest purchase, in whole steps.

    >>> float(provisioned_units(100_000, 3000, 15, 5)), float(provisioned_units(1_000, 3000, 15, 5))
    (35.0, 15.0)
    """
    units = np.ceil(np.asarray(tokens_per_minute) / per_unit / step - 1e-9) * step
    return np.maximum(units, least)


def cheaper_of_tokens_and_units(
    lines: list[CostLine], batch: OptionBatch, prompt: RequestTokens, context: EstimateContext
) -> list[CostLine]:
    """Replace the lines per token by provisioned units where those cost less.

    units carry the tokens of the busiest hour: input that is not cached, and output by its weight

    Leaves out: discounts for a commitment, and requests above the capacity.
    """
    price = batch.prices.get("provisioned_hour")
    if price is None:
        return lines
    tokens: Number = 0.0
    for line in lines:
        tokens = tokens + np.asarray(line.amount)
    smallest = batch.column(_least_units) * HOURS_PER_MONTH * price.rate
    if not (price.known & (smallest < tokens)).any():
        return lines  # the smallest purchase costs more
    load = uncached_input(batch, prompt, context) + batch.column(_output_weight) * prompt.output
    per_minute = context.inputs.requests_per_month * load * peak_factor(context) / MINUTES_PER_MONTH
    least, step = batch.column(_least_units), batch.column(_unit_step)
    units = provisioned_units(per_minute, batch.column(_tokens_per_minute), least, step)
    rented = priced_line("provisioned throughput", units * HOURS_PER_MONTH, price)
    is_cheaper = price.known & (rented.amount < tokens)
    if not is_cheaper.any():
        return lines
    kept = [replace(line, quantity=np.where(is_cheaper, 0.0, line.quantity)) for line in lines]
    return [*kept, replace(rented, quantity=np.where(is_cheaper, rented.quantity, 0.0))]


def _tokens_per_minute(option: Option) -> float:
    return option.provisioned.tokens_per_minute if option.provisioned else 1.0


def _output_weight(option: Option) -> float:
    return option.provisioned.output_weight if option.provisioned else 0.0


def _least_units(option: Option) -> float:
    return option.provisioned.least_units if option.provisioned else 0.0


def _unit_step(option: Option) -> float:
    return option.provisioned.unit_step if option.provisioned else 1.0
