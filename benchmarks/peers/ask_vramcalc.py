"""Runs on stdin -> what vramcalc says of each."""

import json
import sys
from importlib.metadata import version

from vramcalc.estimate import estimate


def answer(run):
    """Ask of one run; weights in 4 bits and several GPUs are not its business."""
    if run["method"] == "qlora":
        return {"refused": "it knows no 4-bit weights"}
    if run["gpus"] > 1:
        return {"refused": "it is for one GPU"}
    try:
        said = estimate(
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
    return {"allocated": said.total, "reserved": said.total, "process": said.total + said.overhead}


runs = json.load(sys.stdin)
json.dump({"version": version("vramcalc"), "answers": [answer(run) for run in runs]}, sys.stdout)
