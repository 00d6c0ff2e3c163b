"""Runs on stdin -> estimates of vramcalc."""

import json
import sys
from importlib.metadata import version

from vramcalc.estimate import estimate


def answer(run):
    """Estimate one run; vramcalc does not support 4-bit weights or several GPUs."""
    if run["method"] == "qlora":
        return {"refused": "no support for 4-bit weights"}
    if run["gpus"] > 1:
        return {"refused": "supports one GPU only"}
    try:
        result = estimate(
            run["config"],
            mode="train",
            dtype=run["precision"],
            batch=run["rows"],
            seq_len=run["length"],
            grad_checkpoint=run["checkpointing"],
            precision="pure",
            lora_rank=None if run["method"] == "full" else max(1, run["rank"]),
            attn_impl={"eager": "eager"}.get(run["attention"], "sdpa"),
        )
    except ValueError as error:
        return {"refused": str(error)[:120]}
    return {
        "allocated": result.total,
        "reserved": result.total,
        "process": result.total + result.overhead,
    }


runs = json.load(sys.stdin)
json.dump({"version": version("vramcalc"), "answers": [answer(run) for run in runs]}, sys.stdout)
