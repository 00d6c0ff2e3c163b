"""Bill of the second half of a trace: estimated from the first half, and request by request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.decision.evaluate import Question
from advisor.estimate.request_log import cached_tokens_of_trace
from advisor.estimate.sampling import triangular_quantile
from advisor.loading import make_question
from advisor.options.batch import FALLBACK_MINIMUM_TOKENS
from advisor.options.option import chat_prices, short_name
from advisor.options.price_column import unit_rate
from advisor.prices.book import PriceBook
from advisor.units import SECONDS_PER_MONTH
from benchmarks.option_amounts import OptionAmounts, changed, option_amounts
from benchmarks.trace_files import RequestTrace

Array = NDArray[np.float64]
LIFETIME_SECONDS = 300.0
"""How long caches are kept, for the estimate and for the actual bill."""
PIECE_SECONDS, PIECE_STEP_SECONDS = 300.0, 60.0
"""Length of a piece of the first half, that of a cache lifetime, and time between two starts."""
HALVES = 2
LOAD_RANGE = (0.54, 1.0, 1.47)
"""Load of another period over the first one. Source: days of https://github.com/alibaba/ServeGen
over their mean."""
LOAD_SHARES = (np.arange(41) + 0.5) / 41
"""Where the distribution of the load is evaluated."""


@dataclass(frozen=True)
class BillForecast:
    """The bill of a second half: estimated and actual [USD]."""

    trace: str
    model: str
    cached_share: float
    """Of the first half."""
    likely: float
    low: float
    high: float
    actual: float
    with_requests: float
    """Estimate if the number of requests of the second half is given."""
    with_means: float
    """Estimate from the requests, mean tokens and cache share of the second half itself."""

    @property
    def error(self) -> float:
        """Relative error of the estimate."""
        return self.likely / self.actual - 1

    @property
    def inside(self) -> bool:
        """Whether the actual bill is within the range."""
        return self.low <= self.actual <= self.high


@dataclass(frozen=True)
class RequestColumns:
    """Requests of a period as columns."""

    times: Array
    read: Array
    cached: Array
    written: Array

    def only(self, places: NDArray[np.bool_] | NDArray[np.intp]) -> RequestColumns:
        """Return some of the requests."""
        return RequestColumns(
            self.times[places], self.read[places], self.cached[places], self.written[places]
        )


def forecast(trace: RequestTrace, model: str, book: PriceBook, asked_on: str) -> BillForecast:
    """Estimate the bill of the second half of a trace, and compute the actual one."""
    minimum = _shortest_prefix(book, model)
    cached = np.zeros(len(trace))
    if any(trace.blocks) and np.isfinite(minimum):
        cached = cached_tokens_of_trace(
            trace.times, trace.blocks, trace.input_tokens, LIFETIME_SECONDS, minimum
        )
    columns = RequestColumns(trace.times, trace.input_tokens, cached, trace.output_tokens)
    middle = trace.seconds / HALVES
    # caches are empty when a trace starts, and filled when its second half does
    start = LIFETIME_SECONDS if cached.any() else 0.0
    first = columns.only((trace.times >= start) & (trace.times < middle))
    second = columns.only(trace.times >= middle)
    replay = TraceReplay(_question(model, book, asked_on), model, middle)
    count, known = len(first.read) / (middle - start) * middle, len(second.read)
    likely, _, _ = replay.estimated_usd(first, count)
    ends = [replay.estimated_usd(piece, count)[1:] for piece in _pieces(first, start, middle)]
    load = triangular_quantile(LOAD_SHARES, *LOAD_RANGE)
    low, high = (np.multiply.outer(end, load) for end in zip(*ends, strict=True))
    return BillForecast(
        trace.name,
        model,
        float(first.cached.sum() / first.read.sum()),
        likely,
        float(np.quantile(low, 0.05)),
        float(np.quantile(high, 0.95)),
        replay.actual_usd(second, replay.kinds_used(first, count)),
        replay.estimated_usd(first, known)[0],
        replay.estimated_usd(second, known)[0],
    )


def _shortest_prefix(book: PriceBook, model: str) -> float:
    rule = book.model(model).cache
    if rule is None:
        return np.inf
    return FALLBACK_MINIMUM_TOKENS if rule.min_tokens is None else float(rule.min_tokens)


def _question(model: str, book: PriceBook, asked_on: str) -> Question:
    scenario = {
        "asked_on": asked_on,
        "task": "generation",
        "horizon_months": 1,
        "limits": {"providers": [book.model(model).provider]},
        "traffic": {"user_tokens": 0, "reasoning_tokens": 0},
        "quality": {"held_out_examples": 0},
    }
    return make_question(scenario, book=book)


def _pieces(requests: RequestColumns, start: float, end: float) -> Iterator[RequestColumns]:
    """Yield the pieces of a period, which overlap.

    Lengths of requests drift: their means over half an hour vary about as much as over minutes, so
    the spread of the pieces is not narrowed by averaging.
    """
    for at in np.arange(start, end - PIECE_SECONDS + 1e-9, PIECE_STEP_SECONDS):
        piece = requests.only((requests.times >= at) & (requests.times < at + PIECE_SECONDS))
        if len(piece.read):
            yield piece


@dataclass(frozen=True)
class TraceReplay:
    """Bills of one model for a period of a trace."""

    question: Question
    model: str
    seconds: float
    """Length of the period."""

    @property
    def option_id(self) -> str:
        """The option that prompts the model."""
        return f"prompt:{self.model.split('/', 1)[0]}:{short_name(self.model)}"

    def kinds_used(self, requests: RequestColumns, count: float) -> set[str]:
        """Kinds of prices that the estimate reads: with or without writing to a cache."""
        items = self._amounts(requests, count).price_items
        return {item.rsplit("/", 1)[-1] for item in items}

    def estimated_usd(self, requests: RequestColumns, count: float) -> tuple[float, float, float]:
        """Estimate the bill of *count* requests like these: likely, low, high [USD]."""
        found = self._amounts(requests, count)
        scale = self.seconds / SECONDS_PER_MONTH / found.months
        likely, low, high = (end * scale for end in found.total)
        return likely, low, high

    def _amounts(self, requests: RequestColumns, count: float) -> OptionAmounts:
        traffic = {
            "traffic.requests_per_month": count / self.seconds * SECONDS_PER_MONTH,
            "traffic.prefix_tokens": float(requests.read.mean()),
            "traffic.completion_tokens": float(requests.written.mean()),
            "traffic.cache_hit_share": float(requests.cached.sum() / requests.read.sum()),
        }
        return option_amounts(changed(self.question, traffic))[self.option_id]

    def actual_usd(self, requests: RequestColumns, kinds: set[str]) -> float:
        """Add up the requests one by one, at the prices of the day [USD].

        *kinds*: of prices that the estimate reads; they show whether a prefix is written to a cache
        at a price.
        """
        book = self.question.book
        prices = chat_prices(book, self.model, self.question.scenario.asked_on)
        rates = {kind: unit_rate(price) for kind, price in prices.items()}
        limit = book.model(self.model).long_context_from_tokens or np.inf
        total = 0.0
        for row in zip(requests.read, requests.cached, requests.written, strict=True):
            tier = "long_" if row[0] > limit and "long_input" in rates else ""
            total += _request_usd(rates, tier, kinds, row)
        return total


def _request_usd(
    rates: Mapping[str, float], tier: str, kinds: set[str], tokens: tuple[float, float, float]
) -> float:
    read, cached, written = tokens
    plain = rates[f"{tier}input"]
    fresh = rates.get(f"{tier}cache_write", plain) if "cache_write" in kinds else plain
    hit = rates.get(f"{tier}cached_input", plain) if "cached_input" in kinds else plain
    return (read - cached) * fresh + cached * hit + written * rates[f"{tier}output"]
