"""An option worked out -> its bill as a record: every line with quantity, price, day and source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from advisor.catalog import Book
from advisor.estimate.line import UNIT_SIZE, Line
from advisor.facts import Resolved
from advisor.options.option import Launch, Objective
from advisor.prices import Caveat
from advisor.quality import Evidence
from advisor.ranking import Entry, reaches
from advisor.scenario import Approach
from advisor.units import Money, Number, Record, usd

ENDS_SOON_DAYS = 90


class BillLine(Record):
    """One line: quantity x price = amount."""

    item: str
    """What it is."""
    cadence: str
    """once or month."""
    quantity: str
    """How much."""
    unit: str
    """What the quantity counts."""
    price: str
    """Price as written in the book."""
    price_unit: str
    """What one price covers."""
    amount: str
    """USD."""
    price_item: str | None
    """Name in the price book."""
    since: date | None
    """First day of the price."""
    source: str
    """Where the price was read."""
    read_on: date | None
    """Day it was last read there."""


class ExpectedQuality(Record):
    """How good it should be."""

    low: str
    """Low end."""
    likely: str
    """Most likely share of right answers."""
    high: str
    """High end."""
    reaches_target: bool
    """Whether the likely value is good enough."""
    basis: str
    """Measured, or between which published points."""
    source: str
    """Who says so."""


class OptionBill(Record):
    """One option with what it costs and how good it should be."""

    id: str
    """approach:provider:model[:gpu]."""
    approach: Approach
    """How it is done."""
    objective: Objective | None
    """What training optimises, if anything is trained."""
    provider: str
    """Where."""
    model: str
    """With which model."""
    gpu: str | None
    """On which GPU, if one is rented or owned."""
    launch: Launch
    """How it is started."""
    launch_says: str
    """What happens then."""
    months: str
    """How long it can be used."""
    one_off: Money
    """Paid once."""
    monthly: Money
    """Paid each month."""
    total: Money
    """Over the months it can be used."""
    per_month: Money
    """The total per month of use: what options are compared by."""
    at_most_one_off: str
    """Every uncertain input at its dear end, paid once: what a cap is held against [USD]."""
    bill: tuple[BillLine, ...]
    """Line by line, at the likely point."""
    quality: ExpectedQuality
    """How good it should be."""
    latency: str | None
    """Not estimated yet."""
    caveats: tuple[Caveat, ...]
    """Doubts about its figures."""


@dataclass(frozen=True)
class Figures:
    """What the bills are written with: the price book, and the day."""

    book: Book
    day: date
    evidence: Evidence


def bill_of(
    entry: Entry, drawn: Entry, figures: Figures, resolved: Resolved, at_most_once_usd: float
) -> OptionBill:
    """Write one option down.

    Args:
        entry: Worked out at the likely point.
        drawn: The same option over the draws.
        figures: Price book and day, for caveats.
        resolved: The question.
        at_most_once_usd: What is paid once with every uncertain input at its dear end.
    """
    option, quality = entry.option, entry.quality
    lines = tuple(_line(line) for line in entry.costs.lines if _first(line.amount) > 0)
    will_do = bool(reaches(entry, resolved.facts, figures.evidence).flat[0])
    return OptionBill(
        id=option.id, approach=option.approach, objective=option.objective,
        provider=option.provider, model=option.model, gpu=option.gpu.name if option.gpu else None,
        launch=option.launch, launch_says=option.launch_says,
        months=f"{_first(entry.costs.months):.2f}",
        one_off=_money(entry.costs.one_off, drawn.costs.one_off),
        monthly=_money(entry.costs.monthly, drawn.costs.monthly),
        total=_money(entry.costs.total, drawn.costs.total),
        per_month=_money(entry.costs.per_month, drawn.costs.per_month),
        at_most_one_off=usd(at_most_once_usd),
        bill=lines,
        quality=ExpectedQuality(
            low=f"{_first(quality.low):.3f}", likely=f"{_first(quality.likely):.3f}",
            high=f"{_first(quality.high):.3f}", reaches_target=will_do,
            basis=quality.basis, source=quality.source,
        ),
        latency=None,
        caveats=_caveats(entry, figures, resolved),
    )  # fmt: skip


def _money(likely: Number, draws: Number) -> Money:
    low, high = np.quantile(np.asarray(draws), (0.05, 0.95))
    middle = _first(likely)
    return Money(low=usd(min(low, middle)), likely=usd(middle), high=usd(max(high, middle)))


def _line(line: Line) -> BillLine:
    price = line.price
    size = UNIT_SIZE.get(price.unit, 1.0) if price else 1.0
    return BillLine(
        item=line.what, cadence=line.cadence, quantity=f"{_first(line.quantity):.6g}",
        unit=line.unit,
        price=str(price.value) if price else usd(_first(line.rate) * size),
        price_unit=price.unit if price else f"USD/{line.unit}",
        amount=usd(_first(line.amount), 4),
        price_item=price.item if price else None,
        since=price.since if price else None,
        source=price.source if price else "your scenario",
        read_on=price.read_on if price else None,
    )  # fmt: skip


def _caveats(entry: Entry, figures: Figures, resolved: Resolved) -> tuple[Caveat, ...]:
    option = entry.option
    used = {line.price.item: line.price for line in entry.costs.lines
            if line.price and _first(line.amount) > 0}  # fmt: skip
    found = [c for p in used.values() for c in figures.book.prices.caveats(p, figures.day)]
    factor = option.counted_as.token_factor if option.counted_as else None
    if factor and resolved.measured:
        says = (f"{option.model} has no public tokenizer: counted tokens are taken times "
                f"{factor.likely:g} ({factor.low:g} to {factor.high:g}).")  # fmt: skip
        found.append(Caveat(code="tokens-estimated", says=says))
    if option.ends_on and (option.ends_on - figures.day).days <= ENDS_SOON_DAYS:
        found.append(Caveat(code="model-ends", says=f"{option.model} ends on {option.ends_on}."))
    if _below_cache_minimum(entry):
        minimum = option.card.cache.min_tokens if option.card and option.card.cache else 0
        says = f"The prefix is under {minimum} tokens, so the provider caches nothing."
        found.append(Caveat(code="cache-below-minimum", says=says))
    known = (*(option.card.caveats if option.card else ()),
             *(option.offer.caveats if option.offer else ()))  # fmt: skip
    found += [Caveat(code="model", says=says) for says in known]
    if not np.isnan(_first(resolved.facts.latency_p95_ms)):
        says = "How long an answer takes is not estimated: measure it."
        found.append(Caveat(code="latency-unmeasured", says=says))
    return tuple({caveat.says: caveat for caveat in found}.values())


def _below_cache_minimum(entry: Entry) -> bool:
    option, facts = entry.option, entry.case.facts
    if option.card is None or option.card.cache is None or "cached_input" not in option.prices:
        return False
    wants = _first(facts.cache_hit_share)
    cached = [line for line in entry.costs.lines if line.what.startswith("cached prefix")]
    nothing = not any(_first(line.amount) > 0 for line in cached)
    return nothing and (np.isnan(wants) or wants > 0) and _first(facts.prefix_tokens) > 0


def _first(value: Number) -> float:
    return float(np.asarray(value).flat[0])
