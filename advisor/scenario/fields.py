"""The fields of a scenario that can be varied: one row each with label, unit, kind and range.

Sweep, sensitivity, team rules and the page read this table. Help text and bounds are those of the
record in `scenario.py`, so a new field is one line there and one row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, get_args

from pydantic.fields import FieldInfo

from advisor.scenario.scenario import Scenario
from advisor.units import Record


@dataclass(frozen=True)
class ScenarioField:
    """One field of a scenario."""

    path: str
    """Dotted path, as in `--set PATH=VALUE`."""
    label: str
    """Name on the page: a noun phrase."""
    kind: Literal["number", "whole", "share", "choice", "switch", "need"] = "number"
    """Type of the value; a whole number is rounded, a share is between 0 and 1."""
    unit: str = ""
    """Unit of a number."""
    slider: tuple[float, float] = (0.0, 1.0)
    """Left and right end of the slider; larger values can be typed."""
    log: bool = True
    """Whether equal steps of the slider are equal factors."""
    optional: bool = False
    """Whether a number stays unknown if not given; all others are counted or assumed."""
    varied: bool = True
    """Whether sensitivity tries other values."""
    on_page: bool = True
    """Whether the page has a control for it."""
    first: bool | None = None
    """Value of a switch that sensitivity tries first if it is not set."""

    @property
    def name(self) -> str:
        """Last part of the path: the field of its record, and of `Inputs` for a number."""
        return self.path.rpartition(".")[2]

    @cached_property
    def record(self) -> type[Record]:
        """The record that has the field."""
        record: type[Record] = Scenario
        for section in self.path.split(".")[:-1]:
            annotation = record.model_fields[section].annotation
            types = (annotation, *get_args(annotation))
            record = next(t for t in types if isinstance(t, type) and issubclass(t, Record))
        return record

    @property
    def help(self) -> str:
        """Description of the field: the docstring under it."""
        return self._info.description or ""

    @property
    def default(self) -> Any:
        """Value if not set."""
        return self._info.default

    @cached_property
    def choices(self) -> tuple[Any, ...]:
        """Values of a choice or switch, in the order in which sensitivity tries them."""
        if self.kind in ("switch", "need"):
            return (True, False) if self.first else (False, True)
        groups = [get_args(arg) or (arg,) for arg in get_args(self._info.annotation)]
        return tuple(value for group in groups for value in group if isinstance(value, str))

    @property
    def _info(self) -> FieldInfo:
        return self.record.model_fields[self.name]

    @cached_property
    def _limits(self) -> dict[str, Any]:
        schema = self.record.model_json_schema()["properties"][self.name]
        types = (*schema.get("anyOf", []), schema)
        return {key: value for kind in types for key, value in kind.items()}

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound of a number."""
        low = self._limits.get("minimum", 0.0)
        return float(low), float(self._limits.get("maximum", float("inf")))

    @property
    def low_is_valid(self) -> bool:
        """Whether the lower bound itself is a valid value."""
        return "exclusiveMinimum" not in self._limits


F = ScenarioField
Open = partial(ScenarioField, optional=True)
_ROWS = (
    F("traffic.requests_per_month", "Requests per month", slider=(100, 1e9)),
    F("traffic.prefix_tokens", "Prompt prefix", "number", "tokens", (0, 1e5)),
    F("traffic.user_tokens", "Input per request", "number", "tokens", (0, 1e5)),
    F("traffic.completion_tokens", "Output per request", "number", "tokens", (0, 2e4)),
    F("quality.target", "Quality target", "share", log=False),
    F("dataset.examples", "Training examples", "whole", "rows", (0, 1e6)),
    Open("traffic.peak_factor", "Peak-to-average load", "number", "times", (1, 50)),
    F("traffic.batchable_share", "Share that can be batched", "share", log=False),
    F("traffic.context_tokens", "Extra context per request", "number", "tokens", (0, 1e6)),
    Open("traffic.reasoning_tokens", "Reasoning tokens", "number", "tokens", (0, 5e4)),
    F("traffic.tool_tokens", "Tool-call tokens", "number", "tokens", (0, 5e4)),
    F("traffic.turns", "Turns per conversation", slider=(1, 50)),
    Open("traffic.cache_hit_share", "Prompt cache hit rate", "share", log=False),
    F("traffic.tuned_prefix_tokens", "Prompt prefix after tuning", "number", "tokens", (0, 1e4)),
    F("traffic.flexible_share", "Share that can take flex", "share", log=False),
    F("traffic.growth_per_month", "Growth per month", slider=(-0.2, 0.5), log=False, varied=False),
    F("traffic.churn_per_month", "Churn per month", "share", log=False, varied=False),
    Open("traffic.spike_month", "Spike month", "whole", "", (1, 12), log=False, varied=False),
    F("traffic.spike_factor", "Spike over an average month", "number", "times", (1, 20)),
    F("knowledge.corpus_tokens", "Corpus size", "number", "tokens", (0, 1e10)),
    F("knowledge.chunk_tokens", "Chunk size", "number", "tokens", (50, 8_000)),
    F("knowledge.top_k", "Chunks retrieved (top-k)", "whole", slider=(1, 50), log=False),
    F("knowledge.changed_share", "Share of the corpus that changes", "share", log=False),
    F("hosting.max_load_share", "Highest load of a machine", "share", slider=(0.2, 1), log=False),
    F("dataset.examples_to_label", "Examples to label", "whole", "rows", (0, 1e5)),
    F("quality.judged_per_month", "Answers judged per month", "number", "", (0, 1e6)),
    Open("quality.held_out_examples", "Held-out examples", "whole", "rows", (0, 1e4)),
    Open("current.monthly_cost_usd", "Current monthly cost", "number", "USD", (0, 1e7)),
    Open("limits.budget_one_off_usd", "One-off budget", "number", "USD", (0, 1e6)),
    Open("limits.budget_monthly_usd", "Monthly budget", "number", "USD", (0, 1e7)),
    Open("limits.latency_p95_ms", "Latency limit (p95)", "number", "ms", (10, 6e4)),
    Open("team.usd_per_hour", "Labor cost per hour", "number", "USD", (0, 500), log=False),
    F("team.minutes_per_label", "Time per label", "number", "min", (0, 60), log=False),
    Open("team.usd_per_label", "Price of a label", "number", "USD", (0, 20), log=False),
    F("horizon_months", "Planning horizon", "number", "months", (1, 120)),
    F("retrain_every_months", "Retraining interval", "number", "months", (1, 36)),
    F("task", "Task type", "choice", varied=False),
    F("quality.prompt_effort", "Prompting effort so far", "choice"),
    F("dataset.label_quality", "Label quality", "choice"),
    F("knowledge.change", "Corpus change frequency", "choice"),
    F("organisation.openai", "Fine-tuning history at OpenAI", "choice"),
    F("organisation.azure", "Fine-tuning history at Azure", "choice"),
    F("team.ml", "Training experience", "choice", varied=False),
    F("quality.prompting", "Best prompt against the target", "choice", on_page=False),
    F("quality.has_eval", "Evaluation available", "switch", first=True),
    F("limits.data_may_leave", "Data may be sent to a provider", "switch"),
    F("traffic.caching", "Prompt caching", "choice"),
    F("hosting.high_availability", "High availability", "switch"),
    F("hosting.cold_starts", "Cold starts are acceptable", "switch"),
    F("hosting.spot", "Spot GPUs", "switch"),
    F("knowledge.rerank", "Reranking", "switch"),
    F("knowledge.permissions_per_user", "Per-user document permissions", "switch"),
    F("knowledge.retrieval_tried", "Retrieval tried", "switch", on_page=False),
    F("needs.needs_fresh_facts", "Fresh facts", "need"),
    F("needs.needs_citations", "Citations", "need"),
    F("needs.needs_private_knowledge", "Private knowledge", "need"),
    F("needs.style_or_format", "Style or format", "need"),
    F("needs.narrow_label_task", "Fixed set of labels", "need", varied=False),
    F("needs.new_skill_or_language", "New skill or language", "need"),
    F("needs.complex_reasoning", "Multi-step reasoning", "need"),
    F("needs.privacy_self_host", "Self-hosting only", "need"),
    F("needs.low_latency", "Low latency", "need"),
    F("needs.cost_reduction", "Lower cost", "need", varied=False),
    F("needs.preference_hard_to_specify", "Preferences hard to specify", "need"),
    F("needs.agentic_tools", "Agentic tool use", "need"),
)
FIELDS = {row.path: row for row in _ROWS}
NUMBER_FIELDS = {row.path: row for row in _ROWS if row.kind in ("number", "whole", "share")}
"""Every number that a sweep or a slider can change, in the order of the page."""
CHOICE_FIELDS = {row.path: row for row in _ROWS if row.path not in NUMBER_FIELDS}
