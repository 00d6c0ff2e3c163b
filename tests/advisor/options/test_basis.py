"""What an option rests on, and how old it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from advisor.decision.evaluate import prepare
from advisor.loading import example_question
from advisor.options.basis import Basis, basis_age
from advisor.options.batch import option_family
from advisor.options.candidates import Candidates
from advisor.options.option import Option
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices

DAY = date(2026, 11, 20)


def basis(name: str, read_on: date | None, **more: object) -> Basis:
    return Basis(name, "https://example.org", read_on, **{"confidence": "high", **more})  # type: ignore[arg-type]


def test_the_oldest_comes_first_and_thirty_days_are_stale() -> None:
    fresh, stale = basis("fresh", DAY - timedelta(29)), basis("stale", DAY - timedelta(30))
    older, own = basis("older", DAY - timedelta(31)), basis("own", date(2020, 1, 1), own=True)

    age = basis_age([fresh, stale, older, own], DAY)

    assert (age.oldest, age.oldest_days) == (older, 31)
    assert age.stale == (older, stale)
    assert age.must_be_said


def test_low_confidence_must_be_said_and_an_undated_fact_is_listed() -> None:
    weak, undated = basis("weak", DAY, confidence="low"), basis("undated", None)

    age = basis_age([weak, undated], DAY)

    assert (age.oldest, age.stale, age.uncertain, age.undated) == (weak, (), (weak,), (undated,))
    assert age.must_be_said
    assert not basis_age([undated], DAY).must_be_said
    assert basis_age([], DAY).oldest is None


def candidates(book: PriceBook, **changes: Any) -> Candidates:
    """Candidates of a bundled question on a day, with another book."""
    question = replace(example_question("email-triage"), book=book)
    scenario = question.scenario.model_copy(update={"asked_on": DAY} | changes)
    return prepare(question, scenario)[1]


def option_named(book: PriceBook, option_id: str, **changes: Any) -> Option:
    return next(o for o in candidates(book, **changes).options if o.id == option_id)


def test_an_option_rests_on_its_prices_and_on_the_facts_of_its_model(book: PriceBook) -> None:
    option = option_named(book, "prompt:openai:gpt-4.1-mini")
    names = {basis.name for basis in option.rests_on}

    assert {"openai/gpt-4.1-mini/input", "openai/gpt-4.1-mini/batch_output"} <= names
    assert {"openai/gpt-4.1-mini: available", "openai/gpt-4.1-mini: cache"} <= names
    day = date(2026, 10, 30)
    age = option.facts_stale_on(day)
    assert age.oldest
    assert (age.oldest.name, age.oldest_days) == ("openai/gpt-4.1-mini: cache", 29)
    assert not age.must_be_said
    later = option.facts_stale_on(day + timedelta(days=1))
    assert [basis.name for basis in later.stale] == ["openai/gpt-4.1-mini: cache"]


def test_a_tuned_option_rests_on_its_offer_and_on_who_may_start(book: PriceBook) -> None:
    option = option_named(book, "managed_lora:together:Qwen/Qwen3.5-9B:H100_SXM")
    names = {basis.name for basis in option.rests_on}

    assert {"together/Qwen/Qwen3.5-9B: offer", "together/Qwen/Qwen3.5-9B: open_to[0]"} <= names
    assert {f"together/Qwen/Qwen3.5-9B/{kind}" for kind in ("hosting_hour", "training")} <= names
    assert option.facts_stale_on(DAY).must_be_said  # read on 2026-09-19


OFFER = """
sources:
  page: {url: https://example.org/tuning, read_on: 2026-11-19}
providers:
  acme:
    protocol: own
    source: page
    models:
      rocket-2:
        tier: mid
        tokenizer: o200k_base
        cache:
        - {modes: [explicit], min_tokens: 4096, ttl_seconds: 300, source: page}
        - {since: 2026-11-20, modes: [implicit], min_tokens: 512, ttl_seconds: 600, source: page}
        prices: {source: page, input: {2026-01-01: 1}, cached_input: {2026-01-01: 0.1}, output: {2026-01-01: 4}}
    tuning:
      rocket-2:
        card: acme/rocket-2
        approach: ft_api
        methods: [sft]
        serving: per_hour
        available: {until: 2027-06-01, source: page}
        tier: mid
        source: page
        prices:
          source: page
          training: {2026-01-01: 3}
          hosting_hour: {2026-01-01: 2}
          tuned_input: {2026-01-01: 1.5}
          tuned_output: {2026-01-01: 6}
"""
TUNED = "ft_api:acme:rocket-2"


def with_offer(folder: Path, *changes: tuple[str, str]) -> PriceBook:
    text = OFFER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    overlay = folder / "own.yaml"
    overlay.write_text(text, encoding="utf-8")
    return load_prices(overlay=overlay)


def test_an_offer_by_the_hour_may_bill_tokens_too(tmp_path: Path) -> None:
    option = option_named(with_offer(tmp_path), TUNED)

    assert {kind: float(price.value) for kind, price in option.prices.items()} == {
        "training": 3,
        "hosting_hour": 2,
        "input": 1.5,
        "output": 6,
    }
    assert (option.per_token, option_family(option)) == (False, "hosted")
    assert option.ends_on == date(2027, 6, 1)


def test_tokens_of_an_offer_may_cost_what_another_model_costs(tmp_path: Path) -> None:
    own = (
        "          tuned_input: {2026-01-01: 1.5}\n          tuned_output: {2026-01-01: 6}\n",
        "",
    )
    like = ("        card: acme", "        tokens_like: acme/rocket-2\n        card: acme")
    without = option_named(with_offer(tmp_path, own), TUNED)
    option = option_named(with_offer(tmp_path, own, like), TUNED)

    assert set(without.prices) == {"training", "hosting_hour"}
    assert {"input", "cached_input", "output"} <= set(option.prices)
    assert option.prices["output"].item == "acme/rocket-2/output"


def test_an_offer_whose_tuned_model_has_ended_is_no_option(tmp_path: Path) -> None:
    ended = ("available: {until: 2027-06-01", "available: {until: 2026-11-20")
    found = candidates(with_offer(tmp_path, ended))

    assert TUNED not in found.ids
    assert [(out.rule, out.says) for out in found.ruled_out if out.id == TUNED] == [
        ("shut-down", "Models tuned from rocket-2 were shut down on 2026-11-20.")
    ]


def test_an_option_has_the_facts_of_the_day(tmp_path: Path) -> None:
    book = with_offer(tmp_path)
    today = option_named(book, "prompt:acme:rocket-2").card
    before = option_named(book, "prompt:acme:rocket-2", asked_on=date(2026, 11, 19)).card

    assert today
    assert before
    assert (today.cache, before.cache) == (today.cache_steps[1], today.cache_steps[0])
