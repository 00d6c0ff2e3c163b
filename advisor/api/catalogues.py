"""Lists in the API: prices, models, rules and errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Self

from advisor.errors import AdvisorError, PricingError
from advisor.evidence import Evidence
from advisor.prices.book import PriceBook
from advisor.prices.models import ModelCard
from advisor.prices.providers import TuningOffer
from advisor.prices.series import STALE_AFTER_DAYS
from advisor.rules.catalogue import Rule
from advisor.units import Record

BASE_ERROR_CODES = frozenset({"advisor-error", "pricing-error", "trainer-error"})
"""Codes of base classes, which are never raised."""


class ListedPrice(Record):
    """A price on a date, with its age."""

    item: str
    """provider/model/kind."""
    unit: str
    """Unit of the price."""
    value: Decimal | None = None
    """Price [USD per unit]; null if there is none on that date."""
    since: date | None = None
    """First day of this price."""
    source: str | None = None
    """Source of the price."""
    read_on: date | None = None
    """Date it was last read at the source."""
    age_days: int | None = None
    """Days from that reading to the requested date."""
    stale: bool = False
    """Whether it was read 30 days ago or more; own prices are never stale."""
    own: bool
    """Whether it is the operator's own price, from an overlay."""
    next_change: date | None = None
    """Date of the next known change."""
    list_value: Decimal | None = None
    """List price, where a discount was negotiated."""
    discount: str | None = None
    """The discount, with its source."""
    problem: str | None = None
    """Reason that it has no value on that date."""


class PriceList(Record):
    """Prices on a date."""

    on: date
    """The date."""
    stale: int
    """Number of stale prices."""
    stale_after_days: int
    """Age from which a price is stale, in days."""
    prices: tuple[ListedPrice, ...]
    """By name."""
    prices_sha256: str
    """Hash of the price book."""


class ListedCard(ModelCard):
    """The entry of a model in the price book, with the days of `available` by their older names."""

    released: date | None = None
    """First day of service."""
    shutdown_on: date | None = None
    """First day without service."""
    replacement: str | None = None
    """Replacement named by the provider."""

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """Add the older names to a card."""
        sold = card.available
        days = {"released": sold.since, "shutdown_on": sold.until} if sold else {}
        return cls(**dict(card), **days, replacement=sold.replaced_by if sold else None)


class ListedOffer(TuningOffer):
    """A tuning offer, with the end of the tuned model by its older name."""

    result_ends_on: date | None = None
    """First day without service for the tuned model."""


class ListedModel(Record):
    """A model with its prices and tuning offers."""

    card: ListedCard
    """Its entry in the price book."""
    priced: tuple[str, ...]
    """Kinds of its prices, such as input and output."""
    tuning: tuple[ListedOffer, ...]
    """Offers to tune it, with who can start a job and until when."""


class ModelList(Record):
    """Hosted and open models."""

    models: tuple[ListedModel, ...]
    """By name."""
    prices_sha256: str
    """Hash of the price book."""


class RuleList(Record):
    """Every rule with its sources, and the evidence behind thresholds."""

    rules: tuple[Rule, ...]
    """In the order of evaluation."""
    evidence: Evidence
    """Ranges and thresholds, with sources."""
    engine_version: str
    """Version of the engine."""


class ListedError(Record):
    """An error that the API can return."""

    code: str
    """Stable code, as in a problem."""
    means: str
    """Its meaning."""
    what_to_do: str
    """General remedy; the problem itself is more specific."""
    statuses: tuple[int, ...]
    """Its HTTP statuses."""


class ErrorList(Record):
    """Every error, by code."""

    errors: tuple[ListedError, ...]
    """By code."""


def list_prices(book: PriceBook, day: date, item: str) -> PriceList:
    """List the prices on a date whose name contains a text."""
    listed = tuple(_price(book, name, day) for name in sorted(book.prices.series) if item in name)
    return PriceList(
        on=day,
        stale=sum(price.stale for price in listed),
        stale_after_days=STALE_AFTER_DAYS,
        prices=listed,
        prices_sha256=book.sha256,
    )


def _price(book: PriceBook, item: str, day: date) -> ListedPrice:
    series = book.prices.series[item]
    try:
        price = book.prices.on(item, day)
    except PricingError as error:
        return ListedPrice(item=item, unit=series.unit, own=series.own, problem=str(error))
    age = (day - price.read_on).days
    stale = age >= STALE_AFTER_DAYS and not price.own
    return ListedPrice(
        age_days=age, stale=stale, **price.model_dump(exclude={"confidence", "note", "later"})
    )


def list_models(book: PriceBook, name: str) -> ModelList:
    """List the models whose name contains a text."""
    kinds: dict[str, list[str]] = {}
    for item in sorted(book.prices.series):
        model, _, kind = item.rpartition("/")
        kinds.setdefault(model, []).append(kind)
    return ModelList(
        models=tuple(
            ListedModel(
                card=ListedCard.of(card),
                priced=tuple(kinds.get(card.id, ())),
                tuning=tuple(
                    ListedOffer(**dict(offer), result_ends_on=offer.ends_on)
                    for offer in book.offers
                    if card.id
                    in (offer.card, f"{offer.provider}/{offer.base}", f"open/{offer.base}")
                ),
            )
            for card in sorted(book.models.values(), key=lambda one: one.id)
            if name in card.id
        ),
        prices_sha256=book.sha256,
    )


def list_errors() -> ErrorList:
    """List every error of the program, from its classes."""
    by_code: dict[str, list[type[AdvisorError]]] = {}
    for kind in _kinds(AdvisorError):
        if kind.code not in BASE_ERROR_CODES:
            by_code.setdefault(kind.code, []).append(kind)
    return ErrorList(
        errors=tuple(
            ListedError(
                code=code,
                means=(kinds[0].__doc__ or code).strip().splitlines()[0],
                what_to_do=kinds[0].what_to_do,
                statuses=tuple(sorted({kind.http_status for kind in kinds})),
            )
            for code, kinds in sorted(by_code.items())
        )
    )


def _kinds(base: type[AdvisorError]) -> Iterator[type[AdvisorError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
