"""The price book against other price lists: every planted drift is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data import providers

from advisor.cli.price_check import plain_values, source_names
from advisor.errors import PricingFileError
from advisor.prices.check import Difference, PriceException, check_prices
from advisor.prices.loader import load_prices
from advisor.prices.other_sources import read_source
from tests.support.price_lists import as_litellm, as_models_dev

DAY = date(2026, 11, 28)
BOOK = load_prices()
NAMES = source_names()
GENAI = plain_values(providers)
LITELLM = as_litellm(BOOK, NAMES["litellm"], DAY)


def differences(document: object) -> set[tuple[str, str, str | None, date]]:
    source = read_source(document, "copy")
    rows = check_prices(BOOK, source, NAMES[source.name], DAY).differences
    return {(row.item, row.outcome, row.other, row.on) for row in rows}


def genai_model(document: Any, provider: str, name: str) -> dict[str, Any]:
    models = next(entry["models"] for entry in document if entry["id"] == provider)
    return next(model for model in models if model["id"] == name)


def genai_price(document: Any, provider: str, name: str, key: str, value: object) -> None:
    genai_model(document, provider, name)["prices"][key] = value


def batch_price(document: Any, provider: str, name: str, key: str, value: object) -> None:
    for variant in genai_model(document, provider, name)["price_variants"]:
        if variant["when"] == {"processing": "batch"}:
            variant["prices"][key] = value


def swap(document: Any, provider: str, name: str) -> None:
    prices = genai_model(document, provider, name)["prices"]
    prices["input_mtok"], prices["output_mtok"] = prices["output_mtok"], prices["input_mtok"]


def move_step(document: Any, provider: str, name: str) -> None:
    prices = genai_model(document, provider, name)["prices"]
    prices[1]["constraint"]["start_date"] = date(2027, 3, 1)


def announce(document: Any, provider: str, name: str) -> None:
    """A price rise of the output on a later day, everything else unchanged."""
    model = genai_model(document, provider, name)
    later = model["prices"] | {"output_mtok": Decimal(99)}
    model["prices"] = [
        {"prices": model["prices"]},
        {"constraint": {"start_date": date(2027, 2, 1)}, "prices": later},
    ]


D = Decimal
Plant = Callable[[Any], None]
GENAI_DRIFTS: dict[str, tuple[Plant, set[str]]] = {
    "value up": (
        lambda d: genai_price(d, "openai", "gpt-5.1", "input_mtok", D("1.5")),
        {"openai/gpt-5.1/input"},
    ),
    "value down": (
        lambda d: genai_price(d, "mistral", "mistral-large-2512", "output_mtok", D("1.2")),
        {"mistral/mistral-large-2512/output"},
    ),
    "cached price halved": (
        lambda d: genai_price(d, "openai", "gpt-4.1", "cache_read_mtok", D("0.25")),
        {"openai/gpt-4.1/cached_input"},
    ),
    "cached price gone": (
        lambda d: genai_price(d, "openai", "gpt-4.1-mini", "cache_read_mtok", None),
        {"openai/gpt-4.1-mini/cached_input"},
    ),
    "cache write": (
        lambda d: genai_price(d, "anthropic", "claude-haiku-4-5", "cache_write_mtok", D("1.5")),
        {"anthropic/claude-haiku-4-5/cache_write"},
    ),
    "one-hour cache write": (
        lambda d: genai_price(d, "anthropic", "claude-opus-5", "cache_write_1h_mtok", D("12")),
        {"anthropic/claude-opus-5/cache_write_1h"},
    ),
    "batch input": (
        lambda d: batch_price(d, "openai", "gpt-4o-mini", "input_mtok", D("0.15")),
        {"openai/gpt-4o-mini/batch_input"},
    ),
    "batch output gone": (
        lambda d: batch_price(d, "openai", "gpt-4o", "output_mtok", None),
        {"openai/gpt-4o/batch_output"},
    ),
    "input and output swapped": (
        lambda d: swap(d, "groq", "openai/gpt-oss-20b"),
        {"groq/openai/gpt-oss-20b/input", "groq/openai/gpt-oss-20b/output"},
    ),
    "per thousand instead of per million": (
        lambda d: genai_price(d, "voyageai", "voyage-4", "input_mtok", D("0.00006")),
        {"voyageai/voyage-4/embedding"},
    ),
    "long-context price": (
        lambda d: genai_model(d, "openai", "gpt-5.4")["prices"]["output_mtok"]["tiers"][0].update(
            price=D(25)
        ),
        {"openai/gpt-5.4/long_output"},
    ),
    "long-context threshold": (
        lambda d: genai_model(d, "openai", "gpt-5.5")["prices"]["output_mtok"]["tiers"][0].update(
            start=128_000
        ),
        {"openai/gpt-5.5/long_context_from_tokens"},
    ),
    "context window": (
        lambda d: genai_model(d, "openai", "gpt-4o").update(context_window=64_000),
        {"openai/gpt-4o/context_tokens"},
    ),
    "ended": (
        lambda d: genai_model(d, "mistral", "mistral-small-2603").update(deprecated=True),
        {"mistral/mistral-small-2603/ends_on"},
    ),
    "day of an announced step": (
        lambda d: move_step(d, "google", "gemini-3.6-flash"),
        {f"google/gemini-3.6-flash/{kind}" for kind in ("input", "cached_input", "output")},
    ),
    "step that the book does not know": (
        lambda d: announce(d, "groq", "openai/gpt-oss-120b"),
        {"groq/openai/gpt-oss-120b/output"},
    ),
}
LITELLM_DRIFTS: dict[str, tuple[Plant, set[str]]] = {
    "longest answer": (
        lambda d: d["claude-opus-5"].update(max_output_tokens=1),
        {"anthropic/claude-opus-5/max_output_tokens"},
    ),
    "end date moved": (
        lambda d: d["gpt-4o"].update(deprecation_date="2027-06-30"),
        {"openai/gpt-4o/ends_on"},
    ),
    "end date in the past": (
        lambda d: d["mistral/mistral-large-4"].update(deprecation_date="2026-10-01"),
        {"mistral/mistral-large-4/ends_on"},
    ),
    "per million instead of per token": (
        lambda d: d["deepseek/deepseek-flash"].update(input_cost_per_token=D("300")),
        {"deepseek/deepseek-flash/input"},
    ),
}


def test_there_are_twenty_drifts() -> None:
    assert len(GENAI_DRIFTS) + len(LITELLM_DRIFTS) == 20


@pytest.mark.parametrize(("document", "drifts"), [(GENAI, GENAI_DRIFTS), (LITELLM, LITELLM_DRIFTS)])
def test_every_planted_drift_is_found_and_nothing_else(
    document: Any, drifts: dict[str, tuple[Plant, set[str]]]
) -> None:
    before, copy = differences(document), deepcopy(document)
    for plant, _ in drifts.values():
        plant(copy)

    found = differences(copy)

    planted = set[str]().union(*(items for _, items in drifts.values()))
    assert {item for item, *_ in found - before} == planted
    # a drift may replace a difference that was there before, but hides no other one
    assert {item for item, *_ in before - found} <= planted


def test_the_book_agrees_with_a_list_that_is_written_from_it() -> None:
    assert differences(LITELLM) == set()
    assert len(LITELLM) > 60


def row_of(document: object, item: str) -> Difference:
    source = read_source(document, "copy")
    rows = check_prices(BOOK, source, NAMES[source.name], DAY).differences
    return next(row for row in rows if row.item == item)


def test_a_line_states_both_values_with_source_day_and_hint() -> None:
    copy = deepcopy(LITELLM)
    copy["gpt-4o"]["input_cost_per_token"] = D("0.0025")
    says = row_of(copy, "openai/gpt-4o/input").says

    assert says.startswith("openai/gpt-4o/input: book 2.5 (https://")
    assert ", read 2026-" in says
    assert says.endswith(
        "/ other 2500, from 2026-11-28; a factor of 1,000: one of the two may have the wrong unit"
    )


def test_swapped_prices_are_named() -> None:
    copy = deepcopy(GENAI)
    swap(copy, "groq", "openai/gpt-oss-20b")

    assert "swapped" in (row_of(copy, "groq/openai/gpt-oss-20b/input").hint or "")


def exception(**changes: Any) -> PriceException:
    fields = {
        "item": "openai/gpt-4o/input",
        "against": "litellm",
        "other": "3",
        "reason": "The list shows another region.",
        "source": "https://example.org",
        "until": date(2026, 12, 31),
    }
    return PriceException(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "is_explained"),
    [
        ({}, True),
        ({"item": "openai/*/input"}, True),
        ({"other": None}, True),
        ({"other": "4"}, False),
        ({"against": "models.dev"}, False),
        ({"until": date(2026, 11, 27)}, False),
        ({"item": "openai/gpt-4o/output"}, False),
    ],
)
def test_an_exception_explains_one_value_until_its_day(
    changes: dict[str, Any], is_explained: bool
) -> None:
    copy = deepcopy(LITELLM)
    copy["gpt-4o"]["input_cost_per_token"] = D("0.000003")

    found = check_prices(
        BOOK, read_source(copy, "copy"), NAMES["litellm"], DAY, [exception(**changes)]
    )

    assert [row.item for row in found.differences] == ["openai/gpt-4o/input"]
    assert (found.unexplained == ()) == is_explained


def test_a_model_that_the_other_source_lacks_is_listed_and_never_guessed() -> None:
    copy = {name: entry for name, entry in LITELLM.items() if name != "gpt-4o"}
    copy["gpt-4o-2024-11-20"] = {"litellm_provider": "openai", "input_cost_per_token": D(1)}

    before, after = (
        check_prices(BOOK, read_source(document, "copy"), NAMES["litellm"], DAY)
        for document in (LITELLM, copy)
    )

    assert set(after.unmatched) - set(before.unmatched) == {"openai/gpt-4o"}
    assert after.differences == ()


def test_models_dev_is_compared_in_dollars_per_million() -> None:
    cost = {"input": D("2.5"), "output": D(10), "cache_read": D("1.3")}
    source = read_source(as_models_dev("openai", "gpt-4o", cost), "api.json")

    found = check_prices(BOOK, source, NAMES["models.dev"], DAY)

    items = {(row.item, row.outcome) for row in found.differences if row.item.startswith("openai/")}
    assert source.name == "models.dev"
    assert items == {("openai/gpt-4o/cached_input", "different")}  # its format has no batch prices


def test_a_price_that_a_format_can_state_and_does_not_is_a_difference() -> None:
    cost = {"input": D("2.5"), "output": D(10)}
    source = read_source(as_models_dev("openai", "gpt-4o", cost), "api.json")

    found = check_prices(BOOK, source, NAMES["models.dev"], DAY)

    assert [(row.item, row.outcome) for row in found.differences] == [
        ("openai/gpt-4o/cached_input", "not in the other source")
    ]


@pytest.mark.parametrize("document", [[], {}, {"a": 1}, [1], {"a": {"b": 1}}, "text", None])
def test_other_json_is_refused(document: object) -> None:
    with pytest.raises(PricingFileError, match=r"not a price list|unexpected form"):
        read_source(document, "other.json")


def test_a_value_of_the_wrong_type_is_refused() -> None:
    copy = deepcopy(LITELLM)
    copy["gpt-4o"]["input_cost_per_token"] = "cheap"

    with pytest.raises(PricingFileError, match="unexpected form"):
        read_source(copy, "map.json")


def test_every_alias_names_a_model_of_the_book() -> None:
    models = {item.rpartition("/")[0] for item in BOOK.prices.series}
    for names in NAMES.values():
        assert set(names.models) <= models
