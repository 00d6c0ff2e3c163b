"""The body of a request for a job -> what is to be trained, or which parameter cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from advisor.errors import DatasetError, UsageError, did_you_mean
from advisor.gpu.recipe import Recipe
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.plan.training_plan import Hyperparameters, PlanSettings, TrainingPlan
from trainer.errors import OverBudget
from trainer.plan.jobs import TrainingRequest, plan_job
from trainer.server.context import ServerContext
from trainer.server.openai.errors import BadParameter, OpenAINotFound
from trainer.server.openai.files import PURPOSE
from trainer.server.openai.job_schemas import CreateFineTuningJobRequest, FineTuneMethod
from trainer.server.openai.tuned_models import tuned_model
from trainer.storage.access_tokens import Caller
from trainer.storage.files import NoSuchFile

EXTENSION_PREFIX = "ton_"
CAP_KEY, METHOD_KEY = f"{EXTENSION_PREFIX}cap_usd", f"{EXTENSION_PREFIX}method"
MAX_USD = Decimal(1_000_000_000)
APPROACH_OF: Mapping[str, str] = {
    "lora": "lora",
    "qlora": "qlora",
    "full": "full_ft",
    "full_ft": "full_ft",
    "encoder": "encoder",
    "prefix": "lora",
    "ia3": "lora",
}
"""Words of `ton_method` -> approaches of a training here."""
METHODS_BY_SETTING = ("prefix", "ia3")
"""Those of them that the recipe is told by a setting of its own."""
DPO_METHODS = ("lora", "qlora")
FIXED_SETTINGS = frozenset({"objective", "method"})
SETTINGS = tuple(
    f"{EXTENSION_PREFIX}{name}" for name in Recipe.model_fields if name not in FIXED_SETTINGS
)


class OverCap(OverBudget):
    """A job asked for under /v1 may cost more than its cap."""

    param = f"metadata.{CAP_KEY}"


def plan_from_request(
    server: ServerContext, caller: Caller, body: CreateFineTuningJobRequest
) -> TrainingPlan:
    """Lay the job down that a request asks for.

    Raises:
        BadParameter: a parameter cannot be used, with its name.
        NotThere: there is no such model.
        OverCap: it may cost more than its cap.
        Refused: it would not fit this machine.
    """
    if body.integrations:
        raise BadParameter(
            "integrations",
            "integrations: none are served here, and nothing is sent to others. Leave them out.",
        )
    rows = _file(server, caller, "training_file", body.training_file)
    held = body.validation_file
    held_out = None if held is None else _file(server, caller, "validation_file", held)
    named = {str(rows): "training_file", str(held_out): "validation_file"}
    with _errors_by_parameter(named):
        return plan_job(server.context, _training(server, caller, body, rows, held_out))


def _training(
    server: ServerContext,
    caller: Caller,
    body: CreateFineTuningJobRequest,
    rows: Path,
    held_out: Path | None,
) -> TrainingRequest:
    ours = _extension_settings(body.metadata or {})
    method = body.method
    word = ours.pop(METHOD_KEY, "encoder" if body.model == BASELINE_MODEL else "lora")
    settings = {
        name.removeprefix(EXTENSION_PREFIX): value
        for name, value in ours.items()
        if name != CAP_KEY
    }
    if word in METHODS_BY_SETTING or method.type == "dpo":
        settings["method"] = word
    return TrainingRequest(
        owner=caller.owner,
        name=body.model,
        base=_base(server, caller, body.model),
        rows=rows,
        approach=_approach(word, method.type),
        gpu=server.settings.gpu,
        usd_per_hour=server.settings.usd_per_hour,
        held_out=held_out,
        settings=settings,
        cap_usd=_cap(ours.get(CAP_KEY), server.settings.job_cap_usd),
        plan_settings=_plan_settings(body, method),
    )


def _extension_settings(metadata: Mapping[str, str]) -> dict[str, str]:
    """Take our own settings out of the caller's words."""
    known = (CAP_KEY, METHOD_KEY, *SETTINGS)
    ours = {name: value for name, value in metadata.items() if name.startswith(EXTENSION_PREFIX)}
    for name in ours:
        if name not in known:
            raise BadParameter(
                f"metadata.{name}",
                f"metadata.{name}: there is no such setting.{did_you_mean(name, known)}",
            )
    return ours


def _approach(word: str, method: str) -> str:
    allowed = DPO_METHODS if method == "dpo" else tuple(APPROACH_OF)
    if word not in allowed:
        raise BadParameter(
            f"metadata.{METHOD_KEY}",
            f"metadata.{METHOD_KEY}: found '{word}', and {method} is done by {', '.join(allowed)}.",
        )
    if method == "reinforcement" and word == "encoder":
        raise BadParameter(
            f"metadata.{METHOD_KEY}",
            f"metadata.{METHOD_KEY}: an encoder gives labels and learns from no rewards. "
            "Take lora.",
        )
    return "dpo" if method == "dpo" else APPROACH_OF[word]


def _cap(text: str | None, usual: Decimal) -> Decimal:
    if text is None:
        return usual
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or not 0 < amount <= MAX_USD:
        raise BadParameter(
            f"metadata.{CAP_KEY}", f"metadata.{CAP_KEY}: '{text}' is no amount of USD. Give 25.00."
        )
    return amount


def _base(server: ServerContext, caller: Caller, model: str) -> Path | None:
    """Find the folder of what is to be tuned; the plain baseline has none."""
    known = server.bases()
    if model in known:
        return known[model]
    if model == BASELINE_MODEL:
        return None
    if not model.startswith("ft:"):
        near = did_you_mean(model, known)
        raise OpenAINotFound(
            f"model '{model}': no base of this name is here.{near}", "model", "model_not_found"
        )
    found = tuned_model(server, caller, model)
    if found.version.kind != "full" or found.version.folder is None:
        raise BadParameter(
            "model",
            f"model '{model}': it is an {found.version.kind}, and only a "
            "fully tuned model is tuned further. Tune its base anew, with the rows "
            "of both.",
        )
    return found.version.folder


def _plan_settings(body: CreateFineTuningJobRequest, method: FineTuneMethod) -> PlanSettings:
    detail = getattr(method, method.type)
    asked = detail.hyperparameters.model_dump() if detail else {}
    if "hyperparameters" in body.model_fields_set:
        if method.type != "supervised" or (detail and detail.model_fields_set):
            raise BadParameter(
                "hyperparameters",
                "hyperparameters: this is the older place. Give them under method alone.",
            )
        asked = body.hyperparameters.model_dump()
    chosen: dict[str, Any] = {
        name: asked[name] for name in ("n_epochs", "batch_size") if name in asked
    }
    for name in ("learning_rate_multiplier", "beta"):
        if asked.get(name, "auto") != "auto":
            chosen[name] = asked[name]
    grader = None if method.reinforcement is None else method.reinforcement.grader
    if grader is not None:
        check_grader(grader.input, grader.reference)
    return PlanSettings(
        method=method.type,
        hyperparameters=Hyperparameters(seed=body.seed, **chosen),
        suffix=body.suffix,
        grader=grader.model_dump_json() if grader else None,
    )


def check_grader(read: str, reference: str) -> None:
    """See that a grader compares what a training here can compare.

    Raises:
        BadParameter: it compares something else than an answer with the answer in its row.
    """
    where = "method.reinforcement.grader"
    if read.replace(" ", "") != "{{sample.output_text}}":
        raise BadParameter(
            f"{where}.input",
            f"{where}.input: found '{read[:80]}'. A training here "
            "compares the answer: give {{sample.output_text}}.",
        )
    if not reference.replace(" ", "").startswith("{{item."):
        raise BadParameter(
            f"{where}.reference",
            f"{where}.reference: found '{reference[:80]}'. A "
            "training here compares with the answer in each row: give a template "
            "such as {{item.label}}.",
        )


def _file(server: ServerContext, caller: Caller, param: str, file_id: str) -> Path:
    try:
        found = server.file_store.file(file_id, caller.owner_filter)
    except NoSuchFile as error:
        raise BadParameter(param, f"{param}: {error}") from error
    if found.purpose != PURPOSE:
        raise BadParameter(
            param,
            f"{param}: '{file_id}' is of purpose {found.purpose}. Give one of purpose {PURPOSE}.",
        )
    if not found.path.is_file():
        raise BadParameter(param, f"{param}: the bytes of '{file_id}' are gone. Upload it again.")
    return found.path


@contextmanager
def _errors_by_parameter(files: Mapping[str, str]) -> Iterator[None]:
    """Say by the parameters of the request what a plan refuses by flags and paths."""
    try:
        yield
    except OverBudget as error:
        raise OverCap(str(error)) from error
    except (UsageError, DatasetError) as error:
        param = _param(error.where, files)
        raise BadParameter(param, f"{param}: {error.found} {error.remedy}") from error


def _param(where: str, files: Mapping[str, str]) -> str:
    """Name the parameter that a flag or a path of a plan stands for."""
    for path, param in files.items():
        if where.startswith(path):
            return param
    words = where.split()
    if words[:1] == ["--with"]:
        return f"metadata.{EXTENSION_PREFIX}{words[1]}" if words[1:] else "metadata"
    return "metadata" if words[:1] == ["--option"] else "model"
