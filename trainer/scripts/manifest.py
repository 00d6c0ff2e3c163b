"""Manifest of a folder: sizes and hashes of its files, written last and atomically.

Standard library only: an exported folder contains a copy of this file.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

NAME = "manifest.json"
BLOCK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def base_hash(base: Path) -> str:
    """Return the hash of a base model: weights, config and tokenizer."""
    digest = hashlib.sha256()
    for path in sorted(p for p in base.iterdir() if p.suffix in (".safetensors", ".json")):
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def write_json(path: Path, body: Any) -> None:
    """Write JSON atomically: to a temporary file, synced, then renamed."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with aside.open("w", encoding="utf-8") as out:
        json.dump(body, out, indent=2, sort_keys=True, default=str)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)  # the rename is durable after this sync
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(folder: Path, **more: Any) -> None:
    """Write the manifest of a folder, after all its files are on disk."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == NAME or path.name.endswith(".part"):
            continue
        with path.open("rb") as content:
            os.fsync(content.fileno())
        files[str(path.relative_to(folder))] = [path.stat().st_size, sha256_of(path)]
    write_json(folder / NAME, {"files": files, **more})


def flaw_of(folder: Path) -> str | None:
    """Return what is missing or wrong in a folder with a manifest; None if it is complete."""
    try:
        files = json.loads((folder / NAME).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"no readable {NAME}: {error}"
    for name, (size, sha256) in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes, not {size}"
        if sha256_of(path) != sha256:
            return f"the content of {name} has changed"
    return None


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """List all checkpoints, complete or not, newest first."""
    found = [
        (int(path.name.removeprefix("checkpoint-")), path)
        for path in folder.glob("checkpoint-*")
        if path.name[11:].isdigit()
    ]
    return sorted(found, reverse=True)


def newest_complete(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest complete checkpoint, and why newer ones are incomplete."""
    flaws: list[str] = []
    for _, path in checkpoints(folder):
        flaw = flaw_of(path)
        if flaw is None:
            return path, flaws
        flaws.append(f"{path.name}: {flaw}")
    return None, flaws
