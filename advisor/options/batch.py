"""OptionBatch: options that are calculated the same way, stored as arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from advisor.evidence import Range
from advisor.gpu.roofline import GpuSet
from advisor.options.option import Option
from advisor.options.price_column import (
    Column,
    Mask,
    Period,
    PeriodKey,
    PriceColumn,
    option_column,
)
from advisor.prices.models import Architecture, ModelCard
from advisor.rules.team_rules import TeamRule

Bounds = tuple[Column, Column, Column]


def option_bounds(ranges: Sequence[Range]) -> Bounds:
    """Return one range per option as columns: low, likely and high."""
    low, likely, high = np.array(ranges, np.float64).T[:, :, None, None]
    return low, likely, high


OptionKind = tuple[object, ...]


@dataclass(frozen=True)
class OptionKinds:
    """Options grouped by what rules and evidence distinguish, each kind by its first option."""

    first: tuple[Option, ...]
    of: NDArray[np.intp]
    """Index of the kind of each option."""

    @classmethod
    def by(cls, options: Sequence[Option], key: Callable[[Option], OptionKind]) -> OptionKinds:
        """Group options by a key."""
        keys = [key(option) for option in options]
        places = {kind: place for place, kind in enumerate(dict.fromkeys(keys))}
        first = dict(zip(reversed(keys), reversed(options), strict=True))
        return cls(tuple(first[kind] for kind in places), np.array([places[k] for k in keys]))


Family = Literal[
    "paid", "measuring", "tokens", "served", "tuned", "hosted", "encoder", "lora", "qlora", "full"
]
"""Options of one family are calculated the same way; the last four train on a GPU."""
GPU_FAMILIES: Mapping[str, Family] = {
    "lora": "lora",
    "dpo": "lora",
    "combo": "lora",
    "qlora": "qlora",
    "full_ft": "full",
    "encoder": "encoder",
}
NO_GPU = GpuSet(np.inf, 1.0, 1.0, link=1.0)
KEPT_PERIODS = 64
"""Views of a batch over a period that are kept: questions ask for the same months again."""
FALLBACK_MINIMUM_TOKENS = 1024.0
"""Shortest cached prefix if the provider does not state one [tokens]."""


def token_factor_range(card: ModelCard | None) -> Range:
    """Tokens of a model per counted token: low, likely, high; 1 if its tokenizer is public."""
    factor = card.token_factor if card else None
    return (factor.low, factor.likely, factor.high) if factor else (1.0, 1.0, 1.0)


def _window(option: Option) -> float:
    card = option.card or option.base
    limit = card.context_tokens if card else None
    if limit is None and card and card.architecture:
        limit = card.architecture.max_position_tokens
    return np.inf if limit is None else float(limit)


def _architecture(option: Option) -> Architecture | None:
    card = option.base or option.served_like or option.card
    return card.architecture if card else None


def _caching(option: Option) -> Range:
    rule = option.card.cache if option.card else None
    if rule is None or "cached_input" not in option.prices:
        return (1.0, 1.0, np.inf)
    minimum = FALLBACK_MINIMUM_TOKENS if rule.min_tokens is None else float(rule.min_tokens)
    return (rule.ttl_low_seconds, rule.ttl_high_seconds, minimum)


@dataclass(frozen=True, eq=False)
class OptionBatch:
    """Options of one family as arrays."""

    family: Family
    options: tuple[Option, ...]
    rows: NDArray[np.intp]
    """Index of each option among the candidates."""
    rules: tuple[TeamRule, ...] = ()
    """Rules of the team."""
    _masks: dict[tuple[str, ...], Mask] = field(default_factory=dict)
    _periods: dict[PeriodKey, OptionBatch] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        """Whether a model has yet to be tuned."""
        return self.family not in ("paid", "measuring", "tokens", "served")

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the options."""
        return tuple(option.id for option in self.options)

    def column(self, read: Callable[[Option], float]) -> Column:
        """Return a number of each option as a column."""
        return option_column([read(option) for option in self.options])

    def flags(self, read: Callable[[Option], bool]) -> Mask:
        """Return a condition of each option as a column."""
        return np.array([read(option) for option in self.options])[:, None, None]

    def by_kind(self, read: Callable[[Option], float]) -> Column:
        """Return a number that is equal for all options of a kind, as a column."""
        return option_column([read(option) for option in self.kinds.first])[self.kinds.of]

    def bounds(self, read: Callable[[Option], Range]) -> Bounds:
        """Return a range of each option as columns."""
        return option_bounds([read(option) for option in self.options])

    @cached_property
    def kinds(self) -> OptionKinds:
        """The options grouped by what evidence and thresholds distinguish."""
        return OptionKinds.by(self.options, option_kind)

    @cached_property
    def prices(self) -> Mapping[str, PriceColumn]:
        """Every kind of price that any option has."""
        kinds = dict.fromkeys(kind for option in self.options for kind in option.prices)
        return {
            kind: PriceColumn(tuple(option.prices.get(kind) for option in self.options))
            for kind in kinds
        }

    def during(self, period: Period) -> OptionBatch:
        """Return the same options at the mean prices of a period; recent periods are kept.

        Those of many variants are not: they are large, and asked for once.
        """
        if np.size(period.end) > len(self.options):
            return self._at_mean_prices(period)
        key = period.key()
        if key not in self._periods:
            if len(self._periods) >= KEPT_PERIODS:
                self._periods.clear()
            self._periods[key] = self._at_mean_prices(period)
        return self._periods[key]

    def _at_mean_prices(self, period: Period) -> OptionBatch:
        prices = {kind: column.during(period) for kind, column in self.prices.items()}
        if all(prices[kind] is column for kind, column in self.prices.items()):
            return self
        view = copy.copy(self)  # keeps every column that is cached
        view.__dict__["prices"] = prices
        return view

    @cached_property
    def last_day(self) -> Column | None:
        """Day number on which each model is shut down; None if no model is."""
        if all(option.ends_on is None for option in self.options):
            return None
        return self.column(lambda o: o.ends_on.toordinal() if o.ends_on else np.inf)

    @cached_property
    def is_current(self) -> Mask:
        """Which option is the current solution."""
        return self.flags(lambda option: option.is_current)

    @cached_property
    def reasons(self) -> Mask:
        """Which options use a model that always produces reasoning tokens."""
        return self.flags(lambda o: o.card is not None and o.card.always_thinks)

    @cached_property
    def may_think(self) -> Mask:
        """Which options use a model that produces reasoning tokens if the caller asks for them."""
        return self.flags(
            lambda o: bool(o.card and o.card.thinking and o.card.thinking.mode == "optional")
        )

    @cached_property
    def never_thinks(self) -> Mask:
        """Which options use a model that cannot produce reasoning tokens."""
        return self.flags(
            lambda o: bool(o.card and o.card.thinking and o.card.thinking.mode == "never")
        )

    @cached_property
    def least_thinking_tokens(self) -> Column:
        """Least number of reasoning tokens of a request that has any."""
        return self.column(
            lambda o: o.card.thinking.min_tokens if o.card and o.card.thinking else 0.0
        )

    @cached_property
    def is_large(self) -> Mask:
        """Which options prompt a large model without tuning."""
        return self.flags(lambda option: option.tier == "large" and not option.trains)

    @cached_property
    def caching(self) -> Bounds:
        """Shortest and longest cache lifetime [s], minimum tokens; infinite: no cache."""
        return self.bounds(_caching)

    @cached_property
    def caches_explicitly(self) -> Mask:
        """Which options let the caller decide what is cached, and whether."""
        return self.flags(
            lambda o: bool(o.card and o.card.cache and "explicit" in o.card.cache.modes)
        )

    @cached_property
    def caches_implicitly(self) -> Mask:
        """Which options cache by themselves unless told otherwise."""
        return self.flags(
            lambda o: bool(o.card and o.card.cache and "implicit" in o.card.cache.modes)
        )

    @cached_property
    def long_from_tokens(self) -> Column:
        """Tokens above which a complete request is billed at other rates."""
        return self.column(
            lambda o: (
                o.card.long_context_from_tokens or np.inf
                if o.card and "long_input" in o.prices
                else np.inf
            )
        )

    @cached_property
    def window_tokens(self) -> Column:
        """Context window; infinite if unknown."""
        return self.column(_window)

    @cached_property
    def token_factor(self) -> Bounds:
        """Tokens of each model per counted token."""
        return self.bounds(lambda option: token_factor_range(option.tokenizer_card))

    @cached_property
    def architecture(self) -> Mapping[str, Column]:
        """Architecture of the open models by field; 1 without an open model."""
        known = [_architecture(option) for option in self.options]
        names = [name for name in Architecture.model_fields if name != "source"]
        return {name: option_column([getattr(a, name, 1.0) for a in known]) for name in names}

    @cached_property
    def on_known_gpu(self) -> Mask:
        """Which options have a GPU, and an open model with a known architecture."""
        return self.flags(lambda o: o.gpu is not None and _architecture(o) is not None)

    @cached_property
    def gpus(self) -> GpuSet:
        """The GPUs as columns; without a GPU, of infinite memory."""
        sets = [GpuSet.of(option.gpu) if option.gpu else NO_GPU for option in self.options]
        columns = ([float(number) for number in column] for column in zip(*sets, strict=True))
        return GpuSet(*map(option_column, columns))

    @cached_property
    def fp16_tflops(self) -> Column:
        """Dense peak in fp16."""
        return self.column(lambda o: o.gpu.fp16_tflops if o.gpu else 1.0)

    def uses(self, *approaches: str) -> Mask:
        """Which options have one of these approaches, and are not the current solution."""
        return self.approach_is(*approaches) & ~self.is_current

    def approach_is(self, *approaches: str) -> Mask:
        """Which options have one of these approaches."""
        if approaches not in self._masks:
            self._masks[approaches] = self.flags(lambda option: option.approach in approaches)
        return self._masks[approaches]


def option_kind(option: Option) -> OptionKind:
    """Everything that evidence and thresholds read of an option."""
    return (option.approach, option.tier, option.is_current, option.base is None)


def option_family(option: Option) -> Family:
    """Return how an option is calculated."""
    if option.is_current:
        return "tokens" if option.per_token and not option.monthly_is_known else "paid"
    if option.approach == "not_yet":
        return "measuring"
    if option.offer is None and option.approach in GPU_FAMILIES:
        return GPU_FAMILIES[option.approach]
    if not option.trains:
        return "served" if option.gpu else "tokens"
    return "hosted" if "hosting_hour" in option.prices else "tuned"


def option_batches(
    options: Sequence[Option], rules: tuple[TeamRule, ...] = ()
) -> tuple[OptionBatch, ...]:
    """Group options into batches by family."""
    rows: dict[Family, list[int]] = {}
    for row, option in enumerate(options):
        rows.setdefault(option_family(option), []).append(row)
    return tuple(
        OptionBatch(family, tuple(options[row] for row in places), np.array(places), rules)
        for family, places in rows.items()
    )
