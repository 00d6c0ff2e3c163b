"""Facts on what is rented next to chat models: embeddings, vector stores, machines that stop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from advisor.prices.models import Availability, Count, Positive, Sourced

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class EmbeddingModel(Sourced):
    """One embedding model, without its prices."""

    name: str
    """provider/model."""
    dimensions: Count | None = None
    """Numbers of a vector unless a shorter one is asked for; empty if not published."""
    max_input_tokens: Count | None = None
    """Longest text [tokens]; empty if not published."""
    available: Availability | None = None
    """First and last day of service; empty if neither is known."""

    @property
    def ends_on(self) -> date | None:
        """First day without service; None if no end is announced."""
        return self.available.until if self.available else None


class VectorStorePlan(Sourced):
    """What a plan of a managed vector store bills and contains, without its prices."""

    name: str
    """provider/plan."""
    display_name: str
    """Name of store and plan, as shown."""
    bytes_per_dimension: Positive = 4.0
    """Bytes of each dimension of a vector."""
    read_unit_gb: Positive = 1.0
    """Size of the index that one query reads for one unit [GB]."""
    least_read_units: Amount = 1.0
    """Least units of a query."""
    write_unit_bytes: Positive = 1000.0
    """Size of the record that one unit writes [bytes]."""
    least_write_units: Amount = 1.0
    """Least units of a write."""
    most_gb: Positive | None = None
    """Largest index of the plan [GB]; empty without a limit."""
    most_reads: Positive | None = None
    """Most read units per month; empty without a limit."""
    most_writes: Positive | None = None
    """Most write units per month; empty without a limit."""


class ServerlessTerms(Sourced):
    """When a provider stops an idle machine, and how long it takes to start one."""

    name: str
    """Provider."""
    idle_seconds: Amount | None = None
    """Time that is billed between the last request and the stop [s]; empty if not published."""
    idle_source: Sourced | None = None
    """Where the idle time was read, if elsewhere."""
    cold_start_seconds: tuple[Amount, Amount, Amount]
    """From the request to the first answer, billed [s]: low, likely, high. The likely value is our
    own judgement where the source has a range."""

    @model_validator(mode="after")
    def _starts_are_a_range(self) -> Self:
        low, likely, high = self.cold_start_seconds
        if not low <= likely <= high:
            raise ValueError("cold_start_seconds are not in ascending order: low, likely, high")
        return self


class SpotTerms(Sourced):
    """How often a seller takes spot machines with one GPU away."""

    name: str
    """provider/GPU."""
    share: tuple[Share, Share]
    """Share of machines interrupted per month: low, high."""

    @model_validator(mode="after")
    def _share_is_a_range(self) -> Self:
        if self.share[0] > self.share[1]:
            raise ValueError("the share is not in ascending order: low, high")
        return self


class ThroughputPerUnit(Sourced):
    """What one provisioned unit carries of one model."""

    input_tokens_per_minute: Positive
    """Input tokens per minute."""
    output_weight: Positive
    """Input tokens that one output token counts as; a cached token counts as none."""
    min_units: Mapping[str, Count]
    """Smallest purchase [units], by kind of deployment, as in the price `KIND/provisioned_hour`."""
    unit_steps: Mapping[str, Count]
    """Units that can be added at once, by kind of deployment."""


class ProvisionedUnits(Sourced):
    """Capacity that a provider rents out in units by the hour."""

    name: str
    """Provider."""
    minimum_billed_seconds: Amount | None = None
    """Shortest time that is billed [s]."""
    tuned_deployments: str | None = None
    """The only kind of deployment that serves tuned models; empty if all do."""
    models: Mapping[str, ThroughputPerUnit]
    """Throughput by model."""
