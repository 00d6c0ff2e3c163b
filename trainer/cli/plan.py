"""`trainer plan`: a scenario or an answer, and a dataset, made into a plan on disk."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from advisor.console import console, write_json
from advisor.loading import apply_set_flags, parse_team_rules, read_mapping
from advisor.plan.training_plan import LocalJob, TrainingPlan
from advisor.rules.team_rules import TeamRule
from advisor.units import GIB, parse_usd
from trainer.context import open_context
from trainer.plan.create import create_plan
from trainer.plan.request import PlanRequest, request_from_text
from trainer.runs.start import SHORT_ID_CHARACTERS

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
    """Create a plan, store it, and show it."""
    plan = create_plan(open_context(flags.prices), plan_request(flags))
    if as_json:
        return write_json({"plan_id": plan.plan_id, "plan": plan.model_dump(mode="json")})
    show_plan(plan)
    console().print(
        f"\nStart it with: trainer launch {plan.plan_id[:SHORT_ID_CHARACTERS]}", soft_wrap=True
    )
    return None


def plan_request(flags: PlanFlags) -> PlanRequest:
    """Build a request from the flags, and the scenario in its file or in a saved answer."""
    body = read_mapping(flags.asked)
    decided: str | None = None
    rules: tuple[TeamRule, ...] = ()
    if "question" in body and "decision" in body:
        decided = body["decision"]["recommended"]
        rules = parse_team_rules(body.get("rules") or [], str(flags.asked))
        body = {k: v for k, v in body["question"].items() if v is not None}
    return request_from_text(
        flags.settings,
        scenario=apply_set_flags(body, flags.sets),
        where=str(flags.asked),
        rules=rules,
        decided=decided,
        option=flags.option,
        dataset=flags.dataset,
        held_out_share=flags.held_out,
        sends_held_out=flags.send_held_out,
        validation_share=flags.validation,
        method=flags.method,
        cap_usd=parse_usd(flags.cap, "--cap") if flags.cap else None,
        suffix=flags.suffix,
        grader=flags.grader.read_text() if flags.grader else None,
        base=flags.base,
        usd_per_hour=parse_usd(flags.usd_per_hour, "--usd-per-hour")
        if flags.usd_per_hour
        else None,
        general=flags.general,
        scorer=tuple(shlex.split(flags.scorer or "")),
        metric=flags.metric,
        answer_schema=flags.schema,
        again=flags.again,
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
