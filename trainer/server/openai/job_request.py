"""Request body of a fine-tuning job, checked and turned into a plan."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from advisor.errors import DatasetError, UsageError, did_you_mean
from advisor.gpu.recipe import Recipe
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.plan.training_plan import Hyperparameters, TrainingPlan
from advisor.units import parse_usd
from trainer.errors import OverBudget
from trainer.plan.create import build_plan
from trainer.plan.request import PlanRequest
from trainer.server.context import ServerContext
from trainer.server.openai.errors import BadParameter, model_not_found
from trainer.server.openai.files import PURPOSE
from trainer.server.openai.job_schemas import CreateFineTuningJobRequest
from trainer.server.openai.models import tuned_model
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
"""Values of `ton_method` -> approaches of a local training."""
METHODS_BY_SETTING = ("prefix", "ia3")
"""Values that the recipe has as its own setting `method`."""
DPO_METHODS = ("lora", "qlora")
FIXED_SETTINGS = frozenset({"objective", "method"})
SETTINGS = tuple(
    f"{EXTENSION_PREFIX}{name}" for name in Recipe.model_fields if name not in FIXED_SETTINGS
)


class OverCap(OverBudget):
    """A job created under /v1 may cost more than its cap."""

    param = f"metadata.{CAP_KEY}"


def plan_from_request(
    server: ServerContext, caller: Caller, body: CreateFineTuningJobRequest
) -> TrainingPlan:
    """Build the plan of the job that a request describes.

    Raises:
        BadParameter: a parameter cannot be used, with its name.
        OpenAINotFound: there is no such model.
        OverCap: the job may cost more than its cap.
        Refused: it would not fit this machine.
    """
    if body.integrations:
        raise BadParameter(
            "integrations",
            "not supported, and no data is sent to third parties. Leave them out.",
        )
    rows = _file(server, caller, "training_file", body.training_file)
    held = body.validation_file
    held_out = None if held is None else _file(server, caller, "validation_file", held)
    files = {"dataset": rows, "held_out": held_out}
    request = _plan_request(server, caller, body).model_copy(update=files)
    try:
        return build_plan(server.context, request)
    except (UsageError, DatasetError) as error:  # it names a flag or a path
        if error.where.startswith("--cap"):
            raise OverCap(f"{error.found} {error.remedy}") from error
        param = _param(error.where, {str(rows): "training_file", str(held_out): "validation_file"})
        raise BadParameter(param, f"{error.found} {error.remedy}") from error


def _plan_request(
    server: ServerContext, caller: Caller, body: CreateFineTuningJobRequest
) -> PlanRequest:
    settings = _extension_settings(body.metadata or {})
    trained = body.method.type
    method = settings.pop(METHOD_KEY, "encoder" if body.model == BASELINE_MODEL else "lora")
    cap = _cap(settings.pop(CAP_KEY, None), server.settings.job_cap_usd)
    recipe = {name.removeprefix(EXTENSION_PREFIX): value for name, value in settings.items()}
    if method in METHODS_BY_SETTING or trained == "dpo":
        recipe["method"] = method
    name, gpu = body.model.replace(":", "-"), server.settings.gpu
    grader = None if body.method.reinforcement is None else body.method.reinforcement.grader
    if grader is not None:
        check_grader(grader.input, grader.reference)
    return PlanRequest(
        option=f"{_approach(method, trained)}:local:{name}" + ("" if gpu == "cpu" else f":{gpu}"),
        base=_base(server, caller, body.model),
        usd_per_hour=server.settings.usd_per_hour,
        method=trained,
        hyperparameters=_hyperparameters(body),
        settings=recipe,
        cap_usd=cap,
        suffix=body.suffix,
        grader=grader.model_dump_json() if grader else None,
        held_out_share=0.0,
        owner=caller.owner,
    )


def _extension_settings(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return our own settings among the metadata."""
    known = (CAP_KEY, METHOD_KEY, *SETTINGS)
    settings = {k: v for k, v in metadata.items() if k.startswith(EXTENSION_PREFIX)}
    for name in settings:
        if name not in known:
            near = did_you_mean(name, known)
            raise BadParameter(f"metadata.{name}", f"there is no such setting.{near}")
    return settings


def _approach(name: str, method: str) -> str:
    allowed = DPO_METHODS if method == "dpo" else tuple(APPROACH_OF)
    text = ""
    if name not in allowed:
        text = f"found '{name}'; {method} supports {', '.join(allowed)}."
    elif method == "reinforcement" and name == "encoder":
        text = "an encoder returns labels and cannot train on rewards. Use lora."
    if text:
        raise BadParameter(f"metadata.{METHOD_KEY}", text)
    return "dpo" if method == "dpo" else APPROACH_OF[name]


def _cap(text: str | None, default: Decimal) -> Decimal:
    if text is None:
        return default
    param = f"metadata.{CAP_KEY}"
    try:
        amount = parse_usd(text, param)
    except UsageError as error:
        raise BadParameter(param, str(error), where="") from error
    if not 0 < amount <= MAX_USD:
        raise BadParameter(param, "not an amount above 0 USD. Set 25.00.", where=f"{param} {text}")
    return amount


def _base(server: ServerContext, caller: Caller, model: str) -> Path | None:
    """Return the folder of the base model; the TF-IDF baseline has none."""
    known = server.bases()
    if model in known:
        return known[model]
    if model == BASELINE_MODEL:
        return None
    if not model.startswith("ft:"):
        raise model_not_found(model, f": base model not found.{did_you_mean(model, known)}")
    found = tuned_model(server, caller, model)
    if found.version.kind != "full" or found.version.folder is None:
        raise BadParameter(
            "model",
            f"it is an {found.version.kind}; only a fully tuned model can be tuned further. Tune "
            "its base again, with the rows of both.",
            where=f"model '{model}'",
        )
    return found.version.folder


def _hyperparameters(body: CreateFineTuningJobRequest) -> Hyperparameters:
    method = body.method
    detail = getattr(method, method.type)
    values = detail.hyperparameters.model_dump() if detail else {}
    if "hyperparameters" in body.model_fields_set:
        if method.type != "supervised" or (detail and detail.model_fields_set):
            text = "this parameter is deprecated. Set them under method only."
            raise BadParameter("hyperparameters", text)
        values = body.hyperparameters.model_dump()
    names = ("n_epochs", "batch_size", "learning_rate_multiplier", "beta")
    chosen = {name: values[name] for name in names if values.get(name, "auto") != "auto"}
    return Hyperparameters(seed=body.seed, **chosen)


def check_grader(read: str, reference: str) -> None:
    """Check that a grader compares the answer with the reference in its row.

    Raises:
        BadParameter: it compares anything else.
    """
    where = "method.reinforcement.grader"
    if read.replace(" ", "") != "{{sample.output_text}}":
        raise BadParameter(
            f"{where}.input",
            f"found '{read[:80]}'. A local training "
            "compares the answer: set {{sample.output_text}}.",
        )
    if not reference.replace(" ", "").startswith("{{item."):
        raise BadParameter(
            f"{where}.reference",
            f"found '{reference[:80]}'. A local training compares with the "
            "answer in each row: set a template such as {{item.label}}.",
        )


def _file(server: ServerContext, caller: Caller, param: str, file_id: str) -> Path:
    try:
        found = server.file_store.file(file_id, caller.owner_filter)
    except NoSuchFile as error:
        raise BadParameter(param, str(error)) from error
    if found.purpose != PURPOSE:
        remedy = f"Use a file of purpose {PURPOSE}."
        raise BadParameter(param, f"'{file_id}' has purpose {found.purpose}. {remedy}")
    if not found.path.is_file():
        raise BadParameter(param, f"the content of '{file_id}' was deleted. Upload it again.")
    return found.path


def _param(where: str, files: Mapping[str, str]) -> str:
    """Return the request parameter behind a flag or a path of a plan."""
    for path, param in files.items():
        if where.startswith(path):
            return param
    words = where.split()
    if words[:1] == ["setting"]:
        return f"metadata.{EXTENSION_PREFIX}{words[1]}" if words[1:] else "metadata"
    return "metadata" if words[:1] == ["--option"] else "model"
