"""Price history: the price of an item on a given day, with its source and date.

Also the closed list of kinds of prices, each with its unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.errors import (
    PriceNotYetKnown,
    PriceWithdrawn,
    UnknownPrice,
    Unpriced,
    did_you_mean,
)
from advisor.units import Record

Unit = Literal[
    "USD/1M tokens",
    "USD/1M training tokens",
    "USD/GPU hour",
    "USD/hour",
    "USD/vCPU hour",
    "USD/GiB hour",
    "USD/unit hour",
    "USD/1M requests",
    "USD/1K searches",
    "USD/GB month",
    "USD/month",
    "USD/job",
    "USD/1M read units",
    "USD/1M write units",
    "USD/kWh",
]

TOKEN_RATES = ("input", "cached_input", "cache_write", "output")
"""Rates of one request billed per token."""
TIERS = ("", "batch_", "flex_", "long_", "batch_long_", "flex_long_")
"""Prefix of the rates of a tier: normal, batch, flex, long prompt, long prompt in a batch."""
_TOKENS = (
    *(f"{tier}{rate}" for tier in TIERS for rate in TOKEN_RATES),
    *(f"{tier}cache_write_1h" for tier in TIERS),
    *(f"tuned_{tier}{rate}" for tier in TIERS for rate in TOKEN_RATES),
    "embedding",
    "batch_embedding",
    "rerank_tokens",
)

KINDS: dict[str, Unit] = {
    **dict.fromkeys(_TOKENS, "USD/1M tokens"),
    "training": "USD/1M training tokens",
    "dpo_training": "USD/1M training tokens",
    "gpu_hour": "USD/GPU hour",
    "spot_gpu_hour": "USD/GPU hour",
    "serverless_gpu_hour": "USD/GPU hour",
    "hosting_hour": "USD/hour",
    "cpu_hour": "USD/hour",
    "vcpu_hour": "USD/vCPU hour",
    "gib_hour": "USD/GiB hour",
    "request": "USD/1M requests",
    "provisioned_hour": "USD/unit hour",
    "rerank_search": "USD/1K searches",
    "file_search_call": "USD/1K searches",
    "web_search_call": "USD/1K searches",
    "vector_storage_gb_month": "USD/GB month",
    "vector_minimum_month": "USD/month",
    "vector_read": "USD/1M read units",
    "vector_write": "USD/1M write units",
    "storage_month": "USD/month",
    "job_minimum": "USD/job",
    "electricity_kwh": "USD/kWh",
}
"""Last part of the name of an item -> its unit."""
STALE_AFTER_DAYS = 30
CHANGE_SOON_DAYS = 90
MAY_BE_FREE = frozenset(
    {
        "hosting_hour",
        "cache_write",
        "cache_write_1h",
        "training",
        "request",
        "job_minimum",
        "storage_month",
        "vector_minimum_month",
    }
)
"""Kinds that can be free; a price of 0 for any other is a typo or an unknown price."""
MAX_USD = 1_000_000_000
"""Upper limit of a price: more is a typo."""

Confidence = Literal["high", "medium", "low"]


class Caveat(Record):
    """A doubt about a value."""

    code: str
    """Stable name."""
    says: str
    """Explanation."""


class PriceStep(Record):
    """One change of a price, with its source."""

    since: date
    """First day on which the value applies, until the next step."""
    value: Annotated[Decimal, Field(ge=0, le=MAX_USD, allow_inf_nan=False)] | None
    """Price in the unit of the series; null if no longer sold."""
    source: Annotated[str, Field(min_length=4)]
    """Page where it was read, or who quoted it."""
    read_on: date
    """Date on which the value was last read there."""
    confidence: Confidence = "high"
    """Confidence in the source."""
    note: str | None = None
    """Note for readers."""


class ContractedStep(PriceStep):
    """A step of a price for which a discount was negotiated: the value is what is paid."""

    list_value: Decimal | None = None
    """List price; null without a discount."""
    discount: str | None = None
    """The discount, with its source."""


class Price(ContractedStep):
    """A price on one day: the step that applied, with its item and unit."""

    item: str
    """provider/model/kind."""
    unit: str
    """Unit of the price."""
    value: Decimal
    """Price [USD per unit]."""
    own: bool = False
    """Whether it is the user's own price."""
    next_change: date | None
    """Date of the next known step."""
    later: tuple[PriceStep, ...] = ()
    """Known steps after the day, in order."""

    def steps(self) -> tuple[Price, ...]:
        """Return this price and each later one; a withdrawal is not a price."""
        known = [step for step in self.later if step.value is not None]
        return (self, *(self.model_copy(update={**dict(step), "later": ()}) for step in known))

    @property
    def listed(self) -> Decimal:
        """List price [USD per unit]."""
        return self.value if self.list_value is None else self.list_value


class PriceSeries(Record):
    """History of one price. Its unit never changes: another unit is another item."""

    item: str
    """provider/model/kind."""
    unit: Unit
    """Unit of the price."""
    steps: tuple[PriceStep, ...] = ()
    """Steps, oldest first."""
    unpriced: str | None = None
    """Why the price is unknown, if it is not published."""
    own: bool = False
    """Whether it is the user's own price."""

    @model_validator(mode="after")
    def _is_named_by_kind(self) -> Self:
        kind = self.item.rsplit("/", 1)[-1]
        if self.item.count("/") < 2 or "" in self.item.split("/"):
            raise ValueError(f"the name '{self.item}' is not of the form provider/model/kind")
        if kind not in KINDS:
            raise ValueError(f"there is no kind '{kind}'.{did_you_mean(kind, KINDS)}".rstrip("?."))
        if KINDS[kind] != self.unit:
            wanted = KINDS[kind]
            raise ValueError(f"a price of kind {kind} has the unit '{wanted}', not '{self.unit}'")
        return self

    @model_validator(mode="after")
    def _steps_are_ordered(self) -> Self:
        if self.unpriced is not None:
            if self.steps:
                raise ValueError("an item is either unpriced or has steps, not both")
            return self
        days = [step.since for step in self.steps]
        if not days:
            raise ValueError("a series needs at least one step, or 'unpriced: why'")
        if days != sorted(set(days)):
            raise ValueError("steps must be in date order, one per day")
        if self.steps[0].value is None:
            raise ValueError("the first step must have a value, not null")
        free = [step.since for step in self.steps if step.value == 0]
        if free and self.item.rsplit("/", 1)[-1] not in MAY_BE_FREE:
            raise ValueError(
                f"the price from {free[0]} is 0, but no {self.item.rsplit('/', 1)[-1]} is free; "
                "if the price is not published, write 'unpriced: why' instead of the steps"
            )
        return self

    def on(self, day: date) -> Price:
        """Return the price that applied on *day*; a step applies from its `since`, inclusive.

        Raises:
            Unpriced: the price is not published.
            PriceNotYetKnown: *day* is before the first step; prices are never extrapolated.
            PriceWithdrawn: the item was not sold on *day*.
        """
        if self.unpriced is not None:
            raise Unpriced(self.item, self.unpriced)
        begun = [step for step in self.steps if step.since <= day]
        if not begun:
            raise PriceNotYetKnown(self.item, day, first=self.steps[0].since)
        step = begun[-1]
        if step.value is None:
            raise PriceWithdrawn(self.item, day, since=step.since)
        later = tuple(step for step in self.steps if step.since > day)
        return Price(
            **dict(step),
            item=self.item,
            unit=self.unit,
            own=self.own,
            next_change=later[0].since if later else None,
            later=later,
        )


class PriceTable:
    """All price series by item name."""

    def __init__(self, series: Mapping[str, PriceSeries]) -> None:
        self.series = series
        self._found: dict[tuple[str, date], Price] = {}

    def has(self, item: str) -> bool:
        """Whether the item exists, priced or not."""
        return item in self.series

    def on(self, item: str, day: date) -> Price:
        """Return the price of *item* on *day*.

        Raises:
            UnknownPrice: there is no such item; see `PriceSeries.on` for other errors.
        """
        if item not in self.series:
            raise UnknownPrice("price", item, self.series)
        key = (item, day)
        if key not in self._found:
            self._found[key] = self.series[item].on(day)
        return self._found[key]

    def caveats(self, price: Price, day: date) -> tuple[Caveat, ...]:
        """List the caveats of a price used on *day*: stale, about to change, uncertain, own."""
        found = []
        age = (day - price.read_on).days
        if age >= STALE_AFTER_DAYS and not price.own:
            says = f"{price.item} was last read {age} days earlier, on {price.read_on}."
            found.append(Caveat(code="price-stale", says=says))
        if price.next_change and (price.next_change - day).days <= CHANGE_SOON_DAYS:
            says = f"{price.item} changes on {price.next_change}."
            found.append(Caveat(code="price-changes", says=says))
        if price.confidence == "low":
            says = f"{price.item} has a weak source: {price.source}."
            found.append(Caveat(code="price-uncertain", says=says))
        if price.own:
            found.append(Caveat(code="own-price", says=f"{price.item} is your own price."))
        return tuple(found)
