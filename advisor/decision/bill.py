"""OptionBill: an option with its costs, every line with quantity, price, date and source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache

import numpy as np

from advisor.decision.ranking import OptionResult
from advisor.estimate.by_month import ItemByMonth, items_by_month
from advisor.estimate.costs import AMOUNTS, CostItem, OptionCost
from advisor.estimate.line import first_value, quantity_unit
from advisor.estimate.periods import mean_requests_per_month, month_shares
from advisor.inputs import ResolvedScenario
from advisor.options.batch import option_batches
from advisor.options.option import Launch, Objective, Option
from advisor.prices.book import PriceBook
from advisor.prices.series import Caveat
from advisor.units import Approach, Money, Record, usd

ENDS_SOON_DAYS = 90
OPTION_FIELDS = ("id", "approach", "objective", "provider", "model", "launch", "launch_says")


class BillLine(Record):
    """One line: quantity x price = amount."""

    item: str
    """Name of the line."""
    cadence: str
    """once or month."""
    quantity: str
    """Quantity."""
    unit: str
    """Unit of the quantity."""
    price: str
    """Price as in the price book, after a negotiated discount."""
    price_unit: str
    """Unit of the price."""
    amount: str
    """Effective cost: contracted cost after free tiers and commitments [USD]."""
    price_item: str | None
    """Item of the price book."""
    since: date | None
    """First day of the price."""
    source: str
    """Source of the price."""
    read_on: date | None
    """Day on which it was last read there."""
    by_month: tuple[str, ...] = ()
    """Quantity in each month of use, if a price or the traffic changes; in the bills of compared
    options only."""
    machines: str | None = None
    """Machines that run at once, such as 2 x L4; None if the line is not about machine time."""
    usd_by_month: tuple[str, ...] = ()
    """Effective cost in each month of use, where it is not the quantity at the price [USD]."""
    list_price: str | None = None
    """List price, where a discount was negotiated."""
    discount: str | None = None
    """The discount, with its source."""
    free_quantity: str | None = None
    """Part of the quantity that is free."""
    list_amount: str | None = None
    """Quantity at the list price, where it differs from the amount [USD]."""
    contracted_amount: str | None = None
    """Quantity at the contracted price, where the amount or the list amount differs [USD]."""


class ExpectedQuality(Record):
    """Expected quality of an option."""

    low: str
    """Lower bound."""
    likely: str
    """Most likely share of correct answers."""
    high: str
    """Upper bound."""
    reaches_target: bool
    """Whether the likely value reaches the quality target."""
    basis: str
    """Measured, or the published points it is based on."""
    source: str
    """Source."""


class CostTotals(Record):
    """Totals of an option at other prices than those that are paid."""

    one_off: str
    """One-off costs [USD]."""
    monthly: str
    """Monthly costs [USD]."""
    total: str
    """Costs over the months of use [USD]."""


class OptionBill(Record):
    """One option with its costs and expected quality."""

    id: str
    """approach:provider:model[:gpu]."""
    approach: Approach
    """Approach."""
    objective: Objective | None
    """Training objective; None without training."""
    provider: str
    """Provider."""
    model: str
    """Model."""
    gpu: str | None
    """GPU, if one is rented or owned."""
    launch: Launch
    """How it is started."""
    launch_says: str
    """What starting it involves."""
    months: str
    """Months of use."""
    one_off: Money
    """One-off costs."""
    monthly: Money
    """Monthly costs."""
    total: Money
    """Costs over the months of use."""
    per_month: Money
    """Total per month of use, by which options are compared."""
    cost_per_correct: Money | None = None
    """Cost per correct answer, one-off costs included [USD]; None without traffic."""
    at_most_one_off: str
    """Worst-case one-off cost, which a cap is checked against [USD]."""
    bill: tuple[BillLine, ...]
    """Lines, at the most likely values."""
    quality: ExpectedQuality
    """Expected quality."""
    latency: str | None
    """Not estimated yet."""
    caveats: tuple[Caveat, ...]
    """Caveats about its figures."""
    list_cost: CostTotals | None = None
    """At list prices, where a contract makes a difference."""
    contracted_cost: CostTotals | None = None
    """After negotiated discounts, before free tiers and commitments."""
    contract: tuple[str, ...] = ()
    """Discounts, free tiers and commitments that are in the amounts."""


_usd = lru_cache(maxsize=4096)(usd)  # bills have many amounts in common


def with_months(bill: OptionBill, entry: OptionResult) -> OptionBill:
    """Return the bill with the quantity and cost of each monthly line in each month of use."""
    (batch,) = option_batches([entry.option])
    found = items_by_month(batch, entry.batch_result, entry.costs)
    if not found:
        return bill
    shares = [first_value(share) for _, share in month_shares(entry.costs.months)]
    lines = []
    for line, item in zip(bill.bill, entry.costs.items, strict=True):
        even = ItemByMonth([item.quantity * share for share in shares], [1.0] * len(shares))
        quantities, paid = found.get(line.item, even) if line.cadence == "month" else ([], [])
        parts: dict[str, tuple[str, ...]] = {
            "by_month": tuple(f"{quantity:.6g}" for quantity in quantities)
        }
        if line.contracted_amount is not None:
            amounts = zip(quantities, paid, strict=True)
            parts["usd_by_month"] = tuple(usd(q * item.rate * share, 8) for q, share in amounts)
        lines.append(line.model_copy(update=parts))
    return bill.model_copy(update={"bill": tuple(lines)})


def option_bill(
    entry: OptionResult,
    drawn: OptionResult,
    book: PriceBook,
    resolved: ResolvedScenario,
    at_most_one_off_usd: float,
) -> OptionBill:
    """Return the bill of an option, from its values at the likely inputs and over the draws."""
    option, quality, costs = entry.option, entry.quality, entry.costs

    def money(amount: str) -> Money:
        likely = getattr(costs, amount)
        low, high = drawn.range(amount)
        return Money(low=_usd(min(low, likely)), likely=_usd(likely), high=_usd(max(high, likely)))

    return OptionBill(
        **{name: getattr(option, name) for name in OPTION_FIELDS},
        gpu=option.gpu.name if option.gpu else None,
        months=f"{costs.months:.2f}",
        **{amount: money(amount) for amount in AMOUNTS},
        cost_per_correct=_cost_per_correct(entry, money("per_month")),
        at_most_one_off=_usd(at_most_one_off_usd),
        bill=tuple(_line(item, option) for item in costs.items),
        quality=ExpectedQuality(
            low=f"{quality.low:.3f}",
            likely=f"{quality.likely:.3f}",
            high=f"{quality.high:.3f}",
            reaches_target=entry.reaches,
            basis=quality.basis,
            source=quality.source,
        ),
        latency=None,
        caveats=_caveats(entry, book, resolved),
        **_before_contract(costs),
        contract=_contract_terms(entry),
    )


def _cost_per_correct(entry: OptionResult, per_month: Money) -> Money | None:
    """Divide the cost of an average month by its correct answers.

    cost [USD per correct answer] = USD per month / (requests per month x share of correct answers)

    The low end pairs the lowest cost with the highest quality.
    """
    quality = entry.quality
    shares = [first_value(share) for share in (quality.high, quality.likely, quality.low)]
    requests = first_value(mean_requests_per_month(entry.batch_result, entry.costs.months))
    if requests <= 0 or min(shares) <= 0 or entry.option.approach == "not_yet":
        return None
    amounts = (per_month.low, per_month.likely, per_month.high)
    low, likely, high = (
        _usd(float(amount) / (requests * share), 8)
        for amount, share in zip(amounts, shares, strict=True)
    )
    return Money(low=low, likely=likely, high=high)


def _before_contract(costs: OptionCost) -> dict[str, CostTotals]:
    """Return the totals at list and at contracted prices, if they differ from what is paid."""
    items = costs.items
    if all(item.listed == item.contracted == item.amount for item in items):
        return {}

    def totals(read: Callable[[CostItem], float]) -> CostTotals:
        once, monthly = (
            sum(read(item) for item in items if item.cadence == cadence)
            for cadence in ("once", "month")
        )
        total = once + monthly * costs.months
        return CostTotals(one_off=_usd(once), monthly=_usd(monthly), total=_usd(total))

    return {
        "list_cost": totals(lambda item: item.listed),
        "contracted_cost": totals(lambda item: item.contracted),
    }


def _contract_terms(entry: OptionResult) -> tuple[str, ...]:
    """Describe the discounts, free tiers and commitments that are in the amounts of an option."""
    prices = [item.price for item in entry.costs.items if item.price]
    contract = entry.batch_result.contract
    found = [price.discount for price in prices if price.discount]
    found += [
        tier.says
        for tier in contract.free_tiers
        if any(tier.bills(price.unit) and tier.covers(price.item) for price in prices)
    ]
    found += [
        term.says
        for term in contract.commitments
        if any(term.covers(price.item) for price in prices)
    ]
    return tuple(dict.fromkeys(found))


def _line(item: CostItem, option: Option) -> BillLine:
    price = item.price
    is_paid_in_full = item.listed == item.contracted == item.amount
    return BillLine(
        item=item.what,
        cadence=item.cadence,
        quantity=f"{item.quantity:.12g}",
        unit=quantity_unit(price) if price else item.own_unit,
        price=str(price.value) if price else usd(item.rate),
        price_unit=price.unit if price else f"USD/{item.own_unit}",
        amount=usd(item.amount, 4),
        price_item=price.item if price else None,
        since=price.since if price else None,
        source=price.source if price else item.own_source,
        read_on=price.read_on if price else None,
        machines=_machines(item, option),
        list_price=f"{price.list_value:f}" if price and price.list_value is not None else None,
        discount=price.discount if price else None,
        free_quantity=f"{item.free:.6g}" if item.free > 0 else None,
        list_amount=None if is_paid_in_full else usd(item.listed, 4),
        contracted_amount=None if is_paid_in_full else usd(item.contracted, 4),
    )


def _machines(item: CostItem, option: Option) -> str | None:
    """Name the machines behind a line: their number and their type."""
    if not item.machines or item.price is None:
        return None
    _, name, kind = item.price.item.rsplit("/", 2)
    if kind == "hosting_hour":
        name = option.gpu.name if option.gpu else "deployment"
    return f"{item.machines:,.4g} x {name}"


def _caveats(
    entry: OptionResult, book: PriceBook, resolved: ResolvedScenario
) -> tuple[Caveat, ...]:
    option, day = entry.option, resolved.scenario.asked_on
    used = {item.price.item: item.price for item in entry.costs.items if item.price}
    found = [c for p in used.values() for c in book.prices.caveats(p, day)]
    factor = option.tokenizer_card.token_factor if option.tokenizer_card else None
    if factor and resolved.measured:
        says = (
            f"{option.model} has no public tokenizer: counted tokens are multiplied by "
            f"{factor.likely:g} ({factor.low:g} to {factor.high:g})."
        )
        found.append(Caveat(code="tokens-estimated", says=says))
    if option.ends_on and (option.ends_on - day).days <= ENDS_SOON_DAYS:
        found.append(
            Caveat(code="model-ends", says=f"{option.model} is shut down on {option.ends_on}.")
        )
    if _below_cache_minimum(entry):
        minimum = option.card.cache.min_tokens if option.card and option.card.cache else 0
        says = f"The prefix is shorter than {minimum} tokens, so the provider does not cache it."
        found.append(Caveat(code="cache-below-minimum", says=says))
    for record in (option.card, option.offer):
        found += [Caveat(code="model", says=says) for says in (record.caveats if record else ())]
    if not np.isnan(first_value(resolved.inputs.latency_p95_ms)):
        says = "Latency is not estimated: measure it."
        found.append(Caveat(code="latency-unmeasured", says=says))
    return tuple({caveat.says: caveat for caveat in found}.values())


def _below_cache_minimum(entry: OptionResult) -> bool:
    option, inputs = entry.option, entry.batch_result.inputs
    if option.card is None or option.card.cache is None or "cached_input" not in option.prices:
        return False
    wants = first_value(inputs.cache_hit_share)
    nothing = not any(item.what.startswith("cached prefix") for item in entry.costs.items)
    return nothing and (np.isnan(wants) or wants > 0) and first_value(inputs.prefix_tokens) > 0
