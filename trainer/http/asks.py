"""What the working API takes, as records: each field with what it means and an example."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from advisor.plan import Hyperparameters, Method
from advisor.units import Record
from trainer.tokens import Role

Usd = Annotated[Decimal, Field(ge=0, le=Decimal("1e9"), examples=["25.00"])]
Share = Annotated[float, Field(ge=0, lt=1, examples=[0.1])]
Text = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]


class Ask(Record):
    """The body of a request."""

    model_config = ConfigDict(defer_build=False)  # FastAPI takes none that is not built yet


class PlanAsk(Ask):
    """What is to be planned: a question, its dataset, and what to tune."""

    question: dict[str, Any] = Field(examples=[{"traffic": {"requests_per_month": 100000}}])
    """The scenario, as for `recommend`; it names no file."""
    dataset_id: Text = Field(examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """Rows to learn from."""
    option: Text | None = Field(None, examples=["lora:local:qwen-0.5b"])
    """Option to take instead of the recommended one."""
    base: Text | None = Field(None, examples=["qwen-0.5b"])
    """A base of this server, where it is tuned here."""
    method: Method = Field("supervised", examples=["supervised"])
    """How to tune."""
    hyperparameters: Hyperparameters = Field(Hyperparameters(), examples=[{"n_epochs": 3}])
    """Settings that every provider knows."""
    settings: dict[str, Text] = Field({}, examples=[{"lora_dropout": "0.05"}])
    """Further settings of a training on this server."""
    cap_usd: Annotated[Usd, Field(gt=0)] | None = Field(None, examples=["25.00"])
    """Most it may cost [USD]; by default what it costs at most."""
    suffix: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["triage"])
    """Name of the tuned model."""
    held_out_share: Share = 0.1
    """Share of the rows that are not learned from."""
    sends_held_out: bool = Field(False, examples=[False])
    """Whether the provider gets them too, to measure with."""
    validation_share: Share = Field(0.0, examples=[0.05])
    """Share of the rows whose loss is told while a training here goes on."""
    grader: Text | None = Field(None, examples=['{"type": "string_check", "operation": "eq"}'])
    """JSON of a grader, for reinforcement."""
    again: bool = Field(False, examples=[False])
    """Whether a further job of a plan that was launched is meant."""


class LaunchAsk(Ask):
    """What whoever launches agrees to."""

    at_most_usd: Usd
    """The upper amount that is accepted [USD]: no less than the plan's own."""
    egress: Text | None = Field(None, examples=["together"])
    """Who may get the rows, where they leave the machine."""


class PromoteAsk(Ask):
    """How sure whoever promotes is."""

    anyway: bool = Field(False, examples=[False])
    """Also where its evaluation says it is worse."""


class BudgetAsk(Ask):
    """The caps; null takes one away."""

    per_day_usd: Usd | None
    """Most of a day [USD]."""
    total_usd: Usd | None
    """Most in all [USD]."""


class TokenAsk(Ask):
    """Whose token, and how far it goes."""

    owner: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", examples=["triage-team"])
    """Who uses it; tokens of one owner see the same things."""
    role: Role = Field(examples=["spend"])
    """view, propose, spend or admin; each may do what those before it may."""
    days: float | None = Field(None, gt=0, le=3650, examples=[90])
    """How long it lives; for ever by default."""
