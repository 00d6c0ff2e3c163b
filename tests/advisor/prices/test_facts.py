"""Facts on models and offers: dated like prices, and resolved for a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices

DAY = date(2026, 11, 20)
CHANGING = """
sources:
  guide-0101: {url: https://example.org/guide, read_on: 2026-01-01}
  guide-1013: {url: https://example.org/guide, read_on: 2026-10-13, confidence: low}
providers:
  acme:
    models:
      rocket-2:
        tier: mid
        tokenizer: o200k_base
        context_tokens: 128000
        source: guide-0101
        cache:
        - {modes: [explicit], min_tokens: 4096, ttl_seconds: 300, source: guide-0101}
        - {since: 2026-10-13, modes: [implicit], min_tokens: 1024, ttl_seconds: [300, 3600], source: guide-1013}
        thinking: {since: 2026-10-13, mode: always, min_tokens: 64, source: guide-1013}
"""


def changing(folder: Path) -> PriceBook:
    overlay = folder / "own.yaml"
    overlay.write_text(CHANGING, encoding="utf-8")
    return load_prices(overlay=overlay)


def test_a_card_has_the_facts_of_the_day(tmp_path: Path) -> None:
    card = changing(tmp_path).model("acme/rocket-2")
    before, after = card.on(date(2026, 10, 12)), card.on(date(2026, 10, 13))

    assert before.cache
    assert after.cache
    assert (before.cache.modes, before.cache.min_tokens) == (("explicit",), 4096)
    assert (after.cache.modes, after.cache.ttl_high_seconds) == (("implicit",), 3600)
    assert (before.thinking, before.always_thinks, after.always_thinks) == (None, False, True)
    assert card.cache == after.cache  # without a day, the newest facts apply


def test_a_card_whose_facts_never_changed_is_the_same_on_every_day(book: PriceBook) -> None:
    card = book.model("openai/gpt-4.1-mini")

    assert card.on(DAY) is card
    assert card.ends_on == date(2027, 1, 14)
    assert card.available
    assert card.available.replaced_by == "gpt-6-luna"
    assert card.available.read_on == date(2026, 10, 28)


def test_facts_of_a_day_are_listed_with_their_sources(tmp_path: Path) -> None:
    book = changing(tmp_path)
    facts = {n: f for n, f in book.facts_on(DAY) if n.startswith("acme/")}
    earlier = {n: f for n, f in book.facts_on(date(2026, 1, 2)) if n.startswith("acme/")}

    assert {name: fact.read_on for name, fact in facts.items()} == {
        "acme/rocket-2: limits": date(2026, 1, 1),
        "acme/rocket-2: cache": date(2026, 10, 13),
        "acme/rocket-2: thinking": date(2026, 10, 13),
    }
    assert facts["acme/rocket-2: cache"].confidence == "low"
    assert set(earlier) == {"acme/rocket-2: limits", "acme/rocket-2: cache"}
    assert earlier["acme/rocket-2: cache"].read_on == date(2026, 1, 1)


def test_offers_and_their_access_rules_are_among_the_facts(book: PriceBook) -> None:
    facts = dict(book.facts_on(DAY))

    assert facts["openai/gpt-4.1: offer"].read_on == date(2026, 11, 10)
    assert facts["openai/gpt-4.1: available"].read_on == date(2026, 11, 10)
    assert facts["openai/gpt-4.1: open_to[2]"].read_on == date(2026, 11, 10)
    assert facts["azure"].read_on == date(2026, 3, 19)
    assert facts["fireworks/glm-5p3-flash: serving"].read_on == date(2026, 11, 15)
    assert facts["modal: serverless"].read_on == date(2026, 5, 1)
    assert len(facts) > 500
