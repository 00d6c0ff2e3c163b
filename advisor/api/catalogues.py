"""Price book, gates, evidence and errors -> the lists that the API gives out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from advisor.errors import AdvisorError, PricingError
from advisor.evidence import Evidence
from advisor.prices.book import PriceBook
from advisor.prices.models import ModelCard
from advisor.prices.providers import TuningOffer
from advisor.prices.series import STALE_AFTER_DAYS
from advisor.rules.catalogue import Rule, RuleCatalogue
from advisor.units import Record

BASE_ERROR_CODES = frozenset({"advisor-error", "pricing-error", "trainer-error"})
"""Codes of errors that only have others below them."""


class ListedPrice(Record):
    """One price as it holds on a day, with its age."""

    item: str
    """provider/model/kind."""
    unit: str
    """What one price covers."""
    value: Decimal | None
    """The price [USD per unit]; none where it has none on that day."""
    since: date | None
    """First day on which it held."""
    source: str | None
    """Where it was read, or who quoted it."""
    read_on: date | None
    """Day it was last read there."""
    age_days: int | None
    """Days from that reading to the day asked for."""
    stale: bool
    """Whether it was read 30 days before or more; own prices never are."""
    own: bool
    """Whether it is the server's own price, laid over the book."""
    next_change: date | None
    """Day of the next change that is known."""
    problem: str | None
    """Why it has no value on that day."""


class PriceList(Record):
    """Prices as they hold on a day."""

    on: date
    """The day."""
    stale: int
    """How many of these are stale."""
    stale_after_days: int
    """From which age on a price is stale."""
    prices: tuple[ListedPrice, ...]
    """By name."""
    prices_sha256: str
    """Hash of the price book."""


class ListedModel(Record):
    """One model: what it can do, until when, what is priced, and who tunes it."""

    card: ModelCard
    """What the price book says of it."""
    priced: tuple[str, ...]
    """Kinds of price that the book has for it, such as input and output."""
    tuning: tuple[TuningOffer, ...]
    """Offers to tune it, with who may start a job until when."""


class ModelList(Record):
    """Models of providers, and open ones."""

    models: tuple[ListedModel, ...]
    """By name."""
    prices_sha256: str
    """Hash of the price book."""


class RuleList(Record):
    """What decides: every rule with its sources, and the evidence behind thresholds."""

    rules: tuple[Rule, ...]
    """In the order in which they are tried."""
    evidence: Evidence
    """Ranges and thresholds, each with its source."""
    engine_version: str
    """What applies them."""


class ListedError(Record):
    """One error that the API can answer with."""

    code: str
    """Stable name, as in a problem."""
    means: str
    """What it means."""
    what_to_do: str
    """What to do, in general; the problem itself says more."""
    statuses: tuple[int, ...]
    """HTTP statuses it comes with."""


class ErrorList(Record):
    """Every error, by code."""

    errors: tuple[ListedError, ...]
    """By code."""


def list_prices(book: PriceBook, day: date, item: str) -> PriceList:
    """List the prices whose name holds a text, as they hold on a day."""
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
        return ListedPrice(
            item=item,
            unit=series.unit,
            value=None,
            since=None,
            source=None,
            read_on=None,
            age_days=None,
            stale=False,
            own=series.own,
            next_change=None,
            problem=str(error),
        )
    age = (day - price.read_on).days
    return ListedPrice(
        item=item,
        unit=price.unit,
        value=price.value,
        since=price.since,
        source=price.source,
        read_on=price.read_on,
        age_days=age,
        stale=age >= STALE_AFTER_DAYS and not price.own,
        own=price.own,
        next_change=price.next_change,
        problem=None,
    )


def list_models(book: PriceBook, name: str) -> ModelList:
    """List the models whose name holds a text."""
    kinds: dict[str, list[str]] = {}
    for item in sorted(book.prices.series):
        model, _, kind = item.rpartition("/")
        kinds.setdefault(model, []).append(kind)
    return ModelList(
        models=tuple(
            ListedModel(
                card=card,
                priced=tuple(kinds.get(card.id, ())),
                tuning=tuple(offer for offer in book.offers if _tunes(offer, card)),
            )
            for card in sorted(book.models.values(), key=lambda one: one.id)
            if name in card.id
        ),
        prices_sha256=book.sha256,
    )


def _tunes(offer: TuningOffer, card: ModelCard) -> bool:
    return card.id in (offer.card, f"{offer.provider}/{offer.base}", f"open/{offer.base}")


def list_rules(catalogue: RuleCatalogue, evidence: Evidence, version: str) -> RuleList:
    """List the rules and the evidence."""
    return RuleList(rules=catalogue.rules, evidence=evidence, engine_version=version)


def list_errors() -> ErrorList:
    """List every error of the program, as its classes say it."""
    by_code: dict[str, list[type[AdvisorError]]] = {}
    for kind in _kinds(AdvisorError):
        if kind.code not in BASE_ERROR_CODES:
            by_code.setdefault(kind.code, []).append(kind)
    return ErrorList(
        errors=tuple(
            ListedError(
                code=code,
                means=_first_line(kinds[0]),
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


def _first_line(kind: type[AdvisorError]) -> str:
    return (kind.__doc__ or kind.code).strip().splitlines()[0]
