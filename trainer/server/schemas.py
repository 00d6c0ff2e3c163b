"""Records of the working API: the bodies of requests, and what the routes return.

Most of the returned records read their fields from a record of the store.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field

from advisor.plan.training_plan import Hyperparameters, Method, TrainingPlan
from advisor.units import Record
from trainer.clock import utc_datetime
from trainer.storage.access_tokens import Role
from trainer.storage.ledger import usd_text
from trainer.storage.run_store import TimelineKind


def utc_text(at: object) -> object:
    """Write seconds since 1970 as a time in UTC, to the second; text stays as it is.

    >>> utc_text(0.0)
    '1970-01-01T00:00:00Z'
    """
    if not isinstance(at, int | float):
        return at
    return utc_datetime(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def amount_text(amount: object) -> object:
    """Write an amount of the ledger (millionths of a USD) or of a version as USD.

    >>> amount_text(4_200_000), amount_text(Decimal("1.10"))
    ('4.20', '1.10')
    """
    if isinstance(amount, int):
        return usd_text(amount)
    return str(amount) if isinstance(amount, Decimal) else amount


Usd = Annotated[Decimal, Field(ge=0, le=Decimal("1e9"), examples=["25.00"])]
Share = Annotated[float, Field(ge=0, lt=1, examples=[0.1])]
Text = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
UtcText = Annotated[str, BeforeValidator(utc_text)]
UsdText = Annotated[str, BeforeValidator(amount_text)]


class RequestBody(Record):
    """The body of a request."""

    model_config = ConfigDict(defer_build=False)  # FastAPI needs complete models


class PlanBody(RequestBody):
    """A request for a plan: a question, its dataset, and what to tune."""

    question: dict[str, Any] = Field(examples=[{"traffic": {"requests_per_month": 100000}}])
    """The scenario, as for `recommend`; it names no file."""
    dataset_id: Text = Field(examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """Training rows."""
    option: Text | None = Field(None, examples=["lora:local:qwen-0.5b"])
    """Option to use instead of the recommended one."""
    base: Text | None = Field(None, examples=["qwen-0.5b"])
    """Base model of this server, to train on this server."""
    method: Method = Field("supervised", examples=["supervised"])
    """Training method."""
    hyperparameters: Hyperparameters = Field(Hyperparameters(), examples=[{"n_epochs": 3}])
    """Settings that every provider supports."""
    settings: dict[str, Text] = Field({}, examples=[{"lora_dropout": "0.05"}])
    """Further settings of a training on this server."""
    cap_usd: Annotated[Usd, Field(gt=0)] | None = Field(None, examples=["25.00"])
    """Maximum cost [USD]; by default the worst case of the plan."""
    suffix: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["triage"])
    """Name of the tuned model."""
    held_out_share: Share = 0.1
    """Share of the rows that are held out."""
    sends_held_out: bool = Field(False, examples=[False])
    """Whether the provider also receives the held-out rows, to measure with."""
    validation_share: Share = Field(0.0, examples=[0.05])
    """Share of the rows whose loss is reported during a training on this server."""
    grader: Text | None = Field(None, examples=['{"type": "string_check", "operation": "eq"}'])
    """Grader as JSON, for reinforcement."""
    again: bool = Field(False, examples=[False])
    """Whether to plan another job where this plan was launched before."""


class LaunchBody(RequestBody):
    """Consent to a launch."""

    at_most_usd: Usd
    """Accepted worst case [USD]: at least the plan's own."""
    egress: Text | None = Field(None, examples=["together"])
    """Provider that may receive the rows, if they leave the machine."""


class PromoteBody(RequestBody):
    """Options of a promotion."""

    anyway: bool = Field(False, examples=[False])
    """Promote even if the evaluation found the version worse."""


class BudgetBody(RequestBody):
    """The caps; null removes one."""

    per_day_usd: Usd | None
    """Daily cap [USD]."""
    total_usd: Usd | None
    """Total cap [USD]."""


class TokenBody(RequestBody):
    """A request for a token."""

    owner: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", examples=["triage-team"])
    """Owner; all tokens of one owner see the same resources."""
    role: Role = Field(examples=["spend"])
    """view, propose, spend or admin; each includes the ones before it."""
    days: float | None = Field(None, gt=0, le=3650, examples=[90])
    """Days until the token expires; never by default."""


class View(Record):
    """A returned record; its fields can be read from a record of the store."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, source: object, **computed: Any) -> Self:
        """Read the fields that *source* has, and add the computed ones."""
        names = [name for name in cls.model_fields if hasattr(source, name)]
        return cls.model_validate({name: getattr(source, name) for name in names} | computed)


class DatasetView(View):
    """A stored file of rows."""

    dataset_id: str = Field(validation_alias="file_id", examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """Id; also the id of a file under /v1."""
    filename: str = Field(examples=["tickets.jsonl"])
    """Name given by the sender."""
    bytes: int = Field(examples=[48231])
    """Size."""
    sha256: str = Field(examples=["9f86" * 16])
    """Hash of the bytes."""
    owner: str = Field(examples=["triage-team"])
    """Owner."""
    made_at: UtcText = Field(examples=["2026-11-20T09:30:00Z"])
    """Time of the upload, in UTC."""


class EgressView(View):
    """The data a launch sends away from the server's machine."""

    provider: str = Field(examples=["together"])
    """Recipient: the name a launch has to repeat."""
    host: str = Field(examples=["api.together.ai"])
    """Host it is sent to."""
    region: str = Field(examples=["not stated"])
    """Region of storage."""
    retention: str = Field(examples=["not stated"])
    """Retention period."""
    rows: int = Field(examples=[1200])
    """Number of rows."""
    bytes: int = Field(examples=[480000])
    """Size of the rows."""
    personal: dict[str, int] = Field(examples=[{"e-mail": 3}])
    """Kind of personal data -> rows that appear to contain it."""


class PlanView(View):
    """A plan; its id is the hash of its content."""

    plan_id: str = Field(examples=["3b1f" * 16])
    """Hash of the plan: what a launch names."""
    at_most_usd: str = Field(examples=["4.20"])
    """Worst case that a launch has to accept [USD]."""
    leaves: EgressView | None = Field(examples=[None])
    """Data that leaves the machine, if any does."""
    run_id: str | None = Field(examples=[None])
    """Run of this plan, if it was launched."""
    plan: TrainingPlan
    """Everything the job is made from."""


class RunView(View):
    """The state of a run, as its events give it."""

    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """Id of the run."""
    plan_id: str = Field(examples=["3b1f" * 16])
    """Plan it was launched from."""
    owner: str | None = Field(examples=["triage-team"])
    """Owner; null if it was launched on the command line."""
    provider: str = Field(examples=["local"])
    """Provider that runs the training."""
    state: str = Field(examples=["running"])
    """Run state."""
    outcome: str | None = Field(examples=[None])
    """How the job ended, if it has."""
    job_id: str | None = Field(examples=["run_1f2e3d4c5b6a7988"])
    """The provider's id of the job."""
    tuned_model: str | None = Field(examples=[None])
    """The provider's name of the tuned model."""
    version: str | None = Field(examples=[None])
    """Version in the model registry."""
    problem: str | None = Field(examples=[None])
    """What needs your decision, why the run waits, or why it failed."""
    reserved_usd: UsdText | None = Field(examples=["4.20"])
    """Reserved amount [USD]."""
    spent_usd: UsdText | None = Field(examples=[None])
    """Final cost [USD]."""
    watched: bool = Field(examples=[True])
    """Whether a process advanced it within the last five minutes."""
    made_at: UtcText = Field(examples=["2026-11-20T09:30:00Z"])
    """Time of the launch, in UTC."""


class EventView(View):
    """One event of a run."""

    seq: int = Field(examples=[7])
    """Number within the run; also the id of the server-sent event."""
    at: UtcText = Field(examples=["2026-11-20T09:31:12Z"])
    """Time, in UTC."""
    event: TimelineKind = Field(validation_alias="what", examples=["metric"])
    """state, metric or log."""
    kind: str = Field(examples=["metric"])
    """Kind of the event."""
    body: dict[str, Any] = Field(examples=[{"step": 10, "train_loss": 1.24}])
    """Details."""


class VersionView(View):
    """A version of a tuned model."""

    version_id: str = Field(examples=["triage-v2"])
    """Id of the version."""
    name: str = Field(examples=["triage"])
    """Model name, shared by all of its versions."""
    stage: Literal["candidate", "champion", "retired"] = Field(examples=["candidate"])
    """Stage: candidate, champion or retired."""
    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """Run that made it."""
    provider: str = Field(examples=["local"])
    """Provider that stores it."""
    base_model: str = Field(examples=["qwen-0.5b"])
    """Base model."""
    kind: str = Field(examples=["adapter"])
    """adapter, full, encoder or remote."""
    dataset_sha256: str = Field(examples=["3b1f" * 16])
    """Hash of all its rows."""
    usd: UsdText | None = Field(examples=["1.10"])
    """Cost of the training [USD]."""
    verdict: str | None = Field(examples=["better"])
    """Verdict of its evaluation."""
    evaluation: dict[str, Any] | None = Field(examples=[None])
    """Complete evaluation."""
    shutdown_on: Annotated[str, BeforeValidator(str)] | None = Field(examples=[None])
    """Day on which its provider shuts it down."""


class LedgerEntryView(View):
    """One line of the ledger."""

    subject: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """Id of the run, deployment or pilot it pays for."""
    purpose: str = Field(examples=["training"])
    """Kind of expense."""
    provider: str = Field(examples=["local"])
    """Provider that is paid."""
    day: str = Field(examples=["2026-11-20"])
    """Day in UTC."""
    reserved_usd: UsdText = Field(validation_alias="reserved", examples=["4.20"])
    """Reserved amount [USD]."""
    settled_usd: UsdText | None = Field(validation_alias="settled", examples=["1.10"])
    """Final cost [USD]."""
    how: str = Field(examples=["measured hours"])
    """Basis of the final cost."""


class LedgerView(View):
    """Money spent or reserved, and the caps on it."""

    today_usd: str = Field(examples=["4.20"])
    """Today, in UTC [USD]."""
    per_day_cap_usd: str | None = Field(examples=["50.00"])
    """Daily cap [USD]."""
    total_usd: str = Field(examples=["18.40"])
    """In total [USD]."""
    total_cap_usd: str | None = Field(examples=[None])
    """Total cap [USD]."""
    entries: tuple[LedgerEntryView, ...]
    """Ledger lines: the caller's own, or all for an admin."""


class TokenView(View):
    """A token, without its secret."""

    token_id: str = Field(examples=["a1b2c3d4"])
    """Id of the token."""
    owner: str = Field(examples=["triage-team"])
    """Owner."""
    role: Role = Field(examples=["spend"])
    """Role."""
    made_at: UtcText = Field(examples=["2026-11-20T09:30:00Z"])
    """Time it was created, in UTC."""
    expires_at: UtcText | None = Field(examples=[None])
    """Time it expires."""
    revoked_at: UtcText | None = Field(examples=[None])
    """Time it was revoked."""


class NewTokenView(TokenView):
    """A token that was just created."""

    secret: str = Field(examples=["sk-a1b2c3d4-..."])
    """The bearer token to send; it is not shown again."""


class AuditEntryView(View):
    """One line of the audit log."""

    seq: int = Field(examples=[12])
    """Number of the line."""
    at: UtcText = Field(examples=["2026-11-20T09:30:00Z"])
    """Time, in UTC."""
    owner: str = Field(examples=["triage-team"])
    """Owner of the token."""
    token_id: str = Field(examples=["a1b2c3d4"])
    """Token that was used."""
    action: str = Field(examples=["launch"])
    """Action."""
    subject: str = Field(examples=["3b1f" * 16])
    """What it was applied to."""
    usd: str | None = Field(examples=["4.20"])
    """Worst case that was accepted [USD]."""
    body: dict[str, Any] = Field(examples=[{"egress": None}])
    """Details."""


class DeploymentView(View):
    """A tuned model served by the hour."""

    deployment_id: str = Field(examples=["dep_1f2e3d4c5b6a7988"])
    """Id of the deployment."""
    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """Run that made the model."""
    provider: str = Field(examples=["together"])
    """Provider that serves it."""
    state: str = Field(examples=["ready"])
    """State."""
    usd_per_hour: UsdText = Field(examples=["2.56"])
    """Price per hour [USD]."""
    hours: float = Field(examples=[0.5])
    """Hours it has been up [h]."""
    max_hours: float = Field(examples=[1.0])
    """Hours after which it is stopped [h]."""
    spent_usd: str = Field(examples=["1.28"])
    """Cost so far [USD]."""
