"""Rules that a team adds -> rules that were checked, and what they may read of a question."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from datetime import date
from functools import cache, cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field, ValidationError

from advisor.errors import TeamRuleError
from advisor.prices.models import Tier
from advisor.rules.cel import ConditionError
from advisor.rules.cel_check import Condition, FieldPath, FieldType, compile_condition
from advisor.scenario.fields import NUMBER_FIELDS
from advisor.scenario.scenario import Scenario
from advisor.units import Approach, Record

MAX_RULES = 50
MAX_LIST_ENTRIES = 100
"""Longest list of a scenario that a rule goes through."""
UNREADABLE_FIELDS = frozenset({"name", "note"})
"""What a scenario says in free words: no rule reads it."""
COST_FIELDS = ("one_off_usd", "monthly_usd", "per_month_usd")


class OptionAttributes(Record):
    """What a rule can read of an option, as `option.NAME`."""

    id: str
    """approach:provider:model[:gpu]; `current` is what runs today."""
    approach: Approach
    """How it is done."""
    provider: str
    """Who runs or tunes the model; `own` for your machines."""
    model: str
    """Which model."""
    launch: Literal["provider", "local", "export", "by_hand"]
    """How it is started."""
    objective: Literal["sft", "dpo", "kto", "grpo", "classification"] | None
    """What training optimises."""
    tier: Tier
    """Size class of the model."""
    trains: bool
    """Whether something has yet to be tuned."""
    is_current: bool
    """Whether it is what runs today."""
    open_weights: bool
    """Whether the weights can be had."""
    licence: str | None
    """Licence of open weights, where it is known."""
    gpu: str | None
    """GPU it is trained or served on."""
    ends_on: date | None
    """Last day of the model, as 2027-01-14; days compare as texts."""
    one_off_usd: float
    """Paid once, likely."""
    monthly_usd: float
    """Paid each month, likely."""
    per_month_usd: float
    """All spread over the months of use, likely."""


class TeamRule(Record):
    """One rule of a team."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """Stable name; answers show it."""
    when: Annotated[str, Field(min_length=1, max_length=2000)]
    """A condition in CEL on `scenario` and `option`."""
    then: Literal["rule_out", "prefer", "require"]
    """What follows where it holds: the option is out, it wins a tie; require: others are out."""
    says: Annotated[str, Field(min_length=1, max_length=500)]
    """The rule in words."""
    source: Annotated[str, Field(min_length=1, max_length=300)]
    """Who says so: a policy, an owner, a contract."""

    @cached_property
    def condition(self) -> Condition:
        """The condition, checked.

        Raises:
            Fault: it cannot be used.
        """
        return compile_condition(self.when, readable_fields())

    @property
    def reads_costs(self) -> bool:
        """Whether it reads what an option costs."""
        return any(("option", name) in self.condition.reads for name in COST_FIELDS)

    @property
    def moves(self) -> bool:
        """Whether it reads what can differ in each variant of a sweep."""
        numbers = {("scenario", *path.split(".")) for path in NUMBER_FIELDS}
        return self.reads_costs or bool(numbers & self.condition.reads)


@cache
def readable_fields() -> Mapping[str, FieldType]:
    """Say what a rule can read: every field of a scenario, and those of `OptionAttributes`."""
    scenario = _record(Scenario, ())
    fields = dict(scenario.fields or {})
    for name in UNREADABLE_FIELDS:
        del fields[name]
    sample = {name: scenario.sample[name] for name in fields}
    return {"scenario": FieldType(sample, fields), "option": _record(OptionAttributes, ())}


def _record(kind: type[Record], path: FieldPath) -> FieldType:
    fields = {
        name: _shape(field.annotation, (*path, name)) for name, field in kind.model_fields.items()
    }
    return FieldType({name: shape.sample for name, shape in fields.items()}, fields)


def _shape(annotation: Any, path: FieldPath) -> FieldType:
    """Say what a field can hold, by its type."""
    said = [arg for arg in _alternatives(annotation) if arg is not type(None)]
    is_open = len(said) < len(_alternatives(annotation))
    name = ".".join(path)
    if name == "task" or (name in NUMBER_FIELDS and not NUMBER_FIELDS[name].optional):
        is_open = False
    inner = _plain(said[0], path)
    return FieldType(inner.sample, inner.fields, inner.choices, is_open)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    return get_args(annotation) if origin in (Union, types.UnionType) else (annotation,)


def _plain(kind: Any, path: FieldPath) -> FieldType:
    origin = get_origin(kind)
    if origin is Annotated:
        return _plain(get_args(kind)[0], path)
    if origin is Literal:
        return FieldType(get_args(kind)[0], choices=get_args(kind))
    if origin is tuple:
        return FieldType([_plain(get_args(kind)[0], ()).sample])
    if isinstance(kind, type) and issubclass(kind, Record):
        return _record(kind, path)
    samples: Mapping[Any, Any] = {bool: False, str: "text", date: "2026-11-20"}
    return FieldType(samples.get(kind, 1.0))


def team_rules_from(given: object, where: str, taken: Collection[str] = ()) -> tuple[TeamRule, ...]:
    """Check what a file or a request says, and make rules of it.

    Args:
        given: A list of rules.
        where: File or door, for messages.
        taken: Codes of the program's own rules.

    Raises:
        TeamRuleError: with the rule, the place in it, and what to do.
    """
    if not isinstance(given, list | tuple):
        raise TeamRuleError(
            where, "found no list of rules.", "Write a list of {id, when, then, says, source}."
        )
    if len(given) > MAX_RULES:
        raise TeamRuleError(where, f"found {len(given)} rules.", f"Give at most {MAX_RULES}.")
    rules: dict[str, TeamRule] = {}
    for place, one in enumerate(given, 1):
        rule = _rule(one, f"{where}: rule {place}")
        if rule.id in rules or rule.id in taken:
            raise TeamRuleError(
                f"{where}: rule {place}: id",
                f"the id '{rule.id}' is taken.",
                "Give each rule a name of its own.",
            )
        rules[rule.id] = rule
    return tuple(rules.values())


def _rule(given: object, where: str) -> TeamRule:
    try:
        rule = TeamRule.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise TeamRuleError(
            f"{where}: {place}" if place else where,
            f"{first['msg']}.",
            "A rule is {id, when, then, says, source}.",
        ) from error
    try:
        rule.condition  # noqa: B018 - checked here, kept for later
    except ConditionError as fault:
        line, column = fault.place
        raise TeamRuleError(
            f"{where} ({rule.id}): when, line {line} column {column}", fault.found, fault.remedy
        ) from fault
    return rule


def rule_holds(rule: TeamRule, context: Mapping[str, Any], option: str) -> bool:
    """Whether the condition of a rule is true of an option.

    Raises:
        TeamRuleError: it reads what nobody said.
    """
    try:
        return rule.condition.holds(context)
    except ValueError as error:
        raise TeamRuleError(
            f"rule {rule.id}: when, at option {option}",
            str(error),
            "Ask first whether it is said, with != null.",
        ) from error


def rule_context(scenario: Scenario, task: str, paths: Collection[FieldPath]) -> dict[str, Any]:
    """Lay out what rules read of a scenario, and nothing else of it.

    Raises:
        TeamRuleError: a list in it is longer than a rule goes through.
    """
    plain = scenario.model_dump(mode="json") | {"task": task}
    found: dict[str, Any] = {}
    for path in sorted(paths):
        if path[0] == "scenario":
            _copy(plain, found, path[1:])
    return found


def _copy(plain: Mapping[str, Any], found: dict[str, Any], path: FieldPath) -> None:
    name, *rest = path
    value = plain[name]
    if rest and value is not None:
        _copy(value, found.setdefault(name, {}), tuple(rest))
        return
    found[name] = _as_read(value, name)


def _as_read(value: Any, name: str) -> Any:
    """Write numbers as CEL compares them: without a difference of whole and broken."""
    if isinstance(value, dict):
        return {inner: _as_read(part, inner) for inner, part in value.items()}
    if isinstance(value, list):
        if len(value) > MAX_LIST_ENTRIES:
            raise TeamRuleError(
                f"scenario: {name}",
                f"this list has {len(value)} entries.",
                f"A rule goes through at most {MAX_LIST_ENTRIES}.",
            )
        return [_as_read(part, name) for part in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
