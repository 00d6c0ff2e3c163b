"""Plan of a training on this machine, from a base model's folder, rows and an option."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from advisor.errors import UsageError, unknown_name
from advisor.estimate.tuning import default_epochs
from advisor.gpu.recipe import ENCODER_EPOCHS, Method, Objective, Recipe, recipe_for
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.plan.provider_plan import plan_cap
from advisor.plan.training_plan import LocalJob, PlanData, TrainingPlan
from advisor.prices.book import PriceBook
from trainer.home import file_of
from trainer.local.process import devices
from trainer.plan.local_cost import (
    TrainingMachine,
    cost_figure,
    estimate_training,
    find_machine,
)
from trainer.plan.request import OWN_MACHINES, PlanRequest, invalid_field, is_baseline
from trainer.plan.rows import SplitRows, canonical_rows, split_rows, store_file
from trainer.scripts.manifest import base_hash

APPROACHES: Mapping[str, tuple[Objective, Method]] = {
    "lora": ("sft", "lora"),
    "qlora": ("sft", "qlora"),
    "full_ft": ("sft", "full"),
    "dpo": ("dpo", "lora"),
    "encoder": ("classification", "full"),
}
BASELINE_PACKAGES = ("sklearn",)
BASELINE_HOURS = (0.002, 0.01, 0.2)
"""Of the TF-IDF baseline: 15 s for 10,000 rows of 77 labels on one core; own measurement."""
GENERAL_ROWS = Path(__file__).parent.parent / "evaluation" / "general.jsonl"
"""Everyday questions with short answers, written for this project."""
REQUIRED_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "tokenizers", "sklearn")
TEMPLATE_TOKENS = 64
"""Margin for the roles and markers of a chat template; own judgement."""


def plan_local(request: PlanRequest, book: PriceBook, now: datetime) -> TrainingPlan:
    """Plan one training on this machine, with every setting and its price.

    Raises:
        UsageError: the base, the option or a setting cannot be used.
        Refused: the training would not fit.
    """
    base = None if is_baseline(request.option) else request.base
    _check_installed(REQUIRED_PACKAGES if base else BASELINE_PACKAGES)
    approach, where, gpu = _parse_option(request.option, book)
    objective, method = APPROACHES[approach]
    objective = "grpo" if request.method == "reinforcement" else objective
    config = _config(base) if base else {}
    data, validation = _split_dataset(request, objective)
    lengths = _row_tokens(base, data)
    longest = int(lengths.max()) + TEMPLATE_TOKENS
    epochs = _epochs(request, objective, data)
    machine = find_machine(
        book, {**request.scenario, "asked_on": now.date()}, where, gpu, request.usd_per_hour
    )
    recipe = recipe_for(objective, method, gpu != "cpu", longest, epochs)
    recipe = _with_user_settings(_with_supported_dtype(recipe, machine), request, config)
    hours, expected = BASELINE_HOURS, None
    if base:
        hours, expected = estimate_training(machine, recipe, config, lengths, where in OWN_MACHINES)
    figure = cost_figure(machine, hours, round(int(lengths.sum()) * recipe.epochs))
    trained = {"gpu": gpu, "recipe": recipe, "hours": hours, "expected": expected}
    return TrainingPlan(
        provider="local",
        base_model=base.resolve().name if base else BASELINE_MODEL,
        method="dpo" if objective == "dpo" else request.method,
        hyperparameters=request.hyperparameters,
        **data.model_dump(),
        figure=figure,
        cap_usd=plan_cap(request, figure),
        serving="per_token",
        option_id=str(request.option),
        question_sha256=_scenario_hash(request),
        prices_sha256=book.sha256,
        planned_at=now.isoformat(timespec="seconds"),
        suffix=request.suffix,
        grader=request.grader,
        owner=request.owner,
        local=_local_job(request, base, validation=validation, **trained),
    )


def _split_dataset(request: PlanRequest, objective: Objective) -> SplitRows:
    path = request.rows_path
    if path is None:
        raise UsageError("dataset", "there are no training rows.", "Give --dataset FILE.")
    with canonical_rows(path) as rows:
        return split_rows(rows, path, request, "dpo" if objective == "dpo" else "supervised")


def _local_job(request: PlanRequest, base: Path | None, **fields: Any) -> LocalJob:
    # a classifier forgets nothing that general rows could measure
    forgets = fields["recipe"].objective != "classification"
    schema, remedy = request.answer_schema, "Give a file with a JSON schema."
    return LocalJob(
        base=str(base.resolve()) if base else "",
        base_sha256=base_hash(base) if base else "",
        general=store_file(request.general or GENERAL_ROWS) if forgets else None,
        metric=request.metric,
        scorer=request.scorer,
        answer_schema=json.dumps(_read_json(schema, remedy), sort_keys=True) if schema else None,
        **fields,
    )


def _scenario_hash(request: PlanRequest) -> str:
    scenario = orjson.dumps(dict(request.scenario), option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(scenario).hexdigest()


def _epochs(request: PlanRequest, objective: Objective, data: PlanData) -> float:
    epochs = request.hyperparameters.n_epochs
    if epochs != "auto":
        return float(epochs)
    if objective == "classification":
        return ENCODER_EPOCHS
    return float(default_epochs(data.training.rows))


def _check_installed(needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            "local training",
            f"not installed: {', '.join(missing)}.",
            "Install the extra: pip install 'tune-or-not[local]'.",
        )


def _read_json(path: Path, remedy: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(str(path), f"it is not JSON ({error}).", remedy) from error


def _parse_option(named: str | None, book: PriceBook) -> tuple[str, str, str]:
    """Parse `approach:where:name[:gpu]` into approach, machine or cloud, and GPU or `cpu`."""
    parts = (named or "").split(":")
    gpu = parts[3] if len(parts) > 3 else "cpu"
    is_here = len(parts) > 2 and (parts[1] in OWN_MACHINES or parts[1] in book.clouds(gpu))
    if not is_here or parts[0] not in APPROACHES:
        raise UsageError(
            f"--option {named}",
            "a base in a folder is tuned on your own machine.",
            f"Give APPROACH:local:NAME[:GPU], APPROACH one of {', '.join(APPROACHES)}.",
        )
    if gpu == "cpu" and devices() != ["cpu"]:
        raise UsageError(
            f"--option {named}",
            "this machine has a GPU, and its name is not given.",
            f"Write {named}:GPU, with a GPU name from the price book.",
        )
    return parts[0], parts[1], gpu


def _config(base: Path) -> dict[str, Any]:
    path = base / "config.json"
    if not path.is_file():
        raise UsageError(
            f"--base {base}",
            "it has no config.json.",
            "Give the folder of a model: config, safetensors, tokenizer.",
        )
    if not list(base.glob("*.safetensors")):
        raise UsageError(
            f"--base {base}",
            "it has no safetensors files.",
            "Convert the weights: other formats can run code when loaded.",
        )
    return dict(_read_json(path, "Download the base again."))


def _row_tokens(base: Path | None, data: PlanData) -> NDArray[np.int64]:
    """Return the tokens of each row by the base's own tokenizer; without one, twice our count."""
    path = base / "tokenizer.json" if base else None
    if path is None or not path.is_file():
        rows, tokens = data.training.rows, 2 * data.training.tokens
        lengths = np.full(rows, max(tokens // rows, 1), np.int64)
        lengths[0] = 2 * data.training.longest_tokens
        return lengths
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    counts = []
    with file_of(data.training.sha256).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            turns = row.get("messages") or [*row["input"]["messages"], *row["preferred_output"]]
            text = "\n".join(str(turn.get("content") or "") for turn in turns)
            counts.append(len(tokenizer.encode(text).ids))
    return np.array(counts, np.int64)


def _with_supported_dtype(recipe: Recipe, machine: TrainingMachine) -> Recipe:
    """Use float16 on a GPU without bfloat16, such as Turing and Volta."""
    lacks = machine.gpu is not None and machine.gpu.bf16_tflops is None
    return recipe.model_copy(update={"dtype": "float16"}) if lacks else recipe


def _with_user_settings(recipe: Recipe, request: PlanRequest, config: Mapping[str, Any]) -> Recipe:
    """Apply the user's settings over the defaults; row length is cut to the base's context."""
    requested, settings = request.hyperparameters, request.settings
    names = ("learning_rate", "lora_rank", "lora_alpha", "beta", "seed")
    given: dict[str, Any] = {name: getattr(requested, name) for name in names}
    changes = {name: value for name, value in given.items() if value is not None}
    if requested.learning_rate_multiplier is not None:
        changes["learning_rate"] = recipe.learning_rate * requested.learning_rate_multiplier
    if requested.batch_size != "auto":
        micro = math.gcd(requested.batch_size, recipe.micro_batch_rows)
        changes |= {"micro_batch_rows": micro, "accumulation_steps": requested.batch_size // micro}
    unknown = [name for name in settings if name not in Recipe.model_fields]
    if unknown:
        raise unknown_name("setting", unknown[0], Recipe.model_fields)
    most = int(config.get("max_position_embeddings") or recipe.max_tokens)
    changes["max_tokens"] = min(recipe.max_tokens, most)
    try:
        return Recipe.model_validate({**recipe.model_dump(), **changes, **settings})
    except ValidationError as error:
        raise invalid_field("setting", error) from error
