"""Training plan: the frozen, hashed description of one training job."""

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
    """Hyperparameters; `auto` leaves a value to the provider."""

    n_epochs: Annotated[int, Field(ge=1, le=50)] | Literal["auto"] = "auto"
    """Passes over the training rows."""
    batch_size: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"
    """Rows per step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Absolute learning rate, if the provider supports it."""
    learning_rate_multiplier: Annotated[float, Field(gt=0)] | None = None
    """Multiple of the provider's default learning rate, if the provider supports it."""
    lora_rank: Annotated[int, Field(ge=1, le=512)] | None = None
    """Rank of the adapters."""
    lora_alpha: Annotated[int, Field(ge=1)] | None = None
    """Scale of the adapters."""
    beta: Annotated[float, Field(gt=0, le=2)] | None = None
    """Maximum deviation from the base in preference tuning."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] | None = None
    """Seed of the order of rows."""


class DataFile(Record):
    """A file of canonical rows, exactly as uploaded."""

    sha256: str
    """Hash of the bytes, which is also the file name."""
    bytes: int
    """Size in bytes."""
    rows: int
    """Number of rows."""
    tokens: int
    """Tokens, counted with the plan's encoding."""
    longest_tokens: int
    """Tokens of the longest row."""


class PlannedCost(Record):
    """Cost of a job: estimate, worst case and their inputs."""

    item: str
    """Price item."""
    price: str
    """Price, as in the price book."""
    unit: str
    """Unit of the price."""
    since: str
    """First day of the price."""
    source: str
    """Source of the price."""
    read_on: str
    """Date it was last read at the source."""
    own: bool
    """Whether it is the user's own price."""
    trained_tokens: int
    """Tokens of all epochs, most likely."""
    trained_tokens_at_most: int
    """Tokens of all epochs, worst case."""
    low: str
    """Lower bound [USD]."""
    likely: str
    """Most likely cost [USD]."""
    at_most: str
    """Worst case [USD]; the cap must not be below it."""
    minimum: str | None
    """Minimum charge per job [USD]."""


class TrainingEstimate(Record):
    """Time, memory and energy of a training on this machine, with their basis."""

    basis: str
    """Basis of the times: past runs, a probe of the machine, or published runs."""
    train_seconds: float
    """Training time without calibration by past runs [s]."""
    memory_bytes: tuple[float, float, float] | None = None
    """Peak memory of the process: low, likely, at most; null on a CPU without a probe."""
    energy_kwh: tuple[float, float, float] | None = None
    """Energy at the wall socket: low, likely, at most; null on a CPU."""


class LocalJob(Record):
    """Additional parts of a plan for a training on this machine."""

    base: str
    """Folder of the base: config, safetensors, tokenizer; empty for the TF-IDF baseline."""
    base_sha256: str
    """Hash of those files; the training script rejects another base."""
    gpu: str
    """GPU name in the price book, or `cpu`."""
    recipe: Recipe
    """All training settings."""
    hours: tuple[float, float, float]
    """Duration: low, likely, at most [h]."""
    general: DataFile | None = None
    """General rows, to measure forgetting and to mix into the training."""
    metric: str | None = None
    """Metric of the evaluation; chosen by the type of answers if null."""
    scorer: tuple[str, ...] = ()
    """The user's command that scores answers."""
    answer_schema: str | None = None
    """JSON schema that answers must match."""
    validation: DataFile | None = None
    """Rows whose loss is logged during the training."""
    expected: TrainingEstimate | None = None
    """Estimate; not part of the plan's identity."""

    @property
    def is_plain(self) -> bool:
        """Whether it is the TF-IDF baseline, which has no base."""
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
    """Billing of the tuned model."""
    option_id: str
    """Id of the option."""
    question_sha256: str
    """Hash of the question."""
    prices_sha256: str
    """Hash of the price book."""
    planned_at: str
    """Creation time in UTC; a plan expires after 24 hours."""
    organisation: str = "anyone"
    """Kind of customer, at a provider that is not open to all."""
    suffix: str | None = None
    """Name of the tuned model, or part of it."""
    grader: str | None = None
    """Grader for reinforcement, as JSON."""
    attempt: int = 1
    """Number of the job under the same plan; later ones need an explicit request."""
    local: LocalJob | None = None
    """Settings of a training on this machine."""
    owner: str | None = None
    """Owner of the access token; None on the command line."""

    @property
    def plan_id(self) -> str:
        """Hash of the plan without its creation time; it starts at most one job."""
        body = self.model_dump(mode="json", exclude={"planned_at": True, "local": {"expected"}})
        for name in ("local", "owner"):
            if body[name] is None:
                del body[name]
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


class PlanSettings(Record):
    """Settings of a plan: method, hyperparameters, cap, name."""

    method: Method = "supervised"
    """Training method."""
    hyperparameters: Hyperparameters = Hyperparameters()
    """Hyperparameters."""
    cap_usd: Annotated[Decimal, Field(gt=0)] | None = None
    """Maximum cost [USD]; the worst case by default."""
    suffix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    """Suffix of the tuned model's name."""
    grader: str | None = None
    """Grader for reinforcement, as JSON."""


def plan_bytes(plan: TrainingPlan) -> bytes:
    """Return a plan as canonical bytes."""
    return orjson.dumps(plan.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)


def read_plan(data: bytes, where: str) -> TrainingPlan:
    """Parse a plan.

    Raises:
        UsageError: it is not a training plan.
    """
    try:
        return TrainingPlan.model_validate_json(data)
    except ValueError as error:
        first = str(error).splitlines()
        raise UsageError(
            where,
            f"not a training plan ({' '.join(first[1:3]).strip()}).",
            "Create one with 'trainer plan'.",
        ) from error


def requested_epochs(plan: TrainingPlan) -> int:
    """Return the epochs to request from a provider that needs a number."""
    asked = plan.hyperparameters.n_epochs
    return int(default_epochs(plan.training.rows)) if asked == "auto" else asked
