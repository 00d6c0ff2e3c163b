"""What the working API gives, as records: each field with what it means and an example."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from advisor.plan import TrainingPlan
from advisor.units import Record
from trainer.timeline import What
from trainer.tokens import Role


class Dataset(Record):
    """One file of rows, kept under a name of our own."""

    dataset_id: str = Field(examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """Its name here; also a file of the surface under /v1."""
    filename: str = Field(examples=["tickets.jsonl"])
    """What its sender calls it."""
    bytes: int = Field(examples=[48231])
    """Size."""
    sha256: str = Field(examples=["9f86" * 16])
    """Hash of the bytes."""
    owner: str = Field(examples=["triage-team"])
    """Whose it is."""
    made_at: str = Field(examples=["2026-11-20T09:30:00Z"])
    """When it came, in UTC."""


class Leaves(Record):
    """What a launch sends away from the server's machine."""

    provider: str = Field(examples=["together"])
    """Who gets it: the name that a launch has to repeat."""
    host: str = Field(examples=["api.together.ai"])
    """Where it goes."""
    region: str = Field(examples=["not stated"])
    """Where it is kept."""
    retention: str = Field(examples=["not stated"])
    """How long it is kept."""
    rows: int = Field(examples=[1200])
    """Rows that are sent."""
    bytes: int = Field(examples=[480000])
    """Their size."""
    personal: dict[str, int] = Field(examples=[{"e-mail": 3}])
    """Kind of personal data -> rows that seem to hold it."""


class Planned(Record):
    """A plan that was laid down: its hash is its name."""

    plan_id: str = Field(examples=["3b1f" * 16])
    """Hash of the plan: what a launch names."""
    at_most_usd: str = Field(examples=["4.20"])
    """What a launch has to agree to [USD]."""
    leaves: Leaves | None = Field(examples=[None])
    """What leaves the machine, if anything does."""
    run_id: str | None = Field(examples=[None])
    """The run it was launched as."""
    plan: TrainingPlan
    """Everything the job is made from."""


class RunShown(Record):
    """A run as its events say it is."""

    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """Its name."""
    plan_id: str = Field(examples=["3b1f" * 16])
    """The plan it was launched from."""
    owner: str | None = Field(examples=["triage-team"])
    """Whose it is; nobody's where it was started on the command line."""
    provider: str = Field(examples=["local"])
    """Who tunes."""
    state: str = Field(examples=["running"])
    """Where it stands."""
    outcome: str | None = Field(examples=[None])
    """How the job ended, if it has."""
    job_id: str | None = Field(examples=["run_1f2e3d4c5b6a7988"])
    """The provider's name of the job."""
    tuned_model: str | None = Field(examples=[None])
    """The provider's name of what was tuned."""
    version: str | None = Field(examples=[None])
    """Its version in the registry."""
    problem: str | None = Field(examples=[None])
    """What a person has to decide, why it waits, or why it failed."""
    reserved_usd: str | None = Field(examples=["4.20"])
    """Set aside for it [USD]."""
    spent_usd: str | None = Field(examples=[None])
    """What it cost in the end [USD]."""
    watched: bool = Field(examples=[True])
    """Whether some process looked at it within five minutes."""
    made_at: str = Field(examples=["2026-11-20T09:30:00Z"])
    """When it was launched, in UTC."""


class EventShown(Record):
    """One thing that happened to a run."""

    seq: int = Field(examples=[7])
    """Its number in the run: the id of a server-sent event."""
    at: str = Field(examples=["2026-11-20T09:31:12Z"])
    """When, in UTC."""
    event: What = Field(examples=["metric"])
    """state, metric or log."""
    kind: str = Field(examples=["metric"])
    """What happened."""
    body: dict[str, Any] = Field(examples=[{"step": 10, "train_loss": 1.24}])
    """What is known of it."""


class VersionShown(Record):
    """One version of a tuned model."""

    version_id: str = Field(examples=["triage-v2"])
    """Its name."""
    name: str = Field(examples=["triage"])
    """Name that it shares with its predecessors."""
    stage: Literal["candidate", "champion", "retired"] = Field(examples=["candidate"])
    """Whether it is in use."""
    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """The run that made it."""
    provider: str = Field(examples=["local"])
    """Who keeps it."""
    base_model: str = Field(examples=["qwen-0.5b"])
    """What was tuned."""
    kind: str = Field(examples=["adapter"])
    """adapter, full, encoder or remote."""
    dataset_sha256: str = Field(examples=["3b1f" * 16])
    """Hash of all its rows."""
    usd: str | None = Field(examples=["1.10"])
    """What it cost [USD]."""
    verdict: str | None = Field(examples=["better"])
    """What its evaluation says."""
    evaluation: dict[str, Any] | None = Field(examples=[None])
    """All that its evaluation found."""
    shutdown_on: str | None = Field(examples=[None])
    """Day its provider ends it."""


class EntryShown(Record):
    """One line of the ledger."""

    subject: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """What it is for."""
    purpose: str = Field(examples=["training"])
    """What kind of thing that is."""
    provider: str = Field(examples=["local"])
    """Who is paid."""
    day: str = Field(examples=["2026-11-20"])
    """Day in UTC."""
    reserved_usd: str = Field(examples=["4.20"])
    """Set aside [USD]."""
    settled_usd: str | None = Field(examples=["1.10"])
    """What it was in the end [USD]."""
    how: str = Field(examples=["measured hours"])
    """How that is known."""


class LedgerShown(Record):
    """What is spent or set aside, and the caps over it."""

    today_usd: str = Field(examples=["4.20"])
    """Today, in UTC [USD]."""
    per_day_cap_usd: str | None = Field(examples=["50.00"])
    """Most of a day [USD]."""
    total_usd: str = Field(examples=["18.40"])
    """In all [USD]."""
    total_cap_usd: str | None = Field(examples=[None])
    """Most in all [USD]."""
    entries: tuple[EntryShown, ...]
    """Line by line: the caller's own, or all for an admin."""


class TokenShown(Record):
    """A token, without its secret."""

    token_id: str = Field(examples=["a1b2c3d4"])
    """Its name."""
    owner: str = Field(examples=["triage-team"])
    """Who uses it."""
    role: Role = Field(examples=["spend"])
    """How far it goes."""
    made_at: str = Field(examples=["2026-11-20T09:30:00Z"])
    """When it was made, in UTC."""
    expires_at: str | None = Field(examples=[None])
    """When it ends."""
    revoked_at: str | None = Field(examples=[None])
    """When it was ended."""


class TokenMade(TokenShown):
    """A token that was made just now."""

    secret: str = Field(examples=["sk-a1b2c3d4-..."])
    """What to send as the bearer; it is not shown again."""


class AuditLine(Record):
    """Who did what, and for how much."""

    seq: int = Field(examples=[12])
    """Its number."""
    at: str = Field(examples=["2026-11-20T09:30:00Z"])
    """When, in UTC."""
    owner: str = Field(examples=["triage-team"])
    """Who."""
    token_id: str = Field(examples=["a1b2c3d4"])
    """With which token."""
    action: str = Field(examples=["launch"])
    """What."""
    subject: str = Field(examples=["3b1f" * 16])
    """To what."""
    usd: str | None = Field(examples=["4.20"])
    """For how much at most [USD]."""
    body: dict[str, Any] = Field(examples=[{"egress": None}])
    """What else is known."""


class DeploymentShown(Record):
    """A tuned model that costs by the hour while it stands."""

    deployment_id: str = Field(examples=["dep_1f2e3d4c5b6a7988"])
    """Its name."""
    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """The run that made the model."""
    provider: str = Field(examples=["together"])
    """Who serves it."""
    state: str = Field(examples=["ready"])
    """Where it stands."""
    usd_per_hour: str = Field(examples=["2.56"])
    """What an hour costs [USD]."""
    hours: float = Field(examples=[0.5])
    """How long it has stood [h]."""
    max_hours: float = Field(examples=[1.0])
    """When it is stopped [h]."""
    spent_usd: str = Field(examples=["1.28"])
    """What it has cost so far [USD]."""
