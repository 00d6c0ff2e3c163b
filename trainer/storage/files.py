"""File store: uploaded files in the home folder under generated ids, each with its owner."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, delete, select

from trainer.clock import Clock
from trainer.errors import TrainerError
from trainer.home import home_folder
from trainer.scripts.manifest import sha256_of
from trainer.storage.database import execute, fetch_all
from trainer.storage.schema import files


class NoSuchFile(TrainerError):
    """The caller can see no file or upload with this id."""

    code = "no-such-file"
    http_status = 404


@dataclass(frozen=True)
class FileUpload:
    """A received file, as its sender describes it."""

    owner: str
    filename: str
    purpose: str
    sha256: str | None = None
    """Hash of the bytes, if it is known already."""


@dataclass(frozen=True)
class StoredFile:
    """One file."""

    file_id: str
    owner: str
    filename: str
    purpose: str
    bytes: int
    sha256: str
    made_at: float
    expires_at: float | None

    @property
    def path(self) -> Path:
        """Path of the content."""
        return files_folder() / self.file_id

    def path_with_suffix(self) -> Path:
        """Return the content under the suffix of its file name, which tells its format."""
        suffix = Path(self.filename).suffix.lower()
        if not suffix.isascii() or not suffix.lstrip(".").isalnum():
            return self.path
        link = self.path.with_name(self.file_id + suffix)
        if not link.exists():
            link.hardlink_to(self.path)
        return link


def files_folder() -> Path:
    """Return the folder of the stored files, created if missing."""
    folder = home_folder() / "files"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class FileStore:
    """Reads and writes the table of files, and their content."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def keep(
        self, part: Path, sent: FileUpload, file_id: str | None = None, seconds: float | None = None
    ) -> StoredFile:
        """Move a received file into the store, for some seconds or without limit.

        The id is new by default; a file that is stored under it already is kept.
        """
        new_id = file_id or f"file-{secrets.token_hex(12)}"
        stored = self._find(new_id)
        if stored is not None:
            part.unlink()
            return stored
        now = self.clock.now()
        size, sha256 = part.stat().st_size, sent.sha256 or sha256_of(part)
        expires_at = None if seconds is None else now + seconds
        described = (sent.owner, sent.filename, sent.purpose)
        stored = StoredFile(new_id, *described, size, sha256, now, expires_at)
        os.replace(part, stored.path)
        execute(self.engine, files.insert().values(**vars(stored)))
        return stored

    def file(self, file_id: str, owner_filter: str | None) -> StoredFile:
        """Return a file.

        Raises:
            NoSuchFile: there is none that *owner_filter* can see, or it has expired.
        """
        stored = self._find(file_id)
        if stored is None or owner_filter not in (None, stored.owner):
            raise NoSuchFile(f"file '{file_id}' not found. Upload it first.")
        return stored

    def _find(self, file_id: str) -> StoredFile | None:
        return next(self._current(select(files).where(files.c.file_id == file_id)), None)

    def _current(self, query: Select[Any]) -> Iterator[StoredFile]:
        """Yield the files of a query that have not expired."""
        for row in fetch_all(self.engine, query):
            if row.expires_at is None or row.expires_at > self.clock.now():
                yield StoredFile(**row._mapping)

    def listed(
        self, owner_filter: str | None, purpose: str | None = None
    ) -> tuple[StoredFile, ...]:
        """List files, newest first."""
        query = select(files).order_by(files.c.made_at.desc(), files.c.file_id.desc())
        if owner_filter is not None:
            query = query.where(files.c.owner == owner_filter)
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        return tuple(self._current(query))

    def delete(self, file_id: str, owner_filter: str | None) -> StoredFile:
        """Delete a file and its content."""
        stored = self.file(file_id, owner_filter)
        execute(self.engine, delete(files).where(files.c.file_id == file_id))
        _unlink(file_id)
        return stored

    def sweep(self) -> int:
        """Delete the expired files; return how many."""
        is_expired = files.c.expires_at <= self.clock.now()
        expired = [row.file_id for row in fetch_all(self.engine, select(files).where(is_expired))]
        execute(self.engine, delete(files).where(files.c.file_id.in_(expired)))
        for file_id in expired:
            _unlink(file_id)
        return len(expired)


def _unlink(file_id: str) -> None:
    """Delete the content of a file, under every suffix it was linked with."""
    for path in files_folder().glob(f"{file_id}*"):
        path.unlink()
