"""The scenario record: task, needs, traffic, quality target, limits; checked from a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from advisor.errors import ScenarioError, explain_validation_error, shortened_repr
from advisor.units import Approach, Record, Task

Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


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


class Traffic(Record):
    """A month of traffic; tokens are per request, as billed."""

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
    usd_per_hour: Count
    """Cost per GPU hour, including electricity [USD]."""


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
    team: Team = Team()
    """The team that does the work."""
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
