"""What the working API takes, as records: each field with what it means and an example.

What the working API gives, as records: each field with what it means and an example.

Runs, versions, ledger lines and tokens -> the records that the working API gives.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from advisor.plan.training_plan import Hyperparameters, Method, TrainingPlan
from advisor.units import Record
from trainer.clock import utc_datetime
from trainer.run_states import Run
from trainer.runs.deployments import Deployment
from trainer.runs.start import egress_of
from trainer.server.context import ServerContext
from trainer.storage.access_tokens import AccessToken, Role
from trainer.storage.audit_log import AuditEntry
from trainer.storage.files import StoredFile
from trainer.storage.ledger import LedgerEntry, usd_text
from trainer.storage.model_version import ModelVersion
from trainer.storage.run_store import RunSummary, TimelineEvent, TimelineKind

Usd = Annotated[Decimal, Field(ge=0, le=Decimal("1e9"), examples=["25.00"])]
Share = Annotated[float, Field(ge=0, lt=1, examples=[0.1])]
Text = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]


class RequestBody(Record):
    """The body of a request."""

    model_config = ConfigDict(defer_build=False)  # FastAPI takes none that is not built yet


class PlanBody(RequestBody):
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


class LaunchBody(RequestBody):
    """What whoever launches agrees to."""

    at_most_usd: Usd
    """The upper amount that is accepted [USD]: no less than the plan's own."""
    egress: Text | None = Field(None, examples=["together"])
    """Who may get the rows, where they leave the machine."""


class PromoteBody(RequestBody):
    """How sure whoever promotes is."""

    anyway: bool = Field(False, examples=[False])
    """Also where its evaluation says it is worse."""


class BudgetBody(RequestBody):
    """The caps; null takes one away."""

    per_day_usd: Usd | None
    """Most of a day [USD]."""
    total_usd: Usd | None
    """Most in all [USD]."""


class TokenBody(RequestBody):
    """Whose token, and how far it goes."""

    owner: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", examples=["triage-team"])
    """Who uses it; tokens of one owner see the same things."""
    role: Role = Field(examples=["spend"])
    """view, propose, spend or admin; each may do what those before it may."""
    days: float | None = Field(None, gt=0, le=3650, examples=[90])
    """How long it lives; for ever by default."""


class DatasetView(Record):
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


class EgressView(Record):
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


class PlanView(Record):
    """A plan that was laid down: its hash is its name."""

    plan_id: str = Field(examples=["3b1f" * 16])
    """Hash of the plan: what a launch names."""
    at_most_usd: str = Field(examples=["4.20"])
    """What a launch has to agree to [USD]."""
    leaves: EgressView | None = Field(examples=[None])
    """What leaves the machine, if anything does."""
    run_id: str | None = Field(examples=[None])
    """The run it was launched as."""
    plan: TrainingPlan
    """Everything the job is made from."""


class RunView(Record):
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


class EventView(Record):
    """One thing that happened to a run."""

    seq: int = Field(examples=[7])
    """Its number in the run: the id of a server-sent event."""
    at: str = Field(examples=["2026-11-20T09:31:12Z"])
    """When, in UTC."""
    event: TimelineKind = Field(examples=["metric"])
    """state, metric or log."""
    kind: str = Field(examples=["metric"])
    """What happened."""
    body: dict[str, Any] = Field(examples=[{"step": 10, "train_loss": 1.24}])
    """What is known of it."""


class VersionView(Record):
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


class LedgerEntryView(Record):
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


class LedgerView(Record):
    """What is spent or set aside, and the caps over it."""

    today_usd: str = Field(examples=["4.20"])
    """Today, in UTC [USD]."""
    per_day_cap_usd: str | None = Field(examples=["50.00"])
    """Most of a day [USD]."""
    total_usd: str = Field(examples=["18.40"])
    """In all [USD]."""
    total_cap_usd: str | None = Field(examples=[None])
    """Most in all [USD]."""
    entries: tuple[LedgerEntryView, ...]
    """Line by line: the caller's own, or all for an admin."""


class TokenView(Record):
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


class NewTokenView(TokenView):
    """A token that was made just now."""

    secret: str = Field(examples=["sk-a1b2c3d4-..."])
    """What to send as the bearer; it is not shown again."""


class AuditEntryView(Record):
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


class DeploymentView(Record):
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


def utc_text(at: float) -> str:
    """Write a moment in UTC, to the second.

    >>> utc_text(0.0)
    '1970-01-01T00:00:00Z'
    """
    return utc_datetime(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def dataset_view(stored_file: StoredFile) -> DatasetView:
    """Write a file of rows."""
    return DatasetView(
        dataset_id=stored_file.file_id,
        filename=stored_file.filename,
        bytes=stored_file.bytes,
        sha256=stored_file.sha256,
        owner=stored_file.owner,
        made_at=utc_text(stored_file.made_at),
    )


def plan_view(server: ServerContext, plan: TrainingPlan) -> PlanView:
    """Write a plan, with what a launch of it has to agree to."""
    leaving = egress_of(server.context, plan)
    leaves = (
        None
        if leaving is None
        else EgressView.model_validate({**leaving.__dict__, "personal": dict(leaving.personal)})
    )
    return PlanView(
        plan_id=plan.plan_id,
        at_most_usd=plan.figure.at_most,
        leaves=leaves,
        run_id=server.context.store.run_of(plan),
        plan=plan,
    )


def run_view(server: ServerContext, run: Run, listed: RunSummary) -> RunView:
    """Write a run with its money."""
    entry = server.context.ledger.entry(run.run_id)
    problem = run.said("failed", "why")
    if run.state == "needs_human":
        problem = run.said("needs_human", "why")
    elif run.events[-1].kind == "refused":
        problem = run.events[-1].body["why"]
    return RunView(
        run_id=run.run_id,
        plan_id=run.plan_id,
        owner=listed.owner,
        provider=run.provider,
        state=run.state,
        outcome=run.outcome,
        job_id=run.job_id,
        tuned_model=run.tuned_model,
        version=run.said("registered", "version"),
        problem=problem,
        reserved_usd=None if entry is None else usd_text(entry.reserved),
        spent_usd=None if entry is None or entry.settled is None else usd_text(entry.settled),
        watched=listed.watched,
        made_at=utc_text(listed.made_at),
    )


def event_view(one: TimelineEvent) -> EventView:
    """Write one thing that happened to a run."""
    return EventView(
        seq=one.seq, at=utc_text(one.at), event=one.what, kind=one.kind, body=dict(one.body)
    )


def version_view(version: ModelVersion) -> VersionView:
    """Write a version."""
    ends = version.shutdown_on
    return VersionView(
        version_id=version.version_id,
        name=version.name,
        stage=version.stage,
        run_id=version.run_id,
        provider=version.provider,
        base_model=version.base_model,
        kind=version.kind,
        dataset_sha256=version.dataset_sha256,
        usd=version.usd,
        verdict=version.verdict,
        evaluation=dict(version.evaluation) if version.evaluation else None,
        shutdown_on=ends.isoformat() if ends else None,
    )


def ledger_entry_view(entry: LedgerEntry) -> LedgerEntryView:
    """Write a line of the ledger."""
    return LedgerEntryView(
        subject=entry.subject,
        purpose=entry.purpose,
        provider=entry.provider,
        day=entry.day,
        reserved_usd=usd_text(entry.reserved),
        how=entry.how,
        settled_usd=None if entry.settled is None else usd_text(entry.settled),
    )


def token_view(token: AccessToken) -> TokenView:
    """Write a token, without its secret."""
    return TokenView(
        token_id=token.token_id,
        owner=token.owner,
        role=token.role,
        made_at=utc_text(token.made_at),
        expires_at=None if token.expires_at is None else utc_text(token.expires_at),
        revoked_at=None if token.revoked_at is None else utc_text(token.revoked_at),
    )


def audit_entry_view(done: AuditEntry) -> AuditEntryView:
    """Write a line of the audit log."""
    return AuditEntryView(
        seq=done.seq,
        at=utc_text(done.at),
        owner=done.owner,
        token_id=done.token_id,
        action=done.action,
        subject=done.subject,
        usd=done.usd,
        body=dict(done.body),
    )


def deployment_view(one: Deployment, now: float) -> DeploymentView:
    """Write a deployment, with what it has cost by now."""
    return DeploymentView(
        deployment_id=one.deployment_id,
        run_id=one.run_id,
        provider=one.provider,
        state=one.state,
        usd_per_hour=str(one.usd_per_hour),
        hours=round(one.hours(now), 4),
        max_hours=one.max_hours,
        spent_usd=f"{one.spent(now):.2f}",
    )
