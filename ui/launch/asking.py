"""What a visitor filled in -> the plan of one job, made by the same functions as elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advisor.errors import UsageError, did_you_mean
from advisor.gpu.recipe import Recipe
from advisor.plan.training_plan import Hyperparameters, PlanSettings, TrainingPlan
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.plan.local import LocalOptions, plan_local
from trainer.plan.provider import PlanRequest, plan_provider_job
from trainer.runs.start import next_attempt
from ui.launch.choices import LaunchChoice, selected_base

AMBIGUOUS_AMOUNT = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
"""A sign and three digits: thousands for one reader, decimals for another."""


@dataclass(frozen=True)
class PlanForm:
    """The form, as it was sent."""

    choice: LaunchChoice
    scenario: Mapping[str, Any]
    where: str
    """Where the scenario came from."""
    dataset: Path | None
    """File of rows."""
    name: str = ""
    """What the tuned model is called."""
    cap: str = ""
    """Most that it may cost; empty for what it costs at most."""
    held_out_share: float = 0.1
    validation_share: float = 0.0
    sends_held_out: bool = False
    epochs: str = ""
    """Passes over the rows; empty leaves the choice to us."""
    learning_rate: str = ""
    more: str = ""
    """Further settings, one `name=value` a line."""
    base: str | None = None
    """A base of the home folder."""
    base_typed: str = ""
    """Folder of another base."""
    gpu: str | None = None
    """What trains here, as the price book names it; nothing for the CPU."""
    usd_per_hour: str = ""
    """What an hour of this machine costs."""


def create_plan(context: TrainerContext, filled: PlanForm, again: bool = False) -> TrainingPlan:
    """Make a plan and keep it; nothing is spent.

    A plan that was launched already is returned as it is, unless another attempt is asked for.

    Raises:
        AdvisorError: something cannot be used, or a rule forbids it.
    """
    made = _build_plan(context, filled)
    if again:
        made = next_attempt(context, made, again)
    context.store.keep_plan(made)
    return made


def parse_settings(text: str) -> dict[str, str]:
    r"""Read settings that were typed, one `name=value` a line.

    Raises:
        UsageError: a line is not of that form.

    >>> parse_settings("most_steps=40\n\n seed = 7")
    {'most_steps': '40', 'seed': '7'}
    """
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not value.strip():
            raise UsageError(f"setting '{line}'", "this is not NAME=VALUE.", "Write seed=7.")
        found[name.strip()] = value.strip()
    return found


def parse_amount(text: str, what: str) -> Decimal | None:
    """Read an amount of USD; nothing where nothing was typed.

    Raises:
        UsageError: it is no amount above 0.

    >>> parse_amount(" 0,10 ", "cap"), parse_amount("", "cap")
    (Decimal('0.10'), None)
    """
    plain = text.strip().removesuffix("USD").strip().removeprefix("$").removesuffix("$")
    plain = plain.strip()
    if not plain:
        return None
    if AMBIGUOUS_AMOUNT.fullmatch(plain):
        raise UsageError(f"{what} '{text}'", "it can be read in two ways.", "Write 1250, or 1.25.")
    plain = plain.replace(",", ".")
    try:
        amount = Decimal(plain)
    except InvalidOperation as error:
        raise UsageError(f"{what} '{text}'", "this is no amount.", "Write 25.00.") from error
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"{what} '{text}'", "an amount is above 0.", "Write 25.00.")
    return amount


def _build_plan(context: TrainerContext, filled: PlanForm) -> TrainingPlan:
    now = utc_datetime(context.clock.now())
    choice = filled.choice
    if choice.how == "elsewhere":
        raise UsageError(choice.id, "it is not started from here.", choice.says)
    here = choice.how == "here"
    base = selected_base(filled.base, filled.base_typed) if here and not choice.is_plain else None
    request = PlanRequest(
        filled.scenario,
        filled.where,
        option=choice.option_id(base, filled.gpu),
        dataset=filled.dataset,
        held_out_share=filled.held_out_share,
        sends_held_out=filled.sends_held_out,
        validation_share=filled.validation_share,
    )
    plan_settings = plan_options(filled)
    if not here:
        return plan_provider_job(request, plan_settings, context.book, now)
    usd = parse_amount(filled.usd_per_hour, "price of an hour")
    own = {name: value for name, value in entered_settings(filled).items() if _is_local_only(name)}
    return plan_local(request, plan_settings, LocalOptions(base, usd, own), context.book, now)


def entered_settings(filled: PlanForm) -> dict[str, str]:
    """Put the settings together that were typed.

    Raises:
        UsageError: a line is not NAME=VALUE.
    """
    found = parse_settings(filled.more)
    for name, value in (("n_epochs", filled.epochs), ("learning_rate", filled.learning_rate)):
        if value.strip():
            found[name] = value.strip()
    return found


def plan_options(filled: PlanForm) -> PlanSettings:
    """Read settings, cap and name.

    Raises:
        UsageError: one of them cannot be used.
    """
    given = {
        name: value
        for name, value in entered_settings(filled).items()
        if not (filled.choice.how == "here" and _is_local_only(name))
    }
    for name in given:
        if name not in Hyperparameters.model_fields:
            raise UsageError(
                f"setting {name}",
                "there is no such setting.",
                did_you_mean(name, Hyperparameters.model_fields).strip(),
            )
    try:
        return PlanSettings(
            hyperparameters=Hyperparameters.model_validate(given),
            cap_usd=parse_amount(filled.cap, "cap"),
            suffix=filled.name.strip() or None,
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if "-" not in str(part))
        raise UsageError(
            place.replace("suffix", "name"), f"found '{first['input']}'.", f"{first['msg']}."
        ) from error


def _is_local_only(name: str) -> bool:
    """Whether only a training on this machine has this setting."""
    return name in Recipe.model_fields and name not in Hyperparameters.model_fields
