"""Rows of published serving speeds: model, GPU, engine and load, or the reason for exclusion."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from advisor.gpu.parameters import ModelShape
from advisor.gpu.roofline import GpuSet, ServingSetup, concurrency_bound, decode_step_seconds
from advisor.gpu.serving import output_tokens_per_second, with_adapters
from advisor.gpu.serving_engines import ENGINES, PRECISIONS, ServingEngine
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from benchmarks.rows import Part, Row, read_rows, row_number, row_part

DATA_FILE = "measured_serving.csv"
NEEDED = (
    "id",
    "source",
    "date",
    "engine",
    "model",
    "precision",
    "gpu",
    "n_gpu",
    "tp",
    "isl",
    "osl",
    "workload",
    "concurrency",
    "lora",
    "out_tok_s",
    "ttft_ms",
    "confidence",
)
"""Required columns; the header of the file describes each."""

Words = tuple[tuple[str, str], ...]
"""Words of a column -> our name, first match wins."""

OF_ENGINE: Words = (
    (r"SGLang 0\.[5-9]", "sglang-2026"),
    (r"TensorRT-LLM", "tensorrt-llm-2025"),
    (r"llama\.cpp", "llama.cpp-2024"),
    (r"lit-gpt|^transformers|enforce-eager", "eager-2024"),
    (r"vLLM 0\.[12]\d|vLLM 20(25-[4-9]|25-1|26)", "vllm-2026"),
    (r"vLLM 0\.[78]", "vllm-2025"),
    (r"vLLM|DeepSpeed|LoRAX", "servers-2024"),
)
"""Matched against engine and date: an engine without a version is classified by its date."""
OF_PRECISION: Words = (
    (r"^(bf|fp|f)16\b", "16bit"),
    (r"^w8a8", "w8a8"),
    (r"^fp8", "fp8"),
    (r"^fp4|nvfp4", "fp4"),
    (r"^w8a16", "w8a16"),
    (r"^w4a16|gptq", "w4a16"),
    (r"awq", "awq"),
    (r"^q4", "q4"),
    (r"^int8 llama", "q8"),
    (r"^int4 llama", "q4"),
    (r"^int4", "awq"),
    (r"^bnb-int8", "int8-mixed"),
    (r"nf4-dq", "nf4-dq"),
    (r"nf4", "nf4"),
)
"""Matched against precision and engine."""
OF_MODEL: Words = (
    (r"Llama-3[.\d]*-70B", "meta-llama/Llama-3.1-70B"),
    (r"Llama-3[.\d]*-8B", "meta-llama/Llama-3.1-8B"),
    (r"Llama-2-7b", "meta-llama/Llama-2-7b-hf"),
    (r"Llama-2-13b", "meta-llama/Llama-2-13b-hf"),
    (r"Llama-2-70b", "meta-llama/Llama-2-70b-hf"),
    (r"CodeLlama-34b", "codellama/CodeLlama-34b-hf"),
    (r"Qwen2\.5-0\.5B", "Qwen/Qwen2.5-0.5B"),
    (r"Qwen2\.5-72B", "Qwen/Qwen2.5-72B"),
    (r"Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B"),
    (r"Mixtral-8x7B", "mistralai/Mixtral-8x7B-v0.1"),
    (r"Mistral-7B", "mistralai/Mistral-7B-v0.1"),
    (r"phi-1\.5", "microsoft/phi-1_5"),
    (r"StableLM-3B", "stabilityai/stablelm-base-alpha-3b"),
)
OF_GPU: Words = (
    (r"A100.*40", "A100_40GB_SXM"),
    (r"A100 PCIe", "A100_80GB_PCIE"),
    (r"A100", "A100_80GB_SXM"),
    (r"A800", "A800_80GB_SXM"),
    (r"H100 PCIe", "H100_PCIE"),
    (r"H100", "H100_SXM"),
    (r"H200", "H200_SXM"),
    (r"\bH20\b", "H20"),
    (r"GB200", "GB200"),
    (r"B200", "B200"),
    (r"L40S", "L40S"),
    (r"\bA40\b", "A40"),
    (r"\bT4\b", "T4"),
    (r"\bL4\b", "L4"),
    (r"A10G", "A10G"),
    (r"4090 D", "RTX_4090_D"),
    (r"4090", "RTX_4090"),
    (r"3090", "RTX_3090"),
    (r"5090", "RTX_5090"),
    (r"A6000", "A6000"),
    (r"6000 Pro", "RTX_PRO_6000_BW"),
    (r"6000 Ada", "RTX_6000_ADA"),
    (r"5000 Ada", "RTX_5000_ADA"),
    (r"4000 Ada", "RTX_4000_ADA"),
    (r"4080", "RTX_4080"),
    (r"4070 Ti", "RTX_4070_TI"),
    (r"3080 Ti", "RTX_3080_TI"),
    (r"3080", "RTX_3080"),
    (r"3070", "RTX_3070"),
)


class WorkloadLengths(NamedTuple):
    """A workload: tokens per request, the longest answer, and the number of requests at once."""

    prompt: float
    answer: float
    longest: float
    requests: float


WORKLOADS: tuple[tuple[str, WorkloadLengths], ...] = (
    (r"long context", WorkloadLengths(28650, 256, 256, 50)),
    (r"short ShareGPT", WorkloadLengths(95, 186, 256, 200)),
    (r"ShareGPT 1000 prompts", WorkloadLengths(220, 205, 1024, 1000)),
    (r"DP/TP scaling", WorkloadLengths(265, 188, 512, 500)),
    (r"ShareGPT std (offline|interactive|sustained)", WorkloadLengths(265, 188, 512, 100)),
    (r"ShareGPT std", WorkloadLengths(265, 188, 512, 200)),
    (r"tg1024|text generation 1024", WorkloadLengths(0, 1024, 1024, 1)),
    (r"^generate$", WorkloadLengths(10, 200, 200, 1)),
)
"""Tokens of workloads that the file names without token counts. Source: AccelMark's data set of
1,000 prompts, its suites A, D and F, and tokens / requests of its sustained runs on A100 (188 and
186 per answer); vLLM's own ShareGPT sample; litgpt's generate, whose lengths are assumed and do
not matter for one stream."""
ONE_STREAM, STEADY, BURST = "one stream", "steady", "all at once"


@dataclass(frozen=True)
class ServingCase:
    """A row that can be scored."""

    row: Row
    serving: ServingSetup
    prompt: float
    answer: float
    sequences: float
    load: str
    """One stream, a steady number of requests, or all at once."""
    measured: float
    """Output tokens per second."""
    unmerged: float
    """1 if adapters were not merged, else 0."""

    @property
    def part(self) -> Part:
        """Whether constants may be fitted on this row."""
        return row_part(self.row)

    @property
    def engine(self) -> ServingEngine:
        """The engine generation."""
        return self.serving.engine

    @property
    def estimated(self) -> float:
        """Estimated output tokens per second; for one stream after its prompt."""
        return self.at(0.0)

    def at(self, end: float) -> float:
        """The estimate at the slow (-1) or fast (1) end of the range."""
        serving = self.serving._replace(engine=self.engine.at(end))
        if self.load == ONE_STREAM:
            live = self.prompt + self.answer / 2
            speed = 1.0 / np.asarray(decode_step_seconds(serving, 1.0, live))
        else:
            speed = np.asarray(
                output_tokens_per_second(
                    serving, self.prompt, self.answer, self.sequences, float(self.load == STEADY)
                )
            )
        return float(with_adapters(speed, self.unmerged, self.engine))

    def on(self, serving: ServingSetup) -> ServingCase:
        """The same measurement with other constants."""
        return replace(self, serving=serving)


def exclusion_reason(row: Row) -> str | None:
    """Return the rule that excludes a row; rules only read columns and predate any fit."""
    if row["confidence"].strip() == "D":
        return "confidence D"
    return None if row_number(row, "out_tok_s") else "no speed measured"


def unscored_reason(row: Row, book: PriceBook) -> str | None:
    """Return why a row cannot be scored; None if it can."""
    if not _named(OF_GPU, row["gpu"]):
        return "GPU not in the price book"
    if not _named(OF_ENGINE, _engine_words(row)):
        return "unknown engine"
    if f"open/{_named(OF_MODEL, row['model'])}" not in book.models:
        return "model not in the catalogue"
    if not _named(OF_PRECISION, _precision_words(row)):
        return "unknown precision"
    return None if workload_lengths(row) else "unknown workload lengths"


def workload_lengths(row: Row) -> WorkloadLengths | None:
    """Return the tokens of a workload, from the columns or from its name."""
    prompt, answer = row_number(row, "isl"), row_number(row, "osl")
    if prompt is not None and answer and "long context" not in row["workload"]:
        return WorkloadLengths(prompt, answer, answer, 100_000)
    return next((known for words, known in WORKLOADS if re.search(words, row["workload"])), None)


def serving_case(row: Row, book: PriceBook) -> ServingCase:
    """Convert a row that can be scored."""
    work = workload_lengths(row)
    architecture = book.model(f"open/{_named(OF_MODEL, row['model'])}").architecture
    if work is None or architecture is None:
        raise LookupError(f"{row['id']}: {unscored_reason(row, book)}")
    serving = ServingSetup(
        ModelShape.of(architecture),
        _cards(row, book),
        ENGINES[str(_named(OF_ENGINE, _engine_words(row)))],
        PRECISIONS[str(_named(OF_PRECISION, _precision_words(row)))],
    )
    load = _load(row)
    sequences = {ONE_STREAM: 1.0, BURST: _mean_batch(work, serving)}.get(load)
    return ServingCase(
        row,
        serving,
        work.prompt,
        work.answer,
        sequences or row_number(row, "concurrency") or 1.0,
        load,
        row_number(row, "out_tok_s") or 0.0,
        float(row["lora"] not in ("", "none")),
    )


def _mean_batch(work: WorkloadLengths, serving: ServingSetup) -> float:
    """Mean number of active sequences if all requests arrive at once.

    requests x answer / steps; steps = longest answer + waiting time for a slot
    """
    live = work.prompt + work.answer / 2
    places = float(np.minimum(concurrency_bound(serving, live), work.requests))
    waiting = (work.requests - places) * work.answer / places
    return work.requests * work.answer / (work.longest + waiting)


def _load(row: Row) -> str:
    if "offline" in row["workload"]:
        return BURST
    return ONE_STREAM if row["concurrency"] == "1" else STEADY


def _cards(row: Row, book: PriceBook) -> GpuSet:
    """GPUs that work in parallel; with pipeline parallelism only their memory adds up."""
    gpu = GpuSet.of(book.gpu(str(_named(OF_GPU, row["gpu"]))))
    count, parallel = row_number(row, "n_gpu") or 1.0, row_number(row, "tp") or 1.0
    return gpu._replace(memory_bytes=gpu.memory_bytes * count / parallel, gpu_count=parallel)


def _engine_words(row: Row) -> str:
    return f"{row['engine']} {row['date']}"


def _precision_words(row: Row) -> str:
    return f"{row['precision'].lower()} {row['engine']}".replace("vLLM ", "", 1)


def _named(words: Words, text: str) -> str | None:
    return next((name for word, name in words if re.search(word, text, re.IGNORECASE)), None)


def cases_of(file: str | None) -> tuple[list[ServingCase], Counter[str]]:
    """Read a file; return the rows to score, and the number of excluded rows per reason.

    Args:
        file: A CSV; None for the bundled one.
    """
    path = Path(file) if file else Path(__file__).parent / "data" / DATA_FILE
    book, rows = load_prices(), read_rows(path, NEEDED, DATA_FILE)
    out = Counter(f"rule: {why}" for row in rows if (why := exclusion_reason(row)))
    rest = [row for row in rows if not exclusion_reason(row)]
    out.update(f"cannot: {why}" for row in rest if (why := unscored_reason(row, book)))
    return [serving_case(row, book) for row in rest if not unscored_reason(row, book)], out
