"""Predicted and measured time and memory of ten tiny trainings on this CPU.

Each training is predicted before it runs, as in a plan of `trainer`, with and without the probe;
then our script trains it on one thread. Row lengths differ, so that padding counts. Other load on
the machine is removed from probe and trainings alike: their seconds are multiplied by the share of
the time in which the process had the CPU.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from advisor.gpu.recipe import Method, Objective, recipe_for
from tests.support.tiny_models import SCRIPTS, make_tokenizer, sentence, task_rows, write_rows
from trainer.plan.local_cost import TrainingMachine, estimate_training
from trainer.plan.probe import fit_probe, run_script, save_probe

PROBE_SECONDS = 30.0
THIS_MACHINE = TrainingMachine("cpu", None, Decimal(0), "none", "today", "today", own=True)
MIB = 2**20
STEPS = 24


@dataclass(frozen=True)
class TinyConfig:
    """One tiny training."""

    hidden: int
    layers: int
    vocabulary: int
    sentences: tuple[int, int]
    """Minimum and maximum per row; a sentence is about 14 tokens."""
    rows: int
    """Rows per micro-batch."""
    accumulation: int = 1
    method: Method = "full"
    objective: Objective = "text"
    checkpointing: bool = False

    @property
    def name(self) -> str:
        """Name in the table."""
        again = ", checkpointing" if self.checkpointing else ""
        return (
            f"{self.objective} {self.method} {self.hidden}x{self.layers}, {self.vocabulary} "
            f"words, {self.rows}x{self.accumulation} rows{again}"
        )


CONFIGS = (
    TinyConfig(64, 2, 512, (1, 3), 4),
    TinyConfig(96, 6, 512, (1, 6), 2, 2, "lora"),
    TinyConfig(128, 4, 2048, (2, 8), 4),
    TinyConfig(128, 12, 512, (1, 4), 1, 2),
    TinyConfig(192, 3, 4096, (4, 12), 4, checkpointing=True),
    TinyConfig(256, 4, 1024, (2, 10), 2, method="lora"),
    TinyConfig(256, 2, 16384, (1, 4), 4),
    TinyConfig(320, 6, 1024, (2, 6), 2, 2),
    TinyConfig(512, 3, 2048, (1, 3), 2, method="lora", checkpointing=True),
    TinyConfig(128, 4, 512, (1, 1), 8, objective="classification"),
)
"""Sizes that the probe does not use."""


@dataclass(frozen=True)
class TinyOutcome:
    """Predicted and measured cost of one training."""

    name: str
    predicted: Sequence[tuple[float, float, float]]
    """Low, likely and high of: seconds with the probe, seconds without it, and bytes."""
    seconds: float
    """Training time without other load on the machine."""
    wall_seconds: float
    bytes: float


def base_of(config: TinyConfig, folder: Path) -> dict[str, Any]:
    """Create a base with random weights; return its config."""
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    make_tokenizer(folder)
    torch.manual_seed(0)
    size: dict[str, Any] = {
        "vocab_size": config.vocabulary,
        "hidden_size": config.hidden,
        "intermediate_size": 3 * config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "pad_token_id": 1,
    }
    if config.objective == "classification":
        BertModel(BertConfig(**size)).save_pretrained(folder)
    else:
        more = {"num_key_value_heads": 2, "tie_word_embeddings": True, "eos_token_id": 0}
        LlamaForCausalLM(LlamaConfig(**size, **more, bos_token_id=None)).save_pretrained(folder)
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


def rows_of(config: TinyConfig, count: int) -> list[dict[str, Any]]:
    """Return rows of different lengths."""
    if config.objective == "classification":
        return task_rows(count)
    draw = random.Random(7)
    return [
        {"text": " ".join(sentence(draw) for _ in range(draw.randint(*config.sentences)))}
        for _ in range(count)
    ]


def lengths_of(rows: list[dict[str, Any]], base: Path) -> Any:
    """Count the tokens of each row with the tokenizer of the base."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    texts = (row.get("text") or row["messages"][0]["content"] for row in rows)
    return np.array([len(tokenizer.encode(text).ids) + 1 for text in texts], np.int64)


def predict_and_train(
    config: TinyConfig, folder: Path, probed: Path, unprobed: Path
) -> TinyOutcome:
    """Predict one training, then run it."""
    shape = base_of(config, folder / "base")
    rows = rows_of(config, config.rows * config.accumulation * STEPS)
    lengths = lengths_of(rows, folder / "base")
    recipe = recipe_for(config.objective, config.method, False, int(lengths.max()), 1.0)
    recipe = recipe.model_copy(
        update={
            "micro_batch_rows": config.rows,
            "accumulation_steps": config.accumulation,
            "gradient_checkpointing": config.checkpointing,
            "save_steps": 10_000,
            "log_steps": 1,
        }
    )
    predicted = []
    for home in (probed, unprobed):
        os.environ["TUNE_OR_NOT_HOME"] = str(home)
        predicted.append(
            estimated_ranges(estimate_training(THIS_MACHINE, recipe, shape, lengths, is_here=True))
        )
    write_rows(folder / "rows.jsonl", rows)
    (folder / "job.json").write_text(
        json.dumps(
            {
                "base": str(folder / "base"),
                "training": "rows.jsonl",
                "use_cpu": True,
                "recipe": recipe.model_dump(),
            }
        )
    )
    began, before = time.perf_counter(), cpu_seconds()
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "train.py"), str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{config.name}: {done.stderr[-2000:]}")
    share = (cpu_seconds() - before) / (time.perf_counter() - began)
    result = json.loads((folder / "result.json").read_text())
    wall = float(result["train_seconds"])
    return TinyOutcome(
        config.name,
        (predicted[0][0], predicted[1][0], predicted[0][1]),
        wall * min(share, 1.0),
        wall,
        result["peak_process_bytes"],
    )


def cpu_seconds() -> float:
    """CPU seconds of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def without_other_load(probed: dict[str, Any]) -> dict[str, Any]:
    """Remove other load on the machine from the measurements of the probe."""
    timed = []
    for one in probed["timed"]:
        share = min(one["cpu_share"], 1.0)
        changed = {name: one[name] * share for name in ("step_seconds", "save_seconds")}
        timed.append({**one, **changed})
    return {**probed, "timed": timed}


def estimated_ranges(estimate: Any) -> Any:
    """Return the ranges of training seconds, without loading, and of memory."""
    from trainer.plan.local_cost import SETUP_SECONDS

    hours, expected = estimate
    seconds = tuple(hour * 3600.0 - setup for hour, setup in zip(hours, SETUP_SECONDS, strict=True))
    return seconds, expected.memory_bytes


def error_summary(
    title: str, predicted: list[tuple[float, float, float]], measured: list[float]
) -> str:
    """Mean and worst error, coverage and width of the range."""
    pairs = list(zip(predicted, measured, strict=True))
    off = [bounds[1] / real - 1.0 for bounds, real in pairs]
    covered = mean(bounds[0] <= real <= bounds[2] for bounds, real in pairs)
    width = median(bounds[2] / bounds[0] for bounds in predicted)
    return (
        f"{title:<28} {len(off):>4} {100 * mean(map(abs, off)):>7.1f} "
        f"{100 * max(off, key=abs):>8.1f} {100 * covered:>10.0f} {width:>8.2f}"
    )


def main() -> None:
    """Probe, train, and print the table."""
    os.environ["TUNE_OR_NOT_THREADS"] = "1"
    from transformers.utils import logging

    logging.disable_progress_bar()
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        probed, unprobed = place / "probed", place / "unprobed"
        os.environ["TUNE_OR_NOT_HOME"] = str(probed)
        probe = fit_probe(
            without_other_load(run_script(False, PROBE_SECONDS)), "cpu", None, "today"
        )
        save_probe(probe)
        print(
            f"probed in {probe.seconds:.0f} s: {probe.device}, {probe.threads} threads; load of "
            f"the last minute {os.getloadavg()[0]:.1f}"
        )
        speeds = ", ".join(f"{name} {value:.3g}" for name, value in probe.speeds.items())
        print(f"within {probe.worst_miss:.0%} on its own {probe.trainings} trainings; {speeds}")
        heads = " ".join(f"{head:>7}" for head in ("wall", "seconds", "with", "without"))
        print(f"{'training':<64} {heads} {'MiB':>5} predicted")
        for number, config in enumerate(CONFIGS):
            one = predict_and_train(config, place / str(number), probed, unprobed)
            outcomes.append(one)
            times = (one.wall_seconds, one.seconds, one.predicted[0][1], one.predicted[1][1])
            print(
                f"{one.name:<64} {' '.join(f'{time:>7.2f}' for time in times)} "
                f"{one.bytes / MIB:>5.0f} {one.predicted[2][1] / MIB:.0f}",
                flush=True,
            )
    print(f"\n{'':<28} {'runs':>4} {'mean %':>7} {'worst %':>8} {'in range %':>10} {'high/low':>8}")
    seconds, sizes = [one.seconds for one in outcomes], [one.bytes for one in outcomes]
    print(error_summary("time with the probe", [one.predicted[0] for one in outcomes], seconds))
    print(error_summary("time without it", [one.predicted[1] for one in outcomes], seconds))
    print(error_summary("memory with the probe", [one.predicted[2] for one in outcomes], sizes))
    print(f"load of the last minute {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
