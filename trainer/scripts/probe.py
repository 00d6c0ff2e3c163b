"""Probe of this machine: step time and memory of a few tiny trainings.

    python probe.py FOLDER [SECONDS]

Creates models with random weights in FOLDER, trains each for a few steps with the training script,
and writes `probe.json`: one entry per training, and the memory of the process itself. Nothing is
downloaded. Starts no new training after SECONDS.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
import train
from manifest import write_json
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SECONDS = 30.0
STEPS = 12
"""Steps per training; the first ones are warm-up and not counted."""
WARM_UP = 3
SHARES = (1.0, 0.75, 0.9, 0.7, 0.95, 0.8, 0.85)
"""Row length relative to the longest: real rows differ, and new shapes take longer."""
MIN_TRAININGS = 3
"""Trainings that always run, whatever the time limit."""
SAMPLE_WORDS = 500
SPECIAL = ("<|end|>", "<|pad|>")
ON_CPU = (
    {"hidden": 64, "layers": 2, "vocabulary": 512, "tokens": 32, "rows": 1, "method": "full"},
    {"hidden": 64, "layers": 8, "vocabulary": 512, "tokens": 32, "rows": 2, "method": "lora"},
    {"hidden": 64, "layers": 8, "vocabulary": 512, "tokens": 32, "rows": 1, "method": "full"},
    {"hidden": 128, "layers": 4, "vocabulary": 512, "tokens": 128, "rows": 4, "method": "full"},
    {"hidden": 64, "layers": 2, "vocabulary": 8192, "tokens": 64, "rows": 4, "method": "full"},
    {"hidden": 128, "layers": 2, "vocabulary": 512, "tokens": 512, "rows": 1, "method": "full"},
    {"hidden": 384, "layers": 4, "vocabulary": 512, "tokens": 64, "rows": 4, "method": "lora"},
    {"hidden": 512, "layers": 4, "vocabulary": 2048, "tokens": 16, "rows": 2, "method": "full"},
    {"hidden": 256, "layers": 3, "vocabulary": 4096, "tokens": 128, "rows": 4, "method": "full"},
)
"""Sizes dominated by different costs: launches, matrix products, logits, attention, optimizer."""
ON_GPU = (
    {"hidden": 256, "layers": 16, "vocabulary": 4096, "tokens": 64, "rows": 2, "method": "full"},
    {"hidden": 256, "layers": 16, "vocabulary": 4096, "tokens": 64, "rows": 2, "method": "lora"},
    {"hidden": 512, "layers": 4, "vocabulary": 4096, "tokens": 4096, "rows": 1, "method": "full"},
    {"hidden": 1024, "layers": 4, "vocabulary": 32768, "tokens": 512, "rows": 4, "method": "full"},
    {"hidden": 2048, "layers": 4, "vocabulary": 32768, "tokens": 128, "rows": 1, "method": "full"},
    {"hidden": 2048, "layers": 4, "vocabulary": 32768, "tokens": 1024, "rows": 4, "method": "lora"},
)


def main(folder: Path, seconds: float) -> int:
    """Run the trainings that fit the time limit, and record their times."""
    began = time.perf_counter()
    gpu = torch.cuda.is_available()
    dtype = "float32"
    if gpu:
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = "bfloat16" if has else "float16"
    timed: list[dict[str, Any]] = []
    alone = _context_bytes() if gpu else train._resident_bytes()
    for number, size in enumerate(ON_GPU if gpu else ON_CPU):
        if len(timed) >= MIN_TRAININGS and time.perf_counter() - began > seconds:
            break
        timed.append(time_training(folder / str(number), {**size}, dtype, gpu))
        shutil.rmtree(folder / str(number))
    write_json(
        folder / "probe.json",
        {
            "timed": timed,
            "device": train.device_name(gpu),
            "dtype": dtype,
            "own_bytes": alone,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "seconds": time.perf_counter() - began,
        },
    )
    return 0


def time_training(folder: Path, size: dict[str, Any], dtype: str, gpu: bool) -> dict[str, Any]:
    """Create a base model and rows of one size, train, and time a step."""
    base, steps = folder / "base", STEPS
    config = make_base(base, size)
    lengths = [round(size["tokens"] * SHARES[n % len(SHARES)]) for n in range(size["rows"] * steps)]
    texts = (" ".join(f"w{n % SAMPLE_WORDS}" for n in range(length - 1)) for length in lengths)
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    recipe = probe_recipe(size, dtype, gpu)
    job = {"base": str(base), "training": "rows.jsonl", "recipe": recipe}
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    began, worked = time.perf_counter(), time.process_time()
    code = train.train(folder, job, train.Progress(folder))
    if code:
        raise SystemExit(f"probe.py: a training of size {size} ended with {code}")
    whole, worked = time.perf_counter() - began, time.process_time() - worked
    told = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    at = [event["at"] for event in told if event["kind"] == "metric"]
    result = json.loads((folder / "result.json").read_text())
    gaps = [after - before for before, after in zip(at[WARM_UP - 1 :], at[WARM_UP:], strict=False)]
    step = statistics.median(gaps)
    return {
        "config": config,
        "lengths": lengths,
        "recipe": recipe,
        "step_seconds": step,
        "save_seconds": max(result["train_seconds"] - (at[-1] - at[0]) - 2 * step, 0.0),
        "cpu_share": worked / whole,
        "parameters": result["parameters"],
        "trained_parameters": result["trained_parameters"],
        "peak_allocated_bytes": result["peak_allocated_bytes"],
        "peak_bytes": result["peak_reserved_bytes"] if gpu else result["peak_process_bytes"],
    }


def make_base(folder: Path, size: dict[str, Any]) -> dict[str, Any]:
    """Create a model with random weights and a word tokenizer; return its config."""
    folder.mkdir(parents=True)
    words = {word: n for n, word in enumerate([*SPECIAL, *(f"w{n}" for n in range(SAMPLE_WORDS))])}
    made = Tokenizer(models.WordLevel(words, unk_token=SPECIAL[1]))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=SPECIAL[0], pad_token=SPECIAL[1]
    ).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=size["vocabulary"],
        hidden_size=size["hidden"],
        intermediate_size=3 * size["hidden"],
        num_hidden_layers=size["layers"],
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        pad_token_id=1,
        eos_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


def probe_recipe(size: dict[str, Any], dtype: str, gpu: bool) -> dict[str, Any]:
    """Return all settings of such a training."""
    return {
        "objective": "text",
        "method": size["method"],
        "dtype": dtype,
        "adapter_dtype": "float32",
        "gradient_checkpointing": gpu,
        "max_tokens": size["tokens"],
        "packing": False,
        "loss_on": "assistant",
        "epochs": 1.0,
        "micro_batch_rows": size["rows"],
        "accumulation_steps": 1,
        "learning_rate": 1e-4,
        "schedule": "constant",
        "warmup_share": 0.0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "optimizer": "adamw_torch_fused" if gpu else "adamw_torch",
        "lora_rank": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "use_dora": False,
        "double_quantised": True,
        "attention": "sdpa",
        "replay_share": 0.0,
        "save_steps": 10_000,
        "most_checkpoints": 2,
        "log_steps": 1,
        "most_steps": None,
        "seed": 42,
    }


def _context_bytes() -> int:
    """GPU memory of the process before it allocates tensors."""
    free, total = torch.cuda.mem_get_info()
    return int(total - free)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    os.environ.setdefault("TUNE_OR_NOT_THREADS", str(os.cpu_count() or 1))
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    raise SystemExit(main(Path(sys.argv[1]), limit))
