"""Runs on stdin -> estimates of fitcheck-llm."""

import json
import sys
from dataclasses import fields
from importlib.metadata import version

from fitcheck import GpuSpec, TrainingConfig, UnsupportedModelError, estimate
from fitcheck.config_parser import ModelConfig
from fitcheck.gpu_db import GPU_DB
from fitcheck.overhead_db import get_overhead_profile

MIB = 2**20
GPUS = {"T4": "t4", "A10G": "a10g", "L40S": "l40s", "4090": "4090", "A100": "a100-80"}
UNKNOWN = GpuSpec("other", 81_920, 80_000)


def answer(run):
    """Estimate one run."""
    config = run["config"]
    if run["gpus"] > 1:
        return {"refused": "supports one GPU only"}
    if config.get("num_local_experts"):
        return {"refused": "no support for experts"}
    key = next((key for word, key in GPUS.items() if word in run["gpu"]), "")
    known = {field.name for field in fields(ModelConfig)}
    model = ModelConfig(
        **{
            name: value
            for name, value in {
                "name": config["_name_or_path"],
                "num_params": run["parameters"],
                "hidden_size": config["hidden_size"],
                "num_layers": config["num_hidden_layers"],
                "num_attention_heads": config["num_attention_heads"],
                "num_kv_heads": config["num_key_value_heads"],
                "intermediate_size": config.get("intermediate_size") or config["ffn_hidden_size"],
                "vocab_size": config["vocab_size"],
                "head_dim": config["head_dim"],
                "tie_word_embeddings": config["tie_word_embeddings"],
            }.items()
            if name in known
        }
    )
    is_full = run["method"] == "full"
    packed = "nf4" if run["method"] == "qlora" else "none"
    setup = TrainingConfig(
        precision=run["precision"],
        quantization=packed,
        double_quant=packed == "nf4" and run["double_quantised"],
        optimizer={"adamw_8bit": "adamw8bit", "paged": "adamw8bit"}.get(run["optimizer"], "adamw"),
        optimizer_dtype="fp32",
        batch_size=run["rows"],
        seq_len=run["length"],
        lora_rank=None if is_full else max(1, run["rank"]),
        lora_targets=[name for name in run["targets"] if name != "head_proj"],
        grad_checkpoint=run["checkpointing"],
        flash_attn=run["attention"] != "eager",
    )
    report = estimate(model, setup, GPU_DB.get(key, UNKNOWN))
    context = get_overhead_profile(key, setup.flash_attn, packed).base_context_mib
    return {
        "allocated": (report.total_mib - report.overhead_mib) * MIB,
        "reserved": (report.total_mib - context) * MIB,
        "process": report.total_mib * MIB,
    }


def safe(run):
    """Estimate one run, or return the reason for refusal."""
    try:
        return answer(run)
    except (UnsupportedModelError, ValueError) as error:
        return {"refused": str(error)[:120]}


runs = json.load(sys.stdin)
json.dump({"version": version("fitcheck-llm"), "answers": [safe(run) for run in runs]}, sys.stdout)
