"""Files that people sent, by any door -> the copies of a dataset among them, and an end to them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import delete, select

from trainer.database import reading, writing
from trainer.home import PILOT_OF, Piece, inside, size
from trainer.store import Store
from trainer.tables import files

FOLDERS = {
    "files": "file sent", "page": "file of the page", "bases": "base", "pilots": "pilot",
}  # fmt: skip
"""Folders of the home folder that hold what people brought, and what was asked of it."""


def brought(home: Path) -> list[Piece]:
    """List what people brought: over HTTP, on the page, and bases."""
    return [Piece(what, path, size(path), "") for top, what in FOLDERS.items()
            for path in inside(home, top)]  # fmt: skip


def copies_of(home: Path, store: Store, hashes: Iterable[str]) -> list[tuple[str, Path]]:
    """Find every file as it was sent that has one of these hashes."""
    wanted = set(hashes)
    with reading(store.engine) as connection:
        sent = connection.execute(select(files.c.file_id).where(files.c.sha256.in_(wanted)))
        found = [("file", path) for file_id in sent.scalars()
                 for path in sorted((home / "files").glob(f"{file_id}*"))]  # fmt: skip
    page = [("file", path) for path in inside(home, "page") if path.name in wanted]
    pilots = [("pilot", path) for path in inside(home, "pilots") if _of(path) in wanted]
    return found + page + pilots


def _of(pilot: Path) -> str:
    """Read the hash of the file whose rows a pilot asked."""
    named = pilot / PILOT_OF
    return named.read_text(encoding="utf-8").strip() if named.is_file() else ""


def forget(store: Store, paths: Iterable[Path]) -> None:
    """Take files out of the table of files."""
    names = [path.name for path in paths if path.parent.name == "files"]
    with writing(store.engine) as connection:
        connection.execute(delete(files).where(files.c.file_id.in_(names)))
