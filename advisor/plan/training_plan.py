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


class TrainingPlan(Record):
    """Everything one paid job is made from; its hash is its name."""

    provider: str
    """Who tunes."""
    base_model: str
    """What is tuned."""
    method: Method
    """How."""
    hyperparameters: Hyperparameters
    """With what settings."""
    training: DataFile
    """Rows to learn from."""
    held_out: DataFile | None
    """Rows that are not learned from."""
    sends_held_out: bool
    """Whether the provider gets them too, to measure with."""
    source_sha256: str
    """The user's file."""
    dataset_sha256: str
    """All canonical rows, before they were split."""
    encoding: str
    """What tokens were counted with."""
    figure: PlannedCost
    """What it costs."""
    cap_usd: str
    """What it may never pass."""
    serving: Literal["per_token", "per_hour"]
    """How the tuned model is billed."""
    option_id: str
    """Option of the answer."""
    question_sha256: str
    """Question that was answered."""
    prices_sha256: str
    """Price book of that answer."""
    planned_at: str
    """When, in UTC; a plan lives a day."""
    organisation: str = "anyone"
    """Whose rules hold at a provider that is not open to all."""
    suffix: str | None = None
    """What the tuned model is called, where its name has room for it."""
    grader: str | None = None
    """How answers are scored in reinforcement, as JSON."""
    attempt: int = 1
    """Second and later ones are asked for by name."""
    local: LocalJob | None = None
    """How it is trained, where that is on this machine."""
    owner: str | None = None
    """Whose token asked for it; nobody's where it was made on the command line."""

    @property
    def validation(self) -> DataFile | None:
        """The held-out rows, where the provider gets them."""
        return self.held_out if self.sends_held_out else None

    @property
    def plan_id(self) -> str:
        """The hash of the plan but for its hour: at most one job is ever started under it."""
        body = self.model_dump(mode="json", exclude={"planned_at": True, "local": {"expected"}})
        for name in ("local", "owner"):
            if body[name] is None:
                del body[name]
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


class PlanData(Record):
    """The two halves of a dataset, and where they came from."""

    training: DataFile
    """Rows to learn from."""
    held_out: DataFile | None
    """Rows that are not learned from."""
    sends_held_out: bool
    """Whether the provider gets them too."""
    source_sha256: str
    """The user's file."""
    dataset_sha256: str
    """All canonical rows."""
    encoding: str
    """Tokenizer of the counts."""

    @property
    def validation(self) -> DataFile | None:
        """The held-out rows, where the provider gets them."""
        return self.held_out if self.sends_held_out else None


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
