"""An option worked out -> its bill as a record: every line with quantity, price, day and source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import numpy as np

from advisor.decision.ranking import OptionResult
from advisor.estimate.costs import CostItem
from advisor.estimate.line import quantity_unit
from advisor.evidence import Evidence
from advisor.inputs import ResolvedScenario
from advisor.options.option import Launch, Objective
from advisor.prices.book import PriceBook
from advisor.prices.series import Caveat
from advisor.units import Approach, Money, Number, Record, usd

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
class BillContext:
    """What the bills are written with: the price book, and the day."""

    book: PriceBook
    day: date
    evidence: Evidence
    written: Callable[[float], str] = field(default_factory=lambda: cache(usd))
    """Writes an amount of USD; bills have many in common."""


def option_bill(
    entry: OptionResult,
    drawn: OptionResult,
    figures: BillContext,
    resolved: ResolvedScenario,
    at_most_once_usd: float,
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
    costs = entry.costs
    return OptionBill(
        id=option.id,
        approach=option.approach,
        objective=option.objective,
        provider=option.provider,
        model=option.model,
        gpu=option.gpu.name if option.gpu else None,
        launch=option.launch,
        launch_says=option.launch_says,
        months=f"{costs.months:.2f}",
        one_off=_money(costs.one_off, drawn.range("one_off"), figures.written),
        monthly=_money(costs.monthly, drawn.range("monthly"), figures.written),
        total=_money(costs.total, drawn.range("total"), figures.written),
        per_month=_money(costs.per_month, drawn.range("per_month"), figures.written),
        at_most_one_off=figures.written(at_most_once_usd),
        bill=tuple(_line(item) for item in costs.items),
        quality=ExpectedQuality(
            low=f"{quality.low:.3f}",
            likely=f"{quality.likely:.3f}",
            high=f"{quality.high:.3f}",
            reaches_target=entry.reaches,
            basis=quality.basis,
            source=quality.source,
        ),
        latency=None,
        caveats=_caveats(entry, figures, resolved),
    )


def _money(likely: float, ends: tuple[float, float], written: Callable[[float], str]) -> Money:
    low, high = min(ends[0], likely), max(ends[1], likely)
    return Money(low=written(low), likely=written(likely), high=written(high))


def _line(item: CostItem) -> BillLine:
    price = item.price
    return BillLine(
        item=item.what,
        cadence=item.cadence,
        quantity=f"{item.quantity:.6g}",
        unit=quantity_unit(price) if price else item.own_unit,
        price=str(price.value) if price else usd(item.rate),
        price_unit=price.unit if price else f"USD/{item.own_unit}",
        amount=usd(item.amount, 4),
        price_item=price.item if price else None,
        since=price.since if price else None,
        source=price.source if price else "your scenario",
        read_on=price.read_on if price else None,
    )


def _caveats(
    entry: OptionResult, figures: BillContext, resolved: ResolvedScenario
) -> tuple[Caveat, ...]:
    option = entry.option
    used = {item.price.item: item.price for item in entry.costs.items if item.price}
    found = [c for p in used.values() for c in figures.book.prices.caveats(p, figures.day)]
    factor = option.tokenizer_card.token_factor if option.tokenizer_card else None
    if factor and resolved.measured:
        says = (
            f"{option.model} has no public tokenizer: counted tokens are taken times "
            f"{factor.likely:g} ({factor.low:g} to {factor.high:g})."
        )
        found.append(Caveat(code="tokens-estimated", says=says))
    if option.ends_on and (option.ends_on - figures.day).days <= ENDS_SOON_DAYS:
        found.append(Caveat(code="model-ends", says=f"{option.model} ends on {option.ends_on}."))
    if _below_cache_minimum(entry):
        minimum = option.card.cache.min_tokens if option.card and option.card.cache else 0
        says = f"The prefix is under {minimum} tokens, so the provider caches nothing."
        found.append(Caveat(code="cache-below-minimum", says=says))
    known = (
        *(option.card.caveats if option.card else ()),
        *(option.offer.caveats if option.offer else ()),
    )
    found += [Caveat(code="model", says=says) for says in known]
    if not np.isnan(_first(resolved.inputs.latency_p95_ms)):
        says = "How long an answer takes is not estimated: measure it."
        found.append(Caveat(code="latency-unmeasured", says=says))
    return tuple({caveat.says: caveat for caveat in found}.values())


def _below_cache_minimum(entry: OptionResult) -> bool:
    option, inputs = entry.option, entry.batch_result.case.inputs
    if option.card is None or option.card.cache is None or "cached_input" not in option.prices:
        return False
    wants = _first(inputs.cache_hit_share)
    nothing = not any(item.what.startswith("cached prefix") for item in entry.costs.items)
    return nothing and (np.isnan(wants) or wants > 0) and _first(inputs.prefix_tokens) > 0


def _first(value: Number) -> float:
    return float(np.asarray(value).flat[0])
