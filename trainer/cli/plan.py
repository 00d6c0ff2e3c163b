"""`trainer plan`: a scenario or an answer, and a dataset, made into a plan on disk."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.table import Table

from advisor.console import console
from advisor.errors import UsageError, did_you_mean
from advisor.gpu.recipe import Recipe
from advisor.loading import apply_set_flags, parse_team_rules, read_mapping
from advisor.plan.training_plan import (
    Hyperparameters,
    LocalJob,
    PlanSettings,
    TrainingPlan,
    plan_bytes,
)
from advisor.rules.team_rules import TeamRule
from advisor.units import GIB
from trainer.clock import utc_datetime
from trainer.context import open_context
from trainer.plan.local import LocalOptions, is_baseline, plan_local
from trainer.plan.provider import PlanRequest, plan_provider_job
from trainer.runs.start import SHORT_ID_CHARACTERS, next_attempt

RECIPE_ONLY = set(Recipe.model_fields) - set(Hyperparameters.model_fields)
"""Settings that only a training on this machine has."""
SERVING = {"per_token": "by the token", "per_hour": "by the hour, once it is deployed"}
SHOWN_SETTINGS = (
    "epochs",
    "learning_rate",
    "micro_batch_rows",
    "accumulation_steps",
    "max_tokens",
    "lora_rank",
    "lora_alpha",
    "dtype",
    "packing",
    "seed",
)
"""Settings of a training on this machine that a person looks at first."""


@dataclass(frozen=True)
class PlanFlags:
    """The flags of the command."""

    asked: Path
    option: str | None
    dataset: Path | None
    sets: tuple[str, ...]
    settings: tuple[str, ...]
    method: str
    grader: Path | None
    cap: str | None
    suffix: str | None
    held_out: float
    send_held_out: bool
    again: bool
    prices: Path | None
    base: Path | None = None
    usd_per_hour: str | None = None
    general: Path | None = None
    scorer: str | None = None
    metric: str | None = None
    schema: Path | None = None
    validation: float = 0.0


def make_plan(flags: PlanFlags, as_json: bool) -> None:
    """Make a plan, keep it, and show it."""
    context = open_context(flags.prices)
    now = utc_datetime(context.clock.now())
    if flags.base is not None or is_baseline(flags.option):
        made = plan_local(
            plan_request(flags), plan_settings(flags), local_options(flags), context.book, now
        )
    else:
        made = plan_provider_job(plan_request(flags), plan_settings(flags), context.book, now)
    made = next_attempt(context, made, flags.again)
    context.store.keep_plan(made)
    if as_json:
        body = {"plan_id": made.plan_id, "plan": json.loads(plan_bytes(made))}
        sys.stdout.write(json.dumps(body, indent=2, sort_keys=True) + "\n")
        return
    show_plan(made)
    console().print(
        f"\nStart it with: trainer launch {made.plan_id[:SHORT_ID_CHARACTERS]}", soft_wrap=True
    )


def plan_request(flags: PlanFlags) -> PlanRequest:
    """Read the scenario out of its file, or out of an answer that was saved."""
    for flag, share in (("--held-out", flags.held_out), ("--validation", flags.validation)):
        if not 0 <= share < 1:
            raise UsageError(
                f"{flag} {share}", "a share is from 0 to under 1.", "Give 0.1 for a tenth."
            )
    body = read_mapping(flags.asked)
    decided: str | None = None
    rules: tuple[TeamRule, ...] = ()
    if "question" in body and "decision" in body:
        decided = body["decision"]["recommended"]
        rules = parse_team_rules(body.get("rules") or [], str(flags.asked))
        body = {k: v for k, v in body["question"].items() if v is not None}
    request = PlanRequest(
        apply_set_flags(body, flags.sets), str(flags.asked), decided, flags.option
    )
    return replace(
        request,
        rules=rules,
        dataset=flags.dataset,
        held_out_share=flags.held_out,
        sends_held_out=flags.send_held_out,
        validation_share=flags.validation,
    )


def plan_settings(flags: PlanFlags) -> PlanSettings:
    """Read settings, cap and name from the flags."""
    settings: dict[str, Any] = {}
    for flag in flags.settings:
        name, equals, value = flag.partition("=")
        if equals and flags.base is not None and name in RECIPE_ONLY:
            continue
        if not equals or name not in Hyperparameters.model_fields:
            raise UsageError(
                f"--with {flag}",
                "there is no such setting.",
                did_you_mean(name, Hyperparameters.model_fields).strip(),
            )
        settings[name] = value
    try:
        cap = Decimal(flags.cap) if flags.cap else None
        return PlanSettings(
            method=flags.method,
            hyperparameters=Hyperparameters(**settings),
            cap_usd=cap,
            suffix=flags.suffix,
            grader=flags.grader.read_text() if flags.grader else None,
        )
    except InvalidOperation as error:
        raise UsageError(f"--cap {flags.cap}", "this is no amount.", "Write 25.00.") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"{'.'.join(map(str, first['loc']))}", f"found '{first['input']}'.", f"{first['msg']}."
        ) from error


def local_options(flags: PlanFlags) -> LocalOptions:
    """Read what is said of base and machine; settings of the recipe go with it."""
    pairs = (flag.partition("=") for flag in flags.settings)
    try:
        usd = Decimal(flags.usd_per_hour) if flags.usd_per_hour else None
    except InvalidOperation as error:
        raise UsageError(
            f"--usd-per-hour {flags.usd_per_hour}", "this is no amount.", "Write 0.09."
        ) from error
    return LocalOptions(
        flags.base,
        usd,
        {name: value for name, _, value in pairs if name in RECIPE_ONLY},
        flags.general,
        tuple(shlex.split(flags.scorer or "")),
        flags.metric,
        flags.schema,
    )


def expected_rows(local: LocalJob | None) -> Iterator[tuple[str, str]]:
    """Write time, memory and energy of a training on one's own machine, and how they are known."""
    if local is None:
        return
    yield "time", _range(local.hours, "h")
    if local.expected is None:
        return
    yield "known from", local.expected.basis
    if local.expected.memory_bytes:
        gib = (
            local.expected.memory_bytes[0] / GIB,
            local.expected.memory_bytes[1] / GIB,
            local.expected.memory_bytes[2] / GIB,
        )
        yield "memory", _range(gib, "GiB")
    if local.expected.energy_kwh:
        yield "energy", _range(local.expected.energy_kwh, "kWh")


def _range(bounds: tuple[float, float, float], unit: str) -> str:
    low, likely, high = (f"{one:.3g}" for one in bounds)
    return f"{likely} {unit} likely, {low} to {high} {unit}"


def show_plan(made: TrainingPlan) -> None:
    """Write a plan as a person reads it."""
    figure, settings = made.figure, made.hyperparameters.model_dump(exclude_none=True)
    where = f"at {made.provider}"
    if made.local is not None:
        recipe = made.local.recipe
        settings = {name: getattr(recipe, name) for name in SHOWN_SETTINGS}
        where = f"on this machine ({made.local.gpu}), {recipe.objective} by {recipe.method}"
    held = f"{made.held_out.rows:,} held out" if made.held_out else "none held out"
    own = ", your own price" if figure.own else f", since {figure.since}, read {figure.read_on}"
    least = f"; at least {figure.minimum} USD a job" if figure.minimum else ""
    rows = (
        ("what", f"{made.method} tuning of {made.base_model} {where}"),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items())),
        ("rows", f"{made.training.rows:,} to learn from, {held}"),
        ("tokens", f"{figure.trained_tokens:,} trained, at most {figure.trained_tokens_at_most:,}"),
        ("price", f"{figure.price} {figure.unit}{least}{own}"),
        ("source", figure.source),
        ("cost", f"{figure.likely} USD likely, {figure.low} to {figure.at_most} USD"),
        *expected_rows(made.local),
        ("cap", f"{made.cap_usd} USD"),
        ("serving", "from this machine" if made.local else SERVING[made.serving]),
        (
            "plan",
            f"{made.plan_id[:SHORT_ID_CHARACTERS]}, attempt {made.attempt}, "
            f"{made.planned_at[:16]} UTC",
        ),
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table)
