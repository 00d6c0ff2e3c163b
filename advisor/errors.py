"""Errors of the advisor: one class per kind, each with a stable code, a place and a remedy.

* AdvisorError
  + PricingError
    - PricingFileError      the price book breaks a rule of its own format
    - UnknownPrice          no series, model, provider or GPU has this name
    - PriceNotYetKnown      the day is before the first known value
    - PriceWithdrawn        the item was no longer sold on the day
    - Unpriced              the item is in the book, but its price is not published
  + DatasetError            the dataset cannot be read at all
  + ScenarioError           the scenario has an unknown key or an invalid value
  + TeamRuleError           a team rule cannot be used
  + UsageError              a flag or path cannot be used
  + ActualsFileError        an export of usage or costs cannot be read

A wrong answer is worse than none, so nothing here is caught inside the core.
Doubts that do not stop a calculation are not errors: they are caveats in the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel


class AdvisorError(Exception):
    """Base of every error the advisor raises on purpose; the CLI prints it and exits with 2.

    HTTP responds with `http_status`; `what_to_do` is the general remedy for the list of errors.
    """

    code = "advisor-error"
    http_status = 422
    what_to_do = "Follow the message."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' with the nearest names, or the known names if none is near.

    >>> did_you_mean("epocs", ["epochs", "seed"])
    " Did you mean 'epochs'?"
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f" Did you mean {', '.join(repr(match) for match in close)}?"
    return f" Known: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}." if names else ""


class PricingError(AdvisorError):
    """A price could not be used."""

    code = "pricing-error"


class PricingFileError(PricingError):
    """The price book breaks a rule of its own format."""

    code = "pricing-file"
    what_to_do = "Fix the file at the location shown."

    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}")


class UnknownPrice(PricingError):
    """Nothing in the price book has this name."""

    code = "unknown-price"
    what_to_do = "Use one of the nearest names."

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"the price book has no {kind} '{name}'.{did_you_mean(name, known)}")


class PriceNotYetKnown(PricingError):
    """The day is before the first known value."""

    code = "price-not-yet-known"
    what_to_do = "Use a later day, or add an older step with its source."

    def __init__(self, item: str, day: date, first: date) -> None:
        self.item, self.day, self.first = item, day, first
        super().__init__(
            f"'{item}' has no price on {day}: the first known price is from {first}. "
            f"Use {first} or later, or add an older step with its source."
        )


class PriceWithdrawn(PricingError):
    """The item was no longer sold on the day."""

    code = "price-withdrawn"
    what_to_do = "Choose another item."

    def __init__(self, item: str, day: date, since: date) -> None:
        self.item, self.day, self.since = item, day, since
        super().__init__(
            f"'{item}' is not sold on {day}: it was withdrawn on {since}. Choose another item."
        )


class Unpriced(PricingError):
    """The item is in the book, but its price is not published."""

    code = "unpriced"
    what_to_do = "Add your own quote to an overlay file and pass it with --prices."

    def __init__(self, item: str, why: str) -> None:
        self.item, self.why = item, why
        super().__init__(
            f"'{item}' has no published price: {why} Add your own quote to an overlay file and "
            f"pass it with --prices FILE."
        )


class LocatedError(AdvisorError):
    """An error with the place, what was found there, and what to do."""

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}".rstrip())


class DatasetError(LocatedError):
    """The dataset cannot be read at all."""

    code = "dataset"
    what_to_do = "Follow the message: save as UTF-8, decompress, name the columns."


class ScenarioError(LocatedError):
    """The scenario has an unknown key or an invalid value."""

    code = "scenario"
    what_to_do = "Correct the value at the path shown."


class TeamRuleError(LocatedError):
    """A team rule cannot be used."""

    code = "team-rule"
    what_to_do = "Fix the rule at the location shown."


class UsageError(LocatedError):
    """A flag or a path on the command line cannot be used."""

    code = "usage"
    what_to_do = "Correct the flag or path shown."


class ActualsFileError(LocatedError):
    """An export of usage or costs, or a calibration file, cannot be read."""

    code = "actuals-file"
    what_to_do = "Fix the file at the line shown, or export it again."


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that does not exist, with the nearest names."""
    remedy = did_you_mean(name, known).strip()
    return UsageError(f"{kind} {name}", f"there is no such {kind}.", remedy)


VALIDATION_REMEDIES = {
    "finite_number": "Give a finite number.",
    "float": "Give a number without unit or separators, such as 1000000 or 1e6.",
    "decimal": "Give a number in digits.",
    "int": "Give an integer.",
    "bool": "Give true or false.",
    "date": "Give a date as YYYY-MM-DD.",
    "string_type": "Write it in quotes.",
    "tuple": "Give a list.",
    "too_short": "Give at least one.",
    "model": "Give a mapping of keys to values.",
    "greater_than_equal": "Give a number of {ge:g} or more.",
    "less_than_equal": "Give a number of {le:g} or less.",
    "greater_than": "Give a number above {gt:g}.",
    "literal_error": "Choose one of {expected}.",
}
"""Remedy by error type of pydantic; the longest key that the type starts with applies."""


def explain_validation_error(
    record: type[BaseModel],
    loc: Sequence[int | str],
    error: Mapping[str, Any],
    hidden: Collection[str] = (),
) -> tuple[str, str]:
    """Return what was found at a location of a record, and the remedy.

    Args:
        record: Type that was validated.
        loc: Keys and list indexes, outermost first.
        error: One error of pydantic.
        hidden: Fields that cannot be set, and are not suggested.
    """
    kind = error["type"]
    if kind == "extra_forbidden":
        known = set(_record_at(record, loc[:-1]).model_fields) - set(hidden)
        return "there is no such key.", did_you_mean(str(loc[-1]), known).strip()
    if kind == "missing":
        return "this key is missing.", "Add it."
    if kind == "value_error":
        return f"{error['ctx']['error']}.", "Fix the file at this location."
    matching = [key for key in VALIDATION_REMEDIES if kind.startswith(key)]
    remedy = VALIDATION_REMEDIES[max(matching, key=len)] if matching else f"{error['msg']}."
    return f"found {shortened_repr(error['input'])}.", remedy.format(**error.get("ctx", {}))


def _record_at(record: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel]:
    for part in loc:
        field = record.model_fields.get(str(part))
        record = (field and _record_in(field.annotation)) or record
    return record


def _record_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_record_in, get_args(annotation))), None)


def shortened_repr(value: object) -> str:
    """Return the repr of a value, shortened to 60 characters."""
    if isinstance(value, list):
        text = f"[{', '.join(map(shortened_repr, value))}]"
    else:
        text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
