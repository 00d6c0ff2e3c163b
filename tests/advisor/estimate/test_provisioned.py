"""Provisioned throughput replaces the price per token where it costs less."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.decision.answer import recommend
from advisor.decision.bill import OptionBill
from advisor.loading import make_question
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices

OPTION = "prompt:azure:gpt-4.1"
TRAFFIC = {"requests_per_month": 100_000_000, "prefix_tokens": 0, "user_tokens": 100,
           "completion_tokens": 1, "peak_factor": 1}  # fmt: skip
RESERVED = """
prices:
  azure/ptu_global/provisioned_hour:
    unit: USD/unit hour
    steps: [{since: 2026-11-01, value: 0.25, source: "own quote, one year reserved", read_on: 2026-11-01}]
"""


def bill(book: PriceBook) -> OptionBill:
    asked = {"asked_on": "2026-11-28", "horizon_months": 3, "traffic": TRAFFIC}
    options = recommend(make_question(asked, book=book)).options
    return next(one for one in options if one.id == OPTION)


def test_units_by_the_hour_cost_more_than_tokens_at_list_price(book: PriceBook) -> None:
    # 100M x (100 x 2 + 1 x 8) / 1M = 20,800 USD per token. 100M x (100 + 4 x 1) / 43,800 minutes
    # = 237,443 tokens a minute; / 3,000 = 79.1, in steps of 5: 80 units x 730 h x 1.00 = 58,400
    assert float(bill(book).monthly.likely) == pytest.approx(20_800, rel=1e-6)


def test_reserved_units_replace_tokens_where_they_cost_less(tmp_path: Path) -> None:
    overlay = tmp_path / "reserved.yaml"
    overlay.write_text(RESERVED)

    reserved = bill(load_prices(overlay=overlay))

    (line,) = (one for one in reserved.bill if one.item == "provisioned throughput")
    assert float(line.quantity) == 80 * 730
    assert float(reserved.monthly.likely) == pytest.approx(80 * 730 * 0.25, rel=1e-6)
    assert not any(one.item in ("input", "output") for one in reserved.bill)
