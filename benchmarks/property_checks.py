"""Properties that every answer must have, each checked on one random question.

A check compares two ways to ask, and records what it compared, whether the change had any effect,
and whether the property was violated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

from advisor.decision.answer import Answer, recommend
from advisor.decision.evaluate import EvaluatedQuestion, Question, evaluate
from advisor.decision.sweep import sweep
from advisor.errors import AdvisorError, PricingError
from advisor.options.option import Option
from advisor.prices.book import PriceBook
from benchmarks.engine import single_answer, sweep_row
from benchmarks.option_amounts import (
    OptionAmounts,
    changed,
    option_amounts,
    reordered,
    with_lower_price,
)
from benchmarks.random_questions import draws_of

HALF_A_CENT = 0.005
CUT = 0.7
"""Factor on a price that is lowered."""
CUTS = 3
"""Prices lowered for each question, one at a time."""
SMALL_SHARE = 0.01
JUMP_SHARE = 0.03
"""Largest change of a bill between a cache share of 0 and of 0.01, over its input tokens."""
LATER_DAYS = tuple(date(2026 + (m - 1) // 12, (m - 1) % 12 + 1, 15) for m in range(12, 37, 3))
SELF_HOSTED_KINDS = frozenset(
    (
        "gpu_hour",
        "spot_gpu_hour",
        "serverless_gpu_hour",
        "cpu_hour",
        "vcpu_hour",
        "gib_hour",
        "electricity_kwh",
    )
)
"""Prices of machines, which may be used where no text may be sent to a model provider."""
ENDS = ("likely", "low", "high")


class Comparison(NamedTuple):
    """One comparison of a property."""

    name: str
    """Property."""
    has_effect: bool
    """Whether the two sides differ at all: a property of an ignored field holds trivially."""
    violation: str
    """What was found; empty if the property holds."""
    end: str = "likely"
    """Which amount is compared: likely, low or high."""


@dataclass(frozen=True)
class Subject:
    """One random question with what several checks need of it."""

    seed: str
    question: Question

    @cached_property
    def amounts(self) -> dict[str, OptionAmounts]:
        """Amounts of every option."""
        return option_amounts(self.question)

    @cached_property
    def answer(self) -> Answer:
        """The complete answer."""
        return recommend(self.question)

    def random(self, purpose: str) -> Random:
        """Return a generator of its own for a check."""
        return Random(f"{self.seed}-{purpose}")

    def with_changes(self, **changes: Any) -> dict[str, OptionAmounts]:
        """Return the amounts with other values at paths, written with two underscores."""
        paths = {path.replace("__", "."): value for path, value in changes.items()}
        return option_amounts(changed(self.question, paths))


Check = Callable[[Subject], Iterator[Comparison]]
Amounts = Mapping[str, OptionAmounts]


def never_less(
    name: str, cheaper: Amounts, other: Amounts, ids: Iterable[str] | None = None
) -> Iterator[Comparison]:
    """Compare every option of two askings: *cheaper* must not cost more than *other*.

    The likely cost and both ends of the range are compared; a difference below half a cent and
    options that are listed once only do not count.
    """
    for option_id in cheaper if ids is None else ids:
        if option_id not in cheaper or option_id not in other:
            continue
        less, more = cheaper[option_id].total, other[option_id].total
        for end, low, high in zip(ENDS, less, more, strict=True):
            slack = HALF_A_CENT + 1e-9 * abs(high)
            found = "" if low <= high + slack else f"{option_id}, {end}: {high:,.2f} < {low:,.2f}"
            yield Comparison(name, abs(low - high) > 1e-9 * abs(high), found, end)


def traffic(subject: Subject) -> Iterator[Comparison]:
    """More traffic never costs less."""
    requests = subject.question.scenario.traffic.requests_per_month or 10_000.0
    before = subject.with_changes(traffic__requests_per_month=requests)
    for factor in (1.1, 2, 10):
        after = subject.with_changes(traffic__requests_per_month=requests * factor)
        yield from never_less("more traffic never costs less", before, after)


def lower_price(subject: Subject) -> Iterator[Comparison]:
    """A lower price never makes an option more expensive."""
    book = subject.question.book
    used = {item for found in subject.amounts.values() for item in found.price_items}
    items = sorted(used & set(book.prices.series))
    for item in subject.random("cuts").sample(items, min(CUTS, len(items))):
        asked = replace(subject.question, book=with_lower_price(book, item, CUT))
        for comparison in never_less(
            "a lower price never costs more", option_amounts(asked), subject.amounts
        ):
            found = comparison.violation and f"{item}: {comparison.violation}"
            yield comparison._replace(violation=found)


def _monotone(name: str, falling: list[Amounts]) -> Iterator[Comparison]:
    for more, less in pairwise(falling):
        yield from never_less(name, less, more)


def batch(subject: Subject) -> Iterator[Comparison]:
    """A larger share that can be batched never costs more."""
    shares = (0.0, 0.4, 1.0)
    falling = [subject.with_changes(traffic__batchable_share=share) for share in shares]
    return _monotone("more batch never costs more", list(falling))


def flex(subject: Subject) -> Iterator[Comparison]:
    """A larger share that can take the flex tier never costs more."""
    shares = (0.0, 0.4, 1.0)
    falling = [subject.with_changes(traffic__flexible_share=share) for share in shares]
    return _monotone("more flex never costs more", list(falling))


def may_decline(option: Option) -> bool:
    """Whether the caller decides if a prefix is cached, or caching has no price of its own."""
    modes = option.card.cache.modes if option.card and option.card.cache else ()
    return "explicit" in modes or not any(kind.endswith("cache_write") for kind in option.prices)


def caching(subject: Subject) -> Iterator[Comparison]:
    """Caching never costs more where it can be declined, and a small hit share does not jump."""
    best = subject.with_changes(traffic__caching="best")
    none = subject.with_changes(traffic__caching="none")
    free = [name for name, found in best.items() if may_decline(found.option)]
    yield from never_less("caching never costs more, against none", best, none, free)
    unhit = subject.with_changes(traffic__caching="best", traffic__cache_hit_share=0.0)
    yield from never_less("caching never costs more, against a share of 0", best, unhit, free)
    implicit = subject.with_changes(traffic__caching="implicit")
    yield from never_less("best caching never costs more than implicit", best, implicit)
    path = {"traffic__cache_hit_share": SMALL_SHARE}
    yield from _jumps(unhit, subject.with_changes(traffic__caching="best", **path))


def _jumps(at_zero: Amounts, at_small: Amounts) -> Iterator[Comparison]:
    for option_id, found in at_zero.items():
        before, after = found.total.likely, at_small[option_id].total.likely
        step = abs(after - before)
        allowed = JUMP_SHARE * found.input_usd + HALF_A_CENT
        says = f"{option_id}: {before:,.2f} -> {after:,.2f}, input {found.input_usd:,.2f}"
        yield Comparison(
            "a cache share of 0.01 does not jump", step > 0, says if step > allowed else ""
        )


def horizon(subject: Subject) -> Iterator[Comparison]:
    """The total never falls with a longer horizon."""
    months = subject.question.scenario.horizon_months
    for longer in (months + 1, min(2 * months, 120)):
        if longer > months:
            after = subject.with_changes(horizon_months=longer)
            yield from never_less("a longer horizon never costs less", subject.amounts, after)


def growth(subject: Subject) -> Iterator[Comparison]:
    """More growth, less churn and a higher spike never cost less."""
    given = subject.question.scenario.traffic
    grown = (given.growth_per_month or 0.0) + 0.05
    after = subject.with_changes(traffic__growth_per_month=grown)
    yield from never_less("more growth never costs less", subject.amounts, after)
    lost = min((given.churn_per_month or 0.0) + 0.05, 1.0)
    after = subject.with_changes(traffic__churn_per_month=lost)
    yield from never_less("more churn never costs more", after, subject.amounts)
    month = {"traffic__spike_month": given.spike_month or 3}
    low, high = (subject.with_changes(traffic__spike_factor=f, **month) for f in (1.0, 4.0))
    yield from never_less("a higher spike never costs less", low, high)


def sweep_equals_single(subject: Subject) -> Iterator[Comparison]:
    """Every column of a sweep equals the single answer, to the cent."""
    r = subject.random("sweep")
    numbers = ["traffic.requests_per_month", "traffic.prefix_tokens", "horizon_months"]
    more = ["dataset.examples", "traffic.cache_hit_share", "traffic.growth_per_month"]
    paths = [*numbers, *r.sample(more, 2)]
    variants = [{path: draws_of(path)(r) for path in paths} for _ in range(2)]
    variants[1] |= {"quality.prompt_effort": "systematic"}
    columns = sweep(subject.question, variants)
    for place, variant in enumerate(variants):
        swept, single = sweep_row(columns, place), single_answer(subject.question, variant)
        found = "" if swept == single else f"{variant}: {swept} != {single}"
        yield Comparison("a sweep equals single answers", True, found)


@lru_cache(maxsize=4)
def _reordered(book: PriceBook, number: int) -> PriceBook:
    return reordered(book, Random(number).shuffle)


def order(subject: Subject) -> Iterator[Comparison]:
    """The order of models, providers, GPUs and prices in the book does not matter."""
    number = subject.random("order").randrange(3)
    again = recommend(replace(subject.question, book=_reordered(subject.question.book, number)))
    ours, theirs = subject.answer.decision.recommended, again.decision.recommended
    found = "" if ours == theirs else f"{ours} != {theirs}"
    if not found:
        bills = {bill.id: bill for bill in again.options}
        found = next((b.id for b in subject.answer.options if bills.get(b.id) != b), "")
    yield Comparison("the order of the book does not matter", True, found)


def ended(subject: Subject) -> Iterator[Comparison]:
    """No option is offered after its end, on the day of the question and on a later one."""
    later = subject.random("day").choice(LATER_DAYS)
    days = (subject.question.scenario.asked_on, later)
    for day in days:
        asked = changed(subject.question, {"asked_on": day.isoformat()})
        try:
            evaluated = evaluate(asked)
        except PricingError:
            continue  # the current model of the scenario is not sold on that day
        yield from _offered_after_end(evaluated, day)


def ends_of(option: Option) -> list[date]:
    """Return every day on which the option, its model, its base or its offer ends."""
    records = (option, option.card, option.base, option.offer)
    names = ("ends_on", "shutdown_on", "result_ends_on")
    found = (getattr(record, name, None) for record in records for name in names)
    return [day for day in found if day]


def _offered_after_end(evaluated: EvaluatedQuestion, day: date) -> Iterator[Comparison]:
    for entry in (*evaluated.eligible, evaluated.winner):
        option, months = entry.option, entry.costs.months
        ends = ends_of(option)
        over = [end for end in ends if end <= day]
        found = f"{option.id} on {day}: ends {over[0]}" if over else ""
        if months <= 0:
            found = f"{option.id} on {day}: {months} months of use"
        yield Comparison("no option is offered after its end", bool(ends), found)


def allowed_providers(subject: Subject) -> Iterator[Comparison]:
    """Every seller in a bill is allowed by the limits of the scenario."""
    scenario = subject.question.scenario
    allowed = scenario.limits.providers
    for bill in subject.answer.options:
        if bill.id == "current":
            continue  # a fact that the user states
        for item in {line.price_item for line in bill.bill if line.price_item}:
            seller, kind = item.split("/", 1)[0], item.rsplit("/", 1)[-1]
            if seller == "own":
                continue
            found = f"{bill.id}: {item}"
            refused = bool(allowed) and seller not in allowed
            yield Comparison(
                "every provider in a bill is allowed", bool(allowed), found if refused else ""
            )
            private = scenario.needs.privacy_self_host and kind not in SELF_HOSTED_KINDS
            sent = private or not scenario.limits.data_may_leave
            stays = scenario.needs.privacy_self_host or not scenario.limits.data_may_leave
            yield Comparison("no data is sent where it must stay", stays, found if sent else "")


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        traffic,
        lower_price,
        batch,
        flex,
        caching,
        horizon,
        growth,
        sweep_equals_single,
        order,
        ended,
        allowed_providers,
    )
}


def comparisons(subject: Subject, checks: Mapping[str, Check]) -> Iterator[Comparison]:
    """Run checks on one question; an error of the engine is a violation of its own."""
    for name, check in checks.items():
        try:
            yield from check(subject)
        except (AdvisorError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            says = f"{name}: {type(error).__name__}: {str(error)[:160]}"
            yield Comparison("no crash", True, says)
        else:
            yield Comparison("no crash", True, "")
