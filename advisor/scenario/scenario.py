"""A mapping from a file, a request or flags -> Scenario: what is wanted, as of which day."""

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
    """What the work needs, each yes or no; unsaid means no."""

    needs_fresh_facts: bool = False
    """Answers rest on facts that change."""
    needs_citations: bool = False
    """Answers must name their source."""
    needs_private_knowledge: bool = False
    """Answers rest on documents that no public model has read."""
    style_or_format: bool = False
    """A tone or a form that is hard to describe has to be kept."""
    narrow_label_task: bool = False
    """One of a fixed set of labels is the answer."""
    new_skill_or_language: bool = False
    """Something that general models do badly has to be learnt."""
    complex_reasoning: bool = False
    """Several steps of thought stand between question and answer."""
    privacy_self_host: bool = False
    """No text may go to a provider of models; GPUs that you own or rent will do."""
    low_latency: bool = False
    """A person or a machine waits for the answer."""
    cost_reduction: bool = False
    """Paying less is the reason for asking."""
    preference_hard_to_specify: bool = False
    """Better is easier to point at than to describe."""
    agentic_tools: bool = False
    """The model calls tools in a loop."""


class Dataset(Record):
    """The examples at hand."""

    path: str | None = None
    """File of examples."""
    examples: Count | None = None
    """How many there are; measured when a file is given."""
    classes: Count | None = None
    """Labels in the fixed set; counted when a file is given."""
    tenants: Count | None = None
    """How many tasks or tenants need a model of their own."""
    label_quality: Literal["expert", "mixed", "noisy", "unknown"] = "unknown"
    """Who made the answers."""


class Traffic(Record):
    """What a month of use looks like; tokens are per request, as they are billed."""

    requests_per_month: Count | None = None
    """Model calls a month."""
    peak_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Busiest hour over the mean hour."""
    batchable_share: Share | None = None
    """Share of requests that may wait a day."""
    prefix_tokens: Count | None = None
    """Instructions that are the same in each request."""
    context_tokens: Count | None = None
    """Documents pasted into each request, other than what retrieval adds."""
    user_tokens: Count | None = None
    """What changes with each request."""
    completion_tokens: Count | None = None
    """The visible answer."""
    reasoning_tokens: Count | None = None
    """Hidden thought of models that reason, billed as output."""
    tool_tokens: Count | None = None
    """Tool descriptions and results per request."""
    turns: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Turns of a conversation; each carries all earlier ones."""
    cache_hit_share: Share | None = None
    """Share of prefix tokens billed at the cached price."""
    tuned_prefix_tokens: Count | None = None
    """What is left of the prefix in front of a tuned model."""


class Knowledge(Record):
    """The documents that answers rest on."""

    corpus_tokens: Count | None = None
    """Tokens in all documents."""
    chunk_tokens: Positive | None = None
    """Tokens of one retrieved piece."""
    top_k: Positive | None = None
    """Pieces put before each question."""
    change: Literal["static", "monthly", "weekly", "daily", "hourly"] = "static"
    """How often the documents change."""
    permissions_per_user: bool = False
    """Not everybody may read every document."""
    retrieval_tried: bool | None = None
    """Whether answers from retrieved documents were tried; a score goes to quality.measured."""


class Measurement(Record):
    """A quality that the user measured."""

    approach: Approach
    """How the answers were made."""
    model: str | None = None
    """provider/model; empty means any."""
    value: Share
    """What was measured, 0 to 1."""
    n: Positive = 100
    """On how many held-out examples."""


class Quality(Record):
    """How good is good enough."""

    metric: str = "share of answers that are right"
    """What is measured."""
    target: Share | None = None
    """From which value on an option will do."""
    has_eval: bool | None = None
    """Whether there is a way to measure it."""
    held_out_examples: Count | None = None
    """Examples kept back for measuring."""
    error_cost: Literal["low", "high", "unknown"] = "unknown"
    """What a wrong answer does."""
    prompt_effort: Literal["none", "naive", "systematic", "unknown"] = "unknown"
    """How hard prompting has been tried."""
    prompting: Literal["meets", "gap", "unknown"] = "unknown"
    """What the best prompt on a large model did against the target; a measurement says more."""
    measured: tuple[Measurement, ...] = ()
    """What was measured so far."""


class CurrentSolution(Record):
    """What is done and paid today."""

    approach: Approach = "prompt"
    """How it is done."""
    model: str | None = None
    """provider/model."""
    monthly_cost_usd: Count | None = None
    """What it costs a month [USD]."""


class Organisation(Record):
    """What providers know of you: it decides who may still start a job."""

    openai: Literal["never_tuned", "tuned_before", "active"] | None = None
    """Whether you tuned there, and use it now."""
    azure: Literal["new", "existing"] | None = None
    """Whether you tune there already."""


class Hardware(Record):
    """GPUs that you own or rent already."""

    gpu: str
    """Name in the price book."""
    count: Annotated[int, Field(ge=1)] = 1
    """How many."""
    usd_per_hour: Count
    """What an hour of one costs you, electricity included [USD]."""


class Limits(Record):
    """What must not be passed."""

    budget_one_off_usd: Count | None = None
    """Most to spend once [USD]."""
    budget_monthly_usd: Count | None = None
    """Most to spend a month [USD]."""
    latency_p95_ms: Positive | None = None
    """Longest wait for 19 of 20 answers [ms]."""
    regions: tuple[str, ...] = ()
    """Where data may be processed; empty means anywhere."""
    providers: tuple[str, ...] = ()
    """Who may be used; empty means anybody."""
    licences: tuple[str, ...] = ()
    """Licences of open models that will do; empty means any."""
    data_may_leave: bool = True
    """Whether data may be sent to a provider."""


class Team(Record):
    """Who does the work."""

    ml: Literal["none", "some", "strong"] = "some"
    """Practice with training models."""
    usd_per_hour: Count | None = None
    """What an hour of work costs; empty leaves labour out [USD]."""


class Scenario(Record):
    """One question: the same record for command line, API and page."""

    name: str = "unnamed"
    """What to call it."""
    note: str | None = None
    """Whatever else there is to say; kept, and never read."""
    asked_on: date
    """The day whose prices and rules hold."""
    task: Task | None = None
    """What kind of work it is."""
    needs: Needs = Needs()
    """What the work needs."""
    dataset: Dataset = Dataset()
    """The examples at hand."""
    traffic: Traffic = Traffic()
    """A month of use."""
    knowledge: Knowledge = Knowledge()
    """The documents behind it."""
    quality: Quality = Quality()
    """How good is good enough."""
    current: CurrentSolution | None = None
    """What is done today."""
    organisation: Organisation = Organisation()
    """What providers know of you."""
    hardware: tuple[Hardware, ...] = ()
    """GPUs at hand."""
    limits: Limits = Limits()
    """What must not be passed."""
    team: Team = Team()
    """Who does the work."""
    horizon_months: Annotated[float, Field(gt=0, le=120, allow_inf_nan=False)] = 12
    """How long the answer has to hold."""
    retrain_every_months: Positive | None = None
    """How often a tuned model is tuned anew."""


def scenario_from(mapping: object, where: str = "scenario") -> Scenario:
    """Check a mapping and make a Scenario of it.

    Args:
        mapping: What a YAML or JSON file, a request body or flags said.
        where: File or door it came from, for messages.

    Raises:
        ScenarioError: with the path, the value found there, and the remedy.

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
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        path = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(
            f"{where}: {path}", *explain_validation_error(Scenario, first["loc"], first)
        ) from error
