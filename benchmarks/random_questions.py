"""Random realistic questions: a spread for every field of the scenario."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any, get_args

from advisor.decision.evaluate import Question
from advisor.errors import PricingError
from advisor.loading import load_evidence, load_rule_catalogue
from advisor.prices.book import PriceBook
from advisor.prices.series import PriceTable
from advisor.scenario.paths import set_path
from advisor.scenario.scenario import (
    Dataset,
    Knowledge,
    Needs,
    Organisation,
    Quality,
    Scenario,
    Team,
    Traffic,
    scenario_from,
)
from advisor.units import Record, Tasks

FIRST_DAY, LAST_DAY = date(2026, 11, 20), date(2027, 2, 28)
NOT_DRAWN = frozenset({"name", "note", "currency", "tags", "dataset.path", "quality.metric"})
"""Fields that change no figure, a file that is not there, a currency that needs a rate."""

Draw = Callable[[Random], Any]


@dataclass(frozen=True)
class Spread:
    """How often a field is given, and its values."""

    given_share: float
    draw: Draw


def log_uniform(low: float, high: float) -> Draw:
    """Draw a whole number whose logarithm is uniform."""
    return lambda r: round(math.exp(r.uniform(math.log(low), math.log(high))))


def uniform(low: float, high: float) -> Draw:
    """Draw a uniform number with three decimals."""
    return lambda r: round(r.uniform(low, high), 3)


def share(r: Random) -> float:
    """Draw a share; the ends are as likely as a fifth of the middle."""
    return r.choice([0.0, 1.0, *(round(r.random(), 2) for _ in range(8))])


def choice_of(record: type[Record], name: str) -> Draw:
    """Draw one of the values that a field allows."""
    groups = [get_args(arg) or (arg,) for arg in get_args(record.model_fields[name].annotation)]
    values = [value for group in groups for value in group if isinstance(value, str)]
    return lambda r: r.choice(values)


def yes(r: Random) -> bool:
    """Draw yes: how often is the share of the field."""
    return True


def yes_or_no(r: Random) -> bool:
    """Draw yes or no."""
    return r.random() < 0.5


def _months(r: Random) -> list[float]:
    return [round(r.uniform(0.3, 2.0), 2) for _ in range(12)]


NUMBERS: dict[str, Spread] = {
    "traffic.requests_per_month": Spread(0.95, log_uniform(100, 100_000_000)),
    "traffic.peak_factor": Spread(0.3, uniform(1, 25)),
    "traffic.batchable_share": Spread(0.4, share),
    "traffic.prefix_tokens": Spread(0.8, log_uniform(20, 40_000)),
    "traffic.context_tokens": Spread(0.25, log_uniform(50, 60_000)),
    "traffic.user_tokens": Spread(0.8, log_uniform(10, 8_000)),
    "traffic.completion_tokens": Spread(0.8, log_uniform(1, 3_000)),
    "traffic.reasoning_tokens": Spread(0.25, log_uniform(50, 12_000)),
    "traffic.tool_tokens": Spread(0.2, log_uniform(100, 10_000)),
    "traffic.turns": Spread(0.25, uniform(1, 15)),
    "traffic.cache_hit_share": Spread(0.4, share),
    "traffic.tuned_prefix_tokens": Spread(0.2, log_uniform(1, 500)),
    "traffic.flexible_share": Spread(0.3, share),
    "traffic.growth_per_month": Spread(0.12, uniform(-0.1, 0.25)),
    "traffic.churn_per_month": Spread(0.08, uniform(0, 0.15)),
    "traffic.spike_factor": Spread(0.08, uniform(1, 8)),
    "knowledge.chunk_tokens": Spread(0.5, log_uniform(100, 2_000)),
    "knowledge.top_k": Spread(0.5, lambda r: r.randint(1, 20)),
    "knowledge.changed_share": Spread(0.3, share),
    "hosting.max_load_share": Spread(0.2, uniform(0.3, 1)),
    "dataset.examples": Spread(0.7, log_uniform(5, 100_000)),
    "dataset.examples_to_label": Spread(0.2, log_uniform(10, 5_000)),
    "quality.judged_per_month": Spread(0.2, log_uniform(10, 20_000)),
    "quality.held_out_examples": Spread(0.3, log_uniform(20, 2_000)),
    "quality.target": Spread(0.6, uniform(0.5, 0.98)),
    "limits.budget_one_off_usd": Spread(0.15, log_uniform(5, 20_000)),
    "limits.budget_monthly_usd": Spread(0.15, log_uniform(50, 50_000)),
    "limits.latency_p95_ms": Spread(0.15, log_uniform(200, 20_000)),
    "team.usd_per_hour": Spread(0.4, uniform(20, 150)),
    "team.minutes_per_label": Spread(0.2, uniform(0.2, 20)),
    "team.usd_per_label": Spread(0.1, uniform(0.02, 3)),
    "horizon_months": Spread(0.8, lambda r: r.randint(1, 24)),
    "retrain_every_months": Spread(0.4, uniform(1, 24)),
    "dataset.classes": Spread(0.3, log_uniform(2, 200)),
    "dataset.tenants": Spread(0.15, log_uniform(2, 500)),
}
WORDS: dict[str, Spread] = {
    "task": Spread(0.9, lambda r: r.choice(Tasks)),
    "traffic.caching": Spread(0.3, choice_of(Traffic, "caching")),
    "traffic.seasonality": Spread(0.08, _months),
    "traffic.spike_month": Spread(0.08, lambda r: r.randint(1, 12)),
    "dataset.label_quality": Spread(0.6, choice_of(Dataset, "label_quality")),
    "knowledge.change": Spread(0.4, choice_of(Knowledge, "change")),
    "knowledge.rerank": Spread(0.15, yes),
    "knowledge.permissions_per_user": Spread(0.1, yes),
    "knowledge.retrieval_tried": Spread(0.3, yes_or_no),
    "quality.has_eval": Spread(0.7, lambda r: r.random() < 0.8),
    "quality.error_cost": Spread(0.4, choice_of(Quality, "error_cost")),
    "quality.prompt_effort": Spread(0.7, choice_of(Quality, "prompt_effort")),
    "quality.prompting": Spread(0.4, choice_of(Quality, "prompting")),
    "organisation.openai": Spread(0.5, choice_of(Organisation, "openai")),
    "organisation.azure": Spread(0.3, choice_of(Organisation, "azure")),
    "hosting.high_availability": Spread(0.15, yes),
    "hosting.cold_starts": Spread(0.3, yes_or_no),
    "hosting.spot": Spread(0.15, yes),
    "limits.regions": Spread(0.1, lambda r: [r.choice(["EU", "US"])]),
    "limits.data_may_leave": Spread(0.1, lambda r: False),
    "team.ml": Spread(0.4, choice_of(Team, "ml")),
    **{f"needs.{name}": Spread(0.12, yes) for name in Needs.model_fields},
}
FROM_BOOK = (
    "asked_on",
    "knowledge.corpus_tokens",
    "knowledge.store",
    "quality.measured",
    "quality.judge",
    "current",
    "hardware",
    "limits.providers",
    "limits.licences",
)
"""Fields whose values depend on the price book or on other fields."""


def leaf_paths(record: type[Record] = Scenario, start: str = "") -> Iterator[str]:
    """Yield the path of every field; optional and repeated records count as one field."""
    for name, info in record.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Record):
            yield from leaf_paths(info.annotation, f"{start}{name}.")
        else:
            yield f"{start}{name}"


def random_question(seed: str, book: PriceBook) -> Question:
    """Create the question of a seed; the same seed always gives the same question."""
    r = Random(seed)
    given: dict[str, Any] = {}
    for path, spread in (NUMBERS | WORDS).items():
        value, is_given = spread.draw(r), r.random() < spread.given_share
        if is_given:
            given = set_path(given, path, value)
    day = FIRST_DAY + timedelta(days=r.randrange((LAST_DAY - FIRST_DAY).days))
    for path, value in _from_book(r, book, day).items():
        given = set_path(given, path, value)
    scenario = scenario_from({"name": seed, **given})
    return Question(scenario, book, load_evidence(), catalogue=load_rule_catalogue())


def _from_book(r: Random, book: PriceBook, day: date) -> Mapping[str, Any]:
    models = sorted(
        card.id
        for card in book.models.values()
        if card.provider != "open" and _is_sold(book.prices, card.id, day)
    )
    sellers = sorted({item.split("/", 1)[0] for item in book.prices.series} - {"own"})
    stores = sorted({item.rsplit("/", 1)[0] for item in book.prices.series if "/vector_" in item})
    licences = sorted({card.licence for card in book.models.values() if card.licence})
    found: dict[str, Any] = {"asked_on": day.isoformat()}
    drawn: dict[str, tuple[float, Any]] = {
        "knowledge.corpus_tokens": (0.35, log_uniform(2_000, 3_000_000_000)(r)),
        "knowledge.store": (0.1, r.choice(stores)),
        "quality.measured": (0.3, [_measured(r, models) for _ in range(r.randint(1, 2))]),
        "quality.judge": (0.1, r.choice(models)),
        "current": (0.4, _current(r, models)),
        "hardware": (0.2, [_machine(r, sorted(book.gpus))]),
        "limits.providers": (0.3, r.sample(sellers, r.randint(1, min(8, len(sellers))))),
        "limits.licences": (0.1, r.sample(licences, r.randint(1, len(licences)))),
    }
    for path, (given_share, value) in drawn.items():
        if r.random() < given_share:
            found[path] = value
    return found


def _is_sold(prices: PriceTable, model: str, day: date) -> bool:
    try:
        prices.on(f"{model}/input", day)
        prices.on(f"{model}/output", day)
    except PricingError:
        return False
    return True


def _measured(r: Random, models: list[str]) -> dict[str, Any]:
    approach = r.choice(["prompt", "few_shot", "rag", "lora", "encoder"])
    named = {"model": r.choice(models)} if approach == "prompt" and r.random() < 0.7 else {}
    return {"approach": approach, "value": round(r.uniform(0.4, 0.97), 2), "n": 100, **named}


def _current(r: Random, models: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"approach": r.choice(["prompt", "few_shot", "rag"])}
    if r.random() < 0.8:
        found["model"] = r.choice(models)
    if r.random() < 0.4 or "model" not in found:
        found["monthly_cost_usd"] = log_uniform(10, 100_000)(r)
    return found


def _machine(r: Random, gpus: list[str]) -> dict[str, Any]:
    machine = {"gpu": r.choice(gpus), "count": r.choice([1, 1, 2, 4, 8])}
    if r.random() < 0.5:
        return machine | {"usd_per_hour": round(r.uniform(0.05, 4), 2)}
    return machine | {
        "purchase_usd": log_uniform(500, 40_000)(r),
        "usd_per_kwh": round(r.uniform(0.05, 0.45), 2),
        "lifetime_months": r.choice([24, 36, 60]),
    }


def draws_of(path: str) -> Draw:
    """Return how a number or word is drawn."""
    return (NUMBERS | WORDS)[path].draw
