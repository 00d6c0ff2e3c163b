"""Costs of every option of a question, as its bill shows them: likely, and 90% range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from advisor.decision.evaluate import Question, prepare
from advisor.estimate.costs import BatchCosts, batch_costs, percentile_range
from advisor.estimate.line import with_all_axes
from advisor.estimate.sampling import Sampling
from advisor.options.option import Option
from advisor.prices.book import PriceBook
from advisor.prices.series import PriceSeries, PriceTable
from advisor.scenario.paths import with_paths
from advisor.units import Number

INPUT_LINES = ("input", "cached prefix", "prefix written to cache")
"""Names of the bill lines of input tokens start with one of these."""


class Ends(NamedTuple):
    """An amount with its 90% range."""

    likely: float
    low: float
    high: float


@dataclass(frozen=True)
class OptionAmounts:
    """What one option costs over its months of use."""

    option: Option
    total: Ends
    months: float
    input_usd: float
    """Input tokens, over the months of use [USD]."""
    price_items: frozenset[str]
    """Items of the price book that its bill reads."""


def option_amounts(question: Question) -> dict[str, OptionAmounts]:
    """Return the amounts of every option of a question, allowed or not, by id."""
    context, candidates = prepare(question, question.scenario)
    drawn = replace(context, sampling=Sampling("draws", question.seed))
    found: dict[str, OptionAmounts] = {}
    for batch in candidates.batches:
        likely, spread = batch_costs(batch, context), batch_costs(batch, drawn)
        count = len(batch.options)
        low, high = percentile_range(with_all_axes(spread.total)[:, 0])
        columns = (_column(likely.total, count), _rows(low, count), _rows(high, count))
        months, read = _column(likely.months, count), _input_usd(likely, count)
        items = _price_items(likely, count)
        for row, option in enumerate(batch.options):
            usd, least, most = (float(column[row]) for column in columns)
            total = Ends(usd, min(least, usd), max(most, usd))
            found[option.id] = OptionAmounts(
                option, total, float(months[row]), float(read[row]), frozenset(items[row])
            )
    return found


def _column(value: Number, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return _rows(with_all_axes(value)[:, 0, 0], count)


def _rows(values: Any, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(np.broadcast_to(values, count))


def _input_usd(costs: BatchCosts, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    amounts = [
        _column(line.amount, count)
        for line in costs.lines
        if line.cadence == "month" and line.what.startswith(INPUT_LINES)
    ]
    return np.asarray(sum(amounts, np.zeros(count)) * _column(costs.months, count))


def _price_items(costs: BatchCosts, count: int) -> list[set[str]]:
    found: list[set[str]] = [set() for _ in range(count)]
    for line in costs.lines:
        amounts = _column(line.amount, count)
        for row, price in enumerate(line.price.each if line.price else ()):
            if price and amounts[row] > 0:
                found[row].add(price.item)
    return found


def changed(question: Question, changes: Mapping[str, Any]) -> Question:
    """Return the question with values set at paths of its scenario."""
    return replace(question, scenario=with_paths(question.scenario, changes))


def with_lower_price(book: PriceBook, item: str, factor: float) -> PriceBook:
    """Return the book with every step of one item multiplied by a factor."""
    series = book.prices.series[item]
    steps = tuple(
        step.model_copy(update={"value": step.value and step.value * type(step.value)(str(factor))})
        for step in series.steps
    )
    return _with_series(
        book, {**book.prices.series, item: series.model_copy(update={"steps": steps})}
    )


def reordered(book: PriceBook, order: Any) -> PriceBook:
    """Return the book with prices, models, providers and GPUs in another order.

    Args:
        book: The book.
        order: Shuffles a list in place.
    """

    def shuffled(mapping: Mapping[str, Any]) -> dict[str, Any]:
        names = list(mapping)
        order(names)
        return {name: mapping[name] for name in names}

    again = _with_series(book, shuffled(book.prices.series))
    return replace(
        again,
        models=shuffled(book.models),
        providers=shuffled(book.providers),
        gpus=shuffled(book.gpus),
    )


def _with_series(book: PriceBook, series: Mapping[str, PriceSeries]) -> PriceBook:
    return replace(book, prices=PriceTable(series))
