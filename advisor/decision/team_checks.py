"""Options, numbers of many variants, and a team's rules -> who may stand, and who is preferred."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.inputs import INPUT_PATHS, Inputs, ResolvedScenario
from advisor.options.batch import Mask, OptionBatch, option_batches
from advisor.options.candidates import Candidates
from advisor.options.option import Option, RuledOutOption, rule_out
from advisor.options.prompting import measuring_option
from advisor.rules.team_rules import COST_FIELDS, TeamRule, rule_context, rule_holds
from advisor.scenario.paths import set_path

ValueTable = NDArray[np.float64]
UNKNOWN_VALUE = -1.0
"""Stands in a table for a number that nobody said: no number of a scenario is below zero."""


class LikelyCosts(NamedTuple):
    """What each option likely costs in each variant [USD], to broadcast."""

    one_off: Any
    monthly: Any
    per_month: Any


@dataclass(frozen=True)
class TeamRuleResult:
    """What a team's rules say of the options of a panel; masks of [options, variants or 1, 1]."""

    batch: OptionBatch
    rules: tuple[TeamRule, ...]
    holding: tuple[Mask, ...]
    """For each rule, where its condition is true."""

    @cached_property
    def standing(self) -> Mask:
        """Which options no rule puts out."""
        mask = np.ones((len(self.batch.options), 1, 1), bool)
        for rule, holding in zip(self.rules, self.holding, strict=True):
            mask = mask & allowed_by_rule(rule, holding)
        return mask

    @cached_property
    def preferred(self) -> Mask:
        """Which options a rule prefers."""
        mask = np.zeros((len(self.batch.options), 1, 1), bool)
        for rule, holding in zip(self.rules, self.holding, strict=True):
            mask = mask | (holding & (rule.then == "prefer"))
        return mask

    @cached_property
    def refusals(self) -> list[RuledOutOption | None]:
        """Say of each option by which rule it is out in the first variant, if by any."""
        found: list[RuledOutOption | None] = [None] * len(self.batch.options)
        for rule, holding in zip(self.rules, self.holding, strict=True):
            for row in np.flatnonzero(~allowed_by_rule(rule, holding)[:, 0, 0]).tolist():
                option = self.batch.options[row]
                found[row] = found[row] or rule_out(option.id, rule.id, rule.says, rule.source)
        return found


def allowed_by_rule(rule: TeamRule, holding: Mask) -> Mask:
    """Say where a rule lets an option stand, from where its condition holds."""
    if rule.then == "prefer":
        return np.ones_like(holding)
    return holding if rule.then == "require" else ~holding


def apply_team_rules(
    batch: OptionBatch, resolved: ResolvedScenario, inputs: Inputs, spent: Callable[[], LikelyCosts]
) -> TeamRuleResult:
    """Try every rule of the team on every option, for every variant.

    Args:
        batch: Options side by side, with the rules.
        resolved: The question.
        inputs: Its numbers, for every variant.
        spent: Works out what the options cost; called if a rule reads it.

    Raises:
        TeamRuleError: a rule reads what nobody said, or goes through too long a list.
    """
    holding = tuple(_holding(rule, batch, resolved, inputs, spent) for rule in batch.rules)
    return TeamRuleResult(batch, batch.rules, holding)


def _holding(
    rule: TeamRule,
    batch: OptionBatch,
    resolved: ResolvedScenario,
    inputs: Inputs,
    spent: Callable[[], LikelyCosts],
) -> Mask:
    """Try a rule once for each different row of what it reads."""
    reads = rule.condition.reads
    names = [name for name in INPUT_PATHS if ("scenario", *name.split(".")) in reads]
    wanted = [name for name in COST_FIELDS if ("option", name) in reads]
    kinds, of = _kinds(rule, batch)
    columns = [of, *_numbers(names, inputs), *_money(wanted, spent)]
    shape = np.broadcast_shapes(*(column.shape for column in columns))
    table = np.stack([np.broadcast_to(column, shape).ravel() for column in columns], axis=1)
    different, which = np.unique(table, axis=0, return_inverse=True)
    said = rule_context(resolved.scenario, resolved.task, reads)
    found = []
    for kind, *row in different.tolist():
        asked, (option, fixed) = said, kinds[int(kind)]
        for name, value in zip(names, row, strict=False):
            asked = set_path(asked, name, None if value == UNKNOWN_VALUE else value)
        costs = dict(zip(wanted, row[len(names) :], strict=True))
        found.append(rule_holds(rule, {"scenario": asked, "option": fixed | costs}, option))
    return np.array(found)[which.ravel()].reshape(shape)[:, :, None]


def _kinds(
    rule: TeamRule, batch: OptionBatch
) -> tuple[list[tuple[str, dict[str, Any]]], ValueTable]:
    """Sort options into kinds that a rule cannot tell apart: an id and what it reads of each."""
    reads = sorted(path[1] for path in rule.condition.reads if path[0] == "option")
    names = [name for name in reads if name not in COST_FIELDS]
    places: dict[tuple[Any, ...], int] = {}
    found: list[tuple[str, dict[str, Any]]] = []
    of = []
    for option in batch.options:
        values = tuple(option.seen[name] for name in names)
        if values not in places:
            places[values] = len(found)
            found.append((option.id, dict(zip(names, values, strict=True))))
        of.append(float(places[values]))
    return found, np.array(of)[:, None]


def _numbers(names: list[str], inputs: Inputs) -> Iterator[ValueTable]:
    """Lay what is read of the numbers out, of shape [1, variants]; [1, 1] if all are alike."""
    for name in names:
        column = np.nan_to_num(getattr(inputs, INPUT_PATHS[name])[:, 0], nan=UNKNOWN_VALUE)[None]
        yield column[:, :1] if (column == column[0, 0]).all() else column


def _money(wanted: list[str], spent: Callable[[], LikelyCosts]) -> Iterator[ValueTable]:
    """Lay what is read of the costs out, of shape [options or 1, variants or 1]."""
    costs = spent() if wanted else LikelyCosts(0.0, 0.0, 0.0)
    for name in wanted:
        amount = np.asarray(getattr(costs, name.removesuffix("_usd")), np.float64)
        yield amount.reshape((1,) * (3 - amount.ndim) + amount.shape)[:, :, 0]


def allowed_measuring_option(candidates: Candidates, resolved: ResolvedScenario) -> Option:
    """Say what "not yet" measures with: a model that the team's rules let stand.

    A rule that reads costs is left out: what measuring costs is worked out later.
    """
    rules = tuple(rule for rule in candidates.rules if not rule.reads_costs)
    if not rules:
        return candidates.measuring
    standing = []
    for batch in option_batches(candidates.options, rules):
        mask = apply_team_rules(batch, resolved, resolved.inputs, _nothing_spent).standing[:, 0, 0]
        standing += [option for option, may in zip(batch.options, mask, strict=True) if may]
    return measuring_option([option for option in standing if not option.is_current])


def _nothing_spent() -> LikelyCosts:
    return LikelyCosts(0.0, 0.0, 0.0)
