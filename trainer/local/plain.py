"""The plain baseline as a run of its own: rows in, words and numbers out, in seconds on a CPU."""

from __future__ import annotations

import importlib.metadata
import json
import resource
import shutil
import time
from typing import Any

from trainer.evaluation.plain import Plain
from trainer.local.folder import JobFolder
from trainer.scripts.manifest import seal, sha256_of, write_json
from trainer.scripts.rows import read_rows

PACKAGES = ("scikit-learn", "scipy", "numpy")


def train(folder: JobFolder) -> int:
    """Fit, keep and answer the held-out rows; 3 where the rows cannot be learned from."""
    job, began = folder.read("job.json"), time.perf_counter()
    rows = read_rows(folder.path / job["training"])
    labels = [row["messages"][-1]["content"] for row in rows]
    if len(set(labels)) < 2:
        write_json(folder.path / "failed.json", {
            "why": f"all rows have the label {labels[0]!r}. Give at least two."})  # fmt: skip
        return 3
    model = Plain.fit([asked(row) for row in rows], labels, job["recipe"]["seed"])
    seconds = time.perf_counter() - began
    aside = folder.path / "model.part"
    shutil.rmtree(aside, ignore_errors=True)
    model.save(aside)
    seal(aside)
    shutil.rmtree(folder.path / "model", ignore_errors=True)
    aside.rename(folder.path / "model")
    if job.get("held_out"):
        _answer(folder, job)
    write_json(folder.path / "result.json", {
        "rows": len(rows), "tokens": None, "labels": sorted(set(labels)), "device": "cpu",
        "trained_parameters": int(model.weights.size), "train_seconds": seconds,
        "total_seconds": time.perf_counter() - began, "recipe": job["recipe"],
        "training_sha256": sha256_of(folder.path / job["training"]),
        "peak_process_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    })  # fmt: skip
    return 0


def _answer(folder: JobFolder, job: dict[str, Any]) -> None:
    held = read_rows(folder.path / job["held_out"])
    model, began = Plain.load(folder.path / "model"), time.perf_counter()
    answers = model.answer([asked(row) for row in held])
    seconds = (time.perf_counter() - began) / max(len(held), 1)
    lines = [json.dumps({"row": n, "answer": answer, "seconds": seconds, "completion_tokens": 1})
             for n, answer in enumerate(answers)]  # fmt: skip
    (folder.path / "answers.tuned.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def asked(row: dict[str, Any]) -> str:
    """Return what the user says last in a row."""
    said = [turn["content"] for turn in row["messages"] if turn["role"] == "user"]
    return str(said[-1]) if said else ""
