"""Tiny models made on the spot: a tokenizer and a base trained on made text, and a task to learn.

Nothing is downloaded. The base reads general sentences first, so that it is a language model and
no random numbers; the task is then tuned into it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

SCRIPTS = ROOT / "trainer" / "scripts"
SUBJECTS = [
    "customer",
    "clerk",
    "driver",
    "teacher",
    "neighbour",
    "child",
    "doctor",
    "farmer",
    "singer",
    "painter",
]
VERBS = [
    "sees",
    "finds",
    "carries",
    "wants",
    "sends",
    "opens",
    "paints",
    "repairs",
    "forgets",
    "counts",
]
ADJECTIVES = [
    "red",
    "small",
    "old",
    "quiet",
    "heavy",
    "bright",
    "broken",
    "clean",
    "wooden",
    "strange",
]
OBJECTS = ["box", "letter", "phone", "chair", "lamp", "bag", "ticket", "book", "coat", "window"]
PLACES = ["near the river", "in the garden", "behind the shop", "on the table", "at the station"]
TOPICS = {
    "returns": ["return", "refund", "exchange", "undo"],
    "delivery": ["parcel", "courier", "arrive", "shipping"],
    "payment": ["card", "invoice", "charged", "paid"],
    "account": ["password", "login", "profile", "email"],
}


def sentence(draw: random.Random) -> str:
    """Write one general sentence."""
    return (f"the {draw.choice(ADJECTIVES)} {draw.choice(SUBJECTS)} {draw.choice(VERBS)} a {draw.choice(ADJECTIVES)} "
            f"{draw.choice(OBJECTS)} {draw.choice(PLACES)} .")  # fmt: skip


def customer_question(draw: random.Random, topic: str) -> str:
    """Write what a customer asks about a topic: one or two of its words among others."""
    words = [draw.choice(ADJECTIVES), draw.choice(OBJECTS), draw.choice(VERBS), draw.choice(SUBJECTS),
             draw.choice(PLACES), draw.choice(ADJECTIVES), draw.choice(OBJECTS)]  # fmt: skip
    for word in draw.sample(TOPICS[topic], 2):
        words.insert(draw.randrange(len(words) + 1), word)
    return " ".join(words)


def task_rows(count: int, seed: int = 1, shuffled: bool = False) -> list[dict[str, Any]]:
    """Write rows of the task; shuffled ones have labels that mean nothing."""
    draw = random.Random(seed)
    topics = [draw.choice(list(TOPICS)) for _ in range(count)]
    asked = [customer_question(draw, topic) for topic in topics]
    if shuffled:
        draw.shuffle(topics)
    return [{"messages": [{"role": "user", "content": text},
                          {"role": "assistant", "content": topic}]}
            for text, topic in zip(asked, topics, strict=True)]  # fmt: skip


def general_rows(count: int, seed: int = 2) -> list[dict[str, Any]]:
    """Write general sentences; some name the words of the task, so that the base knows them."""
    draw = random.Random(seed)
    known = [word for words in TOPICS.values() for word in words] + list(TOPICS)
    rows = []
    for n in range(count):
        text = " ".join(sentence(draw) for _ in range(3))
        if n % 4 == 0:
            text += " " + " ".join(draw.sample(known, 6)) + " ."
        rows.append({"text": text})
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON, one a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_tokenizer(folder: Path, template: str | None = None) -> Any:
    """Train a byte-pair tokenizer on the made text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    texts = [row["text"] for row in general_rows(600)]
    texts += [row["messages"][0]["content"] for row in task_rows(200)]
    made.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<|end|>", "<|pad|>", "<|im_start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>",
                                        pad_token="<|pad|>")  # fmt: skip
    if template:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_causal(folder: Path, hidden: int = 96, layers: int = 2, seed: int = 0) -> Path:
    """Make a causal model with random weights, and its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden,
        num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=256, tie_word_embeddings=True, pad_token_id=1, eos_token_id=0,
        bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_encoder(folder: Path, hidden: int = 64, layers: int = 2) -> Path:
    """Make an encoder with random weights, and its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden,
        num_hidden_layers=layers, num_attention_heads=4, max_position_embeddings=256, pad_token_id=1,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def make_job(folder: Path, base: Path, rows: list[dict[str, Any]], **recipe: Any) -> Path:
    """Write a job folder for the training script; `most_steps` alone is how many there are."""
    from advisor.gpu.recipe import recipe_for

    objective, method = recipe.pop("objective", "sft"), recipe.pop("method", "lora")
    epochs = recipe.pop("epochs", 1000.0 if recipe.get("most_steps") else 1.0)
    chosen = recipe_for(objective, method, False, 60, epochs)
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "rows.jsonl", rows)
    body = {"base": str(base), "training": "rows.jsonl", "use_cpu": True,
            "recipe": chosen.model_copy(update=recipe).model_dump()}  # fmt: skip
    (folder / "job.json").write_text(json.dumps(body))
    return folder


def run_script(
    folder: Path, timeout: float = 300.0, script: str = "train.py"
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, on one thread: a tiny model has no work for two."""
    return subprocess.run([sys.executable, str(SCRIPTS / script), str(folder)],
                          capture_output=True, text=True, timeout=timeout, check=False,
                          env={**os.environ, "TUNE_OR_NOT_THREADS": "1"})  # fmt: skip


def pretrain(folder: Path, steps: int = 150) -> Path:
    """Make a base and have it read general text; returns the folder of the model."""
    base = make_causal(folder / "random")
    work = make_job(folder / "reading", base, general_rows(1200), objective="text", method="full",
               learning_rate=5e-3, most_steps=steps, save_steps=10_000, log_steps=25,
               micro_batch_rows=16, accumulation_steps=1)  # fmt: skip
    done = run_script(work)
    assert done.returncode == 0, done.stdout + done.stderr
    return work / "model"
