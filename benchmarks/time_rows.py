"""Rows of published training times: model, setup and GPU, or the reason for exclusion."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from advisor.gpu.parameters import ModelShape, Module
from advisor.gpu.throughput import Speeds, prior_speeds
from advisor.gpu.training_setup import Attention, Head, Method, Sharding, TrainingSetup
from advisor.gpu.training_time import step_seconds
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from benchmarks.memory_rows import find_model
from benchmarks.rows import (
    Part,
    Row,
    exclusion_reason,
    gpu_of,
    has_other_kernels,
    read_rows,
    row_number,
    row_part,
)

DATA_FILE = Path(__file__).parent / "data" / "measured_training.csv"
MODELS: Mapping[str, str] = {
    "LLAMA2-7B": "meta-llama/Llama-2-7b-hf",
    "LLAMA2-13B": "meta-llama/Llama-2-13b-hf",
    "LLAMA2-70B": "meta-llama/Llama-2-70b-hf",
    "LLAMA3_8B": "meta-llama/Meta-Llama-3-8B",
    "LLAMA3_70B": "meta-llama/Llama-3.1-70B",
    "Qwen3_30B_a3B": "Qwen/Qwen3-30B-A3B",
    "GPT OSS 120B": "openai/gpt-oss-120b",
}
"""NVIDIA's model names, in addition to those of `memory_rows`."""
MPT_SHAPES: Mapping[str, tuple[int, int, int]] = {
    "125m": (768, 12, 12),
    "350m": (1024, 24, 16),
    "760m": (1536, 24, 12),
    "1b": (2048, 24, 16),
    "3b": (2560, 32, 20),
    "7b": (4096, 32, 32),
    "13b": (5120, 40, 40),
    "30b": (7168, 48, 56),
    "70b": (8192, 80, 64),
}
"""Hidden width, layers and heads. Source: llm-foundry, scripts/train/yamls/pretrain."""
MPT_VOCABULARY = 50432
METHODS: tuple[tuple[str, Method], ...] = (
    (r"^full", "full"),
    (r"^lora$", "lora"),
    (r"^qlora$", "qlora"),
    (r"^peft-(ia3|prefix_tuning)$", "lora"),
)
"""Methods of our recipes; IA3 and prefix tuning cost as much as a small adapter."""
ALPACA_TOKENS = 130.0
"""Tokens of a row with template, for Alpaca runs that only report the limit; own judgement."""
MODULE_NAMES = {
    "q": "q_proj",
    "k": "k_proj",
    "v": "v_proj",
    "o": "o_proj",
    "gate": "gate_proj",
    "up": "up_proj",
    "down": "down_proj",
}
NETWORK: tuple[tuple[str, float], ...] = ((r"A100", 25e9), (r"H100|H200|B200", 50e9))
"""Network speed per GPU [bytes/s]. Source: DGX A100 and H100, 200 and 400 Gb/s per GPU."""
GPUS_OF_A_MACHINE = 8


@dataclass(frozen=True)
class TimingCase:
    """A row that can be scored."""

    row: Row
    gpu: str
    shape: ModelShape
    setup: TrainingSetup
    speeds: Speeds
    micro_batches: float
    measured: float
    """Seconds per step."""

    @property
    def part(self) -> Part:
        """Whether constants may be fitted on this row."""
        return row_part(self.row)

    @property
    def other_kernels(self) -> bool:
        """Whether it belongs to the table of other kernels."""
        return has_other_kernels(self.row)

    @property
    def estimated(self) -> float:
        """Estimated seconds per step."""
        return float(step_seconds(self.shape, self.setup, self.speeds, self.micro_batches))


def cases_of(path: Path | None) -> tuple[list[TimingCase], Counter[str]]:
    """Read a file; return the rows to score, and the number of excluded rows per reason."""
    book, out, cases = load_prices(None), Counter[str](), list[TimingCase]()
    for row in read_rows(path or DATA_FILE):
        why = exclusion_reason(row, "time") or cannot_estimate(row, book)
        if why:
            out[why] += 1
        else:
            cases.append(case_of(row, book))
    return cases, out


def cannot_estimate(row: Row, book: PriceBook) -> str | None:
    """Return why a row cannot be estimated; None if it can."""
    if gpu_of(row) is None:
        return "cannot: GPU not specified, or not in the price book"
    if not any(re.search(words, row["method"]) for words, _ in METHODS):
        return "cannot: no recipe has this method"
    if "FP8" in row["precision"].upper() and not has_other_kernels(row):
        return "cannot: no recipe trains in FP8"
    if not row["model"].startswith("MPT-") and book_model(row, book) is None:
        return "cannot: model not in the price book"
    return None


def book_model(row: Row, book: PriceBook) -> str | None:
    """Return the model name of the price book."""
    if row["model"] in MODELS:
        return f"open/{MODELS[row['model']]}"
    return find_model(row["model"], book)


def case_of(row: Row, book: PriceBook) -> TimingCase:
    """Convert a row to the inputs of the formulas."""
    gpu, setup = cast(str, gpu_of(row)), setup_of(row)
    speeds = prior_speeds(gpu, book.gpu(gpu))
    if setup.gpus > GPUS_OF_A_MACHINE:
        between = next(speed for words, speed in NETWORK if re.search(words, row["gpu"]))
        speeds = speeds._replace(link=between)
    micro_batches = row_number(row, "grad_accum") or 1.0
    seconds = row_number(row, "step_s")
    if seconds is None:
        speed = row_number(row, "tokens_per_s") or 0.0
        each = speed / float(setup.gpus) if "total" in row["tok_kind"] else speed
        seconds = float(setup.tokens) * micro_batches / each
    return TimingCase(row, gpu, shape_of(row, book), setup, speeds, micro_batches, seconds)


def shape_of(row: Row, book: PriceBook) -> ModelShape:
    """Return the shape of the model."""
    if row["model"].startswith("MPT-"):
        hidden, layers, heads = MPT_SHAPES[row["model"][4:]]
        counted = (row_number(row, "params_b") or 0.0) * 1e9
        return ModelShape(
            layers,
            hidden,
            4 * hidden,
            heads,
            heads,
            hidden // heads,
            MPT_VOCABULARY,
            True,
            counted,
            mlp_matrices=2,
        )
    architecture = book.model(book_model(row, book) or "").architecture
    assert architecture is not None
    return ModelShape.of(architecture)


def setup_of(row: Row) -> TrainingSetup:
    """Return the training setup; missing values are the defaults of the framework."""
    tokens = row_tokens(row)
    upcast = "upcast" in row["precision"]
    head: Head = "all_fp32" if upcast else "chunked" if _says(row, "chunked CE") else "all"
    attention: Attention = "eager" if row["attn"] in ("eager", "default") else "fused"
    autocast = row["precision"].startswith("amp")
    return TrainingSetup(
        next(method for words, method in METHODS if re.search(words, row["method"])),
        tokens * (row_number(row, "micro_batch") or 1.0),
        tokens,
        rank=row_number(row, "lora_r") or 8.0,
        targets=targets_of(row),
        weight_bytes=2.0,
        adapter_bytes=4.0,
        checkpointing=checkpoints(row),
        attention=attention,
        head=head,
        upcast=upcast,
        autocast=autocast,
        compiled=row["compile"] == "yes",
        sharding=sharding_of(row),
        gpus=row_number(row, "n_gpu") or 1.0,
    )


def row_tokens(row: Row) -> float:
    """Tokens per row: as counted, else those of Alpaca for unpacked rows, else the maximum."""
    counted = re.search(r"mean ([\d.]+) real", row["seq_note"])
    if counted:
        return float(counted[1])
    if row["source"].startswith("peft-method-comparison"):
        return 209.9
    unpacked = row["framework"] in ("torchtune", "lit-gpt") and row["packed"] in ("no", "")
    return ALPACA_TOKENS if unpacked else row_number(row, "seq_len") or 1024.0


def targets_of(row: Row) -> tuple[Module, ...]:
    """Return the matrices with adapters: as listed, else lit-gpt's default, else all."""
    listed = tuple(
        cast(Module, name) for name, word in MODULE_NAMES.items() if word in row["lora_targets"]
    )
    if row["method"] == "peft-prefix_tuning":
        return ()
    if listed:
        return listed
    return (
        ("q", "v")
        if row["framework"] == "lit-gpt"
        else cast(tuple[Module, ...], tuple(MODULE_NAMES))
    )


def checkpoints(row: Row) -> bool:
    """Whether gradient checkpointing is on; it is the default of LLaMA-Factory."""
    return row["grad_ckpt"].startswith("yes") or (
        row["grad_ckpt"] == "" and row["framework"] == "LLaMA-Factory"
    )


def sharding_of(row: Row) -> Sharding:
    """Return the sharding strategy."""
    if "SHARD_GRAD_OP" in row["parallel"]:
        return "zero2"
    if "FSDP" in row["parallel"]:
        return "zero3"
    return "ddp" if (row_number(row, "n_gpu") or 1.0) > 1 else "none"


def _says(row: Row, words: str) -> bool:
    """Whether an option of torchtune's table is on: each row adds one option."""
    ladder = (
        "baseline",
        "+packed",
        "+compile",
        "+chunked CE",
        "+activation",
        "+optimizer",
        "+8bit",
        "LoRA (all",
        "QLoRA",
    )
    step = next((n for n, one in enumerate(ladder) if one in row["flags"]), -1)
    return row["framework"] == "torchtune" and step >= ladder.index(f"+{words}")
