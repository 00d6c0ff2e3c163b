"""A decision and a converted dataset -> the plan of one training job: frozen, hashed, capped."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Annotated, Literal

import orjson
from pydantic import Field

from advisor.answer import Answer
from advisor.errors import UsageError, did_you_mean
from advisor.estimate.inference import token_factor
from advisor.estimate.line import total
from advisor.estimate.point import AT_MOST, LIKELY, Point
from advisor.estimate.tokens import evaluated_tokens
from advisor.estimate.tuning import TrainingSet, default_epochs, hosted_training
from advisor.options.hosted import asked_as
from advisor.options.option import Option
from advisor.units import Record

Method = Literal["supervised", "dpo", "reinforcement"]
PLAN_HOURS = 24.0
CENT = Decimal("0.01")
BILLS_VALIDATION = frozenset({"together"})
"""Who bills held-out rows too, once an evaluation. Source: the provider's pricing page."""
TRAINING_KIND = {"supervised": "training", "dpo": "dpo_training"}


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


class Figure(Record):
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
    figure: Figure
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

    @property
    def validation(self) -> DataFile | None:
        """The held-out rows, where the provider gets them."""
        return self.held_out if self.sends_held_out else None

    @property
    def plan_id(self) -> str:
        """The hash of the plan but for its hour: at most one job is ever started under it."""
        body = self.model_dump(mode="json", exclude={"planned_at"})
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


class Wish(Record):
    """What the user adds to a decision: settings, a cap, a name."""

    method: Method = "supervised"
    """How to tune."""
    hyperparameters: Hyperparameters = Hyperparameters()
    """Settings."""
    cap_usd: Annotated[Decimal, Field(gt=0)] | None = None
    """Most it may cost; by default what the plan says it costs at most."""
    suffix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,18}$")] | None = None
    """Name of the tuned model."""
    grader: str | None = None
    """JSON of a grader, for reinforcement."""
    attempt: Annotated[int, Field(ge=1)] = 1
    """Which try of the same plan."""


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
        raise UsageError(where, f"this is no training plan ({' '.join(first[1:3]).strip()}).",
                         "Make one with `trainer plan`.") from error  # fmt: skip


def make_plan(
    answer: Answer, option: Option, data: PlanData, wish: Wish, planned_at: datetime
) -> TrainingPlan:
    """Lay one job down: rows, settings, price, and the cap that is held against its dear end.

    Raises:
        UsageError: the method is not sold there, or the cap lies under what it may cost.
    """
    offer = option.offer
    if offer is None:
        raise UsageError(option.id, "no provider tunes this option.", option.launch_says)
    sold = {"sft": "supervised"}
    methods = [sold.get(method, method) for method in offer.methods]
    if wish.method not in methods:
        raise UsageError(f"--method {wish.method}", f"{offer.provider} does not sell it for "
                         f"{offer.base}.", did_you_mean(wish.method, methods).strip())  # fmt: skip
    figure = figure_of(option, data, wish)
    cap = wish.cap_usd or Decimal(figure.at_most)
    if cap < Decimal(figure.at_most):
        raise UsageError(f"--cap {cap}", f"this job may cost up to {figure.at_most} USD.",
                         "Raise the cap, or train on fewer rows or epochs.")  # fmt: skip
    return TrainingPlan(
        provider=offer.provider, base_model=offer.base, method=wish.method,
        hyperparameters=wish.hyperparameters, **data.model_dump(), figure=figure,
        cap_usd=str(cap.quantize(CENT)), serving=offer.serving, option_id=option.id,
        question_sha256=answer.question_sha256, prices_sha256=answer.prices_sha256,
        planned_at=planned_at.isoformat(timespec="seconds"), suffix=wish.suffix,
        grader=wish.grader, attempt=wish.attempt,
        organisation=asked_as(answer.question, offer.provider),
    )  # fmt: skip


def figure_of(option: Option, data: PlanData, wish: Wish) -> Figure:
    """Work out what the job costs, with the same quantities that the answer was made of.

    Raises:
        UsageError: there is no price for this method.
    """
    kind = TRAINING_KIND.get(wish.method, "training")
    if kind not in option.prices:
        raise UsageError(f"--method {wish.method}", f"{option.provider} has no {kind} price.",
                         "Add your own under prices: in an overlay.")  # fmt: skip
    price = option.prices[kind]
    priced = replace(option, prices={**option.prices, "training": price})
    likely, most = (_job(priced, data, wish, point) for point in (LIKELY, AT_MOST))
    factor = option.counted_as.token_factor if option.counted_as else None
    low = likely[1] * (Decimal(factor.low) / Decimal(factor.likely) if factor else 1)
    minimum = option.prices.get("job_minimum")
    least = Decimal(str(minimum.value)) if minimum else Decimal(0)
    return Figure(
        item=price.item, price=str(price.value), unit=price.unit, since=str(price.since),
        source=price.source, read_on=str(price.read_on), own=price.own,
        trained_tokens=likely[0], trained_tokens_at_most=most[0], low=_cents(max(low, least)),
        likely=_cents(likely[1]), at_most=_cents(most[1]),
        minimum=str(minimum.value) if minimum else None,
    )  # fmt: skip


def epochs_of(plan: TrainingPlan) -> int:
    """Return the passes to ask for where a provider takes a number only."""
    asked = plan.hyperparameters.n_epochs
    return int(default_epochs(plan.training.rows)) if asked == "auto" else asked


MOST_AUTO_EPOCHS = 25
AUTO_MARGIN_EPOCHS = 2.0
"""What `auto` may choose over our reckoning of it; own judgement."""


def _job(option: Option, data: PlanData, wish: Wish, point: Point) -> tuple[int, Decimal]:
    rows, epochs = data.training.rows, wish.hyperparameters.n_epochs
    passes = float(default_epochs(rows)) if epochs == "auto" else float(epochs)
    if epochs == "auto" and point is AT_MOST:
        passes = min(MOST_AUTO_EPOCHS, max(passes * AUTO_MARGIN_EPOCHS, passes + 1))
    factor = float(token_factor(option.counted_as, point))
    held = data.validation
    checked = 0.0
    if held and option.provider in BILLS_VALIDATION:
        checked = float(evaluated_tokens(passes, held.rows, held.tokens / held.rows * factor))
    trained = data.training.tokens * factor * passes + checked
    lines = hosted_training(option, TrainingSet(rows, trained / passes / rows, passes))
    return round(trained), Decimal(repr(float(total(lines, "once"))))


def _cents(amount: Decimal) -> str:
    """Round up to a cent: a cap must never lie under what it covers."""
    return str(Decimal(amount).quantize(CENT, rounding=ROUND_UP))
