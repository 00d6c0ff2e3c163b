"""Runs -> what other estimators say of their memory, each asked in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.memory_rows import MemoryCase
from benchmarks.peers.configs import config_of
from benchmarks.rows import row_number

FOLDER = Path(__file__).parent
PeerAnswer = Mapping[str, Any]
"""Bytes under `allocated`, `reserved` and `process`, or a reason under `refused`."""


@dataclass(frozen=True)
class Peer:
    """Another estimator."""

    name: str
    """What its package is called."""
    script: str
    """What asks it."""
    arguments: str
    """What it is given, in words."""


PEERS = (
    Peer(
        "fitcheck-llm",
        "ask_fitcheck.py",
        "model, precision, quantization, double_quant, batch_size, seq_len, lora_rank, "
        "lora_targets, grad_checkpoint, flash_attn; its GPU where it knows it",
    ),
    Peer(
        "vramcalc",
        "ask_vramcalc.py",
        "config, mode=train, dtype, batch, seq_len, lora_rank, grad_checkpoint, attn_impl, "
        "precision=pure, overhead 0.75 GB",
    ),
    Peer(
        "ftuneai",
        "ask_ftuneai.py",
        "model, method, quantization, batch_size, seq_length, gradient_checkpointing, optimizer, "
        "lora_rank, lora_target, flash_attention, sharding, num_gpus",
    ),
    Peer(
        "accelerate",
        "ask_accelerate.py",
        "estimate-memory: a model without memory, dtype bfloat16, training with Adam",
    ),
)


def peer_question(case: MemoryCase) -> dict[str, Any]:
    """Lay out what a peer may want to know of a run."""
    setup, row = case.setup, case.row
    return {
        "config": config_of(case.model, case.shape),
        "parameters": int(case.shape.parameters),
        "layers": int(case.shape.layers),
        "method": setup.method,
        "rank": round(setup.rank),
        "row_method": row["method"],
        "targets": [f"{name}_proj" for name in setup.targets],
        "rows": int(row_number(row, "micro_batch") or 1),
        "length": int(setup.longest),
        "checkpointing": setup.checkpointing,
        "attention": setup.attention,
        "precision": "fp16" if row["precision"].startswith("fp16") else "bf16",
        "double_quantised": setup.double_quantised,
        "optimizer": setup.optimizer,
        "sharding": setup.sharding,
        "gpus": int(setup.gpus),
        "gpu": row["gpu"],
    }


def peer_answers(
    peer: Peer, folder: Path, cases: Sequence[MemoryCase]
) -> tuple[str, list[PeerAnswer]] | None:
    """Ask a peer of every run; none where it is not installed.

    Args:
        peer: Who is asked.
        folder: Where each peer has a folder of its own, filled by `uv pip install --target`.
        cases: The runs.
    """
    place = folder / peer.name
    path = f"{place}{os.pathsep}" if place.is_dir() else ""
    if not path and peer.name != "accelerate":
        return None
    done = subprocess.run(
        [sys.executable, str(FOLDER / peer.script)],
        input=json.dumps([peer_question(c) for c in cases]),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no words"])[-1]
        sys.exit(f"{peer.name} could not be asked: {last}. Install it anew.")
    told = json.loads(done.stdout)
    return told["version"] or version(peer.name), told["answers"]
