"""`trainer plan`: create and show the plan of one training job."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from advisor.console import console, print_text, write_json
from advisor.loading import apply_set_flags, parse_team_rules, read_mapping
from advisor.plan.training_plan import LocalJob, TrainingPlan
from advisor.units import GIB, parse_usd
from trainer.cli.flags import JsonFlag, TuningFlags, usd_option
from trainer.context import open_context
from trainer.plan.create import create_plan
from trainer.plan.request import PlanRequest, request_from_text
from trainer.runs.start import SHORT_ID_CHARACTERS

SERVING = {"per_token": "by the token", "per_hour": "by the hour, once deployed"}
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
"""The most important settings of a local training."""


@dataclass(frozen=True)
class PlanFlags(TuningFlags):
    """Flags of `trainer plan`; `trainer pilot` shares them."""

    method: Annotated[str, typer.Option(help="supervised, dpo or reinforcement.")] = "supervised"
    grader: Annotated[Path | None, typer.Option(help="File with a grader as JSON.")] = None
    cap_usd: Annotated[Decimal | None, usd_option("--cap", "Maximum cost [USD].")] = None
    suffix: Annotated[str | None, typer.Option(help="Name of the tuned model.")] = None
    held_out_share: Annotated[
        float, typer.Option("--held-out", help="Share of the rows to hold out.")
    ] = 0.1
    sends_held_out: Annotated[
        bool,
        typer.Option(
            "--send-held-out/--no-send-held-out",
            help="Send them to the provider too, to measure with.",
        ),
    ] = False
    again: Annotated[bool, typer.Option(help="Plan another job of a plan that was launched.")] = (
        False
    )
    general: Annotated[Path | None, typer.Option(help="General rows, to measure forgetting.")] = (
        None
    )
    answer_schema: Annotated[
        Path | None, typer.Option("--schema", help="JSON schema that answers must match.")
    ] = None
    validation_share: Annotated[
        float,
        typer.Option(
            "--validation",
            help="Share of the rows whose loss a training on this machine reports.",
        ),
    ] = 0.0


def make_plan(flags: PlanFlags, as_json: JsonFlag = False) -> None:
    """Create a plan, store it, and show it."""
    plan = create_plan(open_context(flags.prices), plan_request(flags))
    if as_json:
        return write_json({"plan_id": plan.plan_id, "plan": plan.model_dump(mode="json")})
    show_plan(plan)
    print_text(f"\nStart it with: trainer launch {plan.plan_id[:SHORT_ID_CHARACTERS]}")
    return None


def plan_request(flags: PlanFlags) -> PlanRequest:
    """Build a request from the flags, and the scenario in its file or in a saved answer."""
    fields = {
        name: value for name, value in vars(flags).items() if name in PlanRequest.model_fields
    }
    settings, where = fields.pop("settings"), str(flags.asked)
    body = read_mapping(flags.asked)
    if "question" in body and "decision" in body:
        fields["decided"] = body["decision"]["recommended"]
        fields["rules"] = parse_team_rules(body.get("rules") or [], where)
        body = {k: v for k, v in body["question"].items() if v is not None}
    fields |= {
        "scenario": apply_set_flags(body, flags.sets),
        "where": where,
        "grader": flags.grader.read_text() if flags.grader else None,
        "scorer": tuple(shlex.split(flags.scorer or "")),
    }
    if flags.usd_per_hour is not None:
        fields["usd_per_hour"] = parse_usd(flags.usd_per_hour, "--usd-per-hour")
    return request_from_text(settings, **fields)


def expected_rows(local: LocalJob | None) -> Iterator[tuple[str, str]]:
    """Yield the estimated time, memory and energy of a local training, with their basis."""
    if local is None:
        return
    yield "time", _range(local.hours, "h")
    if local.expected is None:
        return
    yield "basis", local.expected.basis
    if local.expected.memory_bytes:
        yield "memory", _range([size / GIB for size in local.expected.memory_bytes], "GiB")
    if local.expected.energy_kwh:
        yield "energy", _range(local.expected.energy_kwh, "kWh")


def _range(bounds: Sequence[float], unit: str) -> str:
    low, likely, high = (f"{bound:.3g}" for bound in bounds)
    return f"{likely} {unit} likely, {low} to {high} {unit}"


def show_plan(plan: TrainingPlan) -> None:
    """Print a plan as a table."""
    figure, settings = plan.figure, plan.hyperparameters.model_dump(exclude_none=True)
    where = f"at {plan.provider}"
    if plan.local is not None:
        recipe = plan.local.recipe
        settings = {name: getattr(recipe, name) for name in SHOWN_SETTINGS}
        where = f"on this machine ({plan.local.gpu}), {recipe.objective} by {recipe.method}"
    held_out = f"{plan.held_out.rows:,} held out" if plan.held_out else "none held out"
    own = ", your own price" if figure.own else f", since {figure.since}, read {figure.read_on}"
    minimum = f"; at least ${figure.minimum} per job" if figure.minimum else ""
    rows = (
        ("what", f"{plan.method} tuning of {plan.base_model} {where}"),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items())),
        ("rows", f"{plan.training.rows:,} training, {held_out}"),
        ("tokens", f"{figure.trained_tokens:,} trained, at most {figure.trained_tokens_at_most:,}"),
        ("price", f"{figure.price} {figure.unit}{minimum}{own}"),
        ("source", figure.source),
        ("cost", f"${figure.likely} likely, ${figure.low} to ${figure.at_most}"),
        *expected_rows(plan.local),
        ("cap", f"${plan.cap_usd}"),
        ("serving", "from this machine" if plan.local else SERVING[plan.serving]),
        (
            "plan",
            f"{plan.plan_id[:SHORT_ID_CHARACTERS]}, attempt {plan.attempt}, "
            f"{plan.planned_at[:16]} UTC",
        ),
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table)
