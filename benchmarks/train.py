"""Tuned models compared with simpler baselines on a labelled file: scores and times.

`python -m benchmarks.train FILE` splits labelled rows so that near-duplicates stay together,
creates a small encoder and a tiny causal model with random weights (nothing is downloaded; the
causal model is first trained on the questions), tunes each, and prints majority, TF-IDF with
logistic regression, base and tuned model on the same held-out rows. Each training uses one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from advisor.dataset.example import Reject, canonical_row
from advisor.dataset.reader import read_rows
from advisor.gpu.recipe import Method, Objective, recipe_for
from trainer.evaluation.report import Evaluation, evaluation_table
from trainer.evaluation.split import TEST, split
from trainer.local.run_folder import RunFolder
from trainer.local.scoring import score_run

SCRIPTS = Path(__file__).parent.parent / "trainer" / "scripts"
HELD_OUT_SHARE = 0.2
VOCABULARY_SIZE = 2000
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
LABELS = ("<|end|>", "<|pad|>", "[CLS]", "[SEP]", "[UNK]")


def rows_of(file: Path, most: int | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read rows; return training and held-out rows."""
    rows = [
        json.loads(canonical_row(row))
        for row in read_rows(file, None, [])
        if not isinstance(row, Reject) and row.kind != "preference"
    ]
    if most and most < len(rows):
        rows = rows[:: max(len(rows) // most, 1)][:most]
    dealt = split((row["messages"][0]["content"] for row in rows), 0.0, HELD_OUT_SHARE)
    print(
        f"{len(rows)} rows in {dealt.groups} groups of near-duplicates, the largest of "
        f"{dealt.largest_group_rows}: {dealt.rows(TEST)} held out"
    )
    return (
        [row for row, half in zip(rows, dealt.half, strict=True) if half != TEST],
        [row for row, half in zip(rows, dealt.half, strict=True) if half == TEST],
    )


def make_base(folder: Path, rows: list[dict[str, Any]], causal: bool) -> Path:
    """Create a model with random weights, and a tokenizer trained on the rows."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        BertConfig,
        BertModel,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        (turn["content"] for row in rows for turn in row["messages"]),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY_SIZE,
            special_tokens=list(LABELS),
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=LABELS[0], pad_token=LABELS[1]
    )
    tokenizer.save_pretrained(folder)
    size = {**SHAPE, "vocab_size": len(tokenizer), "pad_token_id": 1}
    if causal:
        LlamaForCausalLM(
            LlamaConfig(**size, eos_token_id=0, bos_token_id=None, tie_word_embeddings=True)
        ).save_pretrained(folder)
    else:
        BertModel(BertConfig(**size)).save_pretrained(folder)
    return folder


def train(
    folder: Path,
    base: Path,
    rows: list[dict[str, Any]],
    held: list[dict[str, Any]],
    objective: Objective,
    method: Method,
    **more: Any,
) -> RunFolder:
    """Run the training script, then the answers of base and tuned model."""
    longest = max(sum(len(turn["content"]) for turn in row.get("messages", [])) for row in rows)
    epochs = float(more.pop("epochs"))
    recipe = recipe_for(objective, method, False, min(longest // 2 + 64, 256), epochs)
    folder.mkdir(parents=True)
    for name, part in (("rows", rows), ("held", held)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    (folder / "job.json").write_text(
        json.dumps(
            {
                "base": str(base),
                "training": "rows.jsonl",
                "held_out": "held.jsonl",
                "use_cpu": True,
                "recipe": recipe.model_copy(
                    update={"save_steps": 100_000, "log_steps": 50, **more}
                ).model_dump(),
            }
        )
    )
    for script in ("train.py", "generate.py") if held else ("train.py",):
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / script), str(folder)],
            check=False,
            env={**os.environ, "TUNE_OR_NOT_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{script}: {done.stderr[-2000:]}")
    return RunFolder(folder)


def print_columns(title: str, folder: RunFolder, began: float) -> None:
    """Print the columns of one tuned model."""
    found, told = score_run(folder), folder.read("result.json")
    evaluation = Evaluation.from_dict(found)
    lines = evaluation_table(evaluation)
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    print(
        f"\n{title}: {told['parameters']:,} weights, {told['trained_parameters']:,} trained, "
        f"{told['tokens']:,} tokens per pass, {told['train_seconds']:.0f} s of training, "
        f"{time.perf_counter() - began:.0f} s in total"
    )
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
    print(f"tuned against {evaluation.against}: {evaluation.verdict.says}")


def main() -> None:
    """Tune an encoder and a causal model, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, help="maximum number of rows")
    parser.add_argument("--epochs", type=float, default=15.0)
    flags = parser.parse_args()
    rows, held = rows_of(flags.file, flags.rows)
    with tempfile.TemporaryDirectory() as name:
        place, began = Path(name), time.perf_counter()
        base = make_base(place / "encoder", rows, causal=False)
        print_columns(
            "encoder",
            train(
                place / "a",
                base,
                rows,
                held,
                "classification",
                "full",
                learning_rate=1e-3,
                epochs=flags.epochs,
            ),
            began,
        )
        began = time.perf_counter()
        base = make_base(place / "causal", rows, causal=True)
        texts = [{"text": row["messages"][0]["content"], "messages": []} for row in rows]
        read = train(place / "b", base, texts, [], "text", "full", learning_rate=3e-3, epochs=3.0)
        print_columns(
            "causal",
            train(
                place / "c",
                read.path / "model",
                rows,
                held,
                "sft",
                "full",
                learning_rate=2e-3,
                epochs=flags.epochs / 3,
            ),
            began,
        )


if __name__ == "__main__":
    main()
