"""A base in a folder, rows and an option -> the plan of a training on this machine."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from advisor.errors import UsageError, did_you_mean
from advisor.estimate.tuning import default_epochs
from advisor.gpu.recipe import ENCODER_EPOCHS, Method, Objective, Recipe, recipe_for
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.plan.training_plan import (
    DataFile,
    Hyperparameters,
    LocalJob,
    PlanData,
    PlanSettings,
    TrainingPlan,
)
from advisor.prices.book import PriceBook
from trainer.home import file_of
from trainer.local.process import devices
from trainer.plan.local_cost import (
    CENT,
    TrainingMachine,
    cost_figure,
    estimate_training,
    find_machine,
)
from trainer.plan.provider import PlanRequest, split_rows, store_rows, training_dataset
from trainer.scripts.manifest import base_hash

APPROACHES: Mapping[str, tuple[Objective, Method]] = {
    "lora": ("sft", "lora"),
    "qlora": ("sft", "qlora"),
    "full_ft": ("sft", "full"),
    "dpo": ("dpo", "lora"),
    "encoder": ("classification", "full"),
}
PROVIDERS = ("local", "own")
BASELINE_PACKAGES = ("sklearn",)
BASELINE_HOURS = (0.002, 0.01, 0.2)
"""Of the plain baseline: 15 s for 10,000 rows of 77 labels on one core; own measurement."""
GENERAL_ROWS = Path(__file__).parent.parent / "evaluation" / "general.jsonl"
"""Everyday questions with plain answers, written for this project."""
REQUIRED_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "tokenizers", "sklearn")
TEMPLATE_TOKENS = 64
"""Room for roles and marks of a chat template; own judgement."""


@dataclass(frozen=True)
class LocalOptions:
    """What the user says of base and machine."""

    base: Path | None
    usd_per_hour: Decimal | None = None
    settings: Mapping[str, str] | None = None
    general: Path | None = None
    scorer: tuple[str, ...] = ()
    metric: str | None = None
    schema: Path | None = None


def plan_local(
    request: PlanRequest,
    plan_settings: PlanSettings,
    here: LocalOptions,
    book: PriceBook,
    now: datetime,
) -> TrainingPlan:
    """Lay one training on this machine down, with every setting and its price.

    Raises:
        UsageError: base, option or settings cannot be used.
        Refused: it would not fit.
    """
    is_plain = is_baseline(request.option)
    _installed(BASELINE_PACKAGES if is_plain else REQUIRED_PACKAGES)
    approach, where, gpu = _option(request.option, book)
    objective, method = APPROACHES[approach]
    objective = "grpo" if plan_settings.method == "reinforcement" else objective
    base = None if is_plain else here.base
    config = _config(base) if base else {}
    path = training_dataset(request)
    kind = "dpo" if objective == "dpo" else "supervised"
    data, watched = split_rows(path, request, kind)
    lengths = _lengths(base, data)
    longest, tokens = int(lengths.max()), int(lengths.sum())
    epochs = plan_settings.hyperparameters.n_epochs
    passes = float(default_epochs(data.training.rows)) if epochs == "auto" else float(epochs)
    if objective == "classification" and epochs == "auto":
        passes = ENCODER_EPOCHS
    recipe = recipe_for(objective, method, gpu != "cpu", longest + TEMPLATE_TOKENS, passes)
    dated = {**request.scenario, "asked_on": now.date()}
    machine = find_machine(book, dated, where, gpu, here.usd_per_hour)
    recipe = _with_user_settings(
        _with_supported_dtype(recipe, machine),
        plan_settings.hyperparameters,
        here.settings or {},
        config,
    )
    hours, expected = BASELINE_HOURS, None
    if base:
        hours, expected = estimate_training(machine, recipe, config, lengths, where in PROVIDERS)
    figure = cost_figure(machine, hours, round(tokens * recipe.epochs))
    cap = plan_settings.cap_usd or Decimal(figure.at_most)
    if cap < Decimal(figure.at_most):
        raise UsageError(
            f"--cap {cap}",
            f"this training may cost up to {figure.at_most} USD.",
            "Raise the cap, or train on fewer rows or epochs.",
        )
    asked = orjson.dumps(dict(request.scenario), option=orjson.OPT_SORT_KEYS, default=str)
    return TrainingPlan(
        provider="local",
        base_model=base.resolve().name if base else BASELINE_MODEL,
        method="dpo" if objective == "dpo" else plan_settings.method,
        hyperparameters=plan_settings.hyperparameters,
        **data.model_dump(),
        figure=figure,
        cap_usd=str(cap.quantize(CENT)),
        serving="per_token",
        option_id=str(request.option),
        question_sha256=hashlib.sha256(asked).hexdigest(),
        prices_sha256=book.sha256,
        planned_at=now.isoformat(timespec="seconds"),
        suffix=plan_settings.suffix,
        grader=plan_settings.grader,
        attempt=plan_settings.attempt,
        owner=request.owner,
        local=LocalJob(
            base=str(base.resolve()) if base else "",
            gpu=gpu,
            base_sha256=base_hash(base) if base else "",
            recipe=recipe,
            hours=hours,
            general=_general(here, objective),
            validation=watched,
            metric=here.metric,
            scorer=here.scorer,
            answer_schema=_schema(here.schema),
            expected=expected,
        ),
    )


def is_baseline(option: str | None) -> bool:
    """Whether an option is the plain baseline on a machine of one's own.

    >>> is_baseline("encoder:local:tfidf-logreg"), is_baseline("encoder:together:x")
    (True, False)
    """
    parts = (option or "").split(":")
    return len(parts) > 2 and parts[1] in PROVIDERS and parts[2] == BASELINE_MODEL


def _installed(needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            "training here",
            f"not installed: {', '.join(missing)}.",
            "Install the extra: pip install 'tune-or-not[local]'.",
        )


def _general(here: LocalOptions, objective: Objective) -> DataFile | None:
    """Keep the general rows: the user's, else ours; labels are forgotten by no measure here."""
    if objective == "classification":
        return None
    return store_rows(here.general or GENERAL_ROWS)


def _schema(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return json.dumps(json.loads(path.read_text(encoding="utf-8")), sort_keys=True)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--schema {path}", f"it is no JSON ({error}).", "Give a file with a JSON schema."
        ) from error


def _option(named: str | None, book: PriceBook) -> tuple[str, str, str]:
    """Read `approach:where:name[:gpu]`: this machine, its CPU, or a cloud that rents the GPU."""
    parts = (named or "").split(":")
    gpu = parts[3] if len(parts) > 3 else "cpu"
    is_here = len(parts) > 2 and (parts[1] in PROVIDERS or parts[1] in book.clouds(gpu))
    if not is_here or parts[0] not in APPROACHES:
        raise UsageError(
            f"--option {named}",
            "a base in a folder is tuned on a machine of yours.",
            f"Give APPROACH:local:NAME[:GPU], APPROACH one of {', '.join(APPROACHES)}.",
        )
    if gpu == "cpu" and devices() != ["cpu"]:
        raise UsageError(
            f"--option {named}",
            "this machine has a GPU, and its name is not given.",
            f"Write {named}:GPU, with a name of the price book.",
        )
    return parts[0], parts[1], gpu


def _config(base: Path) -> dict[str, Any]:
    path = base / "config.json"
    if not path.is_file():
        raise UsageError(
            f"--base {base}",
            "there is no config.json in it.",
            "Give the folder of a model: config, safetensors, tokenizer.",
        )
    if not list(base.glob("*.safetensors")):
        raise UsageError(
            f"--base {base}",
            "there are no safetensors in it.",
            "Convert the weights: others can run code when read.",
        )
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UsageError(f"{path}", f"it is no JSON ({error}).", "Fetch the base anew.") from error


def _lengths(base: Path | None, data: PlanData) -> NDArray[np.int64]:
    """Count each row's tokens as the base's own tokenizer does; without one, twice ours."""
    path = base / "tokenizer.json" if base else None
    if path is None or not path.is_file():
        rows, tokens = data.training.rows, 2 * data.training.tokens
        made = np.full(rows, max(tokens // rows, 1), np.int64)
        made[0] = 2 * data.training.longest_tokens
        return made
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    texts = _texts(file_of(data.training.sha256))
    return np.array([len(tokenizer.encode(text).ids) for text in texts], np.int64)


def _texts(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            turns = row.get("messages") or [*row["input"]["messages"], *row["preferred_output"]]
            yield "\n".join(str(turn.get("content") or "") for turn in turns)


def _with_supported_dtype(recipe: Recipe, machine: TrainingMachine) -> Recipe:
    """Take float16 on a GPU that has no bfloat16, as Turing and Volta."""
    lacks = machine.gpu is not None and machine.gpu.bf16_tflops is None
    return recipe.model_copy(update={"dtype": "float16"}) if lacks else recipe


def _with_user_settings(
    recipe: Recipe, asked: Hyperparameters, settings: Mapping[str, str], config: Mapping[str, Any]
) -> Recipe:
    """Put the user's settings over ours; what the base cannot hold is cut to what it can."""
    changes: dict[str, Any] = {}
    if asked.learning_rate is not None:
        changes["learning_rate"] = asked.learning_rate
    if asked.learning_rate_multiplier is not None:
        changes["learning_rate"] = recipe.learning_rate * asked.learning_rate_multiplier
    for name in ("lora_rank", "lora_alpha", "beta", "seed"):
        if getattr(asked, name) is not None:
            changes[name] = getattr(asked, name)
    if asked.batch_size != "auto":
        micro = math.gcd(asked.batch_size, recipe.micro_batch_rows)
        changes |= {"micro_batch_rows": micro, "accumulation_steps": asked.batch_size // micro}
    unknown = [name for name in settings if name not in Recipe.model_fields]
    if unknown:
        raise UsageError(
            f"--with {unknown[0]}",
            "there is no such setting.",
            did_you_mean(unknown[0], Recipe.model_fields).strip(),
        )
    most = int(config.get("max_position_embeddings") or recipe.max_tokens)
    changes["max_tokens"] = min(recipe.max_tokens, most)
    try:
        return Recipe.model_validate({**recipe.model_dump(), **changes, **settings})
    except ValidationError as error:
        first = error.errors()[0]
        place, found = ".".join(map(str, first["loc"])), f"found {first['input']}."
        raise UsageError(
            f"--with {place}".strip(),
            found if place else "they do not go together.",
            f"{first['msg']}.",
        ) from error
