"""Merge an adapter into its base model in 16 bits, and compare the result with both.

    python merge.py FOLDER OUT

Never into 4-bit weights: that would change the answers. Writes OUT with safetensors, tokenizer,
chat template, and `serve.sh`, the command that serves it with vLLM.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
import transformers
from generate import ModelLoader, prompt_of, run_script
from manifest import seal, write_json
from tokenize_rows import UntrainableData, conversation, question_and_label, read_rows

PARITY_ROWS = 8
MAX_DIFFERENCE = {"float32": 1e-3, "bfloat16": 0.5, "float16": 0.1}
"""Largest difference of a logit due to rounding; own measurement on tiny models."""


def prompt_tokens(tuned: ModelLoader, rows: list[dict[str, Any]]) -> list[list[int]]:
    """Return rows as the prompt tokens of the model."""
    if tuned.recipe["objective"] in ("text", "classification"):
        texts = [row["text"] if "text" in row else question_and_label(row)[0] for row in rows]
        most = tuned.recipe["max_tokens"]
        found = tuned.tokenizer(texts, truncation=True, max_length=most)["input_ids"]
    else:
        texts = [prompt_of(tuned.tokenizer, conversation(row)) for row in rows]
        found = tuned.tokenizer(texts, add_special_tokens=False)["input_ids"]
    return list(found)


def logits(model: Any, prompts: list[list[int]]) -> Any:
    """Return the next-token logits of each prompt, or the label logits."""
    found = []
    for ids in prompts:
        with torch.inference_mode():
            told = model(torch.tensor([ids], device=model.device)).logits
        found.append((told[0, -1] if told.dim() == 3 else told[0]).float().cpu())
    return torch.stack(found)


def main(folder: Path, out: Path) -> None:
    """Merge, compare and save."""
    tuned = ModelLoader(folder)
    if tuned.recipe["method"] not in ("lora", "qlora", "ia3"):
        raise UntrainableData(
            f"{tuned.recipe['method']} has nothing to merge: the folder "
            f"{tuned.model_folder} is served as it is."
        )
    rows = read_rows(folder / tuned.job["training"])[:PARITY_ROWS]
    prompts = prompt_tokens(tuned, rows)
    base = logits(tuned.load("base"), prompts)
    model = tuned.load("tuned")
    before = logits(model, prompts)
    merged = model.merge_and_unload()
    after = logits(merged, prompts)
    apart, changed = float((before - after).abs().max()), float((base - after).abs().max())
    most = MAX_DIFFERENCE[str(tuned.dtype)[6:]]
    if changed == 0.0:
        raise UntrainableData("the merged model equals the base: the adapter is empty.")
    if apart > most:
        raise UntrainableData(
            f"merging changed a logit by {apart:.3g}, more than {most:g}. Serve the base "
            "with the adapter instead."
        )
    merged.config.pad_token_id = tuned.tokenizer.pad_token_id
    merged.save_pretrained(out, safe_serialization=True)
    tuned.tokenizer.save_pretrained(out)
    result = {
        "largest_logit_difference": apart,
        "largest_change_from_base": changed,
        "rows": len(prompts),
        "dtype": str(tuned.dtype)[6:],
        "transformers": transformers.__version__,
    }
    write_json(out / "merged.json", result)
    (out / "serve.sh").write_text(
        "#!/bin/sh\n# An OpenAI-compatible server with this model; needs vLLM and a GPU.\n"
        f"exec vllm serve {shlex.quote(str(out))} --dtype {result['dtype']}"
        f" --max-model-len {tuned.recipe['max_tokens'] * 2}\n"
    )
    seal(out)
    print(json.dumps(result))


if __name__ == "__main__":
    run_script(main, Path(sys.argv[1]), Path(sys.argv[2]))
