"""What a caller may send to ask for a job, named as OpenAI publishes it: nothing else is taken.

What the surface gives of jobs: the job, its events and its checkpoints, as OpenAI names them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from advisor.errors import did_you_mean
from advisor.units import Record
from trainer.server.openai.file_schemas import TUNED, absent

Auto = Literal["auto"]
Text = Annotated[str, Field(min_length=1, max_length=512)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class StrictRequest(Record):
    """Something that is sent to us: what nobody declared is refused by its name."""

    model_config = ConfigDict(strict=True, defer_build=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:
        for key in given if isinstance(given, dict) else ():
            if key not in cls.model_fields:
                near = did_you_mean(str(key), cls.model_fields)
                raise PydanticCustomError(
                    "unknown_parameter",
                    "there is no such parameter.{near}",
                    {"near": near.rstrip("."), "key": str(key)},
                )
        return given


class FineTuneHyperparameters(StrictRequest):
    """Settings of a training; `auto` leaves one to the server."""

    n_epochs: Auto | Annotated[int, Field(ge=1, le=50)] = Field("auto", examples=[3])
    """Passes over the rows."""
    batch_size: Auto | Annotated[int, Field(ge=1, le=256)] = Field("auto", examples=[16])
    """Rows of one step."""
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0, le=1e6)] = Field(
        "auto", examples=[1.0]
    )
    """Step size over the server's own."""


class DPOHyperparameters(FineTuneHyperparameters):
    """Settings of a training on preferences."""

    beta: Auto | Annotated[float, Field(gt=0, le=2)] = Field("auto", examples=[0.1])
    """How far it may leave the base."""


class ReinforcementHyperparameters(FineTuneHyperparameters):
    """Settings of a training on rewards; what is not done here can only be left alone."""

    reasoning_effort: Literal["default"] = Field("default", examples=["default"])
    """Only `default`: tuned models here do not reason apart."""
    compute_multiplier: Auto = Field("auto", examples=["auto"])
    """Only `auto`."""
    eval_interval: Auto = Field("auto", examples=["auto"])
    """Only `auto`: nothing is measured while rewards are learned."""
    eval_samples: Auto = Field("auto", examples=["auto"])
    """Only `auto`."""


class GraderStringCheck(StrictRequest):
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


class FineTuneSupervisedMethod(StrictRequest):
    """Learning from answers."""

    hyperparameters: FineTuneHyperparameters = Field(
        FineTuneHyperparameters(), examples=[{"n_epochs": 3}]
    )
    """Settings."""


class FineTuneDPOMethod(StrictRequest):
    """Learning from preferences."""

    hyperparameters: DPOHyperparameters = Field(DPOHyperparameters(), examples=[{"beta": 0.1}])
    """Settings."""


class FineTuneReinforcementMethod(StrictRequest):
    """Learning from rewards."""

    grader: GraderStringCheck = Field(
        examples=[
            {
                "type": "string_check",
                "name": "label",
                "operation": "eq",
                "input": "{{sample.output_text}}",
                "reference": "{{item.label}}",
            }
        ]
    )
    """How an answer is scored; what it is compared with is the answer in the row."""
    hyperparameters: ReinforcementHyperparameters = Field(
        ReinforcementHyperparameters(), examples=[{"n_epochs": 1}]
    )
    """Settings."""


class FineTuneMethod(StrictRequest):
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


class CreateFineTuningJobRequest(StrictRequest):
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
    hyperparameters: FineTuneHyperparameters = Field(
        FineTuneHyperparameters(), examples=[{"n_epochs": 3}]
    )
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


Status = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"]
JOB_ID = "ftjob-1f2e3d4c5b6a7988"


class JobError(Record):
    """Why a job failed."""

    code: str = Field(examples=["training_failed"])
    """Stable name."""
    message: str = Field(examples=["10 steps in a row had no number to learn from"])
    """What was found."""
    param: str | None = Field(examples=[None])
    """Parameter that it lies in, where it is one."""


class JobHyperparameters(Record):
    """The settings that a job runs with."""

    n_epochs: Auto | int = Field(examples=[3])
    """Passes over the rows."""
    batch_size: Auto | int = Field(examples=[16])
    """Rows of one step."""
    learning_rate_multiplier: Auto | float = Field(examples=["auto"])
    """Step size over the server's own, as it was asked for."""


class RunDetails(Record):
    """What is known of a job here that OpenAI has no field for."""

    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """Its run: the same one in the working API and on the command line."""
    state: str = Field(examples=["running"])
    """Where it stands, in words of this server."""
    cap_usd: str = Field(examples=["25.00"])
    """What it may never cost more than [USD]."""
    at_most_usd: str = Field(examples=["0.42"])
    """What it may cost by its plan [USD]."""
    usd: str | None = Field(examples=[None])
    """What it cost in the end [USD]."""
    version: str | None = Field(examples=[None])
    """Its version in the registry."""


class FineTuningJob(Record):
    """One training."""

    id: str = Field(examples=[JOB_ID])
    """Its name."""
    object: Literal["fine_tuning.job"] = Field("fine_tuning.job", examples=["fine_tuning.job"])
    """Always `fine_tuning.job`."""
    created_at: int = Field(examples=[1795000000])
    """When it was asked for, in seconds since 1970."""
    error: JobError | None = Field(examples=[None])
    """Why it failed."""
    fine_tuned_model: str | None = Field(examples=[TUNED])
    """Name of the tuned model, once it is there."""
    finished_at: int | None = Field(examples=[1795000600])
    """When it ended."""
    hyperparameters: JobHyperparameters = Field(
        examples=[{"n_epochs": 3, "batch_size": 16, "learning_rate_multiplier": "auto"}]
    )
    """The settings that it runs with."""
    model: str = Field(examples=["qwen-0.5b"])
    """What is tuned."""
    organization_id: str = Field(examples=["triage-team"])
    """Whose it is: the owner of the token."""
    result_files: list[str] = Field(examples=[["file-result-1f2e3d4c5b6a7988"]])
    """File with the loss of every step that was told, once it has succeeded."""
    status: Status = Field(examples=["running"])
    """Where it stands; a job that is held is `queued`."""
    trained_tokens: int | None = Field(examples=[240000])
    """Tokens that it learned from, where they are counted."""
    training_file: str = Field(examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """Rows it learns from."""
    validation_file: str | None = Field(examples=[None])
    """Rows it is measured with."""
    integrations: list[JsonValue] | None = Field(None, examples=[None])
    """None."""
    seed: int = Field(examples=[42])
    """Seed of the order of rows."""
    estimated_finish: int | None = Field(examples=[None])
    """When it should end, while it runs."""
    method: FineTuneMethod = Field(examples=[{"type": "supervised"}])
    """Answers, preferences or rewards, as it was asked for."""
    metadata: Metadata | None = Field(examples=[{"team": "triage"}])
    """Words of the caller."""
    x_tune_or_not: RunDetails = Field(
        examples=[
            {
                "run_id": "run_1f2e3d4c5b6a7988",
                "state": "running",
                "cap_usd": "25.00",
                "at_most_usd": "0.42",
                "usd": None,
                "version": None,
            }
        ]
    )
    """What is known of it here that OpenAI has no field for."""


class ListPaginatedFineTuningJobsResponse(Record):
    """A page of jobs, the newest first."""

    object: Literal["list"] = Field("list", examples=["list"])
    """Always `list`."""
    data: list[FineTuningJob] = Field(examples=[[]])
    """The jobs."""
    has_more: bool = Field(examples=[False])
    """Whether there are more after the last one."""


class FineTuningJobEvent(Record):
    """One thing that happened to a job."""

    id: str = Field(examples=["ftevent-1f2e3d4c5b6a7988-7"])
    """Its name."""
    object: Literal["fine_tuning.job.event"] = Field(
        "fine_tuning.job.event", examples=["fine_tuning.job.event"]
    )
    """Always `fine_tuning.job.event`."""
    created_at: int = Field(examples=[1795000100])
    """When it happened."""
    level: Literal["info", "warn", "error"] = Field(examples=["info"])
    """How much it matters."""
    message: str = Field(examples=["Step 10/300: training loss=1.2400"])
    """What happened."""
    type: Literal["message", "metrics"] = Field(examples=["metrics"])
    """Words, or numbers of a step."""
    data: dict[str, JsonValue] = Field(examples=[{"step": 10, "train_loss": 1.24}])
    """The numbers."""


class ListFineTuningJobEventsResponse(Record):
    """A page of events, the newest first."""

    object: Literal["list"] = Field("list", examples=["list"])
    """Always `list`."""
    data: list[FineTuningJobEvent] = Field(examples=[[]])
    """The events."""
    has_more: bool = Field(examples=[False])
    """Whether there are more after the last one."""


class CheckpointMetrics(Record):
    """What was measured by a step; nothing is said of what was not."""

    step: float | None = absent(50)
    """The step."""
    train_loss: float | None = absent(0.9)
    """Mean loss of the steps before it."""
    valid_loss: float | None = absent(1.1)
    """Loss on rows that are watched."""


class FineTuningJobCheckpoint(Record):
    """A model saved on the way."""

    id: str = Field(examples=["ftckpt_1f2e3d4c5b6a7988_50"])
    """Its name."""
    object: Literal["fine_tuning.job.checkpoint"] = Field(
        "fine_tuning.job.checkpoint", examples=["fine_tuning.job.checkpoint"]
    )
    """Always `fine_tuning.job.checkpoint`."""
    created_at: int = Field(examples=[1795000300])
    """When it was whole."""
    fine_tuned_model_checkpoint: str = Field(examples=[f"{TUNED}:ckpt-step-50"])
    """What it is called; the trainer resumes from it, and chat is served for whole models."""
    step_number: int = Field(examples=[50])
    """Step after which it was saved."""
    metrics: CheckpointMetrics = Field(examples=[{"step": 50, "train_loss": 0.9}])
    """What was measured by then."""
    fine_tuning_job_id: str = Field(examples=[JOB_ID])
    """Its job."""


class ListFineTuningJobCheckpointsResponse(Record):
    """A page of checkpoints, the newest first."""

    object: Literal["list"] = Field("list", examples=["list"])
    """Always `list`."""
    data: list[FineTuningJobCheckpoint] = Field(examples=[[]])
    """The checkpoints."""
    first_id: str | None = Field(examples=["ftckpt_1f2e3d4c5b6a7988_50"])
    """Name of the first one."""
    last_id: str | None = Field(examples=["ftckpt_1f2e3d4c5b6a7988_50"])
    """Name of the last one."""
    has_more: bool = Field(examples=[False])
    """Whether there are more after the last one."""
