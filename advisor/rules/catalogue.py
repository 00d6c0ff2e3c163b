"""RuleCatalogue: the built-in rules with sources, a case for, a case against, and disputes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from advisor.units import Record, Task

Says = Annotated[str, Field(min_length=10)]


class Argument(Record):
    """An argument for a rule, or against it."""

    says: Says
    """The argument in a sentence, with its figures."""
    source: Says
    """Source."""


class Dispute(Record):
    """A figure on which sources differ: reported as a range, never as one number."""

    figure: str
    """Name of the figure."""
    tasks: tuple[Task, ...] = ()
    """Tasks it applies to; empty for all."""
    low: float
    """Smallest published value."""
    high: float
    """Largest published value."""
    unit: str
    """Unit."""
    sources: Annotated[tuple[str, ...], Field(min_length=2)]
    """Sources with their values."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the range of '{self.figure}' has no width: its sources agree")
        return self

    @property
    def says(self) -> str:
        """The range with its sources, in a sentence."""
        ends = f"{self.low:,g} to {self.high:,g}"
        unit = f" {self.unit}" if self.unit else ""
        return f"Sources differ: {self.figure}, {ends}{unit} ({'; '.join(self.sources)})."


class Rule(Record):
    """A built-in rule; answers refer to it by its code."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """Stable name."""
    by: tuple[Literal["menu", "numbers", "reason", "evidence", "order"], ...]
    """Stage: excludes candidates, checks numbers, gives a reason, shifts expectations, or ranks."""
    says: Says
    """The rule in a sentence."""
    tasks: tuple[Task, ...] = ()
    """Tasks it applies to; empty for all."""
    since: date | None = None
    """First day on which it applies, if any."""
    until: date | None = None
    """Last day on which it applies, if any."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Sources; `own judgement` if nothing is published."""
    evidence: tuple[str, ...] = ()
    """Parts of the evidence that it uses."""
    rests_on: str | None = None
    """Name in the code that implements it, if answers do not contain its code."""
    case_for: Argument
    """A case that supports the rule."""
    case_against: Argument
    """A case against the rule, or its limit."""
    disputes: tuple[Dispute, ...] = ()
    """Figures on which sources differ."""


class RuleCatalogue(Record):
    """All built-in rules."""

    rules: tuple[Rule, ...]
    """In the order in which they are applied."""

    @model_validator(mode="after")
    def _codes_are_unique(self) -> Self:
        codes = [rule.code for rule in self.rules]
        twice = {code for code in codes if codes.count(code) > 1}
        if twice:
            raise ValueError(f"duplicate rule '{min(twice)}'")
        return self

    @cached_property
    def by_code(self) -> Mapping[str, Rule]:
        """The rules by code."""
        return {rule.code: rule for rule in self.rules}


NO_RULES = RuleCatalogue(rules=())


S = TypeVar("S", bound=Record)


def with_disputes(record: S, code: str, catalogue: RuleCatalogue, task: Task) -> S:
    """Append the disputes about a rule that apply to a task to the `says` of a record."""
    rule, fields = catalogue.by_code.get(code), dict(record)
    disputes = [d.says for d in (rule.disputes if rule else ()) if not d.tasks or task in d.tasks]
    if not disputes:
        return record
    return type(record).model_validate(fields | {"says": " ".join((fields["says"], *disputes))})
