"""The scenario record: task, needs, traffic, quality target, limits; checked from a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from advisor.errors import ScenarioError, explain_validation_error, shortened_repr
from advisor.units import HOURS_PER_MONTH, Approach, Record, Task

Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveShare = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Growth = Annotated[float, Field(ge=-0.9, le=10, allow_inf_nan=False)]
MonthFactors = Annotated[tuple[Count, ...], Field(max_length=12)]


class Needs(Record):
    """Requirements of the task, each yes or no; no if not given."""

    needs_fresh_facts: bool = False
    """Answers depend on facts that change."""
    needs_citations: bool = False
    """Answers must cite their sources."""
    needs_private_knowledge: bool = False
    """Answers depend on documents that public models were not trained on."""
    style_or_format: bool = False
    """Answers need a tone or format that is hard to describe."""
    narrow_label_task: bool = False
    """Each answer is one of a fixed set of labels."""
    new_skill_or_language: bool = False
    """The task needs a skill or language that general models do poorly."""
    complex_reasoning: bool = False
    """Answers need several steps of reasoning."""
    privacy_self_host: bool = False
    """No text may be sent to a model provider; your own or rented GPUs are allowed."""
    low_latency: bool = False
    """A user or a program waits for the answer."""
    cost_reduction: bool = False
    """The goal is to reduce cost. Informational: it changes no figure."""
    preference_hard_to_specify: bool = False
    """A better answer is easier to recognise than to describe."""
    agentic_tools: bool = False
    """The model calls tools in a loop."""


class Dataset(Record):
    """The available examples."""

    path: str | None = None
    """Path of the file of examples."""
    examples: Count | None = None
    """Number of training examples; counted if a file is given."""
    classes: Count | None = None
    """Number of labels; counted if a file is given."""
    tenants: Count | None = None
    """Number of tasks or tenants that need a separate model."""
    label_quality: Literal["expert", "mixed", "noisy", "unknown"] = "unknown"
    """Quality of the answers in the examples."""
    examples_to_label: Count | None = None
    """Number of training examples whose answers people still have to write."""


class Traffic(Record):
    """Traffic of an average month and its change over time; tokens are per request, as billed."""

    requests_per_month: Count | None = None
    """Model calls per month."""
    peak_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Requests in the busiest hour over the average hour."""
    batchable_share: Share | None = None
    """Share of requests that can wait up to a day for a batch API."""
    prefix_tokens: Count | None = None
    """Instructions that are the same in every request."""
    context_tokens: Count | None = None
    """Documents added to each request, other than retrieved chunks."""
    user_tokens: Count | None = None
    """Input that differs per request."""
    completion_tokens: Count | None = None
    """Visible answer."""
    reasoning_tokens: Count | None = None
    """Reasoning tokens of reasoning models, billed as output."""
    tool_tokens: Count | None = None
    """Tool descriptions and tool results."""
    turns: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Turns per conversation; each turn includes all earlier ones."""
    cache_hit_share: Share | None = None
    """Share of prefix tokens billed at the cached price."""
    tuned_prefix_tokens: Count | None = None
    """Prompt prefix that a tuned model still needs."""
    caching: Literal["best", "implicit", "none"] = "best"
    """Prompt caching: the cheapest mode of each seller, only what it caches by itself, or none."""
    flexible_share: Share | None = None
    """Share of requests that can take the slower, cheaper tier (flex)."""
    growth_per_month: Growth | None = None
    """Growth of the requests from one month to the next; 0.05 is 5% more each month."""
    churn_per_month: Share | None = None
    """Share of the requests that is lost from one month to the next."""
    seasonality: MonthFactors = ()
    """Requests of January to December over an average month: twelve factors, or none."""
    spike_month: Annotated[int, Field(ge=1, le=12)] | None = None
    """Calendar month with a spike: 1 is January."""
    spike_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Requests of the spike month over an average month."""

    @model_validator(mode="after")
    def _has_twelve_months(self) -> Self:
        if len(self.seasonality) not in (0, 12):
            raise ValueError(f"{len(self.seasonality)} factors instead of 12, January to December")
        return self


class Knowledge(Record):
    """The documents that answers depend on."""

    corpus_tokens: Count | None = None
    """Tokens of all documents."""
    chunk_tokens: Positive | None = None
    """Tokens per retrieved chunk."""
    top_k: Positive | None = None
    """Chunks added to each request (top-k)."""
    change: Literal["static", "monthly", "weekly", "daily", "hourly"] = "static"
    """How often the documents change."""
    changed_share: Share | None = None
    """Share of the documents that differs after each change; only that is embedded again."""
    rerank: bool = False
    """Whether retrieved chunks are reranked."""
    store: str | None = None
    """Vector store in the price book; empty means the cheapest allowed one."""
    permissions_per_user: bool = False
    """Whether users may read different documents."""
    retrieval_tried: bool | None = None
    """Whether retrieval was tried; enter its score in quality.measured."""


class Measurement(Record):
    """A quality measured by the user."""

    approach: Approach
    """Approach that was measured."""
    model: str | None = None
    """Model as provider/model; empty means any."""
    value: Share
    """Share of correct answers, 0 to 1."""
    n: Positive = 100
    """Number of held-out examples."""


class Quality(Record):
    """The quality target, and what is known about quality so far."""

    metric: str = "share of answers that are right"
    """Name of the metric. Informational: it changes no figure."""
    target: Share | None = None
    """Share of correct answers from which an option is good enough."""
    has_eval: bool | None = None
    """Whether there is an evaluation to measure quality."""
    held_out_examples: Count | None = None
    """Examples held out for evaluation."""
    error_cost: Literal["low", "high", "unknown"] = "unknown"
    """Cost of a wrong answer."""
    prompt_effort: Literal["none", "naive", "systematic", "unknown"] = "unknown"
    """How much prompting was tried."""
    prompting: Literal["meets", "gap", "unknown"] = "unknown"
    """Best prompt on a large model against the target; a measurement takes precedence."""
    measured: tuple[Measurement, ...] = ()
    """Measurements so far."""
    judged_per_month: Count | None = None
    """Answers graded by a judge model per month."""
    judge: str | None = None
    """Judge model as provider/model; empty means the teacher of a distillation."""


class CurrentSolution(Record):
    """The current solution."""

    approach: Approach = "prompt"
    """Current approach."""
    model: str | None = None
    """Current model as provider/model."""
    monthly_cost_usd: Count | None = None
    """Current cost per month [USD]."""


class Organisation(Record):
    """Your history with providers, which decides whether you may start a job."""

    openai: Literal["never_tuned", "tuned_before", "active"] | None = None
    """Your fine-tuning history at OpenAI."""
    azure: Literal["new", "existing"] | None = None
    """Whether you already fine-tune at Azure."""


class Hardware(Record):
    """GPUs that you own or already rent."""

    gpu: str
    """GPU name in the price book."""
    count: Annotated[int, Field(ge=1)] = 1
    """Number of GPUs."""
    usd_per_hour: Count | None = None
    """Cost per GPU hour, including electricity; empty if computed from purchase and power [USD]."""
    purchase_usd: Count | None = None
    """Purchase price of one GPU with its share of the machine [USD]."""
    lifetime_months: Positive = 36
    """Months over which the purchase is written off."""
    watts: Positive | None = None
    """Power draw of one GPU with its share of the machine under load; else its board power [W]."""
    usd_per_kwh: Count | None = None
    """Price of electricity [USD]."""

    @model_validator(mode="after")
    def _has_a_cost(self) -> Self:
        if self.usd_per_hour is None and (self.purchase_usd is None or self.usd_per_kwh is None):
            raise ValueError(
                "its cost is missing: give usd_per_hour, or both purchase_usd and usd_per_kwh"
            )
        return self

    def hour_usd(self, board_watts: float) -> float:
        """Return the cost of one GPU hour: as given, else electricity and depreciation [USD].

        >>> Hardware(gpu="T4", purchase_usd=730, lifetime_months=10, usd_per_kwh=0.3).hour_usd(100)
        0.13
        """
        if self.usd_per_hour is not None:
            return self.usd_per_hour
        kilowatts = (self.watts or board_watts) / 1000
        power = kilowatts * (self.usd_per_kwh or 0.0)
        return power + (self.purchase_usd or 0.0) / (self.lifetime_months * HOURS_PER_MONTH)


class HostingNeeds(Record):
    """How a model of your own is served."""

    high_availability: bool = False
    """Whether serving must survive the loss of a machine: one more than the peak needs."""
    max_load_share: PositiveShare | None = None
    """Highest load of a machine at the peak, as a share of what it can serve."""
    cold_starts: bool | None = None
    """Whether a request may wait until a stopped machine has started; empty: unless needs or limits
    ask for low latency."""
    spot: bool = False
    """Whether GPUs that can be taken away at short notice may be used."""


class Limits(Record):
    """Limits that rule options out."""

    budget_one_off_usd: Count | None = None
    """Maximum one-off cost [USD]."""
    budget_monthly_usd: Count | None = None
    """Maximum cost per month [USD]."""
    latency_p95_ms: Positive | None = None
    """Maximum latency of 95% of the answers [ms]."""
    regions: tuple[str, ...] = ()
    """Regions where data may be processed; empty means anywhere."""
    providers: tuple[str, ...] = ()
    """Allowed providers; empty means any."""
    licences: tuple[str, ...] = ()
    """Allowed licences of open models; empty means any."""
    data_may_leave: bool = True
    """Whether data may be sent to a provider."""


class Team(Record):
    """The team that does the work."""

    ml: Literal["none", "some", "strong"] = "some"
    """Experience with training models. Informational: it changes no figure."""
    usd_per_hour: Count | None = None
    """Labor cost per hour; empty leaves labor out [USD]."""
    minutes_per_label: Count | None = None
    """Time a person needs to write or check the answer of one example [min]."""
    usd_per_label: Count | None = None
    """Price of one label if labels are bought [USD]."""


class Scenario(Record):
    """A scenario: the same record for command line, API and page."""

    name: str = "unnamed"
    """Name of the scenario."""
    note: str | None = None
    """Free text; stored, and not used."""
    asked_on: date
    """Date of the prices and rules to use."""
    task: Task | None = None
    """Task type."""
    needs: Needs = Needs()
    """Requirements of the task."""
    dataset: Dataset = Dataset()
    """The available examples."""
    traffic: Traffic = Traffic()
    """A month of traffic."""
    knowledge: Knowledge = Knowledge()
    """The documents that answers depend on."""
    quality: Quality = Quality()
    """Quality target and measurements."""
    current: CurrentSolution | None = None
    """The current solution."""
    organisation: Organisation = Organisation()
    """Your history with providers."""
    hardware: tuple[Hardware, ...] = ()
    """Available GPUs."""
    limits: Limits = Limits()
    """Limits that rule options out."""
    hosting: HostingNeeds = HostingNeeds()
    """How a model of your own is served."""
    team: Team = Team()
    """The team that does the work."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """Currency of printed amounts; its rate comes from a price overlay."""
    tags: tuple[Annotated[str, Field(pattern="^[^=]+=.*$")], ...] = ()
    """Labels of the team as key=value, such as cost_center=42; written into FOCUS rows."""
    horizon_months: Annotated[float, Field(gt=0, le=120, allow_inf_nan=False)] = 12
    """Months over which one-off costs are spread."""
    retrain_every_months: Positive | None = None
    """Months between retrainings of a tuned model."""


def scenario_from(mapping: object, where: str = "scenario") -> Scenario:
    """Validate a mapping.

    Raises:
        ScenarioError: with the path, the value found, and the remedy.

    >>> scenario_from({"asked_on": "2026-11-20", "traffic": {"turns": 2}}).traffic.turns
    2.0
    """
    if not isinstance(mapping, Mapping):
        raise ScenarioError(
            where,
            f"found {shortened_repr(mapping)} instead of a mapping.",
            "Start with keys such as 'name:' and 'traffic:'.",
        )
    try:
        return Scenario.model_validate(mapping)
    except ValidationError as error:
        first = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        path = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(
            f"{where}: {path}", *explain_validation_error(Scenario, first["loc"], first)
        ) from error
