"""The TF-IDF baseline as a run: training, and the process that serves it, without torch.

`python -m trainer.local.baseline FOLDER` serves it, with the protocol of
`trainer/scripts/stdin_requests.py`; words count as tokens.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from advisor.errors import UsageError
from trainer.evaluation.baselines import TfidfClassifier
from trainer.local.run_folder import RunFolder
from trainer.scripts.manifest import flaw_of, seal, sha256_of, write_json
from trainer.scripts.stdin_requests import RequestRejected, StdinRequests, last_question
from trainer.scripts.tokenize_rows import read_rows

PACKAGES = ("scikit-learn", "scipy", "numpy")
UNFIT = 3


def train_baseline(folder: RunFolder) -> int:
    """Train, save and answer the held-out rows; return 3 if the rows cannot be trained on."""
    job, began = folder.read("job.json"), time.perf_counter()
    rows = read_rows(folder.path / job["training"])
    labels = [row["messages"][-1]["content"] for row in rows]
    if len(set(labels)) < 2:
        write_json(
            folder.path / "failed.json",
            {"why": f"all rows have the label {labels[0]!r}. Add rows with another label."},
        )
        return UNFIT
    model = TfidfClassifier.fit(
        [last_user_text(row) for row in rows], labels, job["recipe"]["seed"]
    )
    seconds = time.perf_counter() - began
    aside = folder.path / "model.part"
    shutil.rmtree(aside, ignore_errors=True)
    model.save(aside)
    seal(aside)
    shutil.rmtree(folder.path / "model", ignore_errors=True)
    aside.rename(folder.path / "model")
    if job.get("held_out"):
        _answer_held_out(folder, job, model)
    write_json(
        folder.path / "result.json",
        {
            "rows": len(rows),
            "tokens": None,
            "labels": sorted(set(labels)),
            "device": "cpu",
            "trained_parameters": int(model.weights.size),
            "train_seconds": seconds,
            "total_seconds": time.perf_counter() - began,
            "recipe": job["recipe"],
            "training_sha256": sha256_of(folder.path / job["training"]),
            "peak_process_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        },
    )
    return 0


def _answer_held_out(folder: RunFolder, job: dict[str, Any], model: TfidfClassifier) -> None:
    held, began = read_rows(folder.path / job["held_out"]), time.perf_counter()
    answers = model.answer([last_user_text(row) for row in held])
    seconds = (time.perf_counter() - began) / max(len(held), 1)
    lines = [
        json.dumps({"row": n, "answer": answer, "seconds": seconds, "completion_tokens": 1})
        for n, answer in enumerate(answers)
    ]
    (folder.path / "answers.tuned.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def last_user_text(row: dict[str, Any]) -> str:
    """Return the last user message of a row."""
    said = [turn["content"] for turn in row["messages"] if turn["role"] == "user"]
    return str(said[-1]) if said else ""


def main(folder: Path) -> int:
    """Load the model and answer requests until stdin ends; return 3 if the model is incomplete."""
    asks = StdinRequests.of_this_process()
    flaw = flaw_of(folder / "model")
    if flaw:
        sys.stderr.write(f"{folder / 'model'}: {flaw}. Train it again.\n")
        return UNFIT
    model = TfidfClassifier.load(folder / "model")
    try:
        model.answer(["warm-up"])  # a missing package is reported before the first request
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return UNFIT
    asks.tell(ready=True)
    for ask in asks:
        try:
            text = last_question(ask)
        except RequestRejected as error:
            asks.tell(id=ask["id"], refused=str(error), code=error.code)
            continue
        label = model.answer([text])[0]
        asks.send_label(ask, label, len(text.split()), len(label.split()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
