"""Who tunes which base model, for whom, until when, and how the result is served and billed."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.prices.models import Count, Source, Tier
from advisor.prices.series import Confidence
from advisor.units import Record


class AccessWindow(Record):
    """Who may start a job, and until when."""

    who: Literal["anyone", "never_tuned", "tuned_before", "active", "new", "existing"]
    """Which users."""
    closed_since: date | None = None
    """First day on which they may not; none while it is open."""
    says: str
    """The rule in words."""
    source: Source
    """Who says so."""


class TuningOffer(Record):
    """One base model that a provider tunes."""

    provider: str
    """Who tunes."""
    base: str
    """Name of the base, as in its price items."""
    card: str | None = None
    """Model whose serving price holds where the tuned one has none."""
    approach: Literal["ft_api", "managed_lora"]
    """Whether the provider keeps the weights."""
    methods: tuple[str, ...]
    """sft, dpo ..."""
    windows: Annotated[tuple[AccessWindow, ...], Field(min_length=1)]
    """Who may start a job."""
    serving: Literal["per_token", "per_hour"]
    """How the tuned model is billed."""
    hosting_item: str | None = None
    """Price of an hour, where it is billed so."""
    gpu: str | None = None
    """GPU it is served on, where it is billed by the hour."""
    served_like: str | None = None
    """Open model whose numbers stand in: tokens of a text, and how much one GPU carries."""
    scale_to_zero: bool = False
    """Whether an idle deployment costs nothing."""
    result_ends_on: date | None = None
    """First day on which the tuned model answers no more."""
    min_examples: Count = 1
    """Fewest examples of a job."""
    max_example_tokens: Count | None = None
    """Longest example."""
    tier: Tier
    """Size class of the base."""
    source: Source
    """Where it was read."""
    read_on: date
    """Day it was last read there."""
    confidence: Confidence = "high"
    """How far the source is trusted."""
    caveats: tuple[str, ...] = ()
    """What a reader has to know."""

    @model_validator(mode="after")
    def _says_what_an_hour_costs(self) -> Self:
        if self.serving == "per_hour" and not self.hosting_item:
            raise ValueError("an offer served per_hour needs a hosting_item, the price of the hour")
        if self.gpu and not self.served_like:
            raise ValueError("an offer served on a gpu needs served_like, a model with its numbers")
        return self

    def open_window(self, who: str, day: date) -> AccessWindow | None:
        """Return the rule under which *who* may start a job on *day*, if there is one."""
        for window in self.windows:
            is_open = window.closed_since is None or day < window.closed_since
            if is_open and window.who in (who, "anyone"):
                return window
        return None

    def closed_reason(self, who: str, day: date) -> tuple[str, str]:
        """Say why *who* may not start a job on *day*, and who says so."""
        rules = [w for w in self.windows if w.who in (who, "anyone")] or list(self.windows)
        return f"{self.provider}: {rules[0].says}", rules[0].source


class Provider(Record):
    """One provider: how it is spoken to, and whom it tunes for."""

    name: str
    """Short name."""
    protocol: Literal["openai", "own", "none"]
    """Whose fine-tuning protocol it speaks."""
    base_url: str | None = None
    """Where."""
    weights_downloadable: bool = False
    """Whether tuned weights can be had."""
    dedupe_key: str | None = None
    """How a job is found again."""
    billing: str | None = None
    """What is billed."""
    data_region: str | None = None
    """Where rows are kept, where the provider says so."""
    data_retention: str | None = None
    """How long, where the provider says so."""
    closed: str | None = None
    """Why no one can tune there, if so."""
    source: Source
    """Where it was read."""
    tuning: tuple[TuningOffer, ...] = ()
    """What it tunes."""
