"""Worked cases with prices of their own, so that the sums do not move with the price book."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml

from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from advisor.prices.series import KINDS

DAY = "2026-01-01"
STEP = {"since": DAY, "source": "worked case", "read_on": DAY}


def case_book(case: Mapping[str, Any], book: PriceBook) -> PriceBook:
    """Return the price book with the prices of a case, its machines and its contract, on top.

    A price is a number; its kind fixes the unit, and it has always applied.
    """
    prices, providers, cpus = (case.get(name, {}) for name in ("prices", "providers", "cpus"))
    contract = case.get("contract", {})
    if not prices and not providers and not contract:
        return book
    series = {item: _series(item, price) for item, price in prices.items()}
    machines = {name: {**sizes, "source": "case"} for name, sizes in cpus.items()}
    sources = {"case": {"says": "worked case", "read_on": DAY}}
    own = {"sources": sources, "prices": series, "providers": providers, "cpus": machines}
    own |= contract
    return _loaded(yaml.safe_dump(own, sort_keys=False))


def _series(item: str, price: Any) -> dict[str, Any]:
    unit = KINDS[item.rsplit("/", 1)[-1]]
    return {"unit": unit, "steps": [{**STEP, "value": price}]}


@lru_cache(maxsize=64)
def _loaded(overlay: str) -> PriceBook:
    path = Path(mkdtemp(prefix="case-")) / "prices.yaml"
    path.write_text(overlay)
    return load_prices(overlay=path)
