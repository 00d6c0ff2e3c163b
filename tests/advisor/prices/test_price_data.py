"""Gates on the real price book: data, apart from code."""

from __future__ import annotations

from collections import Counter
from datetime import date

from advisor.gpu.parameters import ModelShape, parameter_count
from advisor.prices.book import PriceBook

WRITTEN_ON = date(2026, 11, 21)
TODAY = date(2026, 11, 20)


def test_every_price_is_sourced_positive_and_not_read_in_the_future(book: PriceBook) -> None:
    steps = [step for series in book.prices.series.values() for step in series.steps]

    assert len(book.prices.series) >= 500
    assert all(step.value is None or step.value > 0 for step in steps)
    assert all(step.read_on <= WRITTEN_ON for step in steps)
    assert all(len(step.source) > 10 for step in steps)


def test_forty_chat_models_of_eight_providers_can_be_priced(book: PriceBook) -> None:
    sold = [
        card
        for card in book.models.values()
        if card.provider != "open" and not (card.ends_on and card.ends_on <= TODAY)
    ]

    for card in sold:
        for kind in ("input", "output"):
            assert book.prices.on(f"{card.id}/{kind}", TODAY).value > 0
    assert len(sold) >= 40
    assert len({card.provider for card in sold}) >= 8


def test_fourteen_gpus_are_known_and_seven_are_rented_on_three_clouds(book: PriceBook) -> None:
    clouds = {name: len(book.clouds(name)) for name in book.gpus}

    assert len(book.gpus) >= 14
    assert sum(count >= 3 for count in clouds.values()) >= 7
    assert all(5.0 <= gpu.compute_capability <= 13 for gpu in book.gpus.values())
    assert book.gpu("T4").bf16_tflops is None


def test_every_offer_has_a_training_price_or_says_why_not(book: PriceBook) -> None:
    for offer in book.offers:
        assert book.prices.has(f"{offer.provider}/{offer.base}/training")
        if offer.serving == "per_hour":
            assert offer.hosting_item is not None
            assert book.prices.on(offer.hosting_item, TODAY).value > 0
        assert offer.windows
    assert len(book.offers) == 24


def test_a_cached_price_comes_with_a_cache_rule(book: PriceBook) -> None:
    for card in book.models.values():
        assert book.prices.has(f"{card.id}/cached_input") == (card.cache is not None)


def test_batch_is_never_dearer_and_cached_never_dearer_than_input(book: PriceBook) -> None:
    compared = 0
    for card in book.models.values():
        if not book.prices.has(f"{card.id}/input") or (card.ends_on and card.ends_on <= TODAY):
            continue
        for kind in ("cached_input", "batch_input"):
            if book.prices.has(f"{card.id}/{kind}"):
                compared += 1
                full = book.prices.on(f"{card.id}/input", TODAY).value
                assert book.prices.on(f"{card.id}/{kind}", TODAY).value < full
    assert compared > 80


def test_parameters_of_open_models_follow_from_their_config(book: PriceBook) -> None:
    known = [card for card in book.models.values() if card.architecture]

    for card in known:
        assert card.architecture is not None
        assert parameter_count(ModelShape.of(card.architecture)) == card.architecture.parameters, (
            card.id
        )
    assert len(known) == 57


def test_the_closed_kinds_of_data_are_all_there(book: PriceBook) -> None:
    kinds = Counter(item.rsplit("/", 1)[-1] for item in book.prices.series)

    for kind in ("embedding", "rerank_tokens", "rerank_search", "vector_minimum_month",
                 "cached_input", "batch_input", "gpu_hour", "hosting_hour", "job_minimum"):  # fmt: skip
        assert kinds[kind] >= 1, kind
