"""OpenAI protocol dialects: what differs between providers, and the request body of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from advisor.errors import UsageError
from advisor.plan.training_plan import Hyperparameters, TrainingPlan
from trainer.providers.base import JobFiles
from trainer.providers.status_words import AZURE, OPENAI, StatusWords

SUFFIX_KEY = "ton-"
SUFFIX_KEY_HEX = 24
RateField = Literal["learning_rate_multiplier", "learning_rate"]
RATES: frozenset[RateField] = frozenset(get_args(RateField))


@dataclass(frozen=True)
class Dialect:
    """How one provider implements the protocol."""

    name: str
    words: StatusWords = field(default_factory=lambda: OPENAI)
    strict: bool = False
    """Whether responses must match OpenAI's own schema."""
    key_in: Literal["metadata", "suffix"] = "metadata"
    """Field of a job that has our key."""
    rate: RateField = "learning_rate_multiplier"
    """The learning rate that the provider accepts: relative to its own, or absolute."""
    lora: bool = False
    """Whether jobs train LoRA adapters, with rank and alpha."""
    pauses: bool = False
    """Whether a job can be paused."""
    reads_back: bool = False
    """Whether an uploaded file can be downloaded and hashed."""
    downloads: bool = False
    """Whether the weights can be downloaded."""
    serves_per_token: bool = True
    """Whether a tuned model is served without a deployment."""
    failed_is_free: bool = False
    """Whether a failed job is not billed."""
    idempotent: bool = False
    """Whether a second request with our key returns the first job."""
    max_file_bytes: int = 512 * 1024**2
    """Maximum size of a file."""
    training_type: str | None = None
    """Azure's trainingType: 1 is Standard."""

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the key that identifies the job of a plan."""
        if self.key_in == "metadata":
            return plan.plan_id
        return SUFFIX_KEY + plan.plan_id[:SUFFIX_KEY_HEX]

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Build the request body that starts a job."""
        body: dict[str, Any] = {"model": plan.base_model, "training_file": files.training}
        if files.validation:
            body["validation_file"] = files.validation
        body["suffix"] = self.key_of(plan) if self.key_in == "suffix" else plan.suffix
        if self.key_in == "metadata":
            body["metadata"] = {"launch_key": plan.plan_id}
        if plan.hyperparameters.seed is not None:
            body["seed"] = plan.hyperparameters.seed
        settings = self.settings(plan.hyperparameters)
        if self.lora:
            body["hyperparameters"] = settings
        else:
            body["method"] = _method(plan, settings)
        if self.training_type:
            body["trainingType"] = self.training_type
        return {name: value for name, value in body.items() if value is not None}

    def settings(self, asked: Hyperparameters) -> dict[str, Any]:
        """Return the hyperparameters in this dialect's names and units.

        Raises:
            UsageError: the provider does not support a setting.
        """
        settings: dict[str, Any] = asked.model_dump(exclude={"seed"})
        rank, alpha = settings.pop("lora_rank"), settings.pop("lora_alpha")
        (unsupported,) = RATES - {self.rate}
        if settings.pop(unsupported) is not None:
            raise UsageError(
                "hyperparameters",
                f"{self.name} accepts {self.rate} only.",
                "Convert the value: the two differ by about a factor of 10,000.",
            )
        if self.lora:
            settings |= {"lora": True, "lora_r": rank, "lora_alpha": alpha}
        elif rank or alpha:
            raise UsageError(
                "hyperparameters", f"{self.name} accepts no LoRA rank or alpha.", "Remove them."
            )
        return {name: value for name, value in settings.items() if value is not None}


def _method(plan: TrainingPlan, settings: Mapping[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = {"hyperparameters": dict(settings)}
    if plan.method == "reinforcement":
        inner["grader"] = orjson.loads(plan.grader or "null")
    return {"type": plan.method, plan.method: inner}


DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect("openai", strict=True, pauses=True, reads_back=True),
    "azure": Dialect(
        "azure",
        words=AZURE,
        pauses=True,
        serves_per_token=False,
        failed_is_free=True,
        training_type="1",
    ),
    "nebius": Dialect(
        "nebius",
        key_in="suffix",
        rate="learning_rate",
        lora=True,
        downloads=True,
        serves_per_token=False,
        max_file_bytes=5 * 10**9,
    ),
    "local": Dialect(
        "local", pauses=True, reads_back=True, downloads=True, failed_is_free=True, idempotent=True
    ),
}
"""Known dialects; any other provider gets the defaults of `Dialect`."""


def dialect_of(provider: str) -> Dialect:
    """Return the dialect of a provider."""
    return DIALECTS.get(provider, Dialect(provider))
