"""trainjudge on a dataset with its scenario, run in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.twelve.told import DatasetExpectation, ToolAnswer

PACKAGE, VERSION = "trainjudge", "0.3.1"
BASE = "Qwen/Qwen3-0.6B"
"""The base model of its own documentation; it does not affect the result."""
ACT_OF_DIAGNOSIS = {
    "knowledge": "retrieve",
    "format": "train",
    "cost": "train",
    "prompt": "prompt",
    "unclear": "not yet",
}
"""Diagnosed gap -> recommended act; unclear abstains."""


def installed_at(folder: Path) -> Path | None:
    """Return its folder if installed with `uv pip install --target FOLDER/trainjudge ...`."""
    place = folder / PACKAGE
    return place if (place / PACKAGE).is_dir() else None


def install_hint(folder: Path) -> str:
    """Return the install command."""
    return f"uv pip install --target {folder}/{PACKAGE} {PACKAGE}=={VERSION}"


def installed_version(place: Path) -> str:
    """Return the installed version."""
    found = next(place.glob(f"{PACKAGE}-*.dist-info"), None)
    return found.name.removeprefix(f"{PACKAGE}-").removesuffix(".dist-info") if found else "?"


def ask_peer(told: DatasetExpectation, path: Path, place: Path) -> ToolAnswer:
    """Run a diagnosis.

    Raises:
        SystemExit: it fails; its last error line is printed.
    """
    tried = {True: ["--tried-prompting"], False: ["--not-tried-prompting"], None: []}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from trainjudge.cli import main; main()",
            "diagnose",
            "--json",
            "--dataset",
            str(path),
            "--model",
            BASE,
            "--goal",
            told.goal,
            *tried[told.tried_prompting],
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(place), "PYTHONIOENCODING": "utf-8"},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no error output"])[-1]
        sys.exit(f"{PACKAGE} failed on {told.name}: {last}")
    return tool_answer(json.loads(done.stdout))


def tool_answer(found: dict[str, object]) -> ToolAnswer:
    """Convert its diagnosis to the terms of the comparison.

    Low confidence, or a note that the goal is mixed, counts as a caveat.
    """
    gap, sure, mixed = (str(found[key]) for key in ("classification", "confidence", "secondary"))
    is_mixed = found["secondary"] is not None
    words = f"{gap} gap" + (f", mixed with {mixed}" if is_mixed else "")
    return ToolAnswer(ACT_OF_DIAGNOSIS[gap], words, sure, has_caveat=sure == "low" or is_mixed)
