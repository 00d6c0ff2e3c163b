"""What a caller may send to ask for a job, named as OpenAI publishes it: nothing else is taken."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from advisor.errors import did_you_mean
from advisor.units import Record
from trainer.http.openai.shapes import absent

Auto = Literal["auto"]
Text = Annotated[str, Field(min_length=1, max_length=512)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class Asked(Record):
    """Something that is sent to us: what nobody declared is refused by its name."""

    model_config = ConfigDict(strict=True, defer_build=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:
        for key in given if isinstance(given, dict) else ():
            if key not in cls.model_fields:
                near = did_you_mean(str(key), cls.model_fields)
                raise PydanticCustomError("unknown_parameter", "there is no such parameter.{near}",
                                          {"near": near.rstrip("."), "key": str(key)})  # fmt: skip
        return given


class Hyperparameters(Asked):
    """Settings of a training; `auto` leaves one to the server."""

    n_epochs: Auto | Annotated[int, Field(ge=1, le=50)] = Field("auto", examples=[3])
    """Passes over the rows."""
    batch_size: Auto | Annotated[int, Field(ge=1, le=256)] = Field("auto", examples=[16])
    """Rows of one step."""
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0, le=1e6)] = Field(
        "auto", examples=[1.0]
    )
    """Step size over the server's own."""


class DPOHyperparameters(Hyperparameters):
    """Settings of a training on preferences."""

    beta: Auto | Annotated[float, Field(gt=0, le=2)] = Field("auto", examples=[0.1])
    """How far it may leave the base."""


class ReinforcementHyperparameters(Hyperparameters):
    """Settings of a training on rewards; what is not done here can only be left alone."""

    reasoning_effort: Literal["default"] = Field("default", examples=["default"])
    """Only `default`: tuned models here do not reason apart."""
    compute_multiplier: Auto = Field("auto", examples=["auto"])
    """Only `auto`."""
    eval_interval: Auto = Field("auto", examples=["auto"])
    """Only `auto`: nothing is measured while rewards are learned."""
    eval_samples: Auto = Field("auto", examples=["auto"])
    """Only `auto`."""


class GraderStringCheck(Asked):
    """A grader that compares two texts."""

    type: Literal["string_check"] = Field(examples=["string_check"])
    """The one kind that is checked on this server."""
    name: Text = Field(examples=["label"])
    """What it is called."""
    operation: Literal["eq", "ne", "like", "ilike"] = Field(examples=["eq"])
    """Equal, not equal, contains, or contains whatever the case."""
    input: str = Field(max_length=65536, examples=["{{sample.output_text}}"])
    """What is compared; a template."""
    reference: str = Field(max_length=65536, examples=["{{item.label}}"])
    """What it is compared with; a template."""


class FineTuneSupervisedMethod(Asked):
    """Learning from answers."""

    hyperparameters: Hyperparameters = Field(Hyperparameters(), examples=[{"n_epochs": 3}])
    """Settings."""


class FineTuneDPOMethod(Asked):
    """Learning from preferences."""

    hyperparameters: DPOHyperparameters = Field(DPOHyperparameters(), examples=[{"beta": 0.1}])
    """Settings."""


class FineTuneReinforcementMethod(Asked):
    """Learning from rewards."""

    grader: GraderStringCheck = Field(examples=[{
        "type": "string_check", "name": "label", "operation": "eq",
        "input": "{{sample.output_text}}", "reference": "{{item.label}}"}])  # fmt: skip
    """How an answer is scored; what it is compared with is the answer in the row."""
    hyperparameters: ReinforcementHyperparameters = Field(
        ReinforcementHyperparameters(), examples=[{"n_epochs": 1}]
    )
    """Settings."""


class FineTuneMethod(Asked):
    """What is learned from, and how."""

    type: Literal["supervised", "dpo", "reinforcement"] = Field(examples=["supervised"])
    """Answers, preferences, or rewards."""
    supervised: FineTuneSupervisedMethod | None = absent(None)
    """Settings where it is `supervised`."""
    dpo: FineTuneDPOMethod | None = absent(None)
    """Settings where it is `dpo`."""
    reinforcement: FineTuneReinforcementMethod | None = absent(None)
    """Grader and settings where it is `reinforcement`."""

    @model_validator(mode="after")
    def _one(self) -> FineTuneMethod:
        for name in ("supervised", "dpo", "reinforcement"):
            if name != self.type and name in self.model_fields_set:
                says, known = "the method is {type}", {"type": self.type, "key": name}
                raise PydanticCustomError("other_method", says, known)
        if self.type in self.model_fields_set and getattr(self, self.type) is None:
            raise PydanticCustomError("no_null", "null is no setting", {"key": self.type})
        if self.type == "reinforcement" and self.reinforcement is None:
            known = {"key": "reinforcement"}
            raise PydanticCustomError("no_grader", "rewards need a grader", known)
        return self


class CreateFineTuningJobRequest(Asked):
    """One job: a base, rows, and how to learn from them."""

    model: Text = Field(examples=["qwen-0.5b"])
    """A base of this server, or a fully tuned model of your own by its `ft:` name."""
    training_file: Text = Field(examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """A file of purpose fine-tune: rows to learn from."""
    validation_file: Text | None = Field(None, examples=[None])
    """Another one: rows that the tuned model is measured with; they are not learned from."""
    method: FineTuneMethod = Field(
        FineTuneMethod(type="supervised"), examples=[{"type": "supervised"}]
    )
    """What is learned from, and how; answers by default."""
    hyperparameters: Hyperparameters = Field(Hyperparameters(), examples=[{"n_epochs": 3}])
    """The older place for the settings of a supervised training."""
    suffix: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["triage"])
    """Part of the tuned model's name: letters, digits, hyphens."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] | None = Field(None, examples=[7])
    """Seed of the order of rows."""
    metadata: Metadata | None = Field(None, examples=[{"ton_lora_rank": "8", "team": "triage"}])
    """Words of your own. Those that begin with `ton_` are settings that OpenAI has no field for:
    `ton_method` (lora, qlora, full, encoder, prefix, ia3), `ton_cap_usd`, and `ton_` before any
    setting of a recipe, such as `ton_lora_rank`."""
    integrations: list[JsonValue] | None = Field(None, max_length=5, examples=[None])
    """None are served here: nothing leaves this machine."""
