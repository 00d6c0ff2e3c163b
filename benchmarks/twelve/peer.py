"""A dataset with what is told of it -> what trainjudge says, asked in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.twelve.told import DatasetExpectation, ToolAnswer

PACKAGE, VERSION = "trainjudge", "0.3.1"
BASE = "Qwen/Qwen3-0.6B"
"""The base model that its own documentation asks with; it decides nothing."""
ACT_OF_DIAGNOSIS = {
    "knowledge": "retrieve",
    "format": "train",
    "cost": "train",
    "prompt": "prompt",
    "unclear": "not yet",
}
"""Its gaps -> what it then recommends; unclear abstains."""


def installed_at(folder: Path) -> Path | None:
    """Say where it lies, if it was installed: `uv pip install --target FOLDER/trainjudge ...`."""
    place = folder / PACKAGE
    return place if (place / PACKAGE).is_dir() else None


def install_hint(folder: Path) -> str:
    """Say how to install it."""
    return f"uv pip install --target {folder}/{PACKAGE} {PACKAGE}=={VERSION}"


def installed_version(place: Path) -> str:
    """Return the version that lies there."""
    found = next(place.glob(f"{PACKAGE}-*.dist-info"), None)
    return found.name.removeprefix(f"{PACKAGE}-").removesuffix(".dist-info") if found else "?"


def ask_peer(told: DatasetExpectation, path: Path, place: Path) -> ToolAnswer:
    """Ask it for a diagnosis.

    Raises:
        SystemExit: it ends with an error; its last words are printed.
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
        last = (done.stderr.strip().splitlines() or ["no words"])[-1]
        sys.exit(f"{PACKAGE} could not be asked of {told.name}: {last}")
    return tool_answer(json.loads(done.stdout))


def tool_answer(found: dict[str, object]) -> ToolAnswer:
    """Put its diagnosis into the words of the comparison.

    A low confidence, or a note that the goal is mixed, is taken as a caveat.
    """
    gap, sure, mixed = (str(found[key]) for key in ("classification", "confidence", "secondary"))
    is_mixed = found["secondary"] is not None
    words = f"{gap} gap" + (f", mixed with {mixed}" if is_mixed else "")
    return ToolAnswer(ACT_OF_DIAGNOSIS[gap], words, sure, has_caveat=sure == "low" or is_mixed)
