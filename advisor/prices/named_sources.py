"""Sources of a price file: named once, with the day they were read, and referred to by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from pydantic import model_validator

from advisor.errors import PricingFileError, did_you_mean, shortened_repr
from advisor.prices.models import Source
from advisor.prices.series import Confidence
from advisor.units import Record

PLAIN_NAME = re.compile(r"[\w.-]+")
"""What looks like the name of a source, and not like a page or a sentence."""


class NamedSource(Record):
    """A page that prices and facts refer to by name, as it was on one day."""

    url: Source | None = None
    """Address of the page."""
    says: Source | None = None
    """Source that is not a page, such as a quote or an assumption of ours."""
    read_on: date | None = None
    """Date it was last read."""
    confidence: Confidence = "high"
    """Confidence in it."""
    note: str | None = None
    """Note for readers of its prices."""

    @model_validator(mode="after")
    def _is_a_page_or_a_text(self) -> Self:
        if (self.url is None) == (self.says is None):
            raise ValueError("a source has a url, or says what it is if it is not a page")
        return self

    @property
    def text(self) -> str:
        """Address, or what it is."""
        return self.url or self.says or ""


@dataclass(frozen=True)
class PriceFile:
    """A price file: its name, for messages, and the sources that it can refer to."""

    name: str
    sources: Mapping[str, NamedSource]

    def error(self, place: str, problem: str) -> PricingFileError:
        """Return the error for what is wrong at a place in the file."""
        return PricingFileError(f"{self.name}: {place}", problem)

    def mapping(self, place: str, body: Any) -> dict[Any, Any]:
        """Return a mapping; an absent one is empty.

        Raises:
            PricingFileError: it is something else.
        """
        if body is None:
            return {}
        if not isinstance(body, dict):
            found = f"found {shortened_repr(body)} instead of a mapping. Indent its keys."
            raise self.error(place, found)
        return body

    def check_keys(self, place: str, body: Mapping[Any, Any], known: Collection[str]) -> None:
        """Refuse a key that is not known.

        Raises:
            PricingFileError: with the nearest names.
        """
        for key in body:
            if key not in known:
                problem = "there is no such key." + did_you_mean(str(key), known)
                raise self.error(f"{place}: {key}", problem)

    def source(self, place: str, name: Any) -> NamedSource:
        """Return a source by its name.

        Raises:
            PricingFileError: there is no such source.
        """
        if name not in self.sources:
            known = did_you_mean(str(name), self.sources)
            problem = f"there is no source '{name}'.{known} Name it under 'sources:'."
            raise self.error(place, problem)
        return self.sources[name]

    def sourced(self, place: str, body: Any) -> Any:
        """Return a mapping with its source in full: text, day and confidence.

        A source that is a page or a sentence, not a name, stays as it is.

        Raises:
            PricingFileError: it names a source that does not exist.
        """
        if not isinstance(body, dict) or not isinstance(body.get("source"), str):
            return body
        name = body["source"]
        if name not in self.sources and not PLAIN_NAME.fullmatch(name):
            return body
        source = self.source(f"{place}: source", name)
        stated = {"read_on": source.read_on, "confidence": source.confidence}
        return {**stated, **body, "source": source.text}
