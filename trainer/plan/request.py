"""Request for a training plan: the one record that CLI, HTTP API, page and pilot fill in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from advisor.errors import UsageError, did_you_mean
from advisor.gpu.recipe import Recipe
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.plan.training_plan import Hyperparameters, PlanSettings
from advisor.rules.team_rules import TeamRule

Share = Annotated[float, Field(ge=0, lt=1)]
OWN_MACHINES = ("local", "own")
RECIPE_ONLY = frozenset(Recipe.model_fields) - frozenset(Hyperparameters.model_fields)
"""Settings that only a training on this machine has."""


class PlanRequest(PlanSettings):
    """Everything that can be requested of a training plan, at a provider or on this machine."""

    scenario: Mapping[str, Any] = {}
    where: str = ""
    """File of the scenario; its dataset path is relative to it."""
    rules: tuple[TeamRule, ...] = ()
    """The team's own rules."""
    decided: str | None = None
    """Option that an earlier answer recommended."""
    option: str | None = None
    """Option to use instead of the recommended one."""
    dataset: Path | None = None
    """File of rows; by default the dataset of the scenario."""
    held_out: Path | None = None
    """File of rows to evaluate on, instead of a share of the dataset."""
    held_out_share: Share = 0.1
    sends_held_out: bool = False
    """Whether the provider gets the held-out rows too, to evaluate on."""
    validation_share: Share = 0.0
    """Share of the rows whose loss a local training reports."""
    base: Path | None = None
    """Folder of the base model, for a training on this machine."""
    usd_per_hour: Decimal | None = None
    """Cost of an hour of this machine, power included [USD]."""
    settings: Mapping[str, str] = {}
    """Recipe settings of a training on this machine."""
    general: Path | None = None
    """General rows to measure forgetting on."""
    scorer: tuple[str, ...] = ()
    """Command that scores answers."""
    metric: str | None = None
    answer_schema: Path | None = None
    """JSON schema for answers."""
    again: bool = False
    """Whether to create another attempt of a plan that was launched."""
    owner: str | None = None
    """Owner of the access token."""

    @property
    def rows_path(self) -> Path | None:
        """The file of rows, if one is named."""
        if self.dataset is not None:
            return self.dataset
        named = (self.scenario.get("dataset") or {}).get("path")
        return Path(self.where).parent / named if named else None

    @property
    def trains_here(self) -> bool:
        """Whether this machine trains, or a provider."""
        return self.base is not None or is_baseline(self.option)


def is_baseline(option: str | None) -> bool:
    """Return whether an option is the TF-IDF baseline on the user's machine.

    >>> is_baseline("encoder:local:tfidf-logreg"), is_baseline("encoder:together:x")
    (True, False)
    """
    parts = (option or "").split(":")
    return len(parts) > 2 and parts[1] in OWN_MACHINES and parts[2] == BASELINE_MODEL


def request_from_text(settings: Iterable[str], **fields: Any) -> PlanRequest:
    """Build a request from ``NAME=VALUE`` settings, as flags and forms give them, and its fields.

    Raises:
        UsageError: a setting or a field is not valid.

    >>> request_from_text(["seed=7"]).hyperparameters.seed
    7
    """
    trains_here = fields.get("base") is not None or is_baseline(fields.get("option"))
    hyperparameters: dict[str, str] = {}
    recipe: dict[str, str] = {}
    for setting in settings:
        name, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not value:
            raise UsageError(f"setting {setting}", "expected NAME=VALUE.", "Write seed=7.")
        if trains_here and name in RECIPE_ONLY:
            recipe[name] = value
        elif name in Hyperparameters.model_fields:
            hyperparameters[name] = value
        else:
            known = [*Hyperparameters.model_fields, *(RECIPE_ONLY if trains_here else ())]
            raise UsageError(
                f"setting {setting}", "there is no such setting.", did_you_mean(name, known).strip()
            )
    try:
        return PlanRequest.model_validate(
            {**fields, "hyperparameters": hyperparameters, "settings": recipe}
        )
    except ValidationError as error:
        raise invalid_field("", error) from error


def invalid_field(label: str, error: ValidationError) -> UsageError:
    """Return the first problem that pydantic found, as an error for the user."""
    first = error.errors()[0]
    names = [str(part) for part in first["loc"] if part != "hyperparameters"]
    found = f"found '{first['input']}'." if names else "the settings contradict each other."
    return UsageError(" ".join(filter(None, (label, *names[:1]))), found, f"{first['msg']}.")
