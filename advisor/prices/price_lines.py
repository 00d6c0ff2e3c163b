"""Lines of prices in the grouped form -> series of steps, as mappings with their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from advisor.errors import did_you_mean, shortened_repr
from advisor.prices.named_sources import PriceFile
from advisor.prices.series import KINDS, TIERS, TOKEN_RATES

RATES = (*TOKEN_RATES, "cache_write_1h")
"""Prices of one tier, which may share a line."""
TIER_LINES = {
    **{tier.removesuffix("_") or "normal": tier for tier in TIERS},
    **{f"tuned_{tier}".removesuffix("_"): f"tuned_{tier}" for tier in TIERS},
}
"""Name of a line with the prices of a tier -> prefix of their kinds."""


@dataclass(frozen=True)
class Entry:
    """One record as a mapping, and its place in the file."""

    place: str
    body: Any
    days: tuple[str, ...] = ()
    """Day of each step of a price in the grouped form."""
    bases: tuple[str, ...] = ()
    """Base model of each offer of a provider in the grouped form."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Field of the record -> its name in the file, where they differ."""

    def where(self, keys: tuple[int | str, ...]) -> str:
        """Return the place of a value of the record, given its keys."""
        if len(keys) > 1 and keys[0] == "steps" and self.days:
            return f"{self.place}: {self.days[int(keys[1])]}"
        if len(keys) > 1 and keys[0] == "tuning" and self.bases:
            keys = ("tuning", self.bases[int(keys[1])], *keys[2:])
        parts = [f"[{k}]" if isinstance(k, int) else f": {self.names.get(k, k)}" for k in keys]
        return self.place + "".join(parts)


def price_lines(
    file: PriceFile, place: str, lines: Mapping[Any, Any], kind: str = ""
) -> Iterator[tuple[str, Entry]]:
    """Yield name and series of each line of a block of prices.

    Args:
        file: The file, for its sources and messages.
        place: Place of the block.
        lines: Days with their prices by name, and the `source` of every price without its own.
        kind: Kind of all prices of the block; by default the last part of each name.

    Raises:
        PricingFileError: a line is not days with prices, or has no source.
    """
    default = lines.get("source")
    for name, where, days in _single_lines(file, place, lines):
        if not isinstance(days, dict):
            problem = f"found {shortened_repr(days)} instead of days with their prices."
            raise file.error(where, f"{problem} Write {{first day it applies: price}}.")
        unit = KINDS.get(kind or str(name).rsplit("/", 1)[-1], "USD/1M tokens")
        values = {day: given for day, given in days.items() if day != "unpriced"}
        steps = [_step(file, where, day, (given, default)) for day, given in values.items()]
        why = {"unpriced": days["unpriced"]} if "unpriced" in days else {}
        yield (
            str(name),
            Entry(where, {"unit": unit, "steps": steps, **why}, days=tuple(map(str, values))),
        )


def _single_lines(
    file: PriceFile, place: str, lines: Mapping[Any, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Yield name, place and days of each price; a line of a tier has several prices per day."""
    for name, days in lines.items():
        where = f"{place}: {name}"
        if name == "source":
            continue
        if name not in TIER_LINES or not isinstance(days, dict):
            yield str(name), where, days
            continue
        for rate, found in _rates(file, where, days).items():
            yield f"{TIER_LINES[name]}{rate}", f"{where}: {rate}", found


def _rates(file: PriceFile, place: str, days: Mapping[Any, Any]) -> dict[str, dict[Any, Any]]:
    """Return the days of each price of a tier; a price goes on where a later day leaves it out."""
    rates: dict[str, dict[Any, Any]] = {}
    for day, row in days.items():
        if not isinstance(row, dict | None):
            problem = f"found {shortened_repr(row)} instead of the prices of a tier."
            remedy = "Write {input: price, output: price}."
            raise file.error(f"{place}: {day}", f"{problem} {remedy}")
        for rate, given in (dict.fromkeys(rates) if row is None else row).items():
            if rate not in RATES:
                problem = f"there is no such price.{did_you_mean(str(rate), RATES)}"
                raise file.error(f"{place}: {day}: {rate}", problem)
            rates.setdefault(rate, {})[day] = given
    return rates


def _step(file: PriceFile, place: str, day: Any, given: tuple[Any, Any]) -> dict[str, Any]:
    """Return one step of a price: a value, or [value, source, note]."""
    if type(day) is not date:
        problem = f"found {shortened_repr(day)} instead of the first day it applies."
        raise file.error(place, f"{problem} Write it as YYYY-MM-DD.")
    place = f"{place}: {day}"
    parts = given[0] if isinstance(given[0], list) else [given[0]]
    if not 1 <= len(parts) <= 3:
        problem = f"found {shortened_repr(parts)}. Write a price, or [price, source, note]."
        raise file.error(place, problem)
    value, name, note = [*parts, given[1], None][:3] if len(parts) < 2 else [*parts, None][:3]
    if name is None:
        problem = "there is no source. Add 'source: NAME' to the block, or write [price, source]."
        raise file.error(place, problem)
    source = file.source(place, name)
    if source.read_on is None:
        problem = f"the source '{name}' has no day. Add 'read_on: YYYY-MM-DD' to it."
        raise file.error(place, problem)
    return {
        "since": day,
        "value": value,
        "source": source.text,
        "read_on": source.read_on,
        "confidence": source.confidence,
        "note": note or source.note,
    }


def ended(file: PriceFile, entry: Entry, available: Mapping[str, Any]) -> Entry:
    """Return a series that ends when its model does, unless it ended before.

    Raises:
        PricingFileError: a price begins after the end.
    """
    steps, until = entry.body.get("steps"), available["until"]
    if not steps or steps[-1]["value"] is None:
        return entry
    if steps[-1]["since"] >= until:
        problem = f"the price begins after the end on {until}. Remove it, or correct the end."
        raise file.error(f"{entry.place}: {entry.days[-1]}", problem)
    end = {"since": until, "value": None, "source": available.get("source")}
    end |= {key: available.get(key, "high") for key in ("read_on", "confidence")}
    body = {**entry.body, "steps": [*steps, end]}
    return replace(entry, body=body, days=(*entry.days, str(until)))
