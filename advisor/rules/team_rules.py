"""TeamRule: rules that a team adds, checked, with the fields of a question they may read."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from dataclasses import replace
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
"""Longest list of a scenario that a rule may loop over."""
UNREADABLE_FIELDS = frozenset({"name", "note"})
"""Free text of a scenario, which no rule may read."""
COST_FIELDS = ("one_off_usd", "monthly_usd", "per_month_usd")


class OptionAttributes(Record):
    """Attributes of an option that a rule can read, as `option.NAME`."""

    id: str
    """approach:provider:model[:gpu]; `current` is the current solution."""
    approach: Approach
    """Approach."""
    provider: str
    """Provider that runs or tunes the model; `own` for your machines."""
    model: str
    """Model."""
    launch: Literal["provider", "local", "export", "by_hand"]
    """How it is started."""
    objective: Literal["sft", "dpo", "kto", "grpo", "classification"] | None
    """Training objective."""
    tier: Tier
    """Size class of the model."""
    trains: bool
    """Whether a model has yet to be tuned."""
    is_current: bool
    """Whether it is the current solution."""
    open_weights: bool
    """Whether the weights are available."""
    licence: str | None
    """Licence of open weights, if known."""
    gpu: str | None
    """GPU for training or inference."""
    ends_on: date | None
    """Shutdown date of the model, as 2027-01-14; dates compare as texts."""
    one_off_usd: float
    """Likely one-off cost."""
    monthly_usd: float
    """Likely monthly cost."""
    per_month_usd: float
    """Likely cost per month, one-off costs included."""


class TeamRule(Record):
    """A rule added by a team."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """Stable name, shown in answers."""
    when: Annotated[str, Field(min_length=1, max_length=2000)]
    """A condition in CEL on `scenario` and `option`."""
    then: Literal["rule_out", "prefer", "require"]
    """Effect where it holds: rule out, or win a tie; `require` rules out all other options."""
    says: Annotated[str, Field(min_length=1, max_length=500)]
    """Explanation of the rule."""
    source: Annotated[str, Field(min_length=1, max_length=300)]
    """Source: a policy, an owner, a contract."""

    @cached_property
    def condition(self) -> Condition:
        """The checked condition.

        Raises:
            ConditionError: it is not valid.
        """
        return compile_condition(self.when, readable_fields())

    @property
    def reads_costs(self) -> bool:
        """Whether it reads the costs of an option."""
        return any(("option", name) in self.condition.reads for name in COST_FIELDS)

    @property
    def moves(self) -> bool:
        """Whether it reads numbers, which can differ in each variant of a sweep."""
        numbers = {("scenario", *path.split(".")) for path in NUMBER_FIELDS}
        return self.reads_costs or bool(numbers & self.condition.reads)


@cache
def readable_fields() -> Mapping[str, FieldType]:
    """Return what a rule can read: the fields of a scenario and of `OptionAttributes`."""
    fields = dict(_record(Scenario, ()).fields or {})
    for name in UNREADABLE_FIELDS:
        del fields[name]
    sample = {name: shape.sample for name, shape in fields.items()}
    return {"scenario": FieldType(sample, fields), "option": _record(OptionAttributes, ())}


def _record(kind: type[Record], path: FieldPath) -> FieldType:
    fields = {
        name: _shape(field.annotation, (*path, name)) for name, field in kind.model_fields.items()
    }
    return FieldType({name: shape.sample for name, shape in fields.items()}, fields)


def _shape(annotation: Any, path: FieldPath) -> FieldType:
    """Return the type of a field for the checks."""
    args, name = _alternatives(annotation), ".".join(path)
    types = [arg for arg in args if arg is not type(None)]
    is_filled_in = name == "task" or (name in NUMBER_FIELDS and not NUMBER_FIELDS[name].optional)
    return replace(_plain(types[0], path), may_be_null=len(types) < len(args) and not is_filled_in)


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
    """Parse and check the rules of a file or a request; *taken*: codes of the built-in rules.

    Raises:
        TeamRuleError: with the rule, the place in it, and what to do.
    """
    if not isinstance(given, list | tuple):
        raise TeamRuleError(
            where, "expected a list of rules.", "Write a list of {id, when, then, says, source}."
        )
    if len(given) > MAX_RULES:
        raise TeamRuleError(
            where, f"found {len(given)} rules.", f"At most {MAX_RULES} are allowed."
        )
    rules: dict[str, TeamRule] = {}
    for place, entry in enumerate(given, 1):
        rule = _rule(entry, f"{where}: rule {place}")
        if rule.id in rules or rule.id in taken:
            raise TeamRuleError(
                f"{where}: rule {place}: id",
                f"the id '{rule.id}' is already used.",
                "Give each rule a unique id.",
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
            "A rule has the keys id, when, then, says, source.",
        ) from error
    try:
        rule.condition  # noqa: B018 - compiled and cached here
    except ConditionError as fault:
        line, column = fault.place
        raise TeamRuleError(
            f"{where} ({rule.id}): when, line {line} column {column}", fault.found, fault.remedy
        ) from fault
    return rule


def rule_holds(rule: TeamRule, context: Mapping[str, Any], option: str) -> bool:
    """Whether the condition of a rule holds for an option.

    Raises:
        TeamRuleError: it reads a value that is not given.
    """
    try:
        return rule.condition.holds(context)
    except ValueError as error:
        raise TeamRuleError(
            f"rule {rule.id}: when, at option {option}",
            str(error),
            "Check first that it is given, with != null.",
        ) from error


def rule_context(scenario: Scenario, task: str, paths: Collection[FieldPath]) -> dict[str, Any]:
    """Return the fields of a scenario that a rule reads, and no others.

    Raises:
        TeamRuleError: a list in it is longer than a rule may loop over.
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
    """Convert integers to floats, which CEL does not compare with each other."""
    if isinstance(value, dict):
        return {inner: _as_read(part, inner) for inner, part in value.items()}
    if isinstance(value, list):
        if len(value) > MAX_LIST_ENTRIES:
            raise TeamRuleError(
                f"scenario: {name}",
                f"this list has {len(value)} entries.",
                f"A rule may loop over at most {MAX_LIST_ENTRIES}.",
            )
        return [_as_read(part, name) for part in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
