"""The grouped form of price files, and the long form that older overlays have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import PriceWithdrawn
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices, parse_yaml
from tests.support.paths import ROOT

GROUPED = """
sources:
  list-1101: {url: https://example.org/list, read_on: 2026-11-01}
  end-1102: {url: https://example.org/end, read_on: 2026-11-02, confidence: medium}
  guess: {says: our own guess}
providers:
  acme:
    protocol: own
    weights_downloadable: true
    source: list-1101
    models:
      rocket-2:
        tier: mid
        token_factor: [1.0, 1.1, 1.3, guess]
        context_tokens: 128000
        available: {since: 2026-01-01, until: 2027-06-01, replaced_by: rocket-3, source: end-1102}
        cache: {modes: [implicit], min_tokens: 1024, ttl_seconds: [300, 3600], source: list-1101}
        prices:
          source: list-1101
          input: {2026-01-01: 0.3, 2026-11-01: 0.2}
          output: {2026-01-01: [0.8, end-1102, "seen once"], 2026-12-01: null}
          embedding: {unpriced: not published.}
    prices: {all/web_search_call: {2026-01-01: 10}}
    tuning:
      rocket-2:
        card: acme/rocket-2
        approach: ft_api
        methods: [sft]
        open_to: wind-down
        serving: per_token
        available: {until: 2027-06-01, source: end-1102}
        tier: mid
        source: end-1102
        prices: {source: list-1101, training: {2026-01-01: 3}}
    access:
      wind-down:
      - {who: anyone, until: 2027-01-06, says: closes in January., source: end-1102}
"""
LONG = """
prices:
  acme/rocket-2/input:
    unit: USD/1M tokens
    steps:
    - {since: 2026-01-01, value: 0.3, source: https://example.org/list, read_on: 2026-11-01}
    - {since: 2026-11-01, value: 0.2, source: https://example.org/list, read_on: 2026-11-01}
    - {since: 2027-06-01, value: null, source: https://example.org/end, read_on: 2026-11-02, confidence: medium}
  acme/rocket-2/output:
    unit: USD/1M tokens
    steps:
    - {since: 2026-01-01, value: 0.8, source: https://example.org/end, read_on: 2026-11-02, confidence: medium, note: seen once}
    - {since: 2026-12-01, value: null, source: https://example.org/list, read_on: 2026-11-01}
  acme/rocket-2/embedding:
    unit: USD/1M tokens
    unpriced: not published.
  acme/rocket-2/training:
    unit: USD/1M training tokens
    steps:
    - {since: 2026-01-01, value: 3, source: https://example.org/list, read_on: 2026-11-01}
    - {since: 2027-06-01, value: null, source: https://example.org/end, read_on: 2026-11-02, confidence: medium}
  acme/all/web_search_call:
    unit: USD/1K searches
    steps:
    - {since: 2026-01-01, value: 10, source: https://example.org/list, read_on: 2026-11-01}
models:
  acme/rocket-2:
    tier: mid
    token_factor: {low: 1.0, likely: 1.1, high: 1.3, source: our own guess}
    context_tokens: 128000
    cache:
      modes: [implicit]
      min_tokens: 1024
      ttl_low_seconds: 300
      ttl_high_seconds: 3600
      source: https://example.org/list
      read_on: 2026-11-01
    released: 2026-01-01
    shutdown_on: 2027-06-01
    replacement: rocket-3
providers:
  acme:
    protocol: own
    weights_downloadable: true
    source: https://example.org/list
    read_on: 2026-11-01
    tuning:
    - base: rocket-2
      card: acme/rocket-2
      approach: ft_api
      methods: [sft]
      windows:
      - who: anyone
        says: closes in January.
        closed_since: 2027-01-06
        source: https://example.org/end
        read_on: 2026-11-02
        confidence: medium
      serving: per_token
      result_ends_on: 2027-06-01
      tier: mid
      source: https://example.org/end
      read_on: 2026-11-02
      confidence: medium
"""


@pytest.fixture
def acme(tmp_path: Path) -> PriceBook:
    return overlaid(tmp_path, GROUPED)


def overlaid(folder: Path, text: str) -> PriceBook:
    overlay = folder / "own.yaml"
    overlay.write_text(text, encoding="utf-8")
    return load_prices(overlay=overlay)


def test_both_forms_of_a_file_are_the_same_records(acme: PriceBook, tmp_path: Path) -> None:
    long = overlaid(tmp_path, LONG)
    items = [item for item in long.prices.series if item.startswith("acme/")]
    sold = long.models["acme/rocket-2"].available

    assert len(items) == 5
    assert {i: acme.prices.series[i] for i in items} == {i: long.prices.series[i] for i in items}
    assert acme.providers["acme"] == long.providers["acme"]
    assert sold
    assert sold.source == "own.yaml"  # the long form has no source for these days
    stated = sold.model_copy(
        update={
            "source": "https://example.org/end",
            "read_on": date(2026, 11, 2),
            "confidence": "medium",
        }
    )
    card = long.models["acme/rocket-2"].model_copy(update={"available": stated})
    assert acme.models["acme/rocket-2"] == card


def test_the_end_of_a_model_ends_its_prices_unless_they_ended_before(acme: PriceBook) -> None:
    item = "acme/rocket-2/input"
    steps = acme.prices.series["acme/rocket-2/output"].steps

    assert acme.prices.on(item, date(2027, 5, 31)).value == Decimal("0.2")
    with pytest.raises(PriceWithdrawn, match="2027-06-01"):
        acme.prices.on(item, date(2027, 6, 1))
    assert [step.since for step in steps] == [date(2026, 1, 1), date(2026, 12, 1)]


def test_an_overlay_of_one_price_leaves_model_and_provider_as_they_are(
    book: PriceBook, tmp_path: Path
) -> None:
    text = (
        "sources:\n  quote: {says: quote for Ann, read_on: 2026-11-01}\n"
        "providers:\n  openai:\n    models:\n      gpt-4o-mini:\n"
        "        prices: {source: quote, input: {2026-11-01: 0.1}}\n"
        "    prices: {gpt-4o/output: {2026-11-01: [8, genai-1109]}}\n"
    )
    own = overlaid(tmp_path, text)
    price = own.prices.on("openai/gpt-4o-mini/input", date(2026, 11, 20))

    assert (price.value, price.source, price.own) == (Decimal("0.1"), "quote for Ann", True)
    assert own.prices.on("openai/gpt-4o/output", date(2026, 11, 20)).value == 8
    assert own.models == book.models
    assert own.providers == book.providers


def test_machines_have_prices_by_the_hour_and_a_least_number_of_gpus(tmp_path: Path) -> None:
    own = overlaid(
        tmp_path,
        "sources:\n  page: {url: https://example.org, read_on: 2026-11-01}\n"
        "providers:\n  acme:\n    source: page\n"
        "    gpu_hours: {H100_SXM: {2026-11-01: 2.5}}\n"
        "    spot_gpu_hours: {H100_SXM: {2026-11-01: 1.5}}\n"
        "    serverless_gpu_hours: {L4: {2026-11-01: 0.9}}\n"
        "    cpu_hours: {big.box: {2026-11-01: 0.2}}\n"
        "    min_gpus: {H100_SXM: 8}\n"
        "    prices: {serverless/vcpu_hour: {2026-11-01: 0.04}}\n"
        "cpus:\n  big.box: {vcpus: 4, memory_gib: 7.5, source: page}\n",
    )
    day = date(2026, 11, 20)
    hours = {
        "H100_SXM/gpu_hour": "USD/GPU hour",
        "H100_SXM/spot_gpu_hour": "USD/GPU hour",
        "L4/serverless_gpu_hour": "USD/GPU hour",
        "big.box/cpu_hour": "USD/hour",
        "serverless/vcpu_hour": "USD/vCPU hour",
    }

    assert {item: own.prices.on(f"acme/{item}", day).unit for item in hours} == hours
    assert (own.min_gpus("acme", "H100_SXM"), own.min_gpus("acme", "L4")) == (8, 1)
    assert own.cpu("big.box").memory_bytes == 7.5 * 1024**3
    assert own.cpu("big.box").read_on == date(2026, 11, 1)
    assert "acme" not in own.providers  # it tunes nothing


TIERS = """
sources:
  list-1101: {url: https://example.org/list, read_on: 2026-11-01}
  end-1102: {url: https://example.org/end, read_on: 2026-11-02}
providers:
  acme:
    every_model:
      tokenizer: o200k_base
      cache: {modes: [implicit], min_tokens: 1024, ttl_seconds: [300, 3600], source: list-1101}
      prices: {source: list-1101}
    models:
      rocket-2:
        tier: mid
        limits: {context_tokens: 128000, long_context_from_tokens: 64000, source: end-1102}
        prices:
          normal: {2026-01-01: {input: 0.3, cached_input: 0.03, output: 0.8}, 2026-11-01: {input: [0.2, end-1102]}}
          batch_long: {2026-01-01: {input: 0.3, cache_write_1h: 0.6}, 2026-12-01: null}
      rocket-3:
        tier: mid
        cache: null
        prices: {source: end-1102, normal: {2026-01-01: {input: 1, output: 2}}}
"""


def test_the_prices_of_a_tier_share_a_line_and_go_on_where_a_day_leaves_them_out(
    tmp_path: Path,
) -> None:
    prices = overlaid(tmp_path, TIERS).prices
    day = date(2026, 11, 20)
    item = prices.series["acme/rocket-2/input"]

    assert [(step.since, step.value) for step in item.steps] == [
        (date(2026, 1, 1), Decimal("0.3")),
        (date(2026, 11, 1), Decimal("0.2")),
    ]
    assert item.steps[1].source == "https://example.org/end"
    assert prices.on("acme/rocket-2/output", day).value == Decimal("0.8")
    assert prices.on("acme/rocket-2/batch_long_cache_write_1h", day).value == Decimal("0.6")
    with pytest.raises(PriceWithdrawn):
        prices.on("acme/rocket-2/batch_long_input", date(2026, 12, 1))


def test_what_holds_for_every_model_holds_unless_a_model_says_otherwise(tmp_path: Path) -> None:
    own = overlaid(tmp_path, TIERS)
    second, third = own.models["acme/rocket-2"], own.models["acme/rocket-3"]

    assert second.tokenizer == third.tokenizer == "o200k_base"
    assert second.cache
    assert third.cache is None
    assert (second.context_tokens, second.long_context_from_tokens) == (128000, 64000)
    assert second.source == "https://example.org/end"
    assert own.prices.series["acme/rocket-2/output"].steps[0].source == "https://example.org/list"
    assert own.prices.series["acme/rocket-3/output"].steps[0].source == "https://example.org/end"


def test_what_holds_for_every_offer_holds_unless_an_offer_says_otherwise(tmp_path: Path) -> None:
    shared = (
        "    every_offer: {preview: true, methods: [dpo], tier: tiny, serving_source: end-1102}\n"
    )
    text = GROUPED.replace("    tuning:\n", f"{shared}    tuning:\n")
    offer = overlaid(tmp_path, text).providers["acme"].tuning[0]

    assert (offer.preview, offer.methods, offer.tier) == (True, ("sft",), "mid")
    assert offer.serving_source
    assert offer.facts["serving"].read_on == date(2026, 11, 2)


SERVICES = """
sources:
  list-1101: {url: https://example.org/list, read_on: 2026-11-01, confidence: medium}
  idle-0101: {url: https://example.org/idle, read_on: 2026-01-01}
providers:
  acme:
    embeddings:
      words-1:
        dimensions: 768
        available: {until: 2027-06-01, source: list-1101}
        source: list-1101
        prices: {source: list-1101, embedding: {2026-01-01: 0.02}}
    vector_stores:
      pro: {display_name: Acme, write_unit_bytes: 2000, most_gb: 8, source: list-1101}
    spot_interruptions: {L4: {share: [0.05, 0.10], source: list-1101}}
    serverless: {idle_seconds: 60, idle_source: idle-0101, cold_start_seconds: [5, 30, 90], source: list-1101}
    provisioned:
      source: list-1101
      models: {rocket-2: {input_tokens_per_minute: 3000, output_weight: 4, min_units: {unit: 15}, unit_steps: {unit: 5}}}
"""


def test_services_have_their_sizes_terms_and_sources(tmp_path: Path) -> None:
    own = overlaid(tmp_path, SERVICES)
    facts = {name: fact.read_on for name, fact in own.facts_on(date(2026, 11, 20))}
    serverless, store = own.serverless["acme"], own.vector_stores["acme/pro"]
    unit = own.provisioned["acme"].models["rocket-2"]

    assert own.embeddings["acme/words-1"].ends_on == date(2027, 6, 1)
    with pytest.raises(PriceWithdrawn):
        own.prices.on("acme/words-1/embedding", date(2027, 6, 1))
    assert (store.write_unit_bytes, store.read_unit_gb, store.most_gb) == (2000, 1, 8)
    assert own.spot_interruptions["acme/L4"].share == (0.05, 0.10)
    assert serverless.idle_source
    assert serverless.idle_source.read_on == date(2026, 1, 1)
    assert (unit.min_units["unit"], unit.confidence) == (15, "medium")
    for name in ("acme/words-1: embedding", "acme: serverless", "acme/L4: spot"):
        assert facts[name] == date(2026, 11, 1)
    assert "acme" not in own.providers


def test_an_offer_without_an_access_list_is_open_to_everybody(tmp_path: Path) -> None:
    closed = "        open_to: wind-down\n"
    offer = overlaid(tmp_path, GROUPED.replace(closed, "")).providers["acme"].tuning[0]

    assert offer.open_window("new", date(2027, 2, 1))
    assert offer.windows[0].source == offer.source


def test_an_hour_priced_with_an_offer_is_its_hosting_item(tmp_path: Path) -> None:
    hourly = GROUPED.replace("serving: per_token", "serving: per_hour").replace(
        "training: {2026-01-01: 3}}", "training: {2026-01-01: 3}, hosting_hour: {2026-01-01: 2}}"
    )
    facts = "        cold_start_seconds: [20, 60, 300]\n        minimum_billed_seconds: 60\n"
    hourly = hourly.replace("        card: acme", f"{facts}        card: acme")
    own = overlaid(tmp_path, hourly)
    offer = own.providers["acme"].tuning[0]

    assert offer.hosting_item == "acme/rocket-2/hosting_hour"
    assert own.prices.on(offer.hosting_item, date(2026, 11, 20)).value == 2
    assert offer.cold_start_seconds == (20, 60, 300)
    assert offer.minimum_billed_seconds == 60


def test_each_source_of_the_book_is_named_once_and_used() -> None:
    parsed = parse_yaml((ROOT / "pricing.yaml").read_text(encoding="utf-8"))
    sources = parsed.pop("sources")
    named = [name for path, name in sources_in(parsed) if "architecture" not in path]
    factors = [card["token_factor"][3] for card in cards_in(parsed) if card.get("token_factor")]
    pages = [tuple(sorted(source.items())) for source in sources.values()]

    assert len(pages) == len({str(page) for page in pages})
    assert set(named) | set(factors) == set(sources)
    assert len(named) > 150


def test_a_tier_of_the_book_takes_one_line_and_a_model_a_few(book: PriceBook) -> None:
    text = (ROOT / "pricing.yaml").read_text(encoding="utf-8")
    models = re.findall(r"^      \S.*:\n(?:        .*\n)+", text, re.MULTILINE)

    assert text.count("\n") < 3_500 < len(book.prices.series) + 12 * len(book.models)
    assert len(models) > 200
    assert max(block.count("\n") for block in models) < 20


def sources_in(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each source of a parsed file with the keys that lead to it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and str(key).endswith("source"):
                yield path, value
            else:
                yield from sources_in(value, (*path, str(key)))
    elif isinstance(node, list):
        if len(node) in (2, 3) and isinstance(node[1], str) and not isinstance(node[0], str):
            yield path, node[1]  # [price, source, note]
        for value in node:
            if isinstance(value, dict):
                yield from sources_in(value, path)


def cards_in(parsed: Any) -> list[Any]:
    """Return the model cards of a parsed file."""
    providers = parsed["providers"].values()
    hosted = [card for p in providers for card in p.get("models", {}).values()]
    shared = [p["every_model"] for p in providers if "every_model" in p]
    return [*hosted, *shared, *parsed["open_models"].values()]
