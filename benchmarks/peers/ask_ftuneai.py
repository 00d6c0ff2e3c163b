"""Runs on stdin -> estimates of ftuneai: one number for all kinds of memory."""

import json
import sys
from importlib.metadata import version

from ftuneai.core.memory import MemoryEstimator
from ftuneai.core.models import (
    FineTuneMethod,
    LoRATarget,
    ModelSpec,
    OptimizerType,
    Quantization,
    ShardingStrategy,
    TrainingConfig,
)

SHARDING = {"none": "none", "ddp": "none", "zero1": "zero_1", "zero2": "zero_2", "zero3": "zero_3"}


def target(names):
    """Return the closest of its three sets of matrices."""
    if any(name in names for name in ("gate_proj", "up_proj", "down_proj")):
        return LoRATarget.ALL_LINEAR
    return LoRATarget.ATTENTION_ALL if "k_proj" in names else LoRATarget.ATTENTION


def answer(run):
    """Estimate one run."""
    config = run["config"]
    spec = ModelSpec(
        name=config["_name_or_path"],
        parameters=run["parameters"],
        hidden_size=config["hidden_size"],
        num_layers=config["num_hidden_layers"],
        num_attention_heads=config["num_attention_heads"],
        num_kv_heads=config["num_key_value_heads"],
        intermediate_size=config.get("intermediate_size") or config["ffn_hidden_size"],
        vocab_size=config["vocab_size"],
        max_seq_length=config["max_position_embeddings"],
    )
    packed = run["method"] == "qlora"
    eight = run["optimizer"] in ("adamw_8bit", "paged")
    setup = TrainingConfig(
        model=spec.name,
        method=FineTuneMethod(run["method"]),
        quantization=Quantization.INT4 if packed else Quantization.NONE,
        batch_size=run["rows"],
        seq_length=run["length"],
        num_gpus=run["gpus"],
        gradient_checkpointing=run["checkpointing"],
        lora_rank=max(1, run["rank"]),
        optimizer=OptimizerType.ADAM_8BIT if eight else OptimizerType.ADAMW,
        lora_target=target(run["targets"]),
        flash_attention=run["attention"] != "eager",
        sharding=ShardingStrategy(SHARDING[run["sharding"]]),
    )
    try:
        total = MemoryEstimator(spec, setup).estimate().total_gb * 2**30
    except ValueError as error:
        return {"refused": str(error)[:120]}
    return {"allocated": total, "reserved": total, "process": total}


runs = json.load(sys.stdin)
json.dump({"version": version("ftuneai"), "answers": [answer(run) for run in runs]}, sys.stdout)
