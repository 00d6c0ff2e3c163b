"""Sections of an overlay about contracts: which prices they apply to, and what is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.errors import PricingFileError, ScenarioError
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices

DAY = date(2026, 11, 20)
ITEM = "mistral/mistral-small-2603/input"
"""List price: 0.15 USD per 1M tokens."""


def with_overlay(folder: Path, text: str) -> PriceBook:
    file = folder / "own.yaml"
    file.write_text(text)
    return load_prices(overlay=file)


def paid(folder: Path, text: str, item: str = ITEM, day: date = DAY) -> Decimal:
    return with_overlay(folder, text).prices.on(item, day).value


def test_a_discount_keeps_the_list_price_and_its_source(tmp_path: Path) -> None:
    text = "discounts: [{match: mistral, share: 0.2, source: order form 7}]"

    price = with_overlay(tmp_path, text).prices.on(ITEM, DAY)

    assert (price.value, price.list_value) == (Decimal("0.12"), Decimal("0.15"))
    assert price.discount == "20% off mistral (order form 7)"
    assert price.source == load_prices().prices.on(ITEM, DAY).source


@pytest.mark.parametrize(
    ("match", "value"),
    [
        ("mistral", "0.075"),
        ("mistral/mistral-small-2603", "0.075"),
        ("mistral/*/input", "0.075"),
        ("mistral/mistral-small-2603/*put", "0.075"),
        ("mistral/mistral-small-2603/output", "0.15"),
        ("openai", "0.15"),
    ],
)
def test_a_match_is_a_provider_a_model_or_items(tmp_path: Path, match: str, value: str) -> None:
    text = f"discounts: [{{match: {match}, share: 0.5, source: order form 7}}]"

    assert paid(tmp_path, text) == Decimal(value)


def test_a_match_is_not_the_beginning_of_a_name(tmp_path: Path) -> None:
    text = "discounts: [{match: mistral/mistral-small, share: 0.5, source: order form 7}]"

    with pytest.raises(PricingFileError, match=r"Did you mean .*'mistral/mistral-small-2603'"):
        paid(tmp_path, text)


def test_the_most_specific_discount_wins_wherever_it_stands(tmp_path: Path) -> None:
    matches = ["mistral/mistral-small-2603/input", "mistral/*/*put", "mistral/mistral-*", "mistral"]
    for first in range(len(matches)):
        lines = [
            f"- {{match: {match}, share: 0.{place + 1}, source: order form 7}}"
            for place, match in enumerate(matches)
            if place >= first
        ]
        expected = Decimal("0.15") * (1 - Decimal(f"0.{first + 1}"))
        for order in (lines, lines[::-1]):
            assert paid(tmp_path, "discounts:\n" + "\n".join(order)) == expected


def test_a_discount_applies_from_its_first_to_its_last_day(tmp_path: Path) -> None:
    text = (
        "discounts: [{match: mistral, share: 0.2, since: 2026-12-01, until: 2027-02-28, "
        "source: order form 7}]"
    )
    values = {
        "2026-11-30": "0.15",
        "2026-12-01": "0.12",
        "2027-02-28": "0.12",
        "2027-03-01": "0.15",
    }

    found = {day: str(paid(tmp_path, text, day=date.fromisoformat(day))) for day in values}

    assert found == values


def test_the_general_discount_applies_when_the_specific_one_has_ended(tmp_path: Path) -> None:
    text = """
discounts:
- {match: mistral, share: 0.1, source: order form 7}
- {match: mistral/mistral-small-2603, share: 0.4, until: 2026-12-31, source: order form 8}
"""
    assert paid(tmp_path, text) == Decimal("0.09")
    assert paid(tmp_path, text, day=date(2027, 1, 1)) == Decimal("0.135")


def test_own_prices_are_contracted_already(tmp_path: Path) -> None:
    text = """
discounts: [{match: mistral, share: 0.5, source: order form 7}]
prices:
  mistral/mistral-small-2603/input:
    unit: USD/1M tokens
    steps: [{since: 2026-11-01, value: 0.14, source: order form 7, read_on: 2026-11-01}]
"""
    assert paid(tmp_path, text) == Decimal("0.14")
    assert paid(tmp_path, text, item=ITEM.replace("input", "output")) == Decimal("0.3")


def test_a_source_can_be_named_once(tmp_path: Path) -> None:
    text = """
sources: {deal: {says: order form 7 of 2026-03, read_on: 2026-03-01}}
free_tiers: [{match: mistral, amount: 1e6, unit: tokens, source: deal}]
"""
    (tier,) = with_overlay(tmp_path, text).contract.free_tiers

    assert tier.source == "order form 7 of 2026-03"


def test_a_currency_needs_a_rate(tmp_path: Path) -> None:
    text = "currencies: {EUR: {usd: 1.16, on: 2026-11-27, source: ECB reference rates}}"
    contract = with_overlay(tmp_path, text).contract

    assert contract.currency("EUR").on == date(2026, 11, 27)
    with pytest.raises(ScenarioError, match=r"found CHF.* It has EUR\. Add 'currencies: \{CHF:"):
        contract.currency("CHF")


DISCOUNT = "discounts: [{match: mistral, share: 0.2, source: order form 7"
TIER = "free_tiers: [{match: mistral, amount: 1, unit: tokens, source: offer"
COMMITMENT = "commitments: [{provider: mistral, usd_per_month: 10, source: contract 1"
RATE = "currencies: {EUR: {usd: 1.16, on: 2026-11-27, source: ECB reference"
WRONG = [
    ("discount: []", "own.yaml: discount: there is no such section. Did you mean 'discounts'"),
    ("discounts: {match: x}", "own.yaml: discounts: found .* instead of a list"),
    (DISCOUNT + ", untill: 2027-01-01}]", r"discounts\[0\]: untill: there is no such .*'until'"),
    (DISCOUNT + ", until: soon}]", r"discounts\[0\]: until: found 'soon'. Give a date"),
    (DISCOUNT + ", since: 2027-02-01, until: 2027-01-01}]", "ends on 2027-01-01, before it begins"),
    (DISCOUNT.replace("0.2", "1.2") + "}]", r"share: found 1.2. Give a number of 1 or less"),
    (DISCOUNT.replace("0.2", "-1") + "}]", r"share: found -1. Give a number of 0 or more"),
    (DISCOUNT.replace(", source: order form 7", "") + "}]", "source: this key is missing. Add it"),
    (DISCOUNT.replace("mistral", "mistrall") + "}]", "mistrall: no price .* mean .*'mistral'"),
    (DISCOUNT.replace("mistral", "mistral/x-large") + "}]", "mistral/x-large: no price .* matches"),
    (
        DISCOUNT + "}, {match: mistral, share: 0.3, source: order form 8}]",
        "discounts: mistral: it applies to mistral/.* on the same days",
    ),
    (TIER.replace("tokens", "token") + "}]", r"free_tiers\[0\]: unit: found 'token'. Choose one"),
    (TIER.replace("amount: 1", "amount: 0") + "}]", "amount: found 0. Give a number above 0"),
    (TIER.replace("unit: tokens", "unit: hours") + "}]", "no price of mistral is per hour"),
    (TIER + ", per: year}]", "per: found 'year'. Choose one of 'month' or 'once'"),
    (COMMITMENT + ", units: 3}]", "either usd_per_month or units"),
    (COMMITMENT + ", match: mistral/x}]", "either a provider or a match"),
    (COMMITMENT.replace("usd_per_month", "units") + "}]", "units need a match with a kind"),
    (
        COMMITMENT + "}, {match: mistral/*/input, usd_per_month: 3, source: contract 2}]",
        r"commitments: mistral/\*/input: it applies to .* on the same days as commitments: mistral",
    ),
    (RATE.replace("1.16", "0") + "}}", "currencies: EUR: usd: found 0. Give a number above 0"),
    (RATE.replace(", on: 2026-11-27", "") + "}}", "currencies: EUR: on: this key is missing"),
    (RATE.replace("EUR", "Euro") + "}}", "currencies: Euro: found 'Euro' .* three letters"),
    (RATE.replace("EUR", "USD") + "}}", "currencies: USD: found 'USD' instead of another currency"),
    ("tax: {says: VAT is added, rate: 0.2}", "tax: rate: there is no such key.*'rate_share'"),
    ("tax: {says: VAT is added, rate_share: 19}", "tax: rate_share: found 19. Give a number of 1"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_an_error_names_place_value_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PricingFileError, match=message):
        with_overlay(tmp_path, text)


def test_contracts_are_no_part_of_the_bundled_book(tmp_path: Path) -> None:
    book, own = tmp_path / "book.yaml", tmp_path / "own.yaml"
    book.write_text(
        "prices: {a/b/input: {unit: USD/1M tokens, steps: [{since: 2026-01-01, value: 1, "
        "source: list, read_on: 2026-01-01}]}}\ntax: {says: VAT is added}"
    )
    own.write_text("gpus: {}")

    with pytest.raises(PricingFileError, match="belong in the file that --prices names"):
        load_prices(book, own)
