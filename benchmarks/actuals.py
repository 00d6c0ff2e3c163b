"""Planted deviations in twelve synthetic months: each one found, nothing else.

    python -m benchmarks.actuals

The forecast is the bill of one option; its exports are written with noise and with deviations that
are planted one at a time and all at once, as OpenAI's usage and cost exports and as a FOCUS file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from functools import cache

from advisor.actuals.comparison import Comparison, compare_actuals
from advisor.actuals.drift import Drift
from advisor.actuals.formats import read_actuals
from advisor.actuals.lines import merged
from advisor.decision.answer import Answer, recommend
from advisor.decision.bill import OptionBill
from advisor.decision.bill_months import bill_months
from advisor.loading import make_question
from advisor.prices.loader import load_prices
from benchmarks.usage_export import (
    Deviations,
    Plan,
    daily_usage,
    focus_csv,
    openai_cost_csv,
    openai_usage_csv,
)

STARTS_ON = date(2026, 12, 1)
OPTION = "prompt:openai:gpt-5.4"
MODEL, OTHER_MODEL = "gpt-5.4", "gpt-5.4-mini"
REQUESTS = 1_000_000
SCENARIO = {
    "name": "Invoice extraction",
    "asked_on": STARTS_ON.isoformat(),
    "task": "extraction",
    "horizon_months": 12,
    "quality": {"held_out_examples": 0},
    "traffic": {
        "requests_per_month": REQUESTS,
        "prefix_tokens": 2000,
        "user_tokens": 400,
        "completion_tokens": 150,
        "cache_hit_share": 0.8,
    },
}
PLANTED: Mapping[str, tuple[object, str, str]] = {
    "traffic": ((1.3, 4), "traffic +30% from month 4", "requests_per_month"),
    "output": ((1.4, 1), "output tokens x1.4", "completion_tokens"),
    "cached": ((0.5, 1), "cache share halved", "cache_hit_share"),
    "price": ((1.2, 6), "output price x1.2 from month 6", f"openai/{MODEL}/output"),
    "model": ((OTHER_MODEL, 10), "another model from month 10", f"openai/{MODEL} -> openai/"),
    "line": (("web search tool calls", 5), "web searches in months 5 to 7", "web-search"),
}
"""Field of `Deviations` -> value, description, and the start of what names it."""
FORMATS = ("OpenAI", "FOCUS")


@cache
def forecast() -> tuple[Answer, OptionBill, Plan]:
    """Return the answer, the bill of the option and the plan that the exports follow."""
    answer = recommend(make_question(SCENARIO, "benchmark"))
    bill = next(option for option in answer.options if option.id == OPTION)
    book = load_prices().prices
    prices = {
        model: {
            kind: book.on(f"openai/{model}/{kind}", STARTS_ON).value
            for kind in ("input", "cached_input", "output")
        }
        for model in (MODEL, OTHER_MODEL)
    }
    return answer, bill, Plan(bill_months(bill, STARTS_ON), REQUESTS, prices)


def comparison_of(deviations: Deviations, format_: str, seed: int = 1) -> Comparison:
    """Write the exports of a year with deviations, read them back and compare."""
    answer, bill, plan = forecast()
    days = list(daily_usage(plan, deviations, seed))
    if format_ == "FOCUS":
        texts = {"focus.csv": focus_csv(days, "OpenAI", "openai")}
    else:
        texts = {"usage.csv": openai_usage_csv(days), "cost.csv": openai_cost_csv(days)}
    actuals = merged(read_actuals(text, name) for name, text in texts.items())
    return compare_actuals(answer, bill, actuals, STARTS_ON)


def planted(*names: str) -> Deviations:
    """Return the deviations of some names of `PLANTED`."""
    values = {name: PLANTED[name][0] for name in names}
    assert values.keys() <= {field.name for field in fields(Deviations)}
    return Deviations(**values)  # type: ignore[arg-type]


def found(name: str, drifts: tuple[Drift, ...]) -> list[Drift]:
    """Return the drifts that a planted deviation explains."""
    mark = PLANTED[name][2]
    names = {drift.name: drift for drift in drifts}
    starts = (mark, f"openai/{mark}")
    return [drift for name, drift in names.items() if name.startswith(starts)]


def main() -> None:
    """Print what was planted and what was found."""
    print(f"{'planted':<36} {'exports':<8} {'found':<6} {'since':<8} {'likely':<7} others")
    cases = [(), *((name,) for name in PLANTED), tuple(PLANTED)]
    for format_ in FORMATS:
        for names in cases:
            for row in result_rows(names, format_):
                print("{:<36} {:<8} {:<6} {:<8} {:<7} {}".format(*row))


def result_rows(names: tuple[str, ...], format_: str) -> list[tuple[str, ...]]:
    """Return one row per planted deviation, or one for none."""
    drifts = comparison_of(planted(*names), format_).drifts
    explained = {drift.name for name in names for drift in found(name, drifts)}
    others = ", ".join(drift.name for drift in drifts if drift.name not in explained) or "none"
    if not names:
        return [("nothing", format_, "-", "-", "-", others)]
    rows = []
    for name in names:
        label = PLANTED[name][1] if len(names) == 1 else f"all: {PLANTED[name][1]}"
        drift = next(iter(found(name, drifts)), None)
        since = f"{drift.since:%Y-%m}" if drift else "-"
        likely = f"{drift.likely:.3g}" if drift and drift.likely is not None else "-"
        rows.append((label, format_, "yes" if drift else "no", since, likely, others))
    return rows


if __name__ == "__main__":
    main()
