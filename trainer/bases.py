"""The bases that can be tuned here: folders in the home folder, each of its own name."""

from __future__ import annotations

from pathlib import Path

from trainer.database import home_folder


def bases_folder() -> Path:
    """Return where bases lie, each in a folder of its own name."""
    return home_folder() / "bases"


def bases() -> dict[str, Path]:
    """Name every base in the home folder, with its folder."""
    folder = bases_folder()
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path for path in there if (path / "config.json").is_file()}
