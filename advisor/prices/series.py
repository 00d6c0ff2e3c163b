"""Prices that change over time: what an item cost on a given day, and who says so.

The closed list of what is priced, and the one unit each kind has.
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
    "USD/1K searches",
    "USD/GB month",
    "USD/month",
    "USD/job",
    "USD/1M read units",
    "USD/1M write units",
    "USD/kWh",
]

_TOKENS = (
    "input",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "output",
    "batch_input",
    "batch_cached_input",
    "batch_output",
    "long_input",
    "long_cached_input",
    "long_cache_write",
    "long_output",
    "tuned_input",
    "tuned_cached_input",
    "tuned_output",
    "tuned_batch_input",
    "tuned_batch_cached_input",
    "tuned_batch_output",
    "embedding",
    "batch_embedding",
    "rerank_tokens",
)

KINDS: dict[str, Unit] = {
    **dict.fromkeys(_TOKENS, "USD/1M tokens"),
    "training": "USD/1M training tokens",
    "dpo_training": "USD/1M training tokens",
    "gpu_hour": "USD/GPU hour",
    "hosting_hour": "USD/hour",
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
"""Last segment of an item -> its unit."""


STALE_AFTER_DAYS = 30
CHANGE_SOON_DAYS = 90
MAY_BE_FREE = frozenset(
    {
        "hosting_hour",
        "cache_write",
        "cache_write_1h",
        "job_minimum",
        "storage_month",
        "vector_minimum_month",
    }
)
"""Kinds that a provider may give away; a price of 0 for any other is a slip or an unknown."""
MAX_USD = 1_000_000_000
"""No price is dearer: more is a slip of digits."""

Confidence = Literal["high", "medium", "low"]


class Caveat(Record):
    """A doubt that travels with a figure."""

    code: str
    """Stable name."""
    says: str
    """In words."""


class PriceStep(Record):
    """One change of a price, with the page it was read from."""

    since: date
    """First day on which it holds. It holds until the next step."""
    value: Annotated[Decimal, Field(ge=0, le=MAX_USD, allow_inf_nan=False)] | None
    """Price in the unit of the series; null from the day it is no longer sold."""
    source: Annotated[str, Field(min_length=4)]
    """The page where it was read, or who quoted it."""
    read_on: date
    """Day on which somebody last saw the value there."""
    confidence: Confidence = "high"
    """How far the source is trusted."""
    note: str | None = None
    """What a reader has to know and the number cannot say."""


class Price(Record):
    """A price as it was on one day: the step that held, and how old our knowledge of it was."""

    item: str
    """provider/model/kind."""
    unit: str
    """What one price covers."""
    value: Decimal
    """The price [USD per unit]."""
    since: date
    """First day on which it held."""
    source: str
    """Where it was read."""
    read_on: date
    """Day it was last read there."""
    confidence: Confidence
    """How far the source is trusted."""
    note: str | None
    """What the number cannot say."""
    own: bool = False
    """Whether it is the buyer's own."""
    next_change: date | None
    """Day of the next step that is known."""


class PriceSeries(Record):
    """The history of one price. Its unit never changes: another unit is another item."""

    item: str
    """provider/model/kind."""
    unit: Unit
    """What one price covers."""
    steps: tuple[PriceStep, ...] = ()
    """Changes, oldest first."""
    unpriced: str | None = None
    """Why nobody knows the price, where nobody published one."""
    own: bool = False
    """Whether it is the buyer's own."""

    @model_validator(mode="after")
    def _is_named_by_kind(self) -> Self:
        kind = self.item.rsplit("/", 1)[-1]
        if self.item.count("/") < 2 or "" in self.item.split("/"):
            raise ValueError(f"the name '{self.item}' is not provider/model/kind")
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
            raise ValueError("steps must go forward in time, each on its own day")
        if self.steps[0].value is None:
            raise ValueError("a history cannot begin with a withdrawal")
        free = [step.since for step in self.steps if step.value == 0]
        if free and self.item.rsplit("/", 1)[-1] not in MAY_BE_FREE:
            raise ValueError(
                f"the price of {free[0]} is 0, which no {self.item.rsplit('/', 1)[-1]} is; "
                "where nobody published one, write 'unpriced: why' instead of the steps"
            )
        return self

    def on(self, day: date) -> Price:
        """Return the price that held on *day*.

        Args:
            day: Day the price is wanted for. A step holds from its `since`, inclusive.

        Raises:
            Unpriced: nobody published one.
            PriceNotYetKnown: *day* is before the first step. We never reach back.
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
        later = [step.since for step in self.steps if step.since > day]
        return Price(
            item=self.item,
            unit=self.unit,
            value=step.value,
            since=step.since,
            source=step.source,
            read_on=step.read_on,
            confidence=step.confidence,
            note=step.note,
            own=self.own,
            next_change=later[0] if later else None,
        )


class PriceTable:
    """Every series we know, each item once, found by its name."""

    def __init__(self, series: Mapping[str, PriceSeries]) -> None:
        self.series = series
        self._found: dict[tuple[str, date], Price] = {}

    def has(self, item: str) -> bool:
        """Whether there is such an item, priced or not."""
        return item in self.series

    def on(self, item: str, day: date) -> Price:
        """Return the price of *item* on *day*.

        Raises:
            UnknownPrice: no such item; see `PriceSeries.on` for the rest.
        """
        if item not in self.series:
            raise UnknownPrice("price", item, self.series)
        key = (item, day)
        if key not in self._found:
            self._found[key] = self.series[item].on(day)
        return self._found[key]

    def caveats(self, price: Price, day: date) -> tuple[Caveat, ...]:
        """List the doubts about a price used on *day*: stale, about to change, or uncertain."""
        found = []
        age = (day - price.read_on).days
        if age >= STALE_AFTER_DAYS and not price.own:
            says = f"{price.item} was last read {age} days before, on {price.read_on}."
            found.append(Caveat(code="price-stale", says=says))
        if price.next_change and (price.next_change - day).days <= CHANGE_SOON_DAYS:
            says = f"{price.item} changes on {price.next_change}."
            found.append(Caveat(code="price-changes", says=says))
        if price.confidence == "low":
            says = f"{price.item} rests on a weak source: {price.source}."
            found.append(Caveat(code="price-uncertain", says=says))
        if price.own:
            found.append(Caveat(code="own-price", says=f"{price.item} is your own price."))
        return tuple(found)
