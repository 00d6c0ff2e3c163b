"""Records of fine-tuning jobs, their events and checkpoints, with the names OpenAI publishes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from advisor.errors import did_you_mean
from advisor.units import Record
from trainer.server.openai.file_schemas import TUNED, Page, absent, always

Auto = Literal["auto"]
Text = Annotated[str, Field(min_length=1, max_length=512)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
Status = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"]
JOB_ID = "ftjob-1f2e3d4c5b6a7988"
CHECKPOINT_ID = "ftckpt_1f2e3d4c5b6a7988_50"
GRADER: dict[str, JsonValue] = {
    "type": "string_check",
    "name": "label",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.label}}",
}


class StrictRequest(Record):
    """A part of a request; an unknown parameter is an error that names it."""

    model_config = ConfigDict(strict=True, defer_build=False)

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown(cls, given: Any) -> Any:
        for key in given if isinstance(given, dict) else ():
            if key not in cls.model_fields:
                near = did_you_mean(str(key), cls.model_fields)
                raise PydanticCustomError(
                    "unknown_parameter",
                    "unknown parameter.{near}",
                    {"near": near.rstrip("."), "key": str(key)},
                )
        return given


class FineTuneHyperparameters(StrictRequest):
    """Settings of a training; `auto` leaves a setting to the server."""

    n_epochs: Auto | Annotated[int, Field(ge=1, le=50)] = Field("auto", examples=[3])
    """Passes over the rows."""
    batch_size: Auto | Annotated[int, Field(ge=1, le=256)] = Field("auto", examples=[16])
    """Rows per step."""
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0, le=1e6)] = Field(
        "auto", examples=[1.0]
    )
    """Factor on the server's default learning rate."""


class DPOHyperparameters(FineTuneHyperparameters):
    """Settings of a training on preferences."""

    beta: Auto | Annotated[float, Field(gt=0, le=2)] = Field("auto", examples=[0.1])
    """Penalty on moving away from the base model."""


class ReinforcementHyperparameters(FineTuneHyperparameters):
    """Settings of a training on rewards; those not supported accept only their default."""

    reasoning_effort: Literal["default"] = Field("default", examples=["default"])
    """Only `default`: tuned models have no separate reasoning."""
    compute_multiplier: Auto = Field("auto", examples=["auto"])
    """Only `auto`."""
    eval_interval: Auto = Field("auto", examples=["auto"])
    """Only `auto`: there is no evaluation during the training."""
    eval_samples: Auto = Field("auto", examples=["auto"])
    """Only `auto`."""


class GraderStringCheck(StrictRequest):
    """A grader that compares two texts."""

    type: Literal["string_check"] = Field(examples=["string_check"])
    """The only kind of grader supported."""
    name: Text = Field(examples=["label"])
    """Name of the grader."""
    operation: Literal["eq", "ne", "like", "ilike"] = Field(examples=["eq"])
    """Equal, not equal, contains, or contains ignoring case."""
    input: str = Field(max_length=65536, examples=["{{sample.output_text}}"])
    """Template of the text to check."""
    reference: str = Field(max_length=65536, examples=["{{item.label}}"])
    """Template of the reference."""


class FineTuneSupervisedMethod(StrictRequest):
    """Training on answers."""

    hyperparameters: FineTuneHyperparameters = Field(
        FineTuneHyperparameters(), examples=[{"n_epochs": 3}]
    )
    """Settings."""


class FineTuneDPOMethod(StrictRequest):
    """Training on preferences."""

    hyperparameters: DPOHyperparameters = Field(DPOHyperparameters(), examples=[{"beta": 0.1}])
    """Settings."""


class FineTuneReinforcementMethod(StrictRequest):
    """Training on rewards."""

    grader: GraderStringCheck = Field(examples=[GRADER])
    """Scores an answer against the answer in its row."""
    hyperparameters: ReinforcementHyperparameters = Field(
        ReinforcementHyperparameters(), examples=[{"n_epochs": 1}]
    )
    """Settings."""


class FineTuneMethod(StrictRequest):
    """Training method."""

    type: Literal["supervised", "dpo", "reinforcement"] = Field(examples=["supervised"])
    """Trains on answers, preferences or rewards."""
    supervised: FineTuneSupervisedMethod | None = absent(None)
    """Settings of `supervised`."""
    dpo: FineTuneDPOMethod | None = absent(None)
    """Settings of `dpo`."""
    reinforcement: FineTuneReinforcementMethod | None = absent(None)
    """Grader and settings of `reinforcement`."""

    @model_validator(mode="after")
    def _matches_type(self) -> FineTuneMethod:
        for name in ("supervised", "dpo", "reinforcement"):
            if name != self.type and name in self.model_fields_set:
                context = {"type": self.type, "key": name}
                raise PydanticCustomError("other_method", "the method is {type}", context)
        if self.type in self.model_fields_set and getattr(self, self.type) is None:
            raise PydanticCustomError("no_null", "null is not allowed", {"key": self.type})
        if self.type == "reinforcement" and self.reinforcement is None:
            context = {"key": "reinforcement"}
            raise PydanticCustomError("no_grader", "rewards need a grader", context)
        return self


class CreateFineTuningJobRequest(StrictRequest):
    """A request for a job: a base model, rows, and a method."""

    model: Text = Field(examples=["qwen-0.5b"])
    """A base model of this server, or your own fully tuned model by its `ft:` name."""
    training_file: Text = Field(examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """Training rows: a file of purpose fine-tune."""
    validation_file: Text | None = Field(None, examples=[None])
    """Held-out rows: another file of purpose fine-tune, used only to evaluate the tuned model."""
    method: FineTuneMethod = Field(
        FineTuneMethod(type="supervised"), examples=[{"type": "supervised"}]
    )
    """Training method; supervised by default."""
    hyperparameters: FineTuneHyperparameters = Field(
        FineTuneHyperparameters(), examples=[{"n_epochs": 3}]
    )
    """Deprecated place for the settings of a supervised training."""
    suffix: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["triage"])
    """Part of the tuned model's name: letters, digits, hyphens."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] | None = Field(None, examples=[7])
    """Seed of the row order."""
    metadata: Metadata | None = Field(None, examples=[{"ton_lora_rank": "8", "team": "triage"}])
    """Your own key-value pairs. Keys that begin with `ton_` are settings that OpenAI has no field
    for: `ton_method` (lora, qlora, full, encoder, prefix, ia3), `ton_cap_usd`, and `ton_` before
    any setting of a recipe, such as `ton_lora_rank`."""
    integrations: list[JsonValue] | None = Field(None, max_length=5, examples=[None])
    """Not supported: no data leaves this machine."""


class JobError(Record):
    """Why a job failed."""

    code: str = Field(examples=["training_failed"])
    """Stable code."""
    message: str = Field(examples=["10 steps in a row had no number to learn from"])
    """What is wrong."""
    param: str | None = Field(examples=[None])
    """Invalid parameter, if it is one."""


class JobHyperparameters(Record):
    """The settings a job runs with."""

    n_epochs: Auto | int = Field(examples=[3])
    """Passes over the rows."""
    batch_size: Auto | int = Field(examples=[16])
    """Rows per step."""
    learning_rate_multiplier: Auto | float = Field(examples=["auto"])
    """Factor on the server's default learning rate, as requested."""


class RunDetails(Record):
    """Details of a job that OpenAI has no field for."""

    run_id: str = Field(examples=["run_1f2e3d4c5b6a7988"])
    """Id of the run, as in the working API and on the command line."""
    state: str = Field(examples=["running"])
    """Run state."""
    cap_usd: str = Field(examples=["25.00"])
    """Cap of the job [USD]."""
    at_most_usd: str = Field(examples=["0.42"])
    """Worst case of its plan [USD]."""
    usd: str | None = Field(examples=[None])
    """Final cost [USD]."""
    version: str | None = Field(examples=[None])
    """Version in the model registry."""


class FineTuningJob(Record):
    """A fine-tuning job."""

    id: str = Field(examples=[JOB_ID])
    """Id of the job."""
    object: Literal["fine_tuning.job"] = always("fine_tuning.job")
    created_at: int = Field(examples=[1795000000])
    """Time it was created, in seconds since 1970."""
    error: JobError | None = Field(examples=[None])
    """Why it failed."""
    fine_tuned_model: str | None = Field(examples=[TUNED])
    """Name of the tuned model, once it exists."""
    finished_at: int | None = Field(examples=[1795000600])
    """Time it finished."""
    hyperparameters: JobHyperparameters = Field(
        examples=[{"n_epochs": 3, "batch_size": 16, "learning_rate_multiplier": "auto"}]
    )
    """The settings it runs with."""
    model: str = Field(examples=["qwen-0.5b"])
    """Model that is tuned."""
    organization_id: str = Field(examples=["triage-team"])
    """Owner of the token that created it."""
    result_files: list[str] = Field(examples=[["file-result-1f2e3d4c5b6a7988"]])
    """File with the loss of every reported step, once it has succeeded."""
    status: Status = Field(examples=["running"])
    """Status; a paused job is `queued`."""
    trained_tokens: int | None = Field(examples=[240000])
    """Trained tokens, if counted."""
    training_file: str = Field(examples=["file-0f3a9c1b2d4e5f60718293a4"])
    """Training rows."""
    validation_file: str | None = Field(examples=[None])
    """Held-out rows."""
    integrations: list[JsonValue] | None = always(None)
    seed: int = Field(examples=[42])
    """Seed of the row order."""
    estimated_finish: int | None = Field(examples=[None])
    """Estimated time of completion, while it runs."""
    method: FineTuneMethod = Field(examples=[{"type": "supervised"}])
    """Training method, as requested."""
    metadata: Metadata | None = Field(examples=[{"team": "triage"}])
    """Metadata of the caller."""
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
    """Details that OpenAI has no field for."""


class ListPaginatedFineTuningJobsResponse(Page):
    """A page of jobs, newest first."""

    data: list[FineTuningJob] = Field(examples=[[]])
    """The jobs."""


class FineTuningJobEvent(Record):
    """One event of a job."""

    id: str = Field(examples=["ftevent-1f2e3d4c5b6a7988-7"])
    """Id of the event."""
    object: Literal["fine_tuning.job.event"] = always("fine_tuning.job.event")
    created_at: int = Field(examples=[1795000100])
    """Time of the event."""
    level: Literal["info", "warn", "error"] = Field(examples=["info"])
    """Severity."""
    message: str = Field(examples=["Step 10/300: training loss=1.2400"])
    """Message."""
    type: Literal["message", "metrics"] = Field(examples=["metrics"])
    """A message, or the metrics of a step."""
    data: dict[str, JsonValue] = Field(examples=[{"step": 10, "train_loss": 1.24}])
    """The metrics."""


class ListFineTuningJobEventsResponse(Page):
    """A page of events, newest first."""

    data: list[FineTuningJobEvent] = Field(examples=[[]])
    """The events."""


class CheckpointMetrics(Record):
    """Metrics up to a step; those not measured are left out."""

    step: float | None = absent(50)
    """The step."""
    train_loss: float | None = absent(0.9)
    """Mean loss of the preceding steps."""
    valid_loss: float | None = absent(1.1)
    """Loss on the validation rows."""


class FineTuningJobCheckpoint(Record):
    """A checkpoint of a training."""

    id: str = Field(examples=[CHECKPOINT_ID])
    """Id of the checkpoint."""
    object: Literal["fine_tuning.job.checkpoint"] = always("fine_tuning.job.checkpoint")
    created_at: int = Field(examples=[1795000300])
    """Time it was complete."""
    fine_tuned_model_checkpoint: str = Field(examples=[f"{TUNED}:ckpt-step-50"])
    """Name; a training can resume from it, but chat serves finished models only."""
    step_number: int = Field(examples=[50])
    """Step after which it was saved."""
    metrics: CheckpointMetrics = Field(examples=[{"step": 50, "train_loss": 0.9}])
    """Metrics up to that step."""
    fine_tuning_job_id: str = Field(examples=[JOB_ID])
    """Id of the job."""


class ListFineTuningJobCheckpointsResponse(Page):
    """A page of checkpoints, newest first."""

    data: list[FineTuningJobCheckpoint] = Field(examples=[[]])
    """The checkpoints."""
    first_id: str | None = Field(examples=[CHECKPOINT_ID])
    """Id of the first checkpoint."""
    last_id: str | None = Field(examples=[CHECKPOINT_ID])
    """Id of the last checkpoint."""
