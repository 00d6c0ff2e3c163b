"""Team rules, evaluated for options and variants: which options are allowed or preferred."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.costs import batch_costs
from advisor.estimate.line import with_all_axes
from advisor.estimate.sampling import LIKELY, EstimateContext
from advisor.inputs import INPUT_PATHS
from advisor.options.batch import OptionBatch, option_batches
from advisor.options.candidates import Candidates
from advisor.options.option import Option, RuledOutOption, rule_out
from advisor.options.price_column import Mask
from advisor.options.prompting import measuring_option
from advisor.rules.team_rules import COST_FIELDS, TeamRule, rule_context, rule_holds
from advisor.scenario.paths import set_path

ValueTable = NDArray[np.float64]
UNKNOWN_VALUE = -1.0
"""Marks a number that is not given: no number of a scenario is negative."""


@dataclass(frozen=True)
class TeamRuleResult:
    """Results of the team rules for a batch; masks of shape [options, variants or 1, 1]."""

    batch: OptionBatch
    holding: tuple[Mask, ...]
    """For each rule, where its condition holds."""

    @cached_property
    def standing(self) -> Mask:
        """Which options no rule rules out."""
        mask = np.ones((len(self.batch.options), 1, 1), bool)
        for rule, holding in zip(self.batch.rules, self.holding, strict=True):
            mask = mask & allowed_by_rule(rule, holding)
        return mask

    @cached_property
    def preferred(self) -> Mask:
        """Which options a rule prefers."""
        mask = np.zeros((len(self.batch.options), 1, 1), bool)
        for rule, holding in zip(self.batch.rules, self.holding, strict=True):
            mask = mask | (holding & (rule.then == "prefer"))
        return mask

    @cached_property
    def refusals(self) -> list[RuledOutOption | None]:
        """Return the first rule that rules each option out in the first variant, if any."""
        found: list[RuledOutOption | None] = [None] * len(self.batch.options)
        for rule, holding in zip(self.batch.rules, self.holding, strict=True):
            for row in np.flatnonzero(~allowed_by_rule(rule, holding)[:, 0, 0]).tolist():
                option = self.batch.options[row]
                found[row] = found[row] or rule_out(option.id, rule.id, rule.says, rule.source)
        return found


def allowed_by_rule(rule: TeamRule, holding: Mask) -> Mask:
    """Return where a rule allows an option, from where its condition holds."""
    if rule.then == "prefer":
        return np.ones_like(holding)
    return holding if rule.then == "require" else ~holding


def apply_team_rules(batch: OptionBatch, context: EstimateContext) -> TeamRuleResult:
    """Evaluate every rule of a batch for every option and variant.

    Raises:
        TeamRuleError: a rule reads a value that is not given, or loops over a long list.
    """
    holding = tuple(_holding(rule, batch, context) for rule in batch.rules)
    return TeamRuleResult(batch, holding)


def _holding(rule: TeamRule, batch: OptionBatch, context: EstimateContext) -> Mask:
    """Evaluate a rule once for each distinct row of the values that it reads."""
    reads = rule.condition.reads
    names = [name for name in INPUT_PATHS if ("scenario", *name.split(".")) in reads]
    wanted = [name for name in COST_FIELDS if ("option", name) in reads]
    groups, group_column = _groups(rule, batch)
    columns = [group_column]
    for name in names:
        numbers = getattr(context.inputs, INPUT_PATHS[name])[:, 0]
        column = np.nan_to_num(numbers, nan=UNKNOWN_VALUE)[None]
        columns.append(column[:, :1] if (column == column[0, 0]).all() else column)
    if wanted:
        likely = batch_costs(batch, replace(context, sampling=LIKELY))
        amounts = [getattr(likely, name.removesuffix("_usd")) for name in wanted]
        columns += [with_all_axes(amount)[:, :, 0] for amount in amounts]
    shape = np.broadcast_shapes(*(column.shape for column in columns))
    table = np.stack([np.broadcast_to(column, shape).ravel() for column in columns], axis=1)
    distinct, which = np.unique(table, axis=0, return_inverse=True)
    given = rule_context(context.resolved.scenario, context.resolved.task, reads)
    holds = []
    for group, *row in distinct.tolist():
        scenario, (option_id, attributes) = given, groups[int(group)]
        for name, value in zip(names, row, strict=False):
            scenario = set_path(scenario, name, None if value == UNKNOWN_VALUE else value)
        option = attributes | dict(zip(wanted, row[len(names) :], strict=True))
        holds.append(rule_holds(rule, {"scenario": scenario, "option": option}, option_id))
    return np.array(holds)[which.ravel()].reshape(shape)[:, :, None]


def _groups(
    rule: TeamRule, batch: OptionBatch
) -> tuple[list[tuple[str, dict[str, Any]]], ValueTable]:
    """Group options that a rule cannot distinguish: for each group an id and the values read."""
    reads = sorted(path[1] for path in rule.condition.reads if path[0] == "option")
    names = [name for name in reads if name not in COST_FIELDS]
    first: dict[tuple[Any, ...], str] = {}
    rows = [tuple(option.seen[name] for name in names) for option in batch.options]
    for option, row in zip(batch.options, rows, strict=True):
        first.setdefault(row, option.id)
    places = {row: float(place) for place, row in enumerate(first)}
    groups = [(option_id, dict(zip(names, row, strict=True))) for row, option_id in first.items()]
    return groups, np.array([places[row] for row in rows])[:, None]


def allowed_measuring_option(candidates: Candidates, context: EstimateContext) -> Option:
    """Return the option "not yet" with a model that the team rules allow.

    Rules that read costs are ignored: the costs of measuring are computed later.
    """
    rules = tuple(rule for rule in candidates.rules if not rule.reads_costs)
    if not rules:
        return candidates.measuring
    allowed: list[Option] = []
    for batch in option_batches(candidates.options, rules):
        result = apply_team_rules(batch, context)
        allowed += compress(batch.options, result.standing[:, 0, 0])
    return measuring_option([option for option in allowed if not option.is_current])
