"""Everything that can go wrong while working out an answer.

* AdvisorError
  + PricingError
    - PricingFileError      the price book breaks a rule of its own format
    - UnknownPrice          no series, model, provider or GPU has this name
    - PriceNotYetKnown      asked for a day before the first known value
    - PriceWithdrawn        asked for a day on which it was no longer sold
    - Unpriced              the item stands in the book, but nobody published a price
  + DatasetError            the dataset cannot be read at all
  + ScenarioError           the question cannot be understood
  + TeamRuleError           a rule that a team added cannot be used
  + UsageError              a flag or path cannot be used

A wrong answer is worse than none, so nothing here is caught inside the core.
Doubts that do not stop the sum are not errors: they travel in the result as caveats.

What is wrong with a record that was read -> what was found there, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any, get_args

from advisor.units import Record


class AdvisorError(Exception):
    """Base of every error the advisor raises on purpose; a shell prints it and exits with 2.

    HTTP answers with `http_status`; `what_to_do` is the remedy in general, for the list of errors.
    """

    code = "advisor-error"
    http_status = 422
    what_to_do = "Do what the message says."


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' with the nearest names, or what names there are if none is near.

    >>> did_you_mean("epocs", ["epochs", "seed"])
    " Did you mean 'epochs'?"
    """
    names = sorted(known)
    close = get_close_matches(asked, names, n=3, cutoff=0.5)
    if close:
        return f" Did you mean {', '.join(repr(name) for name in close)}?"
    return f" Known: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}." if names else ""


class PricingError(AdvisorError):
    """A price could not be used."""

    code = "pricing-error"


class PricingFileError(PricingError):
    """The price book breaks a rule of its own format."""

    code = "pricing-file"
    what_to_do = "Mend the file at the place that is named."

    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}")


class UnknownPrice(PricingError):
    """Nothing in the price book has this name."""

    code = "unknown-price"
    what_to_do = "Take one of the nearest names."

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"the price book has no {kind} '{name}'.{did_you_mean(name, known)}")


class PriceNotYetKnown(PricingError):
    """The day asked for lies before the first known value."""

    code = "price-not-yet-known"
    what_to_do = "Ask for a later day, or add an older step with its source."

    def __init__(self, item: str, day: date, first: date) -> None:
        self.item, self.day, self.first = item, day, first
        super().__init__(
            f"'{item}' has no price on {day}: the first one known is of {first}. "
            f"Ask for {first} or later, or add an older step with its source."
        )


class PriceWithdrawn(PricingError):
    """The item was no longer sold on the day asked for."""

    code = "price-withdrawn"
    what_to_do = "Choose another item."

    def __init__(self, item: str, day: date, since: date) -> None:
        self.item, self.day, self.since = item, day, since
        super().__init__(
            f"'{item}' is not sold on {day}: it was withdrawn on {since}. Choose another item."
        )


class Unpriced(PricingError):
    """The item stands in the book, but nobody published a price for it."""

    code = "unpriced"
    what_to_do = "Put your own quote into an overlay and pass it with --prices."

    def __init__(self, item: str, why: str) -> None:
        self.item, self.why = item, why
        super().__init__(
            f"'{item}' has no published price: {why} Add your own quote under prices: in an "
            f"overlay file and pass it with --prices FILE."
        )


class DatasetError(AdvisorError):
    """The dataset cannot be read at all: what was found, where, and what to do."""

    code = "dataset"
    what_to_do = "Do what the message says: save as UTF-8, unpack, name the columns."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}")


class ScenarioError(AdvisorError):
    """The question cannot be understood: the path in it, the value found, and what to do."""

    code = "scenario"
    what_to_do = "Correct the path that is named."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}")


class TeamRuleError(AdvisorError):
    """A rule that a team added cannot be used: which, where in it, and what to do."""

    code = "team-rule"
    what_to_do = "Mend the rule at the place that is named."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}".rstrip())


class UsageError(AdvisorError):
    """A flag or a path on the command line cannot be used."""

    code = "usage"
    what_to_do = "Correct it as the message says."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}")


VALIDATION_REMEDIES = {
    "finite_number": "Give a finite number.",
    "float": "Give a number without unit or separators, such as 1000000 or 1e6.",
    "int": "Give a whole number.",
    "bool": "Give true or false.",
    "date": "Give a day as YYYY-MM-DD.",
    "greater_than_equal": "Give a number of {ge:g} or more.",
    "less_than_equal": "Give a number of {le:g} or less.",
    "greater_than": "Give a number above {gt:g}.",
    "literal_error": "Choose one of {expected}.",
}
"""What to do about each kind of mistake; the longest key that the kind starts with holds."""


def explain_validation_error(
    record: type[Record], loc: Sequence[int | str], error: Mapping[str, Any]
) -> tuple[str, str]:
    """Say what was found at a place of a record, and what to do about it.

    Args:
        record: What was read.
        loc: Keys and places in lists, outermost first.
        error: One error of pydantic.
    """
    kind = error["type"]
    if kind == "extra_forbidden":
        return "there is no such key.", did_you_mean(
            str(loc[-1]), _sibling_keys(record, loc)
        ).strip()
    if kind == "missing":
        return "this key is missing.", "Add it."
    matching = [key for key in VALIDATION_REMEDIES if kind.startswith(key)]
    remedy = VALIDATION_REMEDIES[max(matching, key=len)] if matching else f"{error['msg']}."
    return f"found {shortened_repr(error['input'])}.", remedy.format(**error.get("ctx", {}))


def _sibling_keys(record: type[Record], loc: Sequence[int | str]) -> list[str]:
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        annotation: Any = record.model_fields[part].annotation
        for inner in (annotation, *get_args(annotation)):
            if isinstance(inner, type) and issubclass(inner, Record):
                record = inner
    return list(record.model_fields)


def shortened_repr(value: object) -> str:
    """Write a value that was found, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
