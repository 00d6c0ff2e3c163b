"""Files of the home folder: listed, counted, deleted; no link is ever followed out of it.

The bases that can be tuned here: folders in the home folder, each of its own name.
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
"""Names of the files that say which device is taken begin so."""
PILOT_DATASET_FILE = "dataset.sha256"
"""File in the folder of a pilot that says whose rows it asked."""


class HomeEntry(NamedTuple):
    """One file or folder of the home folder."""

    what: str
    path: Path
    bytes: int
    used_by: str
    """Who needs it; of what nobody needs, why not."""


def disk_bytes(path: Path) -> int:
    """Count the bytes of a file or folder; a link counts for itself."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size if os.path.lexists(path) else 0
    return sum(_bytes(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)


def _bytes(path: Path) -> int:
    return path.lstat().st_size if os.path.lexists(path) else 0


def entries_in(home: Path, top: str) -> list[Path]:
    """List what stands in one folder of the home folder, unless that is a link."""
    folder = home / top
    there = sorted(folder.iterdir()) if is_real_folder(folder) else []
    return [path for path in there if not path.name.startswith(LOCK_PREFIX)]


def part_files(home: Path) -> Iterator[Path]:
    """Give every file that was begun and not finished."""
    for top in ("uploads", "files", "page", "runs", "models"):
        if is_real_folder(home / top):
            for folder, _, names in os.walk(home / top):
                yield from (Path(folder) / one for one in sorted(names) if one.endswith(".part"))


def is_real_folder(path: Path) -> bool:
    """Return whether this is a folder and no link to one."""
    return path.is_dir() and not path.is_symlink()


def is_old(path: Path, now: float) -> bool:
    """Return whether nobody wrote to it for a day."""
    return os.path.lexists(path) and now - path.lstat().st_mtime >= DAY_SECONDS


def is_within(home: Path, path: Path) -> bool:
    """Return whether the entry itself stands in the home folder, wherever it may lead."""
    root = home.resolve()
    return path.name not in ("", "..") and path.parent.resolve().is_relative_to(root)


def remove(home: Path, pieces: Iterable[HomeEntry]) -> int:
    """Delete what stands in the home folder; return the bytes that were freed."""
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
    """Return the home folder, made if it is not there."""
    named = os.environ.get("TUNE_OR_NOT_HOME")
    folder = Path(named) if named else Path(platformdirs.user_data_dir("tune-or-not"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def uploads_folder() -> Path:
    """Return where canonical rows lie, by their hash."""
    folder = home_folder() / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_of(sha256: str) -> Path:
    """Return the file with these bytes."""
    return uploads_folder() / f"{sha256}.jsonl"


def bases_folder() -> Path:
    """Return where bases lie, each in a folder of its own name."""
    return home_folder() / "bases"


def list_bases() -> dict[str, Path]:
    """Name every base in the home folder, with its folder."""
    folder = bases_folder()
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path for path in there if (path / "config.json").is_file()}
