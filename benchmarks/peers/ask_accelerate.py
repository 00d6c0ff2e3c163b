"""Runs on stdin -> estimates of accelerate's estimate-memory, for full training only."""

import json
import sys
from functools import cache
from importlib.metadata import version

import torch
import transformers
from accelerate.commands.estimate import estimate_training_usage
from accelerate.utils import calculate_maximum_sizes


@cache
def size(text):
    """Bytes of a model in float32, built on the meta device."""
    config = json.loads(text)
    kind = config.pop("model_type")
    with torch.device("meta"):
        made = transformers.AutoConfig.for_model(kind, **config)
        model = transformers.AutoModelForCausalLM.from_config(made, dtype=torch.float32)
    return calculate_maximum_sizes(model)[0]


def answer(run):
    """Estimate one run."""
    if run["row_method"] != "full":
        return {"refused": "no support for adapters"}
    if run["gpus"] > 1:
        return {"refused": "supports one GPU only"}
    try:
        usage = estimate_training_usage(size(json.dumps(run["config"])), "bfloat16")
    except (ValueError, TypeError) as error:
        return {"refused": str(error)[:120]}
    peak = max(usage.values())
    return {"allocated": peak, "reserved": peak, "process": peak}


runs = json.load(sys.stdin)
json.dump({"version": version("accelerate"), "answers": [answer(run) for run in runs]}, sys.stdout)
