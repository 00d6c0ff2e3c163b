"""Sections of a price file about contracts -> Contract, and the prices it makes of list prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any, TypeVar

from advisor.errors import did_you_mean, shortened_repr
from advisor.prices.contract import (
    Commitment,
    Contract,
    Discount,
    FreeTier,
    TaxNote,
    Term,
    specificity,
)
from advisor.prices.named_sources import PriceFile
from advisor.prices.price_lines import Entry
from advisor.prices.series import ContractedStep, PriceSeries, PriceStep
from advisor.units import Currency, Record

LIST_SECTIONS: Mapping[str, type[Term]] = {
    "discounts": Discount,
    "free_tiers": FreeTier,
    "commitments": Commitment,
}
MAPPING_SECTIONS = ("currencies", "tax")
R = TypeVar("R", bound=Record)
T = TypeVar("T", bound=Term)
Check = Callable[[PriceFile, Entry, type[R], Mapping[str, Any]], R]
"""How the loader validates an entry."""


def read_contract(file: PriceFile, sections: Mapping[str, Any], check: Check[Any]) -> Contract:
    """Read the sections about contracts.

    Raises:
        PricingFileError: an entry breaks a rule.
    """

    def terms(section: str) -> list[Any]:
        record = LIST_SECTIONS[section]
        entries = [
            Entry(f"{section}[{place}]", _sourced(file, body))
            for place, body in enumerate(sections[section])
        ]
        return [check(file, entry, record, {}) for entry in entries]

    free = terms("free_tiers")
    # what is credited in USD is taken off the remaining invoice
    free.sort(key=lambda tier: (tier.unit == "USD", *_descending(specificity(tier.match))))
    currencies = {
        str(code): check(
            file, Entry(f"currencies: {code}", _rate(file, str(code), body)), Currency, {}
        )
        for code, body in sections["currencies"].items()
    }
    tax = sections["tax"]
    return Contract(
        discounts=tuple(terms("discounts")),
        free_tiers=tuple(free),
        commitments=tuple(terms("commitments")),
        currencies=currencies,
        tax=check(file, Entry("tax", tax), TaxNote, {}) if tax else None,
    )


def _descending(numbers: Iterable[int]) -> list[int]:
    return [-number for number in numbers]


def _sourced(file: PriceFile, body: Any) -> Any:
    """Return an entry with the text of its source, if it is named under `sources`."""
    if not isinstance(body, dict) or str(body.get("source")) not in file.sources:
        return body
    return {**body, "source": file.sources[str(body["source"])].text}


def _rate(file: PriceFile, code: str, body: Any) -> Any:
    place = f"currencies: {code}"
    if not (len(code) == 3 and code.isascii() and code.isupper()) or code == "USD":
        problem = f"found {shortened_repr(code)} instead of another currency than USD."
        raise file.error(place, f"{problem} Write its three letters, such as EUR.")
    if not isinstance(body, dict):
        problem = f"found {shortened_repr(body)} instead of a rate."
        raise file.error(place, f"{problem} Write {{usd: 1.16, on: 2026-11-27, source: ...}}.")
    # YAML 1.1 reads the bare key "on" as true
    body = {("on" if key is True else key): value for key, value in body.items()}
    if "code" in body:
        raise file.error(f"{place}: code", "there is no such key. The name is the code.")
    for key in ("on", "source"):
        if body.get(key) is None:
            raise file.error(f"{place}: {key}", "this key is missing. Add it.")
    return {"code": code, **_sourced(file, body)}


def check_contract(file: PriceFile, contract: Contract, series: Mapping[str, PriceSeries]) -> None:
    """Refuse terms that match nothing, or that contradict each other.

    Raises:
        PricingFileError: with the place in the file.
    """
    for section, terms in (
        ("discounts", contract.discounts),
        ("free_tiers", contract.free_tiers),
        ("commitments", contract.commitments),
    ):
        for term in terms:
            _check_match(file, section, term, series)
    for tier in contract.free_tiers:
        if not any(tier.bills(one.unit) for name, one in series.items() if tier.covers(name)):
            problem = f"no price of {tier.match} is per {tier.unit.removesuffix('s')}."
            raise file.error(
                f"free_tiers: {tier.match}: unit", f"{problem} Correct the match or the unit."
            )
    _check_pairs(file, "discounts", contract.discounts, series, specificity)
    _check_pairs(file, "commitments", contract.commitments, series, lambda pattern: ())


def _check_match(
    file: PriceFile, section: str, term: Term, series: Mapping[str, PriceSeries]
) -> None:
    pattern = term.pattern
    if any(term.covers(item) for item in series):
        return
    provider = pattern.partition("/")[0]
    models = {item.rpartition("/")[0] for item in series if item.startswith(f"{provider}/")}
    if models:
        known = models | {item for item in series if item.startswith(f"{provider}/")}
        hint = did_you_mean(pattern, models if pattern.count("/") < 2 else known)
    else:
        hint = did_you_mean(provider, {item.partition("/")[0] for item in series})
    raise file.error(f"{section}: {pattern}", f"no price in the price book matches this.{hint}")


def _check_pairs(
    file: PriceFile,
    section: str,
    terms: Sequence[Term],
    series: Mapping[str, PriceSeries],
    rank: Callable[[str], tuple[int, ...]],
) -> None:
    """Refuse two terms of equal rank for the same price on the same day."""
    for first, second in combinations(terms, 2):
        if rank(first.pattern)[:2] != rank(second.pattern)[:2] or not first.overlaps(second):
            continue
        shared = next((i for i in series if first.covers(i) and second.covers(i)), None)
        if shared:
            remedy = "Make one match more specific, or let one end before the other begins."
            if section == "commitments":
                remedy = "Narrow one match, or let one end before the other begins."
            raise file.error(
                f"{section}: {second.pattern}",
                f"it applies to {shared} on the same days as {section}: {first.pattern}. {remedy}",
            )


def contracted(
    series: Mapping[str, PriceSeries], discounts: Sequence[Discount]
) -> dict[str, PriceSeries]:
    """Return the series at contracted prices; the user's own prices are contracted already."""
    found = dict(series)
    for item, one in series.items():
        terms = [] if one.own else [term for term in discounts if term.covers(item)]
        if terms and one.steps:
            steps = tuple(_contracted_steps(one.steps, terms))
            found[item] = one.model_copy(update={"steps": steps})
    return found


def _contracted_steps(
    steps: Sequence[PriceStep], discounts: Sequence[Discount]
) -> list[ContractedStep]:
    """Split the steps of a price where a discount begins or ends."""
    days = {step.since for step in steps}
    edges = {term.since for term in discounts if term.since}
    edges |= {term.until + timedelta(days=1) for term in discounts if term.until}
    found: list[ContractedStep] = []
    for day in sorted(days | {edge for edge in edges if edge > steps[0].since}):
        listed = [step for step in steps if step.since <= day][-1]
        step = _contracted_step(listed, day, discounts)
        is_new = day in days or (step.value, step.discount) != (found[-1].value, found[-1].discount)
        if is_new:
            found.append(step)
    return found


def _contracted_step(listed: PriceStep, day: date, discounts: Sequence[Discount]) -> ContractedStep:
    valid = [term for term in discounts if term.is_valid_on(day)]
    best = max(valid, key=lambda term: specificity(term.match), default=None)
    plain = {**dict(listed), "since": day}
    if best is None or listed.value is None:
        return ContractedStep(**plain)
    value = listed.value * (1 - best.share)
    plain["value"] = value.quantize(Decimal(1)) if value % 1 == 0 else value.normalize()
    return ContractedStep(**plain, list_value=listed.value, discount=best.says)
