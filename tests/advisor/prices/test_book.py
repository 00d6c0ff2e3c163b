"""Prices by day, and every way a price book can be broken."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.errors import (
    PriceNotYetKnown,
    PriceWithdrawn,
    PricingFileError,
    UnknownPrice,
    Unpriced,
)
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from tests.support.paths import TESTS

BAD = TESTS / "bad_pricing"
MESSAGES = {
    "both_priced_and_unpriced": "both_priced_and_unpriced.yaml: providers: openai: models: gpt-4o-mini: prices: input: an item is either unpriced or has steps, not both. Fix the file at this location.",
    "duplicate_item": "duplicate_item.yaml:10:11: duplicate key 'input'. Fix the YAML at this location.",
    "empty": "empty.yaml: found no sections. Start with 'providers:'.",
    "ends_before_it_begins": "ends_before_it_begins.yaml: providers: openai: models: gpt-4o-mini: available: since 2027-01-14 is not before until 2026-01-14. Fix the file at this location.",
    "facts_out_of_order": "facts_out_of_order.yaml: providers: openai: models: gpt-4o-mini: the steps of thinking must be in date order, one per day. Fix the file at this location.",
    "hour_without_price": "hour_without_price.yaml: providers: azure: tuning: gpt-4o-mini: an offer served per_hour needs the price hosting_hour, or a hosting_item. Fix the file at this location.",
    "infinite": "infinite.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: found Infinity. Give a finite number.",
    "latin1": "latin1.yaml: byte 0xe9 at 15 is not UTF-8. Save the file as UTF-8.",
    "long_both_priced_and_unpriced": "long_both_priced_and_unpriced.yaml: prices: openai/gpt-4o-mini/input: an item is either unpriced or has steps, not both. Fix the file at this location.",
    "long_misspelt_key": "long_misspelt_key.yaml: prices: openai/gpt-4o-mini/input: steps[0]: raed_on: there is no such key. Did you mean 'read_on'?",
    "long_negative": "long_negative.yaml: prices: openai/gpt-4o-mini/input: steps[0]: value: found -0.15. Give a number of 0 or more.",
    "long_no_day": "long_no_day.yaml: prices: openai/gpt-4o-mini/input: steps[0]: read_on: found 'yesterday'. Give a date as YYYY-MM-DD.",
    "long_no_source": "long_no_source.yaml: prices: openai/gpt-4o-mini/input: steps[0]: source: this key is missing. Add it.",
    "long_unit_of_another_kind": "long_unit_of_another_kind.yaml: prices: openai/gpt-4o-mini/input: a price of kind input has the unit 'USD/1M tokens', not 'USD/GPU hour'. Fix the file at this location.",
    "long_unknown_unit": "long_unknown_unit.yaml: prices: openai/gpt-4o-mini/input: unit: found 'USD/1K tokens'. Choose one of 'USD/1M tokens', 'USD/1M training tokens', 'USD/GPU hour', 'USD/hour', 'USD/vCPU hour', 'USD/GiB hour', 'USD/unit hour', 'USD/1M requests', 'USD/1K searches', 'USD/GB month', 'USD/month', 'USD/job', 'USD/1M read units', 'USD/1M write units' or 'USD/kWh'.",
    "machine_of_no_gpus": "machine_of_no_gpus.yaml: providers: aws: min_gpus: H100_SXM: found 0. Give an integer of 1 or more.",
    "misspelt_key": "misspelt_key.yaml: providers: openai: models: gpt-4o-mini: context_token: there is no such key. Did you mean 'context_tokens', 'long_context_from_tokens', 'max_output_tokens'?",
    "misspelt_key_of_a_source": "misspelt_key_of_a_source.yaml: sources: page: raed_on: there is no such key. Did you mean 'read_on'?",
    "misspelt_key_of_a_store": "misspelt_key_of_a_store.yaml: providers: openai: vector_stores: pro: most_gbs: there is no such key. Did you mean 'most_gb', 'most_reads', 'most_writes'?",
    "misspelt_key_of_an_offer": "misspelt_key_of_an_offer.yaml: providers: azure: tuning: gpt-4o-mini: method: there is no such key. Did you mean 'methods'?",
    "misspelt_limit": "misspelt_limit.yaml: providers: openai: models: gpt-4o-mini: limits: context: there is no such key. Did you mean 'context_tokens'?",
    "misspelt_price_of_a_tier": "misspelt_price_of_a_tier.yaml: providers: openai: models: gpt-4o-mini: prices: batch: 2026-10-12: inputs: there is no such price. Did you mean 'input', 'cached_input', 'output'?",
    "misspelt_section": "misspelt_section.yaml: price: there is no such section. Did you mean 'prices', 'providers', 'sources'?",
    "name_too_short": "name_too_short.yaml: providers: openai: prices: hosting_hour: the name 'openai/hosting_hour' is not of the form provider/model/kind. Fix the file at this location.",
    "negative": "negative.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: found -0.15. Give a number of 0 or more.",
    "negative_lifetime": "negative_lifetime.yaml: providers: openai: models: gpt-4o-mini: cache: ttl_seconds: found -300. Give a number above 0.",
    "negative_memory": "negative_memory.yaml: cpus: c7i.xlarge: memory_gib: found -8. Give a number above 0.",
    "no_day": "no_day.yaml: providers: openai: models: gpt-4o-mini: prices: input: found 'yesterday' instead of the first day it applies. Write it as YYYY-MM-DD.",
    "no_source": "no_source.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: there is no source. Add 'source: NAME' to the block, or write [price, source].",
    "not_a_number": "not_a_number.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: found NaN. Give a finite number.",
    "not_yaml": "not_yaml.yaml:3:1: did not find expected node content. Fix the YAML at this location.",
    "price_after_the_end": "price_after_the_end.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2027-02-01: the price begins after the end on 2027-01-14. Remove it, or correct the end.",
    "price_in_words": "price_in_words.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: found 'cheap'. Give a number in digits.",
    "price_of_four_parts": "price_of_four_parts.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: found [0.15, 'page', 'note', 'more']. Write a price, or [price, source, note].",
    "price_without_day": "price_without_day.yaml: providers: openai: models: gpt-4o-mini: prices: input: found 0.15 instead of days with their prices. Write {first day it applies: price}.",
    "priced_twice": "priced_twice.yaml: providers: openai: prices: gpt-4o-mini/training: 'openai/gpt-4o-mini/training' is priced twice, here and at providers: openai: models: gpt-4o-mini: prices: training. Remove one.",
    "priced_twice_in_a_tier": "priced_twice_in_a_tier.yaml: providers: openai: models: gpt-4o-mini: prices: input: 'openai/gpt-4o-mini/input' is priced twice, here and at providers: openai: models: gpt-4o-mini: prices: normal: input. Remove one.",
    "share_out_of_order": "share_out_of_order.yaml: providers: openai: spot_interruptions: L4: the share is not in ascending order: low, high. Fix the file at this location.",
    "source_of_two_kinds": "source_of_two_kinds.yaml: sources: page: a source has a url, or says what it is if it is not a page. Fix the file at this location.",
    "source_without_day": "source_without_day.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: the source 'page' has no day. Add 'read_on: YYYY-MM-DD' to it.",
    "starts_out_of_order": "starts_out_of_order.yaml: providers: openai: serverless: cold_start_seconds are not in ascending order: low, likely, high. Fix the file at this location.",
    "starts_withdrawn": "starts_withdrawn.yaml: providers: openai: models: gpt-4o-mini: prices: input: the first step must have a value, not null. Fix the file at this location.",
    "steps_out_of_order": "steps_out_of_order.yaml: providers: openai: models: gpt-4o-mini: prices: input: steps must be in date order, one per day. Fix the file at this location.",
    "tier_without_prices": "tier_without_prices.yaml: providers: openai: models: gpt-4o-mini: prices: normal: 2026-10-12: found 0.15 instead of the prices of a tier. Write {input: price, output: price}.",
    "token_factor_of_three_parts": "token_factor_of_three_parts.yaml: providers: openai: models: gpt-4o-mini: token_factor: found [1.0, 1.2, 'page']. Write [low, likely, high, source].",
    "unknown_access_list": "unknown_access_list.yaml: providers: openai: tuning: gpt-4o-mini: open_to: there is no access list 'windown'. Did you mean 'wind-down'?",
    "unknown_kind": "unknown_kind.yaml: providers: openai: models: gpt-4o-mini: prices: inputs: there is no kind 'inputs'. Did you mean 'input', 'long_input', 'flex_input'. Fix the file at this location.",
    "unknown_machine": "unknown_machine.yaml: prices: aws/H100_SMX/gpu_hour: there is no machine 'H100_SMX'. Did you mean 'H100_SXM'?",
    "unknown_source": "unknown_source.yaml: providers: openai: models: gpt-4o-mini: prices: input: 2026-10-12: there is no source 'pgae'. Did you mean 'page'? Name it under 'sources:'.",
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_broken_book_is_told_with_place_value_and_remedy(name: str) -> None:
    with pytest.raises(PricingFileError) as error:
        load_prices(BAD / f"{name}.yaml")

    assert str(error.value) == MESSAGES[name]


def test_every_broken_book_has_its_message() -> None:
    assert {path.stem for path in BAD.iterdir()} == set(MESSAGES)
    assert len(MESSAGES) == 49


def test_a_step_holds_from_its_day_until_the_next(book: PriceBook) -> None:
    item = "google/gemini-3.8-flash/input"

    assert book.prices.on(item, date(2026, 12, 31)).value == Decimal("0.75")
    assert book.prices.on(item, date(2027, 1, 1)).value == Decimal("1.5")


def test_a_day_before_the_first_step_is_refused(book: PriceBook) -> None:
    with pytest.raises(
        PriceNotYetKnown, match=r"has no price on 2026-10-11: the first known price"
    ):
        book.prices.on("openai/gpt-4o-mini/input", date(2026, 10, 11))

    assert book.prices.on("openai/gpt-4o-mini/input", date(2026, 10, 12)).value == Decimal("0.15")


def test_a_day_after_the_end_is_refused(book: PriceBook) -> None:
    item = "openai/gpt-4o-mini/input"

    assert book.prices.on(item, date(2027, 1, 13)).value == Decimal("0.15")
    with pytest.raises(PriceWithdrawn, match=r"is not sold on 2027-01-14"):
        book.prices.on(item, date(2027, 1, 14))


def test_an_unknown_item_is_refused_with_the_nearest_names(book: PriceBook) -> None:
    with pytest.raises(UnknownPrice, match=r"Did you mean 'openai/gpt-4o-mini/input'"):
        book.prices.on("openai/gpt-4o-mimi/input", date(2026, 11, 20))


def test_an_unpriced_item_says_why_and_how_to_fill_it(book: PriceBook) -> None:
    with pytest.raises(Unpriced, match=r"has no published price.*--prices FILE"):
        book.prices.on("nebius/Qwen/Qwen3-8B/training", date(2026, 11, 20))


def test_an_overlay_fills_an_unpriced_offer_and_is_marked_as_own(tmp_path: Path) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text(
        "prices:\n  nebius/Qwen/Qwen3-8B/training:\n    unit: USD/1M training tokens\n    steps:\n"
        "    - {since: 2026-11-01, value: 0.40, source: 'own quote (Ann, 2026-11-01)', "
        "read_on: 2026-11-01}\n"
    )

    book = load_prices(overlay=overlay)
    price = book.prices.on("nebius/Qwen/Qwen3-8B/training", date(2026, 11, 20))

    assert (price.value, price.own) == (Decimal("0.40"), True)
    assert [c.code for c in book.prices.caveats(price, date(2026, 11, 20))] == ["own-price"]
    assert book.sha256 != load_prices().sha256


def test_a_price_is_stale_from_the_thirtieth_day(book: PriceBook) -> None:
    price = book.prices.on("groq/qwen/qwen3.8-27b/input", date(2026, 11, 20))
    day = price.read_on + timedelta(days=29)

    assert "price-stale" not in {c.code for c in book.prices.caveats(price, day)}
    stale = book.prices.caveats(price, day + timedelta(days=1))
    assert "price-stale" in {c.code for c in stale}


def test_a_change_that_is_near_is_told(book: PriceBook) -> None:
    price = book.prices.on("google/gemini-4-argon/output", date(2026, 11, 20))

    found = book.prices.caveats(price, date(2026, 11, 20))

    assert [c.says for c in found] == ["google/gemini-4-argon/output changes on 2026-12-01."]


def test_a_book_is_read_once_and_again_once_its_file_has_changed(tmp_path: Path) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text("prices: {}\n")

    first = load_prices(overlay=overlay)
    same = load_prices(overlay=overlay)
    overlay.write_text("prices: {}\ngpus: {}\n")

    assert same is first
    assert load_prices(overlay=overlay) is not first
    with pytest.raises(TypeError):
        first.models["x"] = next(iter(first.models.values()))  # type: ignore[index]
