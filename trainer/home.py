"""Home folder: its paths, the bases in it, and its files listed, counted and deleted.

Links are never followed out of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import platformdirs

DAY_SECONDS = 86_400.0
LOCK_PREFIX = ".device-"
"""Prefix of the lock files of devices."""
PILOT_DATASET_FILE = "dataset.sha256"
"""File in the folder of a pilot with the hash of its dataset."""


class HomeEntry(NamedTuple):
    """One file or folder of the home folder."""

    what: str
    path: Path
    bytes: int
    used_by: str
    """What uses it, or why it is unused."""


def disk_bytes(path: Path) -> int:
    """Return the bytes of a file or folder; a link counts as itself."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size if os.path.lexists(path) else 0
    return sum(_bytes(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)


def _bytes(path: Path) -> int:
    return path.lstat().st_size if os.path.lexists(path) else 0


def entries_in(home: Path, top: str) -> list[Path]:
    """List the entries of one folder in the home folder, unless that is a link."""
    folder = home / top
    paths = sorted(folder.iterdir()) if is_real_folder(folder) else []
    return [path for path in paths if not path.name.startswith(LOCK_PREFIX)]


def part_files(home: Path) -> Iterator[Path]:
    """Yield every incomplete file."""
    for top in ("uploads", "files", "page", "runs", "models"):
        if is_real_folder(home / top):
            for folder, _, names in os.walk(home / top):
                yield from (Path(folder) / name for name in sorted(names) if name.endswith(".part"))


def is_real_folder(path: Path) -> bool:
    """Return whether this is a folder, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def is_old(path: Path, now: float) -> bool:
    """Return whether it was not modified for a day."""
    return os.path.lexists(path) and now - path.lstat().st_mtime >= DAY_SECONDS


def is_within(home: Path, path: Path) -> bool:
    """Return whether the entry itself is in the home folder, wherever it may link to."""
    root = home.resolve()
    return path.name not in ("", "..") and path.parent.resolve().is_relative_to(root)


def remove(home: Path, pieces: Iterable[HomeEntry]) -> int:
    """Delete entries of the home folder; return the bytes freed."""
    freed = 0
    for piece in pieces:
        if not is_within(home, piece.path):
            continue
        freed += disk_bytes(piece.path)
        if is_real_folder(piece.path):
            shutil.rmtree(piece.path)
        else:
            piece.path.unlink(missing_ok=True)
    return freed


def home_folder() -> Path:
    """Return the home folder; it is created if it does not exist."""
    named = os.environ.get("TUNE_OR_NOT_HOME")
    folder = Path(named) if named else Path(platformdirs.user_data_dir("tune-or-not"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def uploads_folder() -> Path:
    """Return the folder of canonical rows, each file named by its hash."""
    folder = home_folder() / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_of(sha256: str) -> Path:
    """Return the file with these bytes."""
    return uploads_folder() / f"{sha256}.jsonl"


def bases_folder() -> Path:
    """Return the folder of base models."""
    return home_folder() / "bases"


def list_bases() -> dict[str, Path]:
    """Return the base models in the home folder, by name."""
    folder = bases_folder()
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path for path in there if (path / "config.json").is_file()}
