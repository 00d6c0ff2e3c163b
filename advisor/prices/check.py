"""Price book against another price list: every difference, and which ones are explained.

Names are matched exactly: provider prefix and alias come from a table, nothing is guessed. What is
compared is what will be billed: each price on the day of the check and on every later day on which
either side changes it. After the book ends a model, its prices are not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Literal, get_args

from pydantic import Field

from advisor.prices.book import PriceBook
from advisor.prices.models import ModelCard
from advisor.prices.other_sources import (
    ALWAYS,
    CONTEXT,
    ENDS,
    LONG,
    OUTPUT,
    OtherSource,
    SourceNames,
    Steps,
    Value,
)
from advisor.prices.series import TIERS, TOKEN_RATES, PriceSeries
from advisor.units import Record

Outcome = Literal["ended", "different", "not in the other source", "missing in the book"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""In the order in which they are listed."""
ABSENT: Outcome = "not in the other source"
COMPARED_KINDS = frozenset(
    {f"{tier}{rate}" for tier in TIERS for rate in (*TOKEN_RATES, "cache_write_1h")}
    | {"embedding", "batch_embedding"}
)
"""Kinds of prices that other sources list."""
EMBEDDING_KINDS = {"embedding": "input", "batch_embedding": "batch_input"}
"""Kind of the book -> kind under which other sources list it."""
Stated = tuple[str | None, date | None]
"""Source of a value of the book, and the day on which it was read."""
NOT_STATED: Stated = (None, None)
UNIT_SLIPS = {Decimal(1000): "1,000", Decimal(1_000_000): "1,000,000"}


class PriceException(Record):
    """A known difference, and why it is none."""

    item: str = Field(min_length=1)
    """Item of the price book; * stands for any text."""
    against: str
    """Name of the other source: genai-prices, models.dev or litellm."""
    other: str | None = None
    """Value there that is explained; any value if not given, "none" if there is no value."""
    reason: str = Field(min_length=10)
    """Why the book is right, or why the values cannot be compared."""
    source: str = Field(min_length=4)
    """Page or file that shows it."""
    until: date
    """Last day on which this holds; then it is checked again."""

    def explains(self, difference: Difference, source: str, day: date) -> bool:
        """Whether this exception explains a difference on a day."""
        return (
            day <= self.until
            and source == self.against
            and fnmatchcase(difference.item, self.item)
            and self.other in (None, difference.other or "none")
        )


class Difference(Record):
    """One item that the book and the other source state differently."""

    item: str
    """Item of the price book, or provider/model/fact."""
    outcome: Outcome
    """Kind of difference."""
    book: str | None
    """Value in the book; None if it has none."""
    source: str | None
    """Source of the book's value."""
    read_on: date | None
    """Day on which the book's value was last read."""
    other: str | None
    """Value in the other source; None if it has none."""
    on: date
    """First day on which they differ."""
    hint: str | None = None
    """What the numbers suggest."""
    explained: str | None = None
    """Reason of the exception that applies."""

    @property
    def says(self) -> str:
        """The difference as one line."""
        read = f" ({self.source}, read {self.read_on})" if self.source else ""
        text = f"{self.item}: book {self.book or 'none'}{read} / other {self.other or 'none'}"
        return f"{text}, from {self.on}" + (f"; {self.hint}" if self.hint else "")


class PriceCheck(Record):
    """The price book compared with one other source."""

    against: str
    """Name of the other source."""
    version: str
    """Version of its package, or its file."""
    day: date
    """Day of the comparison."""
    compared: int
    """Number of values that both have."""
    differences: tuple[Difference, ...]
    """Differences, unexplained ones first."""
    unmatched: tuple[str, ...]
    """Models of the book that are not in the other source."""
    not_in_book: tuple[str, ...]
    """Models of the same providers that are in the other source only."""

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Differences that no exception explains."""
        return tuple(item for item in self.differences if item.explained is None)


def check_prices(
    book: PriceBook,
    other: OtherSource,
    names: SourceNames,
    day: date,
    exceptions: Sequence[PriceException] = (),
) -> PriceCheck:
    """Compare every price and fact of the models that both have, from *day* on."""
    differences: list[Difference] = []
    unmatched, compared, matched = [], 0, set()
    until = date.max if other.is_dated else day + timedelta(days=1)
    for model, series in _series_by_model(book).items():
        name = names.name_of(model)
        if name is None:
            continue
        values = other.models.get(name)
        if values is None:
            unmatched.append(model)
            continue
        matched.add(name)
        series = {
            kind: one
            for kind, one in series.items()
            if other.can_state(EMBEDDING_KINDS.get(kind, kind))
        }
        rows = list(_compare(book, model, series, values, (day, until)))
        compared += sum(1 for _, row in rows if row is None)
        differences += [row for _, row in rows if row]
    differences = [_explained(row, other.name, day, exceptions) for row in differences]
    differences.sort(
        key=lambda row: (row.explained is not None, OUTCOMES.index(row.outcome), row.item, row.on)
    )
    return PriceCheck(
        against=other.name,
        version=other.version,
        day=day,
        compared=compared + len(differences),
        differences=tuple(differences),
        unmatched=tuple(sorted(unmatched)),
        not_in_book=_not_in_book(other.models, names, matched),
    )


def _series_by_model(book: PriceBook) -> Mapping[str, dict[str, PriceSeries]]:
    """Return the comparable series of each model that is billed per token, by kind."""
    found: dict[str, dict[str, PriceSeries]] = {}
    for item, series in book.prices.series.items():
        model, _, kind = item.rpartition("/")
        if kind in COMPARED_KINDS and not series.own:
            found.setdefault(model, {})[kind] = series
    return {model: kinds for model, kinds in found.items() if kinds.keys() & {"input", "embedding"}}


def _not_in_book(
    models: Iterable[str], names: SourceNames, matched: Collection[str]
) -> tuple[str, ...]:
    starts = tuple(prefix for prefix in names.prefixes.values() if prefix)
    return tuple(sorted(n for n in models if n.startswith(starts) and n not in matched))


def _compare(
    book: PriceBook,
    model: str,
    series: Mapping[str, PriceSeries],
    values: Mapping[str, Steps],
    days: tuple[date, date],
) -> Iterator[tuple[str, Difference | None]]:
    """Yield what was compared from the first of the days to before the second, and differences."""
    day, until = days
    card = book.models.get(model)
    ends = ends_on(card) or min(filter(None, map(_last_day, series.values())), default=None)
    base = _stated(next(iter(series.values())), day)
    yield from _compare_end(model, ends, _source_of_end(card, base), values.get(ENDS, ()), day)
    if ends and ends <= day:
        return
    for fact in (CONTEXT, OUTPUT, LONG):
        yield from _compare_fact(model, fact, card, values, day)
    is_embedding = "embedding" in series
    own_kind = {theirs: ours for ours, theirs in EMBEDDING_KINDS.items()}
    listed = {EMBEDDING_KINDS.get(kind, kind) if is_embedding else kind for kind in series}
    for kind, one in series.items():
        listed_as = EMBEDDING_KINDS.get(kind, kind) if is_embedding else kind
        for row in _compare_steps(one, values.get(listed_as, ()), day, min(until, ends or until)):
            yield one.item, row and _with_hint(row, kind, series, day)
    for kind in sorted(values.keys() & COMPARED_KINDS - listed):
        value = _value_on(values[kind], day)
        # a price of 0 is how sources write "not billed"; an embedding has no output
        if value and not (is_embedding and kind.endswith("output")):
            named = own_kind.get(kind, kind) if is_embedding else kind
            yield kind, _difference(f"{model}/{named}", None, NOT_STATED, value, day)


def ends_on(card: ModelCard | None) -> date | None:
    """Return the first day without service that the book states for a model."""
    return card.ends_on if card else None


def _source_of_end(card: ModelCard | None, base: Stated) -> Stated:
    fact = card.available if card else None
    return (fact.source, fact.read_on) if fact else base


def _last_day(series: PriceSeries) -> date | None:
    last = series.steps[-1] if series.steps else None
    return last.since if last and last.value is None else None


def _compare_end(
    model: str, ends: date | None, stated: Stated, steps: Steps, day: date
) -> Iterator[tuple[str, Difference | None]]:
    if not steps:
        return
    other = steps[0][1]
    is_same = other == ends or (other is True and ends is not None)
    has_ended = other is True or (isinstance(other, date) and other <= day)
    if is_same or (has_ended and ends and ends <= day):
        yield ENDS, None
        return
    row = _difference(f"{model}/{ENDS}", ends, stated, other, day)
    yield ENDS, row.model_copy(update={"outcome": "ended"}) if has_ended else row


def _compare_fact(
    model: str,
    fact: str,
    card: ModelCard | None,
    values: Mapping[str, Steps],
    day: date,
) -> Iterator[tuple[str, Difference | None]]:
    """Compare a size in tokens; a context window may be stated without the answer."""
    other, ours = _value_on(values.get(fact, ()), day), getattr(card, fact, None)
    if card is None or other is None:
        return
    accepted = [None if ours is None else Decimal(ours)]
    if fact == CONTEXT and ours and card.max_output_tokens:
        accepted.append(Decimal(ours - card.max_output_tokens))
    stated = (card.source, card.read_on)
    row = None if other in accepted else _difference(f"{model}/{fact}", ours, stated, other, day)
    yield fact, row


def _compare_steps(
    series: PriceSeries, steps: Steps, day: date, until: date
) -> Iterator[Difference | None]:
    """Compare a price on *day* and on each later day with a step, before *until*."""
    if series.unpriced is not None:
        return
    first = series.steps[0].since
    changes = {step.since for step in series.steps} | {since for since, _ in steps}
    days = sorted({max(day, first)} | {change for change in changes if change > max(day, first)})
    pairs = [(on, _book_value(series, on), _value_on(steps, on)) for on in days if on < until]
    same = True
    for (ours, theirs), group in groupby(pairs, key=lambda pair: pair[1:]):
        if ours != theirs and not (ours is None and not steps):
            same = False
            on = next(group)[0]
            yield _difference(series.item, ours, _stated(series, on), theirs, on)
    if same and pairs:
        yield None


def _book_value(series: PriceSeries, day: date) -> Decimal | None:
    begun = [step.value for step in series.steps if step.since <= day]
    return begun[-1] if begun else None


def _value_on(steps: Steps, day: date) -> Value:
    begun = [value for since, value in steps if since <= max(day, ALWAYS)]
    return begun[-1] if begun else None


def _difference(item: str, book: object, stated: Stated, other: Value, day: date) -> Difference:
    outcome: Outcome = "different"
    if book is None:
        outcome = "missing in the book"
    elif other is None:
        outcome = ABSENT
    source, read_on = stated if book is not None else NOT_STATED
    return Difference(
        item=item,
        outcome=outcome,
        book=_text(book),
        source=source,
        read_on=read_on,
        other=_text(other),
        on=day,
    )


def _stated(series: PriceSeries, day: date) -> Stated:
    """Return the source of a price on a day, and when it was read."""
    steps = [step for step in series.steps if step.since <= day]
    return (steps[-1].source, steps[-1].read_on) if steps else NOT_STATED


def _text(value: object) -> str | None:
    """Write a value; a price without trailing zeros.

    >>> _text(Decimal("2.50")), _text(True), _text(200000)
    ('2.5', 'ended', '200000')
    """
    if value is None:
        return None
    if value is True:
        return "ended"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _with_hint(
    row: Difference, kind: str, series: Mapping[str, PriceSeries], day: date
) -> Difference:
    """Add what the numbers suggest: a slipped unit, or a price of another kind."""
    if row.book is None or row.other is None:
        return row
    ours, theirs = Decimal(row.book), Decimal(row.other)
    hint = None
    for factor, text in UNIT_SLIPS.items():
        if theirs in (ours * factor, ours / factor):
            hint = f"a factor of {text}: one of the two may have the wrong unit"
    twin = {"input": "output", "output": "input"}.get(kind, "")
    if twin in series and theirs == _book_value(series[twin], day):
        hint = f"this is the book's price of {twin}: input and output may be swapped"
    return row.model_copy(update={"hint": hint})


def _explained(
    row: Difference, source: str, day: date, exceptions: Sequence[PriceException]
) -> Difference:
    reasons = (one.reason for one in exceptions if one.explains(row, source, day))
    return row.model_copy(update={"explained": next(reasons, None)})
