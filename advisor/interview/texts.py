"""Texts of the interview in one language, and validation of a translation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import Formatter

from advisor.interview.questions import TYPED_KINDS, Questionnaire
from advisor.units import Record

CONTRADICTIONS = "contradictions"


class InterviewTexts(Record):
    """The texts of one language."""

    tag: str
    """Language tag: en, de."""
    words: dict[str, str]
    """Key, such as parts.target.asks -> text."""

    def says(self, key: str, **fields: object) -> str:
        """Return a text with its placeholders filled in."""
        return self.words[key].format(**fields)

    def at(self, key: str) -> str:
        """Return a text without filling in placeholders."""
        return self.words[key]


def flatten(mapping: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Return the leaves of a nested mapping: dotted key and value.

    >>> dict(flatten({"acts": {"prompt": "Prompt"}}))
    {'acts.prompt': 'Prompt'}
    """
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def required_keys(sheet: Questionnaire) -> tuple[str, ...]:
    """Return the keys that every language needs for the questions."""
    keys = []
    for asked in sheet.questions:
        keys += [f"questions.{asked.code}.asks", f"questions.{asked.code}.why"]
    for part in sheet.parts.values():
        keys += [f"parts.{part.code}.asks"]
        keys += [f"parts.{part.code}.unit"] if part.kind in TYPED_KINDS else []
        keys += [f"parts.{part.code}.choices.{choice}" for choice in part.choices]
    return tuple(keys)


def placeholders(text: str) -> frozenset[str] | None:
    """Return the placeholders of a text, or None if a brace is unclosed.

    >>> sorted(placeholders("{low} to {high} hours"))
    ['high', 'low']
    """
    try:
        return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)
    except ValueError:
        return None


def translation_errors(words: Mapping[str, object], english: Mapping[str, str]) -> Sequence[str]:
    """Return the errors in the texts of a language, compared with English."""
    errors = [f"{key} is missing" for key in english if key not in words]
    for key, text in words.items():
        if key not in english:
            errors.append(f"{key} is unknown")
        elif not isinstance(text, str) or not text.strip():
            errors.append(f"{key} is not a text")
        elif placeholders(text) != (wanted := placeholders(english[key]) or frozenset()):
            needed = ", ".join(f"{{{name}}}" for name in sorted(wanted))
            errors.append(f"{key} needs the placeholders {needed or 'none'}")
    return errors
