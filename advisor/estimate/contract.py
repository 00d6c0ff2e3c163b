"""Free tiers and commitments, applied to the lines of a bill, month by month.

Order, in each month of use: the free tiers in the order of the contract (the more specific match
first, USD credit last), then the commitments. Within a free tier one-off costs come first, in the
first month; the lines of a month share what is left in proportion to their use, as requests of
every kind arrive mixed. A share rather than a fixed order also keeps a property: the total use of
a tier grows with traffic, so more traffic never costs less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.line import CostLine, mean_line, with_all_axes
from advisor.options.price_column import PriceColumn
from advisor.prices.contract import Commitment, Contract, FreeTier, Term
from advisor.prices.series import Price
from advisor.units import Number

Array = NDArray[np.float64]
UNUSED = "unused commitment"
_NOTHING: Array = np.zeros((1, 1, 1))


class UseOfMonth(NamedTuple):
    """What is used in one month, at the rate of a complete month."""

    month: int
    """0 for the first."""
    share: Array
    """How much of the month it is used."""
    requests: Array
    lines: list[CostLine]
    """Monthly lines."""


def contract_applies(contract: Contract, prices: Iterable[PriceColumn]) -> bool:
    """Whether a free tier or commitment of a contract covers any of the prices."""
    terms = _terms(contract)
    items = {price.item for column in prices for price in column.each if price} if terms else set()
    return any(term.covers(item) for term in terms for item in items)


def with_contract(
    once: Sequence[CostLine], months: Sequence[UseOfMonth], contract: Contract, day: date
) -> tuple[list[CostLine], list[UseOfMonth]]:
    """Return the one-off lines and the lines of each month as they are paid.

    A commitment that is not used up in a month is a line of its own. Months with the same lines
    are computed once, after the first, if no term begins, ends or is used up within them.
    """
    ledger = _Ledger(contract, day)
    is_steady = all(_is_steady(term, day, len(months)) for term in _terms(contract))
    paid_once: list[CostLine] = list(once)
    paid_months: list[UseOfMonth] = []
    for use in months:
        if is_steady and use.month > 1 and use.lines is months[use.month - 1].lines:
            paid_months.append(use._replace(lines=paid_months[-1].lines))
            continue
        lines = _Lines([*(paid_once if use.month == 0 else ()), *use.lines])
        first = len(paid_once) if use.month == 0 else 0
        found = ledger.settled(lines, first, use)
        paid_once = found[:first] if use.month == 0 else paid_once
        paid_months.append(use._replace(lines=found[first:]))
    return paid_once, paid_months


def _terms(contract: Contract) -> tuple[FreeTier | Commitment, ...]:
    return (*contract.free_tiers, *contract.commitments)


def _is_steady(term: FreeTier | Commitment, day: date, months: int) -> bool:
    """Whether a term is the same in every month."""
    start, end = term.months_valid(day)
    is_whole = isinstance(term, FreeTier) and term.per == "once"
    return not is_whole and (end == 0 or start >= months or (start == 0 and end >= months))


def mean_lines(months: Sequence[UseOfMonth], horizon: Number) -> list[CostLine]:
    """Return the monthly lines as their mean over the months of use."""
    found: dict[str, list[tuple[Number, CostLine]]] = {}
    for _, same in groupby(months, key=lambda use: id(use.lines)):
        uses = list(same)
        share = sum((use.share for use in uses[1:]), uses[0].share)
        weight = share / np.maximum(np.asarray(horizon), 1e-9)
        for line in uses[0].lines:
            found.setdefault(line.what, []).append((weight, line))
    return [mean_line(parts) for parts in found.values()]


@dataclass
class _Lines:
    """Lines that are being paid: of each, the part that is still to be paid."""

    lines: list[CostLine]
    paid: list[Number] = field(default_factory=list)
    free: list[Number] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paid = [1.0] * len(self.lines)
        self.free = [0.0] * len(self.lines)

    def take_off(self, place: int, share: Number, is_quantity: bool) -> None:
        """Take a share off what is still to be paid of a line."""
        left = self.paid[place]
        if is_quantity:
            used = _first(self.lines[place].quantity) * _first(left)
            self.free[place] = self.free[place] + used * _first(share)
        self.paid[place] = left * (1.0 - np.asarray(share))

    def done(self) -> list[CostLine]:
        """Return the lines with what is paid of them."""
        parts = zip(self.lines, self.paid, self.free, strict=True)
        return [replace(line, paid_share=p, free=f) for line, p, f in parts]


class _Ledger:
    """What is left of the free tiers, from month to month."""

    def __init__(self, contract: Contract, day: date) -> None:
        self.contract, self.day = contract, day
        self.left: dict[int, Number] = {}
        self.masks: dict[tuple[int, int], tuple[object, Array]] = {}

    def settled(self, lines: _Lines, first: int, use: UseOfMonth) -> list[CostLine]:
        """Return what is paid in one month; *first* lines are one-off costs."""
        for tier in self.contract.free_tiers:
            self._apply_tier(tier, lines, first, use)
        unused = [self._apply(term, lines, first, use) for term in self.contract.commitments]
        return lines.done() + [line for line in unused if line is not None]

    def _apply_tier(self, tier: FreeTier, lines: _Lines, first: int, use: UseOfMonth) -> None:
        places = [p for p in self._covered(tier, lines) if tier.unit != "requests" or p >= first]
        if not places:
            return
        amount, valid = float(tier.amount), self._valid_share(tier, use)
        is_whole = tier.per == "once"
        granted = self.left.get(id(tier), amount) if is_whole else amount * use.share * valid
        used = {place: self._use(tier, lines, place, use) for place in places}
        left = granted
        once = [place for place in places if place < first]
        if once and tier.is_valid_on(self.day):
            left = self._share_out(tier, lines, {p: used[p] for p in once}, left)
        monthly = {p: used[p] * use.share for p in places if p >= first}
        if tier.unit == "requests":
            left = self._free_requests(tier, lines, monthly, (left, valid, use))
        elif monthly:
            left = self._share_out(tier, lines, monthly, left, valid)
        if is_whole:
            self.left[id(tier)] = left

    def _share_out(
        self, tier: FreeTier, lines: _Lines, used: dict[int, Array], left: Number, valid: Number = 1
    ) -> Array:
        """Share what is left of a tier among lines in proportion to their use."""
        total = _total(used.values())
        free = np.minimum(total * valid, left)
        share = free / np.where(total > 0, total, 1.0)
        for place in used:
            mask = self._mask(tier, lines.lines[place])
            lines.take_off(place, share * mask, tier.unit != "USD")
        return np.asarray(left - free)

    def _free_requests(
        self,
        tier: FreeTier,
        lines: _Lines,
        used: dict[int, Array],
        state: tuple[Number, Number, UseOfMonth],
    ) -> Array:
        """Take the free requests off every line that is proportional to the requests."""
        left, valid, use = state
        requests = use.requests * use.share * (_total(used.values()) > 0)
        free = np.minimum(requests * valid, left)
        share = free / np.where(requests > 0, requests, 1.0)
        for place in used:
            if lines.lines[place].scales:
                lines.take_off(place, share * self._mask(tier, lines.lines[place]), True)
        return np.asarray(left - free)

    def _use(self, tier: FreeTier, lines: _Lines, place: int, use: UseOfMonth) -> Array:
        """Quantity of a line that a tier covers and that is still to be paid, or its cost."""
        line = lines.lines[place]
        left = line.contracted if tier.unit == "USD" else line.quantity
        return np.asarray(left * np.asarray(lines.paid[place]) * self._mask(tier, line))

    def _apply(
        self, term: Commitment, lines: _Lines, first: int, use: UseOfMonth
    ) -> CostLine | None:
        """Discount what a commitment covers, and return the part of it that is not used."""
        places = self._covered(term, lines)
        if not places:
            return None
        discount, valid = float(term.discount), self._valid_share(term, use)
        spent, cost, units = _NOTHING, _NOTHING, _NOTHING
        for place in places:
            line, mask = lines.lines[place], self._mask(term, lines.lines[place])
            is_once = place < first
            during = np.asarray(float(term.is_valid_on(self.day)) if is_once else valid)
            used = mask * during * (1.0 if is_once else use.share)
            cost, units = cost + line.contracted * used, units + line.quantity * used
            spent = spent + line.contracted * used * np.asarray(lines.paid[place]) * (1 - discount)
            lines.take_off(place, discount * during * mask, is_quantity=False)
        committed = term.committed * use.share * valid
        if term.units is not None:
            committed = committed * cost * (1 - discount) / _positive(units)
        # use that a free tier covers is use all the same: the commitment is due
        unused = np.where(units > 0, np.maximum(committed - spent, 0.0), 0.0)
        rate = unused / _positive(use.share)
        several = len(self.contract.commitments) > 1
        name = f"{UNUSED}, {term.pattern}" if several else UNUSED
        line = CostLine(name, np.ones_like(rate), rate, "month", "month")
        return replace(line, paid_share=1.0, is_unused=True, own_source=term.source)

    def _valid_share(self, term: Term, use: UseOfMonth) -> Array:
        """Share of a month of use on which a term is valid."""
        start, end = term.months_valid(self.day)
        last = use.month + use.share
        inside = np.minimum(last, end) - np.maximum(float(use.month), start)
        return np.asarray(np.clip(inside / _positive(use.share), 0.0, 1.0))

    def _covered(self, term: FreeTier | Commitment, lines: _Lines) -> list[int]:
        return [p for p, line in enumerate(lines.lines) if self._mask(term, line).any()]

    def _mask(self, term: FreeTier | Commitment, line: CostLine) -> Array:
        """Options whose price in a line is covered by a term, as a column."""
        if line.price is None:
            return _NOTHING
        each = line.price.each
        key = id(term), id(each)
        if key not in self.masks:
            known = [price is not None and _covers(term, price) for price in each]
            self.masks[key] = each, np.array(known, np.float64)[:, None, None]
        _, mask = self.masks[key]
        return mask


def _covers(term: FreeTier | Commitment, price: Price) -> bool:
    is_billed = not isinstance(term, FreeTier) or term.bills(price.unit)
    return is_billed and term.covers(price.item)


def _first(value: Number) -> Array:
    """Return the first variant and draw of each option, which the bill shows."""
    return np.asarray(with_all_axes(value)[:, :1, :1])


def _positive(value: Number) -> Array:
    return np.where(np.asarray(value) > 0, value, 1.0)


def _total(values: Iterable[Array]) -> Array:
    return np.asarray(sum(values, _NOTHING))
