"""Embeddings: one JSON string per line on stdin -> one JSON list per line on stdout.

    python embed.py FOLDER

FOLDER contains an encoder and its tokenizer. Vectors are means over the tokens, or the first token
if `1_Pooling/config.json` says so, and are normalized.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers

BATCH_ROWS = 32
MAX_TOKENS = 512


def vectors(model: Any, tokenizer: Any, texts: list[str], by_first: bool) -> Any:
    """Return one vector per text."""
    places = getattr(model.config, "max_position_embeddings", MAX_TOKENS)
    limits = (MAX_TOKENS, tokenizer.model_max_length, places)
    batch = tokenizer(
        texts, return_tensors="pt", padding=True, truncation=True, max_length=int(min(limits))
    )
    batch = {name: batch[name].to(model.device) for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state.float()
    if by_first:
        found = hidden[:, 0]
    else:
        mask = batch["attention_mask"].unsqueeze(-1).float()
        found = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
    return torch.nn.functional.normalize(found, dim=-1).cpu()


def main(folder: Path) -> None:
    """Read all lines and write all vectors."""
    transformers.utils.logging.disable_progress_bar()
    texts = [json.loads(line) for line in sys.stdin if line.strip()]
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        folder, trust_remote_code=False, padding_side="right"
    )
    model = transformers.AutoModel.from_pretrained(
        folder, trust_remote_code=False, use_safetensors=True
    )
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    pooling = folder / "1_Pooling" / "config.json"
    by_first = pooling.is_file() and json.loads(pooling.read_text()).get("pooling_mode_cls_token")
    for start in range(0, len(texts), BATCH_ROWS):
        for vector in vectors(model, tokenizer, texts[start : start + BATCH_ROWS], bool(by_first)):
            sys.stdout.write(json.dumps([round(float(one), 6) for one in vector]) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    torch.set_num_threads(int(os.environ.get("TUNE_OR_NOT_THREADS") or os.cpu_count() or 1))
    main(parser.parse_args().folder)
