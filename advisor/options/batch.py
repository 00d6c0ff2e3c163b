"""Options that are worked out by the same quantities -> columns, laid side by side in arrays.

Numbers, ranges and prices of options -> columns, and options that a rule cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from advisor.options.option import Option
from advisor.prices.models import Architecture, ModelCard
from advisor.prices.series import Price
from advisor.rules.team_rules import TeamRule

Column = NDArray[np.float64]
"""A number of each option, of shape [options, 1, 1]: it broadcasts over variants and draws."""
Bounds = tuple[Column, Column, Column]
Range = tuple[float, float, float]
Mask = NDArray[np.bool_]
UNIT_SIZE = {
    "USD/1M tokens": 1e6,
    "USD/1M training tokens": 1e6,
    "USD/1M read units": 1e6,
    "USD/1M write units": 1e6,
    "USD/1K searches": 1e3,
}
"""How much one price covers; every other unit covers one."""


def option_column(values: Sequence[float]) -> Column:
    """Lay one number of each option out."""
    return np.array(values, np.float64)[:, None, None]


def option_bounds(ranges: Sequence[Range]) -> Bounds:
    """Lay a range of each option out: low, likely and high."""
    low, likely, high = np.array(ranges, np.float64).T[:, :, None, None]
    return low, likely, high


@dataclass(frozen=True)
class PriceColumn:
    """One kind of price, for each option that has it."""

    each: tuple[Price | None, ...]

    @cached_property
    def rate(self) -> Column:
        """USD for one unit; 0 where there is no such price."""
        return option_column([unit_rate(price) if price else 0.0 for price in self.each])

    @cached_property
    def known(self) -> Mask:
        """Which options have it."""
        return np.array([price is not None for price in self.each])[:, None, None]

    def otherwise(self, other: PriceColumn) -> PriceColumn:
        """Fill gaps with another kind of price."""
        return PriceColumn(tuple(a or b for a, b in zip(self.each, other.each, strict=True)))


def unit_rate(price: Price) -> float:
    """USD for a single unit.

    >>> from datetime import date
    >>> unit_rate(Price(item="a/b/input", unit="USD/1M tokens", value=2, since=date(2026, 1, 1),
    ...               source="list", read_on=date(2026, 1, 1), confidence="high", note=None,
    ...               next_change=None))
    2e-06
    """
    return float(price.value) / UNIT_SIZE.get(price.unit, 1.0)


OptionKind = tuple[object, ...]


@dataclass(frozen=True)
class OptionKinds:
    """Options that a rule cannot tell apart, each kind by the first of them."""

    first: tuple[Option, ...]
    of: NDArray[np.intp]
    """Kind of each option."""

    @classmethod
    def by(cls, options: Sequence[Option], key: Callable[[Option], OptionKind]) -> OptionKinds:
        """Sort options into kinds by a key."""
        keys = [key(option) for option in options]
        places = {kind: place for place, kind in enumerate(dict.fromkeys(keys))}
        first = dict(zip(reversed(keys), reversed(options), strict=True))
        return cls(tuple(first[kind] for kind in places), np.array([places[k] for k in keys]))


Family = Literal[
    "paid",
    "measuring",
    "tokens",
    "served",
    "tuned",
    "hosted",
    "encoder",
    "lora",
    "qlora",
    "full",
]
"""What is worked out alike; the last four train on a GPU of one's own choice."""
GPU_FAMILIES: Mapping[str, Family] = {
    "lora": "lora",
    "dpo": "lora",
    "combo": "lora",
    "qlora": "qlora",
    "full_ft": "full",
    "encoder": "encoder",
}
FALLBACK_MINIMUM_TOKENS = 1024.0
"""Shortest prefix that is cached where nobody says."""


def token_factor_range(card: ModelCard | None) -> Range:
    """Tokens of a model per token counted, as low, likely, high; 1 if its tokenizer is public."""
    factor = card.token_factor if card else None
    return (factor.low, factor.likely, factor.high) if factor else (1.0, 1.0, 1.0)


def _window(option: Option) -> float:
    card = option.card or option.base
    if card is None:
        return np.inf
    if card.context_tokens is None:
        limit = card.architecture.max_position_tokens if card.architecture else None
        return float(limit or np.inf)
    return float(card.context_tokens)


def _caching(option: Option) -> Range:
    rule = option.card.cache if option.card else None
    if rule is None or "cached_input" not in option.prices:
        return (1.0, 1.0, np.inf)
    minimum = FALLBACK_MINIMUM_TOKENS if rule.min_tokens is None else float(rule.min_tokens)
    return (rule.ttl_low_seconds, rule.ttl_high_seconds, minimum)


@dataclass(frozen=True, eq=False)
class OptionBatch:
    """Options of one family, side by side."""

    family: Family
    options: tuple[Option, ...]
    rows: NDArray[np.intp]
    """Where each stands in its menu."""
    rules: tuple[TeamRule, ...] = ()
    """What the team adds."""
    _masks: dict[tuple[str, ...], Mask] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        """Whether something has yet to be tuned."""
        return self.family not in ("paid", "measuring", "tokens", "served")

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """What the options are called: the same names on the same day are the same options."""
        return tuple(option.id for option in self.options)

    def column(self, read: Callable[[Option], float]) -> Column:
        """Lay a number of each option out."""
        return option_column([read(option) for option in self.options])

    def by_kind(self, read: Callable[[Option], float]) -> Column:
        """Lay a number out that is the same for all options of a kind."""
        return option_column([read(option) for option in self.kinds.first])[self.kinds.of]

    def bounds(self, read: Callable[[Option], Range]) -> Bounds:
        """Lay a range of each option out."""
        return option_bounds([read(option) for option in self.options])

    @cached_property
    def kinds(self) -> OptionKinds:
        """What evidence and thresholds can tell apart."""
        return OptionKinds.by(self.options, option_kind)

    @cached_property
    def prices(self) -> Mapping[str, PriceColumn]:
        """Every kind of price that any of the options has."""
        kinds = dict.fromkeys(kind for option in self.options for kind in option.prices)
        return {
            kind: PriceColumn(tuple(option.prices.get(kind) for option in self.options))
            for kind in kinds
        }

    @cached_property
    def last_day(self) -> Column | None:
        """Day number on which each model ends; none where none of them does."""
        if all(option.ends_on is None for option in self.options):
            return None
        return self.column(lambda o: o.ends_on.toordinal() if o.ends_on else np.inf)

    @cached_property
    def is_current(self) -> Mask:
        """Which option is what runs today."""
        return np.array([option.is_current for option in self.options])[:, None, None]

    @cached_property
    def reasons(self) -> Mask:
        """Whose hidden thought is always billed."""
        return np.array(
            [
                option.card is not None and option.card.reasoning == "always"
                for option in self.options
            ]
        )[:, None, None]

    @cached_property
    def is_large(self) -> Mask:
        """Which options prompt a large model as it is."""
        return np.array([option.tier == "large" and not option.trains for option in self.options])[
            :, None, None
        ]

    @cached_property
    def caching(self) -> Bounds:
        """Shortest and longest life of a cached prefix [s], and its least tokens; endless: none."""
        return self.bounds(_caching)

    @cached_property
    def long_from_tokens(self) -> Column:
        """Above how many tokens a whole request is billed at other rates."""
        return self.column(
            lambda o: (
                o.card.long_context_from_tokens or np.inf
                if o.card and "long_input" in o.prices
                else np.inf
            )
        )

    @cached_property
    def window_tokens(self) -> Column:
        """Longest prompt with its answer; endless where nobody says."""
        return self.column(_window)

    @cached_property
    def token_factor(self) -> Bounds:
        """Tokens of each model per token counted."""
        return self.bounds(lambda option: token_factor_range(option.tokenizer_card))

    @cached_property
    def architecture(self) -> Mapping[str, Column]:
        """The numbers of the open models, by name; 1 where there is none."""
        cards = [option.base or option.served_like or option.card for option in self.options]
        known = [card.architecture if card else None for card in cards]
        names = [name for name in Architecture.model_fields if name != "source"]
        return {name: option_column([getattr(one, name, 1.0) for one in known]) for name in names}

    @cached_property
    def on_known_gpu(self) -> Mask:
        """Which options have an open model with known numbers, and a GPU to serve it on."""
        cards = [option.base or option.served_like or option.card for option in self.options]
        return np.array(
            [
                card is not None and card.architecture is not None and option.gpu is not None
                for card, option in zip(cards, self.options, strict=True)
            ]
        )[:, None, None]

    @cached_property
    def gpu_memory_bytes(self) -> Column:
        """Memory of each GPU; endless where there is none."""
        return self.column(lambda o: o.gpu.memory_bytes if o.gpu else np.inf)

    @cached_property
    def gpu_bandwidth(self) -> Column:
        """Bandwidth of each GPU [bytes/s]."""
        return self.column(lambda o: o.gpu.bandwidth_bytes_per_second if o.gpu else 1.0)

    @cached_property
    def gpu_link(self) -> Column:
        """Bandwidth from each GPU to the next, one way [bytes/s]."""
        return self.column(lambda o: o.gpu.link_bytes_per_second if o.gpu else 1.0)

    @cached_property
    def bf16_tflops(self) -> Column:
        """Dense peak in bf16, else in fp16."""
        return self.column(lambda o: o.gpu.bf16_tflops or o.gpu.fp16_tflops if o.gpu else 1.0)

    @cached_property
    def fp16_tflops(self) -> Column:
        """Dense peak in fp16."""
        return self.column(lambda o: o.gpu.fp16_tflops if o.gpu else 1.0)

    def uses(self, *approaches: str) -> Mask:
        """Which options take one of these approaches, and are not what runs today."""
        return self.approach_is(*approaches) & ~self.is_current

    def approach_is(self, *approaches: str) -> Mask:
        """Which options take one of these approaches."""
        if approaches not in self._masks:
            mask = np.array([o.approach in approaches for o in self.options])[:, None, None]
            self._masks[approaches] = mask
        return self._masks[approaches]


def option_kind(option: Option) -> OptionKind:
    """What evidence and thresholds read of an option."""
    return (option.approach, option.tier, option.is_current, option.base is None)


def option_family(option: Option) -> Family:
    """Say by which quantities an option is worked out."""
    if option.is_current:
        return "tokens" if option.per_token and not option.monthly_is_known else "paid"
    if option.approach == "not_yet":
        return "measuring"
    if option.offer is None and option.approach in GPU_FAMILIES:
        return GPU_FAMILIES[option.approach]
    if not option.trains:
        return "served" if option.gpu else "tokens"
    return "tuned" if option.per_token else "hosted"


def option_batches(
    options: Sequence[Option], rules: tuple[TeamRule, ...] = ()
) -> tuple[OptionBatch, ...]:
    """Sort the options of a menu into panels."""
    rows: dict[Family, list[int]] = {}
    for row, option in enumerate(options):
        rows.setdefault(option_family(option), []).append(row)
    return tuple(
        OptionBatch(family, tuple(options[row] for row in places), np.array(places), rules)
        for family, places in rows.items()
    )
