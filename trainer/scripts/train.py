"""Train a model: from a folder with `job.json` and rows to a sealed model and `result.json`.

    python train.py FOLDER

`job.json` has `base` (a folder with config, safetensors and tokenizer), `recipe` (every setting,
see `recipe.py` of the advisor), `training` and optionally `validation`, `general`, `grader`.
Progress goes to `events.jsonl`, checkpoints to `checkpoints/`, the model to `model/`. `pause` or
`cancel` in the file `control` takes effect at the next step. Exit codes: 0 done, 3 the job cannot
be trained as specified (`failed.json` has the reason), 4 paused, 5 cancelled.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import math
import os
import platform
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).parent))

import datasets
import torch
import transformers
from manifest import base_hash, newest_complete, seal, sha256_of, write_json
from peft import IA3Config, LoraConfig, PrefixTuningConfig, TaskType, get_peft_model
from rewards import reward_of
from tokenize_rows import (
    UntrainableData,
    conversation,
    encode_rows,
    end_token_ids,
    prepare_tokenizer,
    question_and_label,
    read_rows,
    refuse_two_starts,
    template_hash,
)
from safetensors import SafetensorError, safe_open
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

PAUSED, CANCELLED, UNFIT = 4, 5, 3
NAN_STEPS = 3
"""Consecutive steps without a usable loss that end the training."""
SCALING_STEPS = 20
"""In float16 the gradient may overflow for some steps, until the loss scale is found."""
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "safetensors")
TARGETS = "all-linear"
LORA_SETTINGS = ("lora_alpha", "lora_dropout", "use_rslora", "use_dora")
MIN_CHANGE = 1e-8
"""A smaller change of a weight counts as none: float32 resolves 1e-7 around 1."""
SAMPLED = 4096
"""Values of each trained weight that are compared to see whether it changed."""


class Progress:
    """Writes events as JSON lines, and reads the requested action."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, time.time()
        self.path = folder / "events.jsonl"
        told = self.path.read_bytes() if self.path.exists() else b""
        self.seq = len(told.splitlines())

    def say(self, kind: str, message: str = "", **body: Any) -> None:
        """Append one event, after ending an incomplete last line of a killed process."""
        self.seq += 1
        line = json.dumps(
            {"seq": self.seq, "at": time.time(), "kind": kind, "message": message, **body},
            default=str,
        )
        with self.path.open("ab+") as out:
            if out.tell():
                out.seek(-1, os.SEEK_END)
                if out.read(1) != b"\n":
                    out.write(b"\n")
            out.write(line.encode() + b"\n")
        print(f"{kind}: {message or body}", flush=True)

    def wanted(self) -> str:
        """Return `pause`, `cancel` or an empty text."""
        try:
            word = (self.folder / "control").read_text(encoding="utf-8").strip()
        except OSError:
            return ""
        return word if word in ("pause", "cancel") else ""


class TrainingCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Reports steps, seals checkpoints, obeys pause and cancel, and stops on unusable losses."""

    def __init__(self, progress: Progress, recipe: dict[str, Any], gpu: bool) -> None:
        self.progress, self.gpu = progress, gpu
        self.log_steps, self.tokens_per_step = recipe["log_steps"], 0.0
        self.zero_is_bad = recipe["objective"] != "grpo"  # with equal rewards the loss is zero
        self.bad_steps, self.first_step, self.first_at = 0, -1, 0.0
        self.why, self.losses, self.since = "", list[float](), list[float]()
        self.checked: list[list[float]] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock at the first step of this process."""
        if self.first_step < 0:
            self.first_step, self.first_at = state.global_step, time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write a heartbeat, and obey pause and cancel."""
        (self.progress.folder / "heartbeat").write_text(str(time.time()))
        word = self.progress.wanted()
        if word:
            self.why = word
            control.should_save, control.should_training_stop = word == "pause", True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Check the loss of every step; report the mean every `log_steps`."""
        logs = logs or {}
        if logs.get("eval_loss") is not None:
            step, loss = state.global_step, float(logs["eval_loss"])
            self.checked.append([step, loss])
            message = f"loss {loss:.4f} on validation rows"
            self.progress.say("validation", message, step=step, eval_loss=loss)
        if logs.get("loss") is None:
            return
        loss, norm = float(logs["loss"]), logs.get("grad_norm")
        self.since.append(loss)
        broken = not math.isfinite(loss) or (loss == 0.0 and self.zero_is_bad)
        broken = broken or (norm is not None and not math.isfinite(float(norm)))
        self.bad_steps = self.bad_steps + 1 if broken else 0
        if broken:
            control.should_save = False  # a bad checkpoint would replace a good one
        # with float16 and a finite loss, the loss scale is still being found
        is_scaling = args.fp16 and math.isfinite(loss)
        if self.bad_steps >= (SCALING_STEPS if is_scaling else NAN_STEPS):
            self.why = (
                f"{self.bad_steps} steps in a row, up to step {state.global_step}, had no "
                f"usable loss: loss {loss:g}, gradient {norm}"
            )
            control.should_training_stop = True
        is_due = state.global_step % self.log_steps == 0 or state.global_step == state.max_steps
        if is_due or broken:
            self._tell(state, logs)

    def _tell(self, state: Any, logs: dict[str, Any]) -> None:
        loss, self.since = sum(self.since) / len(self.since), []
        self.losses.append(loss)
        seconds = time.perf_counter() - self.first_at
        speed = (state.global_step - self.first_step) / seconds if seconds else 0.0
        left = (state.max_steps - state.global_step) / speed if speed else 0.0
        self.progress.say(
            "metric",
            step=state.global_step,
            of_steps=state.max_steps,
            loss=loss,
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            tokens_per_second=round(speed * self.tokens_per_step, 1),
            eta_seconds=round(left, 1),
            peak_bytes=torch.cuda.max_memory_reserved() if self.gpu else _resident_bytes(),
        )

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seal a checkpoint; training only resumes from sealed ones."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        seal(folder, step=state.global_step)
        self.progress.say("checkpoint", step=state.global_step, name=folder.name)


def main(folder: Path) -> int:
    """Train the job; when memory runs out, retry once with half the micro-batch."""
    progress = Progress(folder)
    (folder / "failed.json").unlink(missing_ok=True)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    recipe, degraded = job["recipe"], folder / "degraded.json"
    try:
        if degraded.exists():
            recipe.update(json.loads(degraded.read_text(encoding="utf-8")))
        while True:
            try:
                return train(folder, job, progress)
            except torch.OutOfMemoryError as error:
                smaller = None if degraded.exists() else smaller_batch(recipe)
                if smaller is None:
                    raise UntrainableData(
                        f"out of memory with {recipe['micro_batch_rows']} rows per micro-batch. "
                        "Use a larger GPU, qlora, or shorter rows."
                    ) from error
            write_json(degraded, smaller)
            rows = smaller["micro_batch_rows"]
            told = f"out of memory: continuing with {rows} rows per micro-batch"
            progress.say("degraded", told, **smaller)
            recipe.update(smaller)
            gc.collect()  # model and trainer of the first attempt reference each other
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    except UntrainableData as error:
        progress.say("failed", str(error))
        write_json(folder / "failed.json", {"why": str(error)})
        return UNFIT


def smaller_batch(recipe: dict[str, Any]) -> dict[str, int] | None:
    """Halve the micro-batch; the effective batch size stays the same."""
    rows = int(recipe["micro_batch_rows"])
    if rows < 2 or rows % 2 or recipe["objective"] == "grpo":
        return None
    return {"micro_batch_rows": rows // 2, "accumulation_steps": recipe["accumulation_steps"] * 2}


def train(folder: Path, job: dict[str, Any], progress: Progress) -> int:
    """Run the training, from the first check to the sealed model."""
    recipe, base = job["recipe"], Path(job["base"])
    gpu = torch.cuda.is_available() and not job.get("use_cpu")
    started, energy_before = time.perf_counter(), energy_kwh(gpu)

    # 1. The machine and its capabilities.
    dtype = torch.float32 if not gpu else getattr(torch, recipe["dtype"])
    needs_bf16 = dtype is torch.bfloat16  # float32 without a GPU
    if needs_bf16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UntrainableData(
            f"{torch.cuda.get_device_name()} has no bfloat16. Plan again with "
            "dtype float16, or use a newer GPU."
        )
    if recipe["packing"] and (recipe["attention"] == "eager" or recipe["method"] == "prefix"):
        raise UntrainableData(
            "packing needs an attention that keeps rows apart: take sdpa or "
            "flash_attention_2 and no prefix, or turn packing off."
        )
    if recipe["gradient_checkpointing"] and recipe["method"] == "prefix":
        recipe["gradient_checkpointing"] = False
        message = "gradient_checkpointing is off: it loses the prefix on the way back"
        progress.say("changed", message, gradient_checkpointing=False)
    torch.set_num_threads(int(os.environ.get("TUNE_OR_NOT_THREADS") or os.cpu_count() or 1))
    transformers.set_seed(recipe["seed"])

    # 2. The base model: plain weights, no remote code.
    if not list(base.glob("*.safetensors")):
        raise UntrainableData(
            f"{base}: no safetensors found. Other formats can run code when "
            "loaded: convert them first."
        )
    progress.say("preflight", "hashing the base")
    base_sha256 = base_hash(base)
    if job.get("base_sha256") and base_sha256 != job["base_sha256"]:
        raise UntrainableData(f"{base}: not the base model of the plan. Create a new plan.")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    eos_ids = end_tokens(base, tokenizer)
    prepare_tokenizer(tokenizer, eos_ids)

    # 3. The rows.
    rows = read_rows(folder / job["training"])
    replayed = replay_rows(folder, job, len(rows))
    data, counted = prepare(rows + replayed, recipe, tokenizer, eos_ids)
    if counted.get("rows_cut"):
        cut, most = counted["rows_cut"], recipe["max_tokens"]
        progress.say("cut", f"{cut} rows are longer than {most} tokens and are truncated", rows=cut)

    # 4. The model, and which weights are trained.
    model, labels = load_model(base, recipe, rows, dtype, gpu)
    model.config.pad_token_id = tokenizer.pad_token_id
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.generation_config.eos_token_id = sorted(eos_ids)
    model = with_adapter(model, recipe)
    before = sample(model)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    parameters = sum(p.numel() for p in model.parameters())

    # 5. Disk space for checkpoints and model.
    needed = disk_bytes_needed(trained, parameters, recipe)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UntrainableData(
            f"the disk has {free / 1e9:.1f} GB left, and checkpoints and model need up to "
            f"{needed / 1e9:.1f} GB. Free some space, or move TUNE_OR_NOT_HOME."
        )

    # 6. The trainer, and derived settings.
    watch = TrainingCallback(progress, recipe, gpu)
    checked = validation_rows(folder, job, tokenizer, eos_ids, labels)
    trainer = trainer_for(model, tokenizer, (data, checked), folder, job, watch)
    sequences = len(trainer.train_dataset)
    steps = total_steps(sequences, recipe)
    trainer.args.max_steps, trainer.args.warmup_steps = steps, int(steps * recipe["warmup_share"])
    rows_per_step = recipe["micro_batch_rows"] * recipe["accumulation_steps"]
    if recipe["objective"] == "grpo":
        rows_per_step /= recipe["samples_per_prompt"]
    per_step = watch.tokens_per_step = counted["tokens"] / sequences * rows_per_step
    derived = {
        **counted,
        "sequences": sequences,
        "steps": steps,
        "rows_per_step": rows_per_step,
        "tokens_per_step": round(per_step),
        "trained_parameters": trained,
        "parameters": parameters,
        "replayed_rows": len(replayed),
        "device": device_name(gpu),
        "dtype": str(dtype)[6:],
        "disk_needed_bytes": needed,
        "chat_template_sha256": template_hash(tokenizer),
        "eos_token_ids": sorted(eos_ids),
        "pad_token_id": tokenizer.pad_token_id,
    }
    progress.say("derived", **derived)

    # 7. The longest rows first: memory runs out now, not in the last hour.
    if recipe["objective"] in ("sft", "text", "classification"):
        longest_batch(trainer, recipe, gpu)
        progress.say("preflight", "the longest rows fit")

    # 8. Training, from the last complete checkpoint.
    checkpoint, flaws = newest_complete(folder / "checkpoints")
    for flaw in flaws:
        progress.say("torn", flaw)
        shutil.rmtree(folder / "checkpoints" / flaw.partition(":")[0])
    if checkpoint:
        progress.say("resumed", checkpoint.name)
    begun = time.perf_counter()
    if checkpoint and int(checkpoint.name.partition("-")[2]) >= steps:
        # Training was complete; the trainer would take one more step.
        trainer._load_from_checkpoint(str(checkpoint))
        trainer.state = transformers.TrainerState.load_from_json(checkpoint / "trainer_state.json")
    else:
        with disk_full_explained("a checkpoint"):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    train_seconds = time.perf_counter() - begun
    stopped = f"at step {trainer.state.global_step}"
    if watch.why == "pause":
        (folder / "control").unlink(missing_ok=True)
        progress.say("paused", stopped)
        return PAUSED
    if watch.why == "cancel":
        progress.say("cancelled", stopped)
        return CANCELLED
    if watch.why:
        raise UntrainableData(f"{watch.why}. Lower learning_rate, or use bfloat16.")

    # 9. The model: saved atomically, and read back.
    moved = largest_change(model, before, recipe)
    out, final = folder / "model.part", folder / "model"
    shutil.rmtree(out, ignore_errors=True)
    with disk_full_explained("the model"):
        save(trainer, tokenizer, out, recipe, labels, derived)
        check_saved(out, recipe, derived["chat_template_sha256"])
        seal(out, base_sha256=base_sha256, chat_template_sha256=derived["chat_template_sha256"])
        shutil.rmtree(final, ignore_errors=True)
        out.rename(final)

    # 10. The result; losses include the steps before a pause.
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    energy_after = energy_kwh(gpu)
    used_kwh = None  # of this process only, if resumed
    if energy_before is not None and energy_after is not None:
        used_kwh = energy_after - energy_before
    write_json(
        folder / "result.json",
        {
            **derived,
            "loss": sum(losses) / len(losses),
            "last_losses": watch.losses[-5:],
            "validation_losses": watch.checked,
            "train_seconds": train_seconds,
            "total_seconds": time.perf_counter() - started,
            "steps_done": trainer.state.global_step,
            "tokens_per_second": per_step * steps / train_seconds if not checkpoint else None,
            "peak_allocated_bytes": torch.cuda.max_memory_allocated() if gpu else None,
            "peak_reserved_bytes": torch.cuda.max_memory_reserved() if gpu else None,
            "peak_process_bytes": None if gpu else _resident_bytes(),
            "gpu_energy_kwh": used_kwh,
            "largest_weight_change": moved,
            "base_sha256": base_sha256,
            "training_sha256": sha256_of(folder / job["training"]),
            "recipe": recipe,
            "resumed": bool(checkpoint),
            "python": platform.python_version(),
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
            "labels": labels,
        },
    )
    progress.say("trained", f"{trainer.state.global_step} steps in {train_seconds:.1f} s")
    return 0


def end_tokens(base: Path, tokenizer: Any) -> set[int]:
    """Return all tokens at which generation stops."""
    found: set[int] = end_token_ids(tokenizer.eos_token_id)
    path = base / "generation_config.json"
    if path.exists():
        settings = json.loads(path.read_text(encoding="utf-8"))
        found |= end_token_ids(settings.get("eos_token_id"))
    return found


def replay_rows(folder: Path, job: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Sample general rows to mix in against forgetting."""
    share = job["recipe"]["replay_share"]
    if not share or not job.get("general"):
        return []
    general = [row for row in read_rows(folder / job["general"]) if "messages" in row]
    wanted = min(len(general), round(count * share / (1 - share))) if share < 1 else len(general)
    return random.Random(job["recipe"]["seed"]).sample(general, wanted)


def validation_rows(
    folder: Path, job: dict[str, Any], tokenizer: Any, eos_ids: set[int], labels: list[str]
) -> datasets.Dataset | None:
    """Prepare the validation rows, if any."""
    recipe = job["recipe"]
    if not job.get("validation") or recipe["objective"] == "grpo":
        return None
    rows = read_rows(folder / job["validation"])
    if labels:
        rows = [row for row in rows if question_and_label(row)[1] in labels]
    return prepare(rows, recipe, tokenizer, eos_ids, labels or None)[0] if rows else None


def prepare(
    rows: list[dict[str, Any]],
    recipe: dict[str, Any],
    tokenizer: Any,
    eos_ids: set[int],
    names: list[str] | None = None,
) -> tuple[datasets.Dataset, dict[str, Any]]:
    """Convert rows to the dataset of this objective, and count them."""
    objective, most = recipe["objective"], recipe["max_tokens"]
    if not rows:
        raise UntrainableData("there are no training rows.")
    if objective == "sft":
        encoded, counted = encode_rows(tokenizer, rows, recipe["loss_on"], most, eos_ids)
        columns = {"input_ids": [r.ids for r in encoded], "labels": [r.labels for r in encoded]}
        return datasets.Dataset.from_dict(columns), counted
    if objective == "text":
        ids = [tokenizer(row["text"])["input_ids"] for row in rows]
        refuse_two_starts(tokenizer, ids)
        ids = [one if one and one[-1] in eos_ids else [*one, tokenizer.eos_token_id] for one in ids]
        cut = [one[:most] for one in ids]
        return datasets.Dataset.from_dict({"input_ids": cut, "labels": cut}), _counted(ids, most)
    if objective == "classification":
        texts, answers = zip(*(question_and_label(row) for row in rows), strict=True)
        names = names or sorted(set(answers))
        if len(names) < 2:
            raise UntrainableData(
                f"all rows have the label {names[0]!r}. Add rows with another label."
            )
        counted = _counted(tokenizer(list(texts), verbose=False)["input_ids"], most)
        ids = tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
        columns = {"input_ids": ids, "labels": [names.index(answer) for answer in answers]}
        return datasets.Dataset.from_dict(columns), counted | {"learned_share": 1.0}
    ids = [
        tokenizer.apply_chat_template(conversation(row)["messages"], return_dict=False)
        for row in rows
    ]
    refuse_two_starts(tokenizer, ids)
    to_row = _preference_row if objective == "dpo" else _graded_row
    return datasets.Dataset.from_list([to_row(row) for row in rows]), _counted(ids, most)


def _preference_row(row: dict[str, Any]) -> dict[str, Any]:
    prompt = row["input"]["messages"]
    chosen, rejected = row["preferred_output"], row["non_preferred_output"]
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _graded_row(row: dict[str, Any]) -> dict[str, Any]:
    messages = row["messages"]
    prompt = messages[:-1] if messages[-1]["role"] == "assistant" else messages
    return {"prompt": prompt, "expected": messages[-1]["content"]}


def _counted(ids: list[list[int]], most: int) -> dict[str, Any]:
    """Count rows after truncation, and how many were truncated."""
    lengths = [min(len(one), most) for one in ids]
    return {
        "rows": len(ids),
        "tokens": sum(lengths),
        "longest_tokens": max(lengths),
        "rows_cut": sum(len(one) > most for one in ids),
    }


def load_model(
    base: Path, recipe: dict[str, Any], rows: list[dict[str, Any]], dtype: Any, gpu: bool
) -> tuple[Any, list[str]]:
    """Load the base weights in the dtype of the plan, quantized if requested."""
    wanted: dict[str, Any] = {
        "dtype": dtype,
        "trust_remote_code": False,
        "use_safetensors": True,
        "attn_implementation": recipe["attention"],
    }
    if gpu:
        wanted["device_map"] = {"": 0}
    if recipe["method"] == "qlora":
        wanted["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=recipe["double_quantised"],
        )
    if recipe["objective"] == "classification":
        names = sorted({question_and_label(row)[1] for row in rows})
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            base,
            num_labels=len(names),
            id2label=dict(enumerate(names)),
            label2id={name: n for n, name in enumerate(names)},
            **wanted,
        )
        return model, names
    return transformers.AutoModelForCausalLM.from_pretrained(base, **wanted), []


def with_adapter(model: Any, recipe: dict[str, Any]) -> Any:
    """Add adapters to a model, in the dtype of the recipe."""
    method = recipe["method"]
    if method == "full":
        return model
    task = TaskType.SEQ_CLS if recipe["objective"] == "classification" else TaskType.CAUSAL_LM
    if method == "prefix":
        config: Any = PrefixTuningConfig(task_type=task, num_virtual_tokens=recipe["lora_rank"])
    elif method == "ia3":
        config = IA3Config(task_type=task)
    else:
        config = LoraConfig(
            task_type=task,
            r=recipe["lora_rank"],
            target_modules=TARGETS,
            bias="none",
            **{name: recipe[name] for name in LORA_SETTINGS},
        )
    if recipe["gradient_checkpointing"]:
        model.enable_input_require_grads()
    model = get_peft_model(model, config)
    keep_adapter_dtype(model, recipe)
    return model


def disk_bytes_needed(trained: int, parameters: int, recipe: dict[str, Any]) -> int:
    """Estimate the bytes of all checkpoints and the model: weights, and the two AdamW moments."""
    size = 2 if recipe["dtype"] != "float32" else 4
    saved = parameters * size if recipe["method"] == "full" else trained * 4
    most_checkpoints = int(recipe["most_checkpoints"])
    return (most_checkpoints + 1) * (saved + trained * 8) + saved + (64 << 20)


def total_steps(sequences: int, recipe: dict[str, Any]) -> int:
    """Return the total number of steps; sampled answers count as rows."""
    per_step = int(recipe["micro_batch_rows"]) * int(recipe["accumulation_steps"])
    if recipe["objective"] == "grpo":
        sequences *= recipe["samples_per_prompt"]
    steps = math.ceil(math.ceil(sequences / per_step) * float(recipe["epochs"]))
    return min(steps, int(recipe["most_steps"] or steps))


def trainer_for(
    model: Any,
    tokenizer: Any,
    data: tuple[datasets.Dataset, datasets.Dataset | None],
    folder: Path,
    job: dict[str, Any],
    watch: TrainingCallback,
) -> Any:
    """Create the trainer of an objective; no setting that matters is left to a default."""
    recipe, gpu = job["recipe"], watch.gpu
    half = recipe["dtype"] if gpu else "float32"
    common: dict[str, Any] = {
        "output_dir": str(folder / "checkpoints"),
        "num_train_epochs": recipe["epochs"],
        "per_device_train_batch_size": recipe["micro_batch_rows"],
        "gradient_accumulation_steps": recipe["accumulation_steps"],
        "learning_rate": recipe["learning_rate"],
        "lr_scheduler_type": recipe["schedule"],
        "weight_decay": recipe["weight_decay"],
        "max_grad_norm": recipe["max_grad_norm"],
        "optim": recipe["optimizer"],
        "bf16": half == "bfloat16",
        "fp16": half == "float16",
        "use_cpu": not gpu,
        "activation_checkpointing": recipe["gradient_checkpointing"],
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": recipe["save_steps"],
        "save_total_limit": recipe["most_checkpoints"],
        "seed": recipe["seed"],
        "data_seed": recipe["seed"],
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": gpu,
        "eval_strategy": "no" if data[1] is None else "steps",
        "eval_steps": recipe["save_steps"],
        "per_device_eval_batch_size": recipe["micro_batch_rows"],
        "prediction_loss_only": True,
    }
    objective = recipe["objective"]
    more: dict[str, Any] = {
        "model": model,
        "train_dataset": data[0],
        "eval_dataset": data[1],
        "processing_class": tokenizer,
        "callbacks": [watch],
    }
    if objective == "classification":
        trainer: Any = transformers.Trainer(
            args=transformers.TrainingArguments(**common),
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            **more,
        )
        trainer.model_accepts_loss_kwargs = False  # it averages, whatever its signature says
    elif objective == "dpo":
        trainer = DPOTrainer(
            args=DPOConfig(
                **common,
                max_length=recipe["max_tokens"],
                beta=recipe["beta"],
                loss_type=["sigmoid"],
            ),
            **more,
        )
    elif objective == "grpo":
        trainer = GRPOTrainer(
            args=GRPOConfig(
                **common,
                num_generations=recipe["samples_per_prompt"],
                beta=recipe["beta"],
                max_completion_length=recipe["max_answer_tokens"],
                loss_type="dapo",
                temperature=1.0,
                remove_unused_columns=False,
                use_vllm=False,
            ),
            reward_funcs=reward_of(job.get("grader")),
            **more,
        )
    else:
        trainer = SFTTrainer(
            args=SFTConfig(
                **common,
                max_length=recipe["max_tokens"],
                packing=recipe["packing"],
                packing_strategy="bfd",
                completion_only_loss=False,
                assistant_only_loss=False,
                loss_type="nll",
                shuffle_dataset=False,
                dataset_num_proc=None,
            ),
            **more,
        )
    trainer.remove_callback(transformers.PrinterCallback)  # the callback reports
    keep_adapter_dtype(trainer.model, recipe)  # trl converts adapters of 4-bit models to bfloat16
    return trainer


def keep_adapter_dtype(model: Any, recipe: dict[str, Any]) -> None:
    """Convert trained adapters to the dtype of the recipe."""
    if recipe["method"] == "full":
        return
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(getattr(torch, recipe["adapter_dtype"]))


def longest_batch(trainer: Any, recipe: dict[str, Any], gpu: bool) -> None:
    """Run one forward and backward pass on the longest rows, without an update."""
    lengths = [len(ids) for ids in trainer.train_dataset["input_ids"]]
    order = sorted(range(len(lengths)), key=lambda n: -lengths[n])[: recipe["micro_batch_rows"]]
    model = trainer.model
    batch = {
        name: value.to(model.device) if hasattr(value, "to") else value
        for name, value in trainer.data_collator([trainer.train_dataset[n] for n in order]).items()
    }
    state = torch.get_rng_state(), random.getstate()
    state_gpu = torch.cuda.get_rng_state_all() if gpu else []
    if recipe["gradient_checkpointing"]:
        model.activation_checkpointing_enable()  # like the trainer
    model.train()
    with trainer.accelerator.autocast():
        loss = trainer.compute_loss(model, batch)
    loss.backward()
    model.zero_grad(set_to_none=True)
    if hasattr(trainer, "_metrics"):
        trainer._metrics["train"].clear()
        trainer._total_train_tokens = 0
    torch.set_rng_state(state[0])
    random.setstate(state[1])
    if gpu:
        torch.cuda.set_rng_state_all(state_gpu)


def sample(model: Any) -> dict[str, Any]:
    """Copy some values of every trained weight, to detect later whether it changed."""
    return {
        name: parameter.detach().flatten()[:SAMPLED].float().cpu().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def largest_change(model: Any, before: dict[str, Any], recipe: dict[str, Any]) -> float:
    """Return the largest change of a trained weight.

    Raises:
        UntrainableData: no weight changed, so the model equals the base.
    """
    now = sample(model)
    largest = max(float((now[name] - before[name]).abs().max()) for name in before)
    if largest < MIN_CHANGE:
        way_out = "Raise learning_rate."
        if recipe["objective"] == "grpo":
            way_out = "If all answers got the same reward, use a grader that distinguishes them."
        raise UntrainableData(
            f"the training changed nothing: no weight changed by more than {largest:.1e}, as "
            f"in an empty adapter. {way_out}"
        )
    return largest


@contextmanager
def disk_full_explained(what: str) -> Iterator[None]:
    """Translate disk-full errors, which differ by library.

    Raises:
        UntrainableData: a file could not be written.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        signs = ("No space left", "File too large", "PytorchStreamWriter", "unexpected pos")
        if not isinstance(error, OSError) and not any(sign in str(error) for sign in signs):
            raise
        raise UntrainableData(
            f"{what} could not be written: {error}. The previous checkpoint is complete: free "
            "disk space, then resume."
        ) from error


def save(
    trainer: Any,
    tokenizer: Any,
    out: Path,
    recipe: dict[str, Any],
    labels: list[str],
    derived: dict[str, Any],
) -> None:
    """Save weights, tokenizer, chat template and generation config."""
    model = trainer.model
    if recipe["method"] == "full" and derived["dtype"] != "float32":
        model = model.to(getattr(torch, derived["dtype"]))
    model.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    if not labels:
        settings = model.generation_config
        settings.pad_token_id = tokenizer.pad_token_id
        settings.eos_token_id = derived["eos_token_ids"]
        settings.save_pretrained(out)
    (out / "chat_template_sha256").write_text(derived["chat_template_sha256"])


def check_saved(out: Path, recipe: dict[str, Any], template_sha256: str) -> None:
    """Read the saved model back: it is not empty, has an end token, and the same template.

    Raises:
        UntrainableData: the saved model differs from the trained one.
    """
    largest = 0.0
    for path in sorted(out.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a dictionary
                tensor = tensors.get_tensor(name).float()
                if not torch.isfinite(tensor).all():
                    raise UntrainableData(f"{name} in {path.name} contains NaN or infinite values.")
                if "lora_B" in name or recipe["method"] not in ("lora", "qlora"):
                    largest = max(largest, float(tensor.abs().max()))
    if largest == 0.0:
        raise UntrainableData("the adapter is empty: no weights were saved, or all are zero.")
    tokenizer = transformers.AutoTokenizer.from_pretrained(out, trust_remote_code=False)
    if template_hash(tokenizer) != template_sha256:
        raise UntrainableData(
            "the saved tokenizer has a different chat template than the training."
        )
    settings = out / "generation_config.json"
    if settings.exists():
        saved = json.loads(settings.read_text(encoding="utf-8"))
        if saved.get("pad_token_id") in end_token_ids(saved.get("eos_token_id")):
            raise UntrainableData(
                "the saved model pads with its end token and would return empty answers."
            )


def device_name(gpu: bool) -> str:
    """Return the name of the device."""
    return str(torch.cuda.get_device_name()) if gpu else f"cpu, {os.cpu_count()} cores"


def energy_kwh(gpu: bool) -> float | None:
    """Read the energy counter of the GPU, if the driver has one."""
    if not gpu:
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 3.6e9
    except Exception:  # noqa: BLE001 - a missing counter is no reason to lose a training
        return None


def _resident_bytes() -> int:
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: (Path(sys.argv[1]) / "control").write_text("pause"))
    raise SystemExit(main(Path(sys.argv[1])))
