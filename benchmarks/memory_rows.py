"""Row of a published training run -> model shape and training setup for the memory estimate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from advisor.gpu.parameters import ALL_LINEAR, ModelShape, Module, lora_parameters
from advisor.gpu.training_setup import TrainingSetup
from advisor.prices.book import PriceBook
from benchmarks.rows import Row, row_number

ALIASES: Mapping[str, str] = {
    "gemma2b": "google/gemma-2-2b",
    "gemma2-2b": "google/gemma-2-2b",
    "gemma2-9b": "google/gemma-2-9b",
    "gemma-2b": "google/gemma-2b",
    "stablelm alpha 3b": "stabilityai/stablelm-base-alpha-3b",
    "tiny-llama": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    "tinyllama": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    "llama-3-8b": "meta-llama/Meta-Llama-3-8B",
    "llama-2-7b": "meta-llama/Llama-2-7b-hf",
    "mistral-7b": "mistralai/Mistral-7B-v0.1",
    "mistral-7b-v0.2": "mistralai/Mistral-7B-v0.1",
    "qwen2-7b": "Qwen/Qwen2.5-7B",
    "phi-3.5-mini": "microsoft/Phi-3-mini-4k-instruct",
    "codegemma-7b": "google/gemma-7b",
    "qwen3-4b-2507": "Qwen/Qwen3-4B",
    "llama-outetts-1.0-1b": "meta-llama/Llama-3.2-1B",
}
"""Names that differ from the catalogue, and models that share the config of another."""
IGNORED_NAME_PARTS = re.compile(
    r"\(assumed\)|\?|-?(instruct|chat|it|base|hf|coder|bnb-4bit|unsloth)\b|-v1\.0|meta-"
)
MATRICES: Mapping[str, tuple[Module, ...]] = {
    "query": ("q",),
    "key": ("k",),
    "value": ("v",),
    "projection": ("o",),
    "mlp": ("gate", "up", "down"),
    "head": ("head",),
    "q_proj": ("q",),
    "k_proj": ("k",),
    "v_proj": ("v",),
    "o_proj": ("o",),
    "gate_proj": ("gate",),
    "up_proj": ("up",),
    "down_proj": ("down",),
    "attention (qkv": ("q", "k", "v"),
    "o)": ("o",),
}
"""Words of `lora_targets` between plus signs."""
LONGEST_ALPACA_TOKENS = 1304.0
"""Longest row of Alpaca. Source: litgpt, tutorials/oom.md."""
LEVERS = ("baseline", "packed", "compile", "chunked", "checkpointing", "in bwd", "offload", "8bit")
"""Options that the rows of torchtune's table add one by one."""


@dataclass(frozen=True)
class MemoryCase:
    """A row with an estimate."""

    row: Row
    model: str
    """Name in the catalogue."""
    shape: ModelShape
    setup: TrainingSetup


def case_of(row: Row, book: PriceBook, learnt: bool = False) -> MemoryCase | str:
    """Convert a row; return the reason as text if a value is missing.

    Args:
        row: One run.
        book: Price book with the model shapes.
        learnt: Whether to use framework behavior that was learned from errors on test rows.
    """
    model = find_model(row["model"], book)
    if model is None:
        return f"no config for '{row['model']}' in the catalogue"
    if row_number(row, "seq_len") is None or row_number(row, "micro_batch") is None:
        return "no length or micro-batch"
    architecture = book.model(model).architecture
    if architecture is None:
        return "no config"
    shape = ModelShape.of(architecture)
    if "gpt" in row["framework"]:
        shape = _untied(shape)
    setup = setup_of(row, shape)
    setup = setup.with_changes(**_learnt(row, setup)) if learnt else setup
    return MemoryCase(row, model.removeprefix("open/"), shape, setup)


def find_model(said: str, book: PriceBook) -> str | None:
    """Look up a model by the name in a row."""
    words = _plain(said)
    for name in book.with_architecture:
        if _plain(name) == words:
            return name
    return f"open/{ALIASES[words]}" if words in ALIASES else None


def _plain(name: str) -> str:
    return IGNORED_NAME_PARTS.sub("", name.lower().rsplit("/", 1)[-1]).strip(" -")


def _untied(shape: ModelShape) -> ModelShape:
    """Litgpt has a separate head for every model."""
    more = shape.tied_embeddings * shape.vocabulary * shape.hidden_size
    return shape._replace(parameters=shape.parameters + more, tied_embeddings=False)


def setup_of(row: Row, shape: ModelShape) -> TrainingSetup:
    """Return the setup from the columns of a row, else from the defaults of its framework."""
    rows, longest = row_number(row, "micro_batch") or 1.0, _longest(row)
    method = "qlora" if row["method"] == "qlora" else "full" if row["method"] == "full" else "lora"
    targets = _targets(row)
    setup = TrainingSetup(
        method=method,
        tokens=rows * longest,
        longest=longest,
        targets=targets,
        rank=_rank(row, shape, targets),
        optimizer=_optimizer(row),
        checkpointing=row["grad_ckpt"].startswith(("yes", "unsloth")),
        attention="eager" if row["attn"] == "eager" else "fused",
        head="all",
        accumulates=_accumulates(row),
        double_quantised=row["quant"] not in ("nf4 no-dq", "bnb.nf4"),
        compiled=row["compile"] == "yes",
        **_sharding(row),
    )
    return setup.with_changes(**_habits(row, setup))


def _habits(row: Row, setup: TrainingSetup) -> dict[str, Any]:
    """Framework behavior that no column has."""
    framework, flags = row["framework"], row["flags"]
    if framework.startswith("own loop"):
        prepared = "upcast" in row["precision"]
        return {"upcast": prepared, "autocast": False, "head": "all_fp32" if prepared else "all"}
    if framework.startswith("peft"):
        return {"autocast": False, "attention": "masked"}
    if "gpt" in framework:
        mixed = row["precision"].startswith("bf16-mixed")
        packed = setup.method == "qlora"
        return {
            "head": "all_bf16" if setup.is_full else "chunked",
            "drops_out": True,
            "adapter_bytes": 4.0 if mixed else 2.0,
            "autocast": mixed,
            "mixes": mixed,
            "weight_bytes": 4.0 if mixed else 2.0,
            "packs_head": packed,
            "optimizer": "paged" if packed else setup.optimizer,
            "checkpointing": setup.sharding == "zero3",
        }
    if framework.startswith("torchtune"):
        return {"adapter_bytes": 2.0, "autocast": False, **_levers(flags)}
    if framework.startswith("fsdp_qlora"):
        return {"adapter_bytes": 2.0, "autocast": False}
    if framework.startswith("transformers"):
        prepared = setup.method == "qlora"
        return {
            "upcast": prepared,
            "head": "all_fp32" if prepared else "all",
            "attention": "eager" if flags in ("HF", "HF DDP") else "masked",
        }
    if "unsloth" in framework:
        return {"head": "fused", "offloads_activations": True}
    return {}


def _learnt(row: Row, setup: TrainingSetup) -> dict[str, Any]:
    """Framework behavior learned from errors on test rows; these rows no longer test anything."""
    framework = row["framework"]
    if "gpt" in framework and setup.method == "qlora":
        return {"stream_bytes": 4.0, "upcast": True}
    if framework.startswith("peft"):
        return {"empties_cache": True}
    if framework.startswith("fsdp_qlora") or row["source"] == "peft-docs-70b":
        return {"head": "all_copied"}
    return {}


def _levers(flags: str) -> dict[str, Any]:
    """Options of a row of torchtune's table; adapter rows have all of them."""
    pulled = max((i for i, word in enumerate(LEVERS) if word in flags), default=0)
    if "LoRA" in flags:
        return {"head": "chunked", "offloads_activations": True, "rank": 64.0}
    return {
        "head": "chunked" if pulled >= 3 else "all",
        "offloads_activations": pulled >= 6,
        "optimizer_in_backward": pulled >= 5,
    }


def _longest(row: Row) -> float:
    most = row_number(row, "seq_len") or 0.0
    note = row["seq_note"].lower()
    return min(most, LONGEST_ALPACA_TOKENS) if row["packed"] == "no" and "alpaca" in note else most


def _targets(row: Row) -> tuple[Module, ...]:
    said = row["lora_targets"]
    if said.startswith(("all", "config")) or (not said and row["method"] in ("lora", "qlora")):
        return ALL_LINEAR
    found = [name for word in said.split("+") for name in MATRICES.get(word.strip(), ())]
    return tuple(found)


def _rank(row: Row, shape: ModelShape, targets: tuple[Module, ...]) -> float:
    """Return the LoRA rank; for other adapters the rank with as many trained weights."""
    trained = re.search(r"trainable ([\d,]+)", row["notes"])
    each = float(lora_parameters(shape, 1, targets))
    if row["method"].startswith("peft-") and trained and each:
        return float(trained[1].replace(",", "")) / each
    return row_number(row, "lora_r") or 16.0


def _optimizer(row: Row) -> Any:
    said = row["optimizer"].lower()
    return "paged" if "paged" in said else "adamw_8bit" if "8bit" in said else "adamw"


def _accumulates(row: Row) -> bool:
    said = row_number(row, "grad_accum")
    return "global" in row["grad_accum"] or (said or 1.0) > 1.0


def _sharding(row: Row) -> dict[str, Any]:
    said, gpus = row["parallel"].lower(), row_number(row, "n_gpu") or 1.0
    if gpus == 1.0 or said in ("", "none"):
        return {}
    if said.startswith("row says") and row["method"] != "full":
        return {}
    kind = "ddp" if "ddp" in said else "zero2" if "zero-2" in said or "grad_op" in said else "zero3"
    off = "cpu_offload=yes" in row["flags"] or "offload" in said
    return {"sharding": kind, "gpus": gpus, "offloads_shards": off}
