"""Providers and the base models they tune: access, methods, hosting, shutdown dates."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.prices.display_names import provider_name
from advisor.prices.models import Availability, Count, Sourced, Tier

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class AccessWindow(Sourced):
    """A rule on who may start a job, and until when."""

    who: Literal["anyone", "never_tuned", "tuned_before", "active", "new", "existing", "approved"]
    """Type of customer."""
    closed_since: date | None = None
    """First day on which they may not; empty while open."""
    says: str
    """The rule as text."""


class TuningOffer(Sourced):
    """One base model that a provider tunes."""

    provider: str
    """Provider."""
    base: str
    """Name of the base model, as in its price items."""
    card: str | None = None
    """Model whose serving price applies if the tuned one has none."""
    approach: Literal["ft_api", "managed_lora"]
    """ft_api if the provider keeps the weights."""
    methods: tuple[str, ...]
    """Training methods, such as sft and dpo."""
    windows: Annotated[tuple[AccessWindow, ...], Field(min_length=1)]
    """Access rules."""
    serving: Literal["per_token", "per_hour"]
    """How serving the tuned model is billed."""
    hosting_item: str | None = None
    """Price item of an hour, if billed per hour."""
    gpu: str | None = None
    """GPU it is served on, if billed per hour."""
    served_like: str | None = None
    """Open model whose sizes are used instead, for token counts and throughput."""
    scale_to_zero: bool = False
    """Whether an idle deployment costs nothing."""
    idle_seconds_before_zero: Seconds | None = None
    """Time an idle deployment is still billed before it scales to zero [s]."""
    cold_start_seconds: tuple[Seconds, Seconds, Seconds] | None = None
    """Time until a deployment at zero answers [s]: low, likely, high."""
    minimum_billed_seconds: Seconds | None = None
    """Shortest time that is billed [s]."""
    max_adapters: Count | None = None
    """Number of adapters that one deployment, or one account, serves at a time."""
    max_rank: Count | None = None
    """Highest rank of an adapter that is served."""
    preview: bool = False
    """Whether the seller calls it a preview or a beta."""
    serving_source: Sourced | None = None
    """Where the facts on serving were read, if elsewhere."""
    tokens_like: str | None = None
    """Model whose token prices the tuned model has, if its tokens are billed and unlisted."""
    available: Availability | None = None
    """First and last day of service of the tuned model; empty if neither is known."""
    min_examples: Count = 1
    """Minimum number of examples of a job."""
    max_example_tokens: Count | None = None
    """Longest example [tokens]."""
    tier: Tier
    """Size class of the base model."""
    read_on: date
    """Date the source was last read."""
    caveats: tuple[str, ...] = ()
    """Caveats."""

    @model_validator(mode="after")
    def _says_what_an_hour_costs(self) -> Self:
        if self.serving == "per_hour" and not self.hosting_item:
            raise ValueError(
                "an offer served per_hour needs the price hosting_hour, or a hosting_item"
            )
        cold = self.cold_start_seconds
        if cold and not cold[0] <= cold[1] <= cold[2]:
            raise ValueError("cold_start_seconds are not in ascending order: low, likely, high")
        if self.gpu and not self.served_like:
            raise ValueError("an offer served on a gpu needs served_like, a model with its numbers")
        return self

    @property
    def ends_on(self) -> date | None:
        """First day without service for the tuned model; None if no end is announced."""
        return self.available.until if self.available else None

    @property
    def facts(self) -> dict[str, Sourced]:
        """The offer and what ages in it, by name."""
        named = {"offer": self, "available": self.available, "serving": self.serving_source}
        windows = {f"open_to[{n}]": window for n, window in enumerate(self.windows)}
        return {name: fact for name, fact in (named | windows).items() if fact}

    def open_window(self, who: str, day: date) -> AccessWindow | None:
        """Return the rule that allows *who* to start a job on *day*, if any."""
        for window in self.windows:
            is_open = window.closed_since is None or day < window.closed_since
            if is_open and window.who in (who, "anyone"):
                return window
        return None

    def closed_reason(self, who: str, day: date) -> tuple[str, str]:
        """Return why *who* may not start a job on *day*, and the source."""
        rules = [w for w in self.windows if w.who in (who, "anyone")] or list(self.windows)
        return f"{provider_name(self.provider)}: {rules[0].says}", rules[0].source


class Provider(Sourced):
    """One provider: protocol, data handling, and what it tunes."""

    name: str
    """Short name."""
    protocol: Literal["openai", "own", "none"]
    """Fine-tuning protocol of its API."""
    base_url: str | None = None
    """Base URL of the API."""
    weights_downloadable: bool = False
    """Whether tuned weights can be downloaded."""
    dedupe_key: str | None = None
    """Field by which an existing job is found."""
    billing: str | None = None
    """What is billed."""
    data_region: str | None = None
    """Where rows are stored, if published."""
    data_retention: str | None = None
    """How long rows are stored, if published."""
    closed: str | None = None
    """Why no one can tune there, if it is closed."""
    tuning: tuple[TuningOffer, ...] = ()
    """Base models it tunes."""
