"""The program's own rules as data: what each says, who says so, who says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from advisor.units import Record, Task

Says = Annotated[str, Field(min_length=10)]


class Argument(Record):
    """What speaks for a rule, or against it."""

    says: Says
    """In a sentence, with its figures."""
    source: Says
    """Who says so."""


class Dispute(Record):
    """A figure on which sources differ: it is told as a range, never as one number."""

    figure: str
    """What the figure is of."""
    tasks: tuple[Task, ...] = ()
    """For which tasks; all where none is named."""
    low: float
    """Smallest figure of a source."""
    high: float
    """Largest figure of a source."""
    unit: str
    """What it counts."""
    sources: Annotated[tuple[str, ...], Field(min_length=2)]
    """Who says which."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the range of '{self.figure}' has no width: nothing is disputed")
        return self

    @property
    def says(self) -> str:
        """The range in a sentence, with its sources."""
        ends = f"{self.low:,g} to {self.high:,g}"
        unit = f" {self.unit}" if self.unit else ""
        return f"Sources differ: {self.figure}, {ends}{unit} ({'; '.join(self.sources)})."


class Rule(Record):
    """A rule that the advice uses: answers name it by its code."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """Stable name."""
    by: tuple[Literal["menu", "numbers", "reason", "evidence", "order"], ...]
    """Where it works: keeps an option off the menu, or out by numbers; gives a reason; moves what
    is expected; orders what is left."""
    says: Says
    """The rule in words."""
    tasks: tuple[Task, ...] = ()
    """For which tasks; all where none is named."""
    since: date | None = None
    """First day on which it held, where it has one."""
    until: date | None = None
    """Last day, where it has one."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Who says so; `own judgement` where nobody published it."""
    evidence: tuple[str, ...] = ()
    """Parts of the evidence that it compares with."""
    rests_on: str | None = None
    """Name in the code that holds it, where it has no code in answers."""
    case_for: Argument
    """A case in which it was right."""
    case_against: Argument
    """A case that speaks against it, or its limit."""
    disputes: tuple[Dispute, ...] = ()
    """Figures on which sources differ."""


class RuleCatalogue(Record):
    """All rules."""

    rules: tuple[Rule, ...]
    """In the order in which they are tried."""

    @model_validator(mode="after")
    def _codes_are_unique(self) -> Self:
        codes = [rule.code for rule in self.rules]
        twice = {code for code in codes if codes.count(code) > 1}
        if twice:
            raise ValueError(f"the rule '{min(twice)}' is said twice")
        return self

    @cached_property
    def by_code(self) -> Mapping[str, Rule]:
        """Each rule under its code."""
        return {rule.code: rule for rule in self.rules}

    def disputes_of(self, code: str, task: Task) -> tuple[Dispute, ...]:
        """List on what the sources of a rule differ, for a task."""
        rule = self.by_code.get(code)
        disputes = rule.disputes if rule else ()
        return tuple(one for one in disputes if not one.tasks or task in one.tasks)


NO_RULES = RuleCatalogue(rules=())


S = TypeVar("S", bound=Record)


def with_disputes(said: S, code: str, catalogue: RuleCatalogue, task: Task) -> S:
    """Add to what is said on the ground of a rule where its sources differ, and who says what.

    Args:
        said: A record with the field `says`.
        code: The rule.
        catalogue: All rules.
        task: What the question is about.
    """
    disputes = catalogue.disputes_of(code, task)
    if not disputes:
        return said
    says = " ".join((getattr(said, "says"), *(one.says for one in disputes)))  # noqa: B009
    return type(said).model_validate(dict(said) | {"says": says})
