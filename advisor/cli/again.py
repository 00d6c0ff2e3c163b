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
    """Repeat a saved question on another date and print what changed.

    Raises:
        UsageError: the file is not a saved answer.
    """
    saved = answer
    old = _load(saved)
    mapping: dict[str, Any] = old.question.model_dump(mode="json", exclude_unset=True)
    mapping["asked_on"] = parse_day(on).isoformat()
    if old.dataset_sha256 and dataset is None and not (old.question.dataset.path):
        raise UsageError(str(saved), "the answer rests on a dataset.", "Give --dataset FILE.")
    asked = make_question(mapping, str(saved), dataset=dataset, book=load_prices(overlay=prices))
    rules = parse_team_rules([rule.model_dump() for rule in old.rules], str(saved))
    new = recommend(replace(asked, rules=rules))
    changes = differences(old, new)
    if format_ == "json":
        write_bytes(
            orjson.dumps(
                {
                    "verdict_changed": old.decision.recommended != new.decision.recommended,
                    "before": old.decision.recommended,
                    "after": new.decision.recommended,
                    "changes": changes,
                },
                option=orjson.OPT_SORT_KEYS,
            )
        )
        return
    out = console()
    same = old.decision.recommended == new.decision.recommended
    word = "The verdict holds" if same else "The verdict changed"
    out.print(f"[bold]{word}:[/bold] {new.decision.verdict}", soft_wrap=True)
    if not same:
        out.print(
            f"Before, on {old.question.asked_on}: {old.decision.verdict}",
            markup=False,
            soft_wrap=True,
        )
    for change in changes or ["Nothing else changed."]:
        out.print(f"  - {change}", markup=False, soft_wrap=True)


def _load(path: Path) -> Answer:
    if not path.is_file():
        raise UsageError(str(path), "there is no such file.", "Save one with --format json.")
    try:
        return Answer.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise UsageError(
            str(path), "this is no saved answer.", "Save one with --format json."
        ) from error


def differences(old: Answer, new: Answer) -> list[str]:
    """Say what changed between two answers to one question: day, engine, prices, rules, data."""
    found = []
    if old.question.asked_on != new.question.asked_on:
        found.append(f"date: {old.question.asked_on} -> {new.question.asked_on}")
    if old.engine_version != new.engine_version:
        found.append(f"engine: {old.engine_version} -> {new.engine_version}")
    if old.dataset_sha256 != new.dataset_sha256:
        found.append("dataset: its rows are others")
    before, after = _prices(old), _prices(new)
    for item in sorted(before.keys() & after.keys()):
        if before[item] != after[item]:
            found.append(f"price: {item} {before[item]} -> {after[item]} USD")
    ours = {(one.id, one.rule) for one in old.ruled_out}
    theirs = {(one.id, one.rule): one.says for one in new.ruled_out}
    found += [
        f"rule: {key[0]} is ruled out now: {theirs[key]}" for key in sorted(theirs.keys() - ours)
    ]
    found += [
        f"rule: {name} is no longer ruled out by {rule}"
        for name, rule in sorted(ours - theirs.keys())
    ]
    return found


def _prices(found: Answer) -> dict[str, str]:
    return {
        line.price_item: line.price
        for option in found.options
        for line in option.bill
        if line.price_item
    }
