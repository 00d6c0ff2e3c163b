"""Memory estimates of other packages, each run in its own process."""

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
    """Package name."""
    script: str
    """Script that calls it."""
    arguments: str
    """Arguments it gets, as text."""


PEERS = (
    Peer(
        "fitcheck-llm",
        "ask_fitcheck.py",
        "model, precision, quantization, double_quant, batch_size, seq_len, lora_rank, "
        "lora_targets, grad_checkpoint, flash_attn; its GPU if known to it",
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
    """Return the facts of a run that a peer may need."""
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
    """Return version and estimates of a peer; None if it is not installed.

    Args:
        peer: The package.
        folder: Parent of the folders filled by `uv pip install --target`.
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
        last = (done.stderr.strip().splitlines() or ["no error output"])[-1]
        sys.exit(f"{peer.name} failed: {last}. Reinstall it.")
    told = json.loads(done.stdout)
    return told["version"] or version(peer.name), told["answers"]
