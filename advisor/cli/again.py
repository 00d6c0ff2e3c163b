"""`advisor again`: repeat a saved question on another date, and list what changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from advisor.cli.flags import DatasetFlag, DayFlag, Format, FormatFlag, PricesFlag
from advisor.console import console, parse_day, write_bytes
from advisor.decision.answer import Answer, recommend
from advisor.errors import UsageError
from advisor.loading import make_question, parse_team_rules
from advisor.prices.loader import load_prices


def again(
    answer: Annotated[Path, typer.Argument(help="An answer saved with --format json.")],
    on: DayFlag = None,
    dataset: DatasetFlag = None,
    prices: PricesFlag = None,
    format_: FormatFlag = Format.text,
) -> None:
    """Repeat a saved question on another date and print what changed."""
    old = _load(answer)
    mapping: dict[str, Any] = old.question.model_dump(mode="json", exclude_unset=True)
    mapping["asked_on"] = parse_day(on).isoformat()
    if old.dataset_sha256 and dataset is None and not old.question.dataset.path:
        raise UsageError(str(answer), "the answer depends on a dataset.", "Give --dataset FILE.")
    question = make_question(
        mapping, str(answer), dataset=dataset, book=load_prices(overlay=prices)
    )
    rules = parse_team_rules([rule.model_dump() for rule in old.rules], str(answer))
    new = recommend(replace(question, rules=rules))
    changes = differences(old, new)
    has_changed = old.decision.recommended != new.decision.recommended
    if format_ == "json":
        body = {
            "verdict_changed": has_changed,
            "before": old.decision.recommended,
            "after": new.decision.recommended,
            "changes": changes,
        }
        write_bytes(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
        return
    out = console()
    title = "The verdict changed" if has_changed else "The verdict is unchanged"
    out.print(f"[bold]{title}:[/bold] {new.decision.verdict}", soft_wrap=True)
    if has_changed:
        before = f"Before, on {old.question.asked_on}: {old.decision.verdict}"
        out.print(before, markup=False, soft_wrap=True)
    for change in changes or ["No other changes."]:
        out.print(f"  - {change}", markup=False, soft_wrap=True)


def _load(path: Path) -> Answer:
    remedy = "Save one with --format json."
    if not path.is_file():
        raise UsageError(str(path), "file not found.", remedy)
    try:
        return Answer.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise UsageError(str(path), "not a saved answer.", remedy) from error


def differences(old: Answer, new: Answer) -> list[str]:
    """List the differences between two answers: date, engine, dataset, prices, rules."""
    changes = []
    if old.question.asked_on != new.question.asked_on:
        changes.append(f"date: {old.question.asked_on} -> {new.question.asked_on}")
    if old.engine_version != new.engine_version:
        changes.append(f"engine: {old.engine_version} -> {new.engine_version}")
    if old.dataset_sha256 != new.dataset_sha256:
        changes.append("dataset: its rows changed")
    before, after = _prices(old), _prices(new)
    for item in sorted(before.keys() & after.keys()):
        if before[item] != after[item]:
            changes.append(f"price: {item} {before[item]} -> {after[item]} USD")
    old_rules = {(option.id, option.rule) for option in old.ruled_out}
    new_rules = {(option.id, option.rule): option.says for option in new.ruled_out}
    changes += [
        f"rule: {key[0]} is now ruled out: {new_rules[key]}"
        for key in sorted(new_rules.keys() - old_rules)
    ]
    changes += [
        f"rule: {name} is no longer ruled out by {rule}"
        for name, rule in sorted(old_rules - new_rules.keys())
    ]
    return changes


def _prices(answer: Answer) -> dict[str, str]:
    """Return the price of each item on the day of the answer, without announced changes."""
    day = answer.question.asked_on
    return {
        line.price_item: line.price
        for option in answer.options
        for line in option.bill
        if line.price_item and line.since and line.since <= day
    }
