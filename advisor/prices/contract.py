"""What a team has agreed with its providers: discounts, free tiers, commitments; currency and tax.

The sections of an overlay file: `discounts`, `free_tiers`, `commitments`, `currencies`, `tax`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.errors import ScenarioError
from advisor.prices.series import KINDS, MAX_USD, Unit
from advisor.units import DAYS_PER_MONTH, US_DOLLARS, Currency, Record

Share = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[Decimal, Field(gt=0, le=MAX_USD * 1_000_000, allow_inf_nan=False)]
Match = Annotated[str, Field(min_length=1)]
Text = Annotated[str, Field(min_length=4)]
FreeUnit = Literal["tokens", "requests", "hours", "USD"]
TOKEN_UNITS: tuple[Unit, ...] = ("USD/1M tokens", "USD/1M training tokens")
HOUR_UNITS: tuple[Unit, ...] = (
    "USD/GPU hour",
    "USD/hour",
    "USD/vCPU hour",
    "USD/GiB hour",
    "USD/unit hour",
)
PRICE_UNITS: Mapping[FreeUnit, tuple[Unit, ...]] = MappingProxyType(
    {
        "tokens": TOKEN_UNITS,
        "hours": HOUR_UNITS,
        "requests": tuple(dict.fromkeys(KINDS.values())),
        "USD": tuple(dict.fromkeys(KINDS.values())),
    }
)
"""Unit of a free tier -> units of the prices to which it applies."""


class Term(Record):
    """A part of a contract that is valid for some prices, on some days."""

    since: date | None = None
    """First day on which it applies; empty: it applies already."""
    until: date | None = None
    """Last day on which it applies; empty: no end is agreed."""
    source: Text
    """Contract, order form or page."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.since and self.until and self.until < self.since:
            raise ValueError(f"it ends on {self.until}, before it begins on {self.since}")
        return self

    @property
    def pattern(self) -> str:
        """Provider, provider/model or provider/model/kind; * stands for any text."""
        raise NotImplementedError

    def covers(self, item: str) -> bool:
        """Whether it applies to an item of the price book."""
        return is_match(self.pattern, item)

    def is_valid_on(self, day: date) -> bool:
        """Whether it applies on a day."""
        return not (self.since and day < self.since) and not (self.until and day > self.until)

    def months_valid(self, day: date) -> tuple[float, float]:
        """Return when it applies, in months after *day*."""
        start = (self.since - day).days / DAYS_PER_MONTH if self.since else 0.0
        end = ((self.until - day).days + 1) / DAYS_PER_MONTH if self.until else float("inf")
        return max(start, 0.0), max(end, 0.0)

    def overlaps(self, other: Term) -> bool:
        """Whether there is a day on which both apply."""
        starts = max(self.since or date.min, other.since or date.min)
        return starts <= min(self.until or date.max, other.until or date.max)

    @property
    def period(self) -> str:
        """The days on which it applies, for readers."""
        start = f" from {self.since}" if self.since else ""
        return start + (f" until {self.until}" if self.until else "")


class Discount(Term):
    """A negotiated discount on list prices: contracted price = list price x (1 - share)."""

    match: Match
    """Provider, provider/model, or an item such as openai/*/batch_*."""
    share: Share
    """Part of the list price that is taken off, 0 to 1."""

    @property
    def pattern(self) -> str:
        """See `Term.pattern`."""
        return self.match

    @property
    def says(self) -> str:
        """The discount in a few words."""
        return f"{float(self.share) * 100:g}% off {self.match}{self.period} ({self.source})"


class FreeTier(Term):
    """A quantity that is not billed, each month or once."""

    match: Match
    """Provider, provider/model, or an item such as openai/*/batch_*."""
    amount: Amount
    """Quantity that is free."""
    unit: FreeUnit
    """Tokens, requests, hours, or USD of credit."""
    per: Literal["month", "once"] = "month"
    """Whether the amount is granted every month, or once."""

    @property
    def pattern(self) -> str:
        """See `Term.pattern`."""
        return self.match

    @property
    def says(self) -> str:
        """The free tier in a few words."""
        per = "per month" if self.per == "month" else "once"
        return (
            f"{self.amount:,f} {self.unit} free {per} of {self.match}{self.period} ({self.source})"
        )

    def bills(self, unit: str) -> bool:
        """Whether it applies to prices in this unit."""
        return unit in PRICE_UNITS[self.unit]


class Commitment(Term):
    """Spend or usage that is paid each month, used or not."""

    provider: Match | None = None
    """Provider that it was agreed with."""
    match: Match | None = None
    """In place of the provider: provider/model, or an item such as runpod_secure/L4/gpu_hour."""
    usd_per_month: Amount | None = None
    """Committed spend per month [USD]."""
    units: Amount | None = None
    """Committed quantity per month, such as GPU hours, in the unit of the quantity of the price."""
    share: Share = Decimal(1)
    """Part of the commitment that is meant for this workload, 0 to 1."""
    discount: Share = Decimal(0)
    """Part taken off the contracted prices for the commitment, 0 to 1."""

    @model_validator(mode="after")
    def _has_one_of_each(self) -> Self:
        if (self.provider is None) == (self.match is None):
            raise ValueError("a commitment has either a provider or a match")
        if (self.usd_per_month is None) == (self.units is None):
            raise ValueError("a commitment has either usd_per_month or units")
        if self.units is not None and match_level(self.pattern) < 3:
            raise ValueError("units need a match with a kind, such as runpod_secure/L4/gpu_hour")
        return self

    @property
    def pattern(self) -> str:
        """See `Term.pattern`."""
        return self.provider or self.match or ""

    @property
    def committed(self) -> float:
        """Part meant for this workload, per month: USD, or units."""
        return float((self.usd_per_month or self.units or Decimal(0)) * self.share)

    @property
    def says(self) -> str:
        """The commitment in a few words."""
        of = f"{self.usd_per_month:,f} USD" if self.usd_per_month else f"{self.units:,f} units"
        part = (
            f", of which {float(self.share) * 100:g}% for this workload" if self.share < 1 else ""
        )
        off = f", {float(self.discount) * 100:g}% off" if self.discount else ""
        return (
            f"commitment of {of} per month{part} at {self.pattern}{off}{self.period} "
            f"({self.source})"
        )


class TaxNote(Record):
    """What a team notes about tax; never part of the costs that are compared."""

    says: Text
    """Note printed below totals."""
    rate_share: Share | None = None
    """Tax rate, 0 to 1; the tax is then shown as a line of its own."""


@dataclass(frozen=True)
class Contract:
    """Everything a team has agreed or set in its price file, besides prices."""

    discounts: tuple[Discount, ...] = ()
    free_tiers: tuple[FreeTier, ...] = ()
    """In the order in which they are used up."""
    commitments: tuple[Commitment, ...] = ()
    currencies: Mapping[str, Currency] = field(default_factory=dict)
    tax: TaxNote | None = None

    @property
    def has_terms(self) -> bool:
        """Whether anything besides prices changes what is billed."""
        return bool(self.free_tiers or self.commitments)

    def currency(self, code: str) -> Currency:
        """Return a currency with its rate.

        Raises:
            ScenarioError: there is no rate for it.
        """
        if code == US_DOLLARS.code:
            return US_DOLLARS
        if code not in self.currencies:
            known = f" It has {', '.join(sorted(self.currencies))}." if self.currencies else ""
            raise ScenarioError(
                "currency",
                f"found {code}, and the price files have no rate for it.{known}",
                f"Add 'currencies: {{{code}: {{usd: 1.16, on: 2026-11-27, source: PAGE}}}}' to the "
                f"file that --prices names; usd is the price of 1 {code} on that day.",
            )
        return self.currencies[code]


NO_CONTRACT = Contract()


@lru_cache(maxsize=65536)
def is_match(pattern: str, item: str) -> bool:
    """Whether an item of the price book is one of a pattern.

    >>> is_match("openai", "openai/o3/input"), is_match("openai/o3", "openai/o3-mini/input")
    (True, False)
    >>> is_match("openai/*/batch_*", "openai/gpt-4.1/batch_input")
    True
    """
    return fnmatchcase(item, pattern) or fnmatchcase(item, f"{pattern}/*")


def match_level(pattern: str) -> int:
    """Return what a pattern names: 1 a provider, 2 a model, 3 kinds of prices.

    >>> [match_level(p) for p in ("together", "together/Qwen/*", "together/Qwen/*/input")]
    [1, 2, 3]
    """
    parts = pattern.split("/")
    last = parts[-1]
    has_kind = len(parts) > 2 and last != "*" and any(fnmatchcase(kind, last) for kind in KINDS)
    return 3 if has_kind else min(len(parts), 2)


def specificity(pattern: str) -> tuple[int, int, int]:
    """Order of matches: what is named, then fewer wildcards, then a longer text."""
    wildcards = sum(pattern.count(sign) for sign in "*?[")
    return match_level(pattern), -wildcards, len(pattern) if wildcards else 0
