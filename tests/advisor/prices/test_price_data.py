"""Gates on the real price book: data, apart from code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest

from advisor.errors import PricingError
from advisor.evidence import Evidence
from advisor.gpu.parameters import ModelShape, parameter_count
from advisor.inputs import resolve
from advisor.options.eligibility import eligibility_key
from advisor.options.prompting import prompting_options
from advisor.prices.book import PriceBook
from advisor.prices.display_names import PROVIDER_NAMES
from advisor.prices.loader import parse_yaml
from advisor.prices.models import ModelCard
from advisor.prices.series import MAY_BE_FREE, TIERS, TOKEN_RATES, PriceSeries
from advisor.scenario.scenario import Scenario
from tests.support.paths import ROOT

WRITTEN_ON = date(2026, 11, 28)
"""Day on which the book was last worked on: nothing can have been read later."""
TODAY = WRITTEN_ON
TIER_BELOW = {"tiny": 0.35, "small": 1.60, "mid": 8.0, "large": float("inf")}
CPU_MACHINES = 40


def chat_models(book: PriceBook) -> list[ModelCard]:
    return [card for card in book.models.values() if card.provider != "open"]


def usd(book: PriceBook, item: str, day: date) -> float | None:
    """Price on a day; None if it is not sold, or has no price."""
    if not book.prices.has(item):
        return None
    try:
        return float(book.prices.on(item, day).value)
    except PricingError:
        return None


def test_every_price_is_sourced_positive_and_not_read_in_the_future(book: PriceBook) -> None:
    steps = [(item, s) for item, series in book.prices.series.items() for s in series.steps]
    free = {i for i, s in steps if s.value == 0 and i.rsplit("/", 1)[-1] not in MAY_BE_FREE}

    assert len(book.prices.series) >= 1_500
    assert free == set()
    assert [item for item, step in steps if step.read_on > WRITTEN_ON] == []
    assert all(len(step.source) > 10 for _, step in steps)


def test_no_source_is_of_a_later_day_and_no_fact_lacks_one(book: PriceBook) -> None:
    sources = parse_yaml((ROOT / "pricing.yaml").read_text(encoding="utf-8"))["sources"]
    days = {name: source["read_on"] for name, source in sources.items() if "read_on" in source}
    undated = {name for name, fact in book.facts_on(TODAY) if fact.read_on is None}

    assert {name for name, day in days.items() if day > WRITTEN_ON} == set()
    assert len(days) > 150
    assert undated == set()


def test_a_hundred_chat_models_of_fifteen_providers_can_be_priced(book: PriceBook) -> None:
    sold = [card for card in chat_models(book) if not (card.ends_on and card.ends_on <= TODAY)]

    for card in sold:
        for kind in ("input", "output"):
            assert book.prices.on(f"{card.id}/{kind}", TODAY).value > 0
    assert len(sold) >= 120
    assert len({card.provider for card in sold}) >= 15


def test_every_chat_model_says_whether_it_thinks_and_how_it_caches(book: PriceBook) -> None:
    for card in chat_models(book):
        assert card.thinking, card.id
        assert card.thinking.source
        assert card.thinking.read_on
        assert (card.cache is not None) == book.prices.has(f"{card.id}/cached_input"), card.id
        if card.cache:
            assert card.cache.source
            assert card.cache.read_on
            assert card.cache.modes


@pytest.mark.parametrize("day", [TODAY, date(2026, 12, 1), date(2027, 5, 1)])
def test_a_model_that_has_ended_is_never_an_option(
    book: PriceBook, evidence: Evidence, day: date
) -> None:
    resolved = resolve(Scenario(asked_on=day), None, evidence)
    options = prompting_options(eligibility_key(resolved, None), book, [])
    ended = {card.id for card in chat_models(book) if card.ends_on and card.ends_on <= day}

    assert len(ended) >= 11
    assert ended & {option.card.id for option in options if option.card} == set()
    for model in ended:
        assert usd(book, f"{model}/input", day) is None, model


def test_gpus_are_known_rented_and_priced(book: PriceBook) -> None:
    clouds = {name: len(book.clouds(name)) for name in book.gpus}

    assert len(book.gpus) >= 14
    assert sum(count >= 3 for count in clouds.values()) >= 12
    for name in ("RTX_3090", "RTX_5090", "A6000", "RTX_PRO_6000_BW", "A40"):
        assert clouds[name] >= 1, name
        assert min(hours(book, name)) > 0
    assert all(5.0 <= gpu.compute_capability <= 13 for gpu in book.gpus.values())
    assert book.gpu("T4").bf16_tflops is None


def hours(book: PriceBook, gpu: str) -> list[float]:
    found = [usd(book, f"{cloud}/{gpu}/gpu_hour", TODAY) for cloud in book.clouds(gpu)]
    return [value for value in found if value is not None]


def test_cpu_machines_have_three_sellers_and_all_a_price(book: PriceBook) -> None:
    rented = {}
    for item in book.prices.series:
        if item.endswith("/cpu_hour"):
            seller, machine, _ = item.split("/")
            rented[machine] = seller

    assert set(rented) == set(book.cpus)
    assert len(rented) >= CPU_MACHINES
    assert len(set(rented.values()) - {"hf_jobs"}) >= 3
    for machine, seller in rented.items():
        per_vcpu = (usd(book, f"{seller}/{machine}/cpu_hour", TODAY) or 0) / book.cpu(machine).vcpus
        assert 0.001 < per_vcpu < 0.2, machine


def test_spot_is_cheaper_and_serverless_dearer_than_the_same_gpu_by_the_hour(
    book: PriceBook,
) -> None:
    compared = Counter[str]()
    for item in book.prices.series:
        stem, _, kind = item.rpartition("/")
        hour, other = usd(book, f"{stem}/gpu_hour", TODAY), usd(book, item, TODAY)
        if kind in ("spot_gpu_hour", "serverless_gpu_hour") and hour and other:
            compared[kind] += 1
            assert other < hour if kind == "spot_gpu_hour" else other >= hour * 0.95, item
    assert compared["spot_gpu_hour"] >= 10
    assert compared["serverless_gpu_hour"] >= 15


def test_every_seller_of_serverless_gpus_says_when_they_stop_and_start(book: PriceBook) -> None:
    kind = "/serverless_gpu_hour"
    sellers = {item.split("/")[0] for item in book.prices.series if item.endswith(kind)}

    assert set(book.serverless) == sellers
    assert all(terms.cold_start_seconds[2] <= 600 for terms in book.serverless.values())


def test_machines_that_are_sold_in_eights_are_rented_out(book: PriceBook) -> None:
    for machine, count in book.smallest_machines.items():
        assert count == 8
        assert book.prices.has(f"{machine}/gpu_hour"), machine
    assert book.min_gpus("aws", "A100_80GB_SXM") == 8
    assert book.min_gpus("aws", "H100_SXM") == 1  # p5.4xlarge has one


def test_every_offer_has_its_prices_or_says_why_not(book: PriceBook) -> None:
    for offer in book.offers:
        stem = f"{offer.provider}/{offer.base}"
        training = book.prices.series[f"{stem}/training"]
        is_sold = training.unpriced is None
        if is_sold and offer.serving == "per_hour":
            assert offer.hosting_item is not None
            assert book.prices.on(offer.hosting_item, TODAY).value > 0
        if is_sold and offer.serving == "per_token":
            assert book.prices.has(f"{stem}/tuned_input") or offer.card, stem
        assert ":" not in offer.base
        assert offer.card or offer.served_like, f"{stem}: nothing says how to count its tokens"
    assert len(book.offers) >= 55


def test_every_offer_says_who_may_start_a_job_until_when(book: PriceBook) -> None:
    open_to_all = 0
    for offer in book.offers:
        for window in offer.windows:
            assert window.says
            assert window.source
            assert window.read_on
        open_to_all += offer.open_window("anyone", TODAY) is not None
        if offer.ends_on:
            closed = [window.closed_since for window in offer.windows if window.closed_since]
            assert all(day <= offer.ends_on for day in closed), offer.base
    closed_now = {"openai": "never_tuned", "prime_intellect": "anyone"}
    for provider, who in closed_now.items():
        for offer in book.provider(provider).tuning:
            assert offer.open_window(who, TODAY) is None, offer.base
    assert open_to_all >= 35


def test_no_training_price_is_above_a_hundred_and_no_tuned_one_below_a_cent(
    book: PriceBook,
) -> None:
    for offer in book.offers:
        stem = f"{offer.provider}/{offer.base}"
        training = usd(book, f"{stem}/training", TODAY)
        assert training is None or 0 <= training < 100
        for kind in ("tuned_input", "tuned_output"):
            price = usd(book, f"{stem}/{kind}", TODAY)
            assert price is None or 0.01 <= price < 100, stem


def cheaper_pairs(book: PriceBook) -> Iterator[tuple[str, str]]:
    """Yield two prices of a model: the first is never above the second."""
    for stem in {item.rpartition("/")[0] for item in book.prices.series}:
        for tier in TIERS:
            for kind in ("input", "output", "cached_input", "cache_write"):
                if tier.startswith(("batch_", "flex_")):
                    base = tier.replace("batch_", "").replace("flex_", "")
                    yield f"{stem}/{tier}{kind}", f"{stem}/{base}{kind}"
            yield f"{stem}/{tier}cached_input", f"{stem}/{tier}input"
        for kind in ("input", "output"):
            yield f"{stem}/{kind}", f"{stem}/long_{kind}"
            yield f"{stem}/tuned_batch_{kind}", f"{stem}/tuned_{kind}"
        yield f"{stem}/tuned_cached_input", f"{stem}/tuned_input"
        yield f"{stem}/batch_embedding", f"{stem}/embedding"


def test_batch_flex_and_cached_are_never_dearer_on_any_day(book: PriceBook) -> None:
    compared, exceptions = 0, set()
    for low, high in cheaper_pairs(book):
        if not (book.prices.has(low) and book.prices.has(high)):
            continue
        pair = (book.prices.series[low], book.prices.series[high])
        for day in sorted({step.since for series in pair for step in series.steps}):
            cheaper, other = usd(book, low, day), usd(book, high, day)
            if cheaper is not None and other is not None:
                compared += 1
                if cheaper > other:
                    exceptions.add((low, str(day)))
    assert exceptions == set()
    assert compared > 900


def test_a_cache_write_has_a_price_only_where_it_costs_extra(book: PriceBook) -> None:
    compared = 0
    for card in chat_models(book):
        full = usd(book, f"{card.id}/input", TODAY)
        for kind in ("cache_write", "cache_write_1h"):
            write = usd(book, f"{card.id}/{kind}", TODAY)
            if full and write:
                compared += 1
                assert write > full, f"{card.id}/{kind}"
    assert compared > 55


def test_a_tier_changes_whenever_its_model_does(book: PriceBook) -> None:
    for card in chat_models(book):
        announced = {s.since for s in book.prices.series[f"{card.id}/input"].steps} - {card.ends_on}
        for kind in ("output", "cached_input", "batch_input", "batch_output", "flex_input"):
            series = book.prices.series.get(f"{card.id}/{kind}")
            if series:
                future = {s.since for s in series.steps if s.since > TODAY} - {card.ends_on}
                assert future == {day for day in announced if day > TODAY}, f"{card.id}/{kind}"


def test_tiers_follow_the_list_price_of_output(book: PriceBook) -> None:
    for card in chat_models(book):
        series: PriceSeries = book.prices.series[f"{card.id}/output"]
        latest = [s for s in series.steps if s.value is not None and s.since <= TODAY][-1]
        tier = next(t for t, limit in TIER_BELOW.items() if float(latest.value or 0) < limit)
        assert card.tier == tier, f"{card.id}: {latest.value}"


def test_long_prices_come_with_the_length_they_apply_from(book: PriceBook) -> None:
    for card in chat_models(book):
        has_long = book.prices.has(f"{card.id}/long_input")
        assert has_long == (card.long_context_from_tokens is not None), card.id
        for rate in TOKEN_RATES:
            if has_long and book.prices.has(f"{card.id}/{rate}"):
                assert book.prices.has(f"{card.id}/long_{rate}"), card.id


def test_providers_have_a_display_name_and_models_no_colon(book: PriceBook) -> None:
    providers = {item.split("/")[0] for item in book.prices.series} | set(book.providers)

    assert providers - set(PROVIDER_NAMES) == set()
    assert [name for name in book.models if ":" in name] == []


def test_embedding_models_and_vector_stores_are_priced(book: PriceBook) -> None:
    known = {name: model.dimensions for name, model in book.embeddings.items()}

    assert sum(size is not None for size in known.values()) >= 12
    for name in known:
        assert book.prices.has(f"{name}/embedding"), name
    priced = {item.rpartition("/")[0] for item in book.prices.series if item.endswith("/embedding")}
    assert priced == set(known)
    for name, plan in book.vector_stores.items():
        assert usd(book, f"{name}/vector_minimum_month", TODAY) is not None, name
        assert plan.display_name
    assert (usd(book, "own/electricity/electricity_kwh", TODAY) or 0) > 0.05


def test_provisioned_units_have_a_price_and_a_throughput(book: PriceBook) -> None:
    for provider, units in book.provisioned.items():
        for name, model in units.models.items():
            assert set(model.min_units) == set(model.unit_steps), name
            for kind in model.min_units:
                assert usd(book, f"{provider}/{kind}/provisioned_hour", TODAY), kind
    assert set(book.provisioned) == {"azure"}


def test_models_offers_and_machines_are_sorted_by_name() -> None:
    parsed = parse_yaml((ROOT / "pricing.yaml").read_text(encoding="utf-8"))
    blocks = [parsed["sources"], parsed["providers"], parsed["cpus"]]
    for provider in parsed["providers"].values():
        blocks += [provider.get(key, {}) for key in ("models", "tuning", "embeddings", "access")]

    assert [names for names in map(list, blocks) if names != sorted(names, key=natural)] == []


def natural(name: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name)]


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
    least = {
        "embedding": 15,
        "rerank_tokens": 2,
        "rerank_search": 3,
        "vector_minimum_month": 8,
        "cached_input": 115,
        "batch_input": 80,
        "flex_input": 45,
        "batch_long_input": 20,
        "gpu_hour": 80,
        "spot_gpu_hour": 14,
        "serverless_gpu_hour": 30,
        "cpu_hour": CPU_MACHINES,
        "hosting_hour": 15,
        "provisioned_hour": 3,
        "vcpu_hour": 4,
        "request": 4,
        "job_minimum": 2,
        "storage_month": 4,
    }

    assert {kind for kind, count in least.items() if kinds[kind] < count} == set()
