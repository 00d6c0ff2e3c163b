"""The plan of one training job: frozen, hashed, capped."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Annotated, Literal

import orjson
from pydantic import Field

from advisor.errors import UsageError
from advisor.estimate.tuning import default_epochs
from advisor.gpu.recipe import Recipe
from advisor.units import Record

Method = Literal["supervised", "dpo", "reinforcement"]
PLAN_HOURS = 24.0


class Hyperparameters(Record):
    """What the training is asked to do; `auto` leaves a value to the provider."""

    n_epochs: Annotated[int, Field(ge=1, le=50)] | Literal["auto"] = "auto"
    """Passes over the training rows."""
    batch_size: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"
    """Rows of one step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Absolute step size, where a provider takes one."""
    learning_rate_multiplier: Annotated[float, Field(gt=0)] | None = None
    """Step size over the provider's own, where a provider takes that."""
    lora_rank: Annotated[int, Field(ge=1, le=512)] | None = None
    """Rank of the adapters."""
    lora_alpha: Annotated[int, Field(ge=1)] | None = None
    """Scale of the adapters."""
    beta: Annotated[float, Field(gt=0, le=2)] | None = None
    """How far preference tuning may leave the base."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] | None = None
    """Seed of the order of rows."""


class DataFile(Record):
    """One file of canonical rows: the very bytes that are uploaded."""

    sha256: str
    """Hash of the bytes; also the name under which they lie."""
    bytes: int
    """Size."""
    rows: int
    """Examples."""
    tokens: int
    """Counted with the encoding of the plan."""
    longest_tokens: int
    """Longest example."""


class PlannedCost(Record):
    """What a job should cost and what it may cost at most, with what it was made of."""

    item: str
    """Price item."""
    price: str
    """As in the book."""
    unit: str
    """What one price covers."""
    since: str
    """First day of the price."""
    source: str
    """Who says so."""
    read_on: str
    """Day it was last read there."""
    own: bool
    """Whether the buyer wrote it."""
    trained_tokens: int
    """Tokens of all epochs, likely."""
    trained_tokens_at_most: int
    """The same at the dear end."""
    low: str
    """Least it should cost [USD]."""
    likely: str
    """What it should cost [USD]."""
    at_most: str
    """Every uncertain input at its dear end: what the cap is held against [USD]."""
    minimum: str | None
    """Least that a job is billed [USD]."""


class TrainingEstimate(Record):
    """What a training on one's own machine should take beside money, and how that is known."""

    basis: str
    """What the times rest on: past runs, a probe of the machine, or published runs."""
    train_seconds: float
    """Training alone, before past runs correct it."""
    memory_bytes: tuple[float, float, float] | None = None
    """Peak of the process: low, likely, at most; none on a CPU that nobody probed."""
    energy_kwh: tuple[float, float, float] | None = None
    """At the plug: low, likely, at most; none on a CPU, whose power nobody says."""


class LocalJob(Record):
    """What a training on a GPU of one's own needs beside the rows."""

    base: str
    """Folder of the base: config, safetensors, tokenizer; empty for the plain baseline."""
    base_sha256: str
    """Hash of those files; the script refuses another base."""
    gpu: str
    """Name in the price book, or `cpu`."""
    recipe: Recipe
    """Every setting."""
    hours: tuple[float, float, float]
    """How long it should take: low, likely, at most [h]."""
    general: DataFile | None = None
    """General rows: what was forgotten is measured on them, and some may be mixed in."""
    metric: str | None = None
    """How answers are scored; chosen by the answers where nobody says."""
    scorer: tuple[str, ...] = ()
    """A command of the user's that scores answers."""
    answer_schema: str | None = None
    """JSON schema that answers have to fit."""
    validation: DataFile | None = None
    """Rows whose loss is told while it trains."""
    expected: TrainingEstimate | None = None
    """What it should take; no part of what the plan is."""

    @property
    def is_plain(self) -> bool:
        """Whether it is the plain baseline, which has no base."""
        return not self.base


class PlanData(Record):
    """The files of rows of a plan, and the dataset they were split from."""

    training: DataFile
    """Training rows."""
    held_out: DataFile | None
    """Held-out rows."""
    sends_held_out: bool
    """Whether the provider gets the held-out rows too, to evaluate on."""
    source_sha256: str
    """Hash of the user's file."""
    dataset_sha256: str
    """Hash of all canonical rows, before they were split."""
    encoding: str
    """Encoding that tokens were counted with."""

    @property
    def validation(self) -> DataFile | None:
        """The held-out rows, if the provider gets them."""
        return self.held_out if self.sends_held_out else None


class TrainingPlan(PlanData):
    """Everything that one paid job is made from; its hash is its id."""

    provider: str
    """Provider that trains, or `local`."""
    base_model: str
    """Model that is tuned."""
    method: Method
    """Training method."""
    hyperparameters: Hyperparameters
    """Requested settings."""
    figure: PlannedCost
    """Estimated cost."""
    cap_usd: str
    """Maximum it may cost [USD]."""
    serving: Literal["per_token", "per_hour"]
    """How the tuned model is billed."""
    option_id: str
    """Option of the answer."""
    question_sha256: str
    """Hash of the question."""
    prices_sha256: str
    """Hash of the price book."""
    planned_at: str
    """Time of creation in UTC; a plan expires after a day."""
    organisation: str = "anyone"
    """Kind of customer, at a provider that is not open to all."""
    suffix: str | None = None
    """Name of the tuned model, or part of it."""
    grader: str | None = None
    """How answers are scored in reinforcement, as JSON."""
    attempt: int = 1
    """Number of the job under the same plan; later ones need an explicit request."""
    local: LocalJob | None = None
    """Settings of a training on this machine."""
    owner: str | None = None
    """Owner of the access token; None on the command line."""

    @property
    def plan_id(self) -> str:
        """The hash of the plan but for its hour: at most one job is ever started under it."""
        body = self.model_dump(mode="json", exclude={"planned_at": True, "local": {"expected"}})
        for name in ("local", "owner"):
            if body[name] is None:
                del body[name]
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


class PlanSettings(Record):
    """What the user adds to a decision: settings, a cap, a name."""

    method: Method = "supervised"
    """How to tune."""
    hyperparameters: Hyperparameters = Hyperparameters()
    """Settings."""
    cap_usd: Annotated[Decimal, Field(gt=0)] | None = None
    """Most it may cost; by default what the plan says it costs at most."""
    suffix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    """Name of the tuned model."""
    grader: str | None = None
    """JSON of a grader, for reinforcement."""


def plan_bytes(plan: TrainingPlan) -> bytes:
    """Write a plan as its canonical bytes."""
    return orjson.dumps(plan.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)


def read_plan(data: bytes, where: str) -> TrainingPlan:
    """Read a plan back.

    Raises:
        UsageError: it is no plan.
    """
    try:
        return TrainingPlan.model_validate_json(data)
    except ValueError as error:
        first = str(error).splitlines()
        raise UsageError(
            where,
            f"this is no training plan ({' '.join(first[1:3]).strip()}).",
            "Make one with `trainer plan`.",
        ) from error


def requested_epochs(plan: TrainingPlan) -> int:
    """Return the passes to ask for where a provider takes a number only."""
    asked = plan.hyperparameters.n_epochs
    return int(default_epochs(plan.training.rows)) if asked == "auto" else asked
