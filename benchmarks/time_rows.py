"""A published training time -> model, training and GPU behind it; or why it is refused."""

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
"""NVIDIA's names, beside those that rows of memory have too."""
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
"""What our recipes train; IA3 and prefixes cost what a small adapter does."""
ALPACA_TOKENS = 130.0
"""Of a row with its template, where a run of Alpaca's rows says their limit only; own judgement."""
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
"""Between machines, for each GPU [bytes/s]. Source: DGX A100 and H100, 200 and 400 Gb/s a GPU."""
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
    """Seconds of a step."""

    @property
    def part(self) -> Part:
        """Whether constants were fitted on it."""
        return row_part(self.row)

    @property
    def other_kernels(self) -> bool:
        """Whether it has a table of its own."""
        return has_other_kernels(self.row)

    @property
    def reckoned(self) -> float:
        """Seconds of a step by our formulas."""
        return float(step_seconds(self.shape, self.setup, self.speeds, self.micro_batches))


def cases_of(path: Path | None) -> tuple[list[TimingCase], Counter[str]]:
    """Read a file of measurements -> what can be scored, and how many rows are not, and why."""
    book, out, cases = load_prices(None), Counter[str](), list[TimingCase]()
    for row in read_rows(path or DATA_FILE):
        why = exclusion_reason(row, "time") or cannot_estimate(row, book)
        if why:
            out[why] += 1
        else:
            cases.append(case_of(row, book))
    return cases, out


def cannot_estimate(row: Row, book: PriceBook) -> str | None:
    """Say why a row cannot be reckoned, from its columns; none where it can be."""
    if gpu_of(row) is None:
        return "cannot: the GPU is not named, or not in the price book"
    if not any(re.search(words, row["method"]) for words, _ in METHODS):
        return "cannot: a method that no recipe trains"
    if "FP8" in row["precision"].upper() and not has_other_kernels(row):
        return "cannot: FP8, in which no recipe trains"
    if not row["model"].startswith("MPT-") and book_model(row, book) is None:
        return "cannot: the model is not in the price book"
    return None


def book_model(row: Row, book: PriceBook) -> str | None:
    """Name the model as the price book does."""
    if row["model"] in MODELS:
        return f"open/{MODELS[row['model']]}"
    return find_model(row["model"], book)


def case_of(row: Row, book: PriceBook) -> TimingCase:
    """Read all that the formulas need out of a row."""
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
    """Find the numbers of the model."""
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
    """Read the training; what a column leaves open is what the framework does by itself."""
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
    """Tokens of a row: as counted, else of Alpaca where rows are short, else its full length."""
    counted = re.search(r"mean ([\d.]+) real", row["seq_note"])
    if counted:
        return float(counted[1])
    if row["source"].startswith("peft-method-comparison"):
        return 209.9
    unpacked = row["framework"] in ("torchtune", "lit-gpt") and row["packed"] in ("no", "")
    return ALPACA_TOKENS if unpacked else row_number(row, "seq_len") or 1024.0


def targets_of(row: Row) -> tuple[Module, ...]:
    """Name the matrices with adapters: as listed, lit-gpt's own two, else all."""
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
    """Whether activations are computed twice; LLaMA-Factory does so unless told otherwise."""
    return row["grad_ckpt"].startswith("yes") or (
        row["grad_ckpt"] == "" and row["framework"] == "LLaMA-Factory"
    )


def sharding_of(row: Row) -> Sharding:
    """Say what GPUs share out."""
    if "SHARD_GRAD_OP" in row["parallel"]:
        return "zero2"
    if "FSDP" in row["parallel"]:
        return "zero3"
    return "ddp" if (row_number(row, "n_gpu") or 1.0) > 1 else "none"


def _says(row: Row, words: str) -> bool:
    """Whether a lever of torchtune's ladder is on: each row adds one to those before."""
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
