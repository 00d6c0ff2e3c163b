"""The blocks that CONTRIBUTING.md shows for models and providers are complete price files."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from tests.support.paths import ROOT

BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
MODEL, PROVIDER = BLOCKS
DAY = date(2026, 11, 28)


def book_with(folder: Path, text: str) -> PriceBook:
    overlay = folder / "own.yaml"
    overlay.write_text(text, encoding="utf-8")
    return load_prices(overlay=overlay)


def test_a_model_is_added_in_one_block_of_under_twenty_lines(tmp_path: Path) -> None:
    book = book_with(tmp_path, MODEL)
    card = book.model("acme/rocket-2").on(DAY)
    announced = book.prices.on("acme/rocket-2/output", date(2027, 3, 1))

    assert MODEL.count("\n") < 20
    assert book.prices.on("acme/rocket-2/input", DAY).value == Decimal("0.40")
    assert book.prices.on("acme/rocket-2/output", DAY).next_change == date(2027, 3, 1)
    assert (announced.value, announced.note) == (2, "announced")
    assert (card.ends_on, card.always_thinks) == (date(2027, 6, 1), False)
    assert card.cache
    assert (card.cache.min_tokens, card.cache.read_on) == (1024, DAY)


@pytest.mark.parametrize(("day", "open_"), [(date(2027, 3, 31), True), (date(2027, 4, 1), False)])
def test_a_provider_is_added_with_offers_and_machines(
    tmp_path: Path, day: date, open_: bool
) -> None:
    # the second block goes on from the sources and models of the first
    book = book_with(tmp_path, MODEL + PROVIDER.removeprefix("providers:\n  acme:\n"))
    (offer,) = book.provider("acme").tuning

    assert (offer.open_window("anyone", day) is not None) == open_
    assert book.prices.on("acme/rocket-2/training", DAY).value == 3
    assert book.prices.on("acme/H100_SXM/gpu_hour", DAY).value == Decimal("2.50")
    assert book.min_gpus("acme", "H100_SXM") == 8


def test_the_overlay_of_the_readme_prices_an_unpriced_offer(tmp_path: Path) -> None:
    (overlay,) = re.findall(
        r"```yaml\n(sources:.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    price = book_with(tmp_path, overlay).prices.on("nebius/Qwen/Qwen3-8B/training", DAY)

    assert (price.value, price.own, price.source) == (
        Decimal("0.40"),
        True,
        "quote for Ann, 2026-11-01",
    )
