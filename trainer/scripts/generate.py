"""Answers and perplexity of base and tuned model on the held-out rows.

    python generate.py FOLDER                every row of `held_out`, base and tuned model
    python generate.py FOLDER --ask TEXT     one question to the tuned model

Reads the folder that `train.py` wrote. Writes `answers.base.jsonl` and `answers.tuned.jsonl`
(row, answer, seconds, completion_tokens) and `perplexity.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).parent))

import torch
import transformers
from manifest import flaw_of, write_json
from tokenize_rows import (
    UntrainableData,
    conversation,
    encode,
    end_token_ids,
    question_and_label,
    read_rows,
    template_hash,
)

BATCH_ROWS = 16
MAX_PERPLEXITY_ROWS = 200
SPARE_TOKENS = 8
"""Answer limit: 1.5 times the longest expected answer plus this many tokens."""


class ModelLoader:
    """Loads base, tokenizer and tuned weights of a folder, one model in memory at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        self.recipe, self.model_folder = self.job["recipe"], folder / "model"
        flaw = flaw_of(self.model_folder)
        if flaw:
            raise UntrainableData(f"{self.model_folder}: {flaw}. Train it again.")
        # decoders generate on the right; encoders count positions from the left
        side = "right" if self.recipe["objective"] == "classification" else "left"
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(
            self.model_folder, trust_remote_code=False, padding_side=side
        )
        told = (self.model_folder / "chat_template_sha256").read_text().strip()
        if told != template_hash(self.tokenizer):
            raise UntrainableData(
                f"{self.model_folder}: the chat template differs from the one used in "
                "training. Restore the saved tokenizer."
            )
        self.gpu = torch.cuda.is_available() and not self.job.get("use_cpu")
        self.dtype = getattr(torch, self.recipe["dtype"]) if self.gpu else torch.float32

    def load(self, system: str) -> Any:
        """Load the base or the tuned model."""
        is_full = self.recipe["method"] == "full"
        place = self.model_folder if system == "tuned" and is_full else Path(self.job["base"])
        kind = transformers.AutoModelForCausalLM
        wanted: dict[str, Any] = {}
        if self.recipe["objective"] == "classification":
            kind = transformers.AutoModelForSequenceClassification
            names = json.loads((self.folder / "result.json").read_text())["labels"]
            wanted = {"num_labels": len(names), "id2label": dict(enumerate(names))}
        # the base of an encoder has a randomly initialized head
        transformers.set_seed(self.recipe["seed"])
        wanted |= {"dtype": self.dtype, "trust_remote_code": False, "use_safetensors": True}
        model = kind.from_pretrained(place, attn_implementation="sdpa", **wanted)
        if system == "tuned" and not is_full:
            from peft import PeftModel  # takes 1.5 s to import, and a base has no adapter

            model = PeftModel.from_pretrained(model, self.model_folder)
        if hasattr(model, "generation_config"):
            saved = self.model_folder / "generation_config.json"
            ends = json.loads(saved.read_text())["eos_token_id"] if saved.exists() else None
            model.generation_config.eos_token_id = ends
            model.generation_config.pad_token_id = self.tokenizer.pad_token_id
        return model.to("cuda" if self.gpu else "cpu").eval()


def generate_answers(
    tuned: ModelLoader, model: Any, rows: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Answer rows greedily, in batches of similar length."""
    if tuned.recipe["objective"] == "classification":
        yield from _labels(tuned, model, rows)
        return
    if tuned.recipe["objective"] == "text" or not rows:
        return
    prompts = [prompt_of(tuned.tokenizer, row) for row in rows]
    expected = [tuned.tokenizer(row["messages"][-1]["content"] or "")["input_ids"] for row in rows]
    most = math.ceil(max(map(len, expected)) * 1.5) + SPARE_TOKENS
    order = sorted(range(len(rows)), key=lambda n: len(prompts[n]))
    for start in range(0, len(order), BATCH_ROWS):
        batch = order[start : start + BATCH_ROWS]
        began = time.perf_counter()
        texts, counts = generate(tuned, model, [prompts[n] for n in batch], most)
        seconds = (time.perf_counter() - began) / len(batch)
        for n, text, count in zip(batch, texts, counts, strict=True):
            yield {"row": n, "answer": text, "seconds": seconds, "completion_tokens": count}


def prompt_of(tokenizer: Any, row: dict[str, Any]) -> str:
    """Format the conversation up to the expected answer."""
    messages = row["messages"]
    if messages[-1]["role"] == "assistant":
        messages = messages[:-1]
    return str(
        tokenizer.apply_chat_template(
            messages, tools=row.get("tools"), tokenize=False, add_generation_prompt=True
        )
    )


def generate(
    tuned: ModelLoader, model: Any, prompts: list[str], most_tokens: int
) -> tuple[list[str], list[int]]:
    """Generate from prompts; return texts and numbers of new tokens."""
    batch = tuned.tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    batch = {name: batch[name].to(model.device) for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        out = model.generate(
            **batch,
            max_new_tokens=most_tokens,
            do_sample=False,
            use_cache=True,
            temperature=None,
            top_p=None,
            top_k=None,
        )
    new = out[:, batch["input_ids"].shape[1] :]
    counts = [int((row != tuned.tokenizer.pad_token_id).sum()) for row in new]
    return tuned.tokenizer.batch_decode(new, skip_special_tokens=True), counts


def _labels(tuned: ModelLoader, model: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    texts = [question_and_label(row)[0] for row in rows]
    for start in range(0, len(texts), BATCH_ROWS):
        began = time.perf_counter()
        batch = tuned.tokenizer(
            texts[start : start + BATCH_ROWS],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=tuned.recipe["max_tokens"],
        )
        with torch.inference_mode():
            found = model(**batch.to(model.device)).logits.argmax(-1).tolist()
        seconds = (time.perf_counter() - began) / len(found)
        for n, label in enumerate(found):
            yield {
                "row": start + n,
                "answer": model.config.id2label[label],
                "seconds": seconds,
                "completion_tokens": 1,
            }


def perplexity(
    tuned: ModelLoader, model: Any, rows: list[dict[str, Any]]
) -> dict[str, float] | None:
    """Compute perplexity: of the answers of conversations, or of plain text.

    Returns:
        Perplexity per token and the number of tokens; None without rows.
    """
    ends = end_token_ids(model.generation_config.eos_token_id)
    total, tokens = 0.0, 0
    for row in rows[:MAX_PERPLEXITY_ROWS]:
        if "messages" in row:
            one = encode(tuned.tokenizer, row, "assistant", tuned.recipe["max_tokens"], ends)
            ids, labels = one.ids, one.labels
        else:
            ids = labels = tuned.tokenizer(row["text"])["input_ids"][: tuned.recipe["max_tokens"]]
        batch = torch.tensor([ids], device=model.device)
        wanted = torch.tensor([labels], device=model.device)[:, 1:]
        with torch.inference_mode():
            logits = model(batch).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]),
            wanted.reshape(-1),
            ignore_index=-100,
            reduction="sum",
        )
        total, tokens = total + float(loss), tokens + int((wanted != -100).sum())
    if not tokens:
        return None
    return {"perplexity": math.exp(min(total / tokens, 700.0)), "tokens": tokens}


def main(folder: Path) -> None:
    """Answer every held-out row with base and tuned model."""
    tuned = ModelLoader(folder)
    rows = [conversation(row) for row in read_rows(folder / tuned.job["held_out"])]
    general = read_rows(folder / tuned.job["general"]) if tuned.job.get("general") else []
    is_causal = tuned.recipe["objective"] != "classification"
    found: dict[str, Any] = {}
    for system in ("base", "tuned"):
        model = tuned.load(system)
        lines = sorted(generate_answers(tuned, model, rows), key=lambda one: one["row"])
        text = "".join(json.dumps(one) + "\n" for one in lines)
        part = folder / f"answers.{system}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / f"answers.{system}.jsonl")
        if is_causal:
            found[system] = {
                "held_out": perplexity(tuned, model, rows),
                "general": perplexity(tuned, model, general),
            }
        del model
    write_json(folder / "perplexity.json", found)


def answer_question(folder: Path, text: str, most_tokens: int) -> None:
    """Print the answer of the tuned model to one question, as JSON."""
    tuned = ModelLoader(folder)
    model = tuned.load("tuned")
    row = {"messages": [{"role": "user", "content": text}]}
    if tuned.recipe["objective"] == "classification":
        answer = next(_labels(tuned, model, [row]))["answer"]
    else:
        answer = generate(tuned, model, [prompt_of(tuned.tokenizer, row)], most_tokens)[0][0]
    print(json.dumps({"answer": answer}))


def run_script(work: Callable[..., None], *arguments: Any) -> None:
    """Run the work of a script; exit with code 3 if the data cannot be used."""
    torch.set_num_threads(int(os.environ.get("TUNE_OR_NOT_THREADS") or os.cpu_count() or 1))
    try:
        work(*arguments)
    except UntrainableData as error:
        print(error, file=sys.stderr)
        raise SystemExit(3) from None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ask")
    parser.add_argument("--max-tokens", type=int, default=64)
    flags = parser.parse_args()
    if flags.ask is None:
        run_script(main, flags.folder)
    else:
        run_script(answer_question, flags.folder, flags.ask, flags.max_tokens)
