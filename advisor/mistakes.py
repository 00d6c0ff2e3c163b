"""What is wrong with a record that was read -> what was found there, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from advisor.errors import did_you_mean
from advisor.units import Record

REMEDIES = {
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


def explained(
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
            str(loc[-1]), _keys_beside(record, loc)
        ).strip()
    if kind == "missing":
        return "this key is missing.", "Add it."
    matching = [key for key in REMEDIES if kind.startswith(key)]
    remedy = REMEDIES[max(matching, key=len)] if matching else f"{error['msg']}."
    return f"found {shown(error['input'])}.", remedy.format(**error.get("ctx", {}))


def _keys_beside(record: type[Record], loc: Sequence[int | str]) -> list[str]:
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        annotation: Any = record.model_fields[part].annotation
        for inner in (annotation, *get_args(annotation)):
            if isinstance(inner, type) and issubclass(inner, Record):
                record = inner
    return list(record.model_fields)


def shown(value: object) -> str:
    """Write a value that was found, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
