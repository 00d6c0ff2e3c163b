"""Files that people send: kept in the home folder under names of our own, each with its owner."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, delete, select

from trainer.clock import Clock
from trainer.errors import TrainerError
from trainer.home import home_folder
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.schema import files


class NoSuchFile(TrainerError):
    """There is no file or upload of this name that the caller may see."""

    code = "no-such-file"
    http_status = 404


@dataclass(frozen=True)
class FileUpload:
    """What a sender says of a file."""

    owner: str
    filename: str
    purpose: str
    sha256: str | None = None
    """Hash of the bytes, where it is known already."""


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
        """Where its bytes lie."""
        return files_folder() / self.file_id

    def path_with_suffix(self) -> Path:
        """Return its bytes under the ending its sender gave it, by which its form is told."""
        ending = Path(self.filename).suffix.lower()
        if not ending.isascii() or not ending.lstrip(".").isalnum():
            return self.path
        named = self.path.with_name(self.file_id + ending)
        if not named.exists():
            named.hardlink_to(self.path)
        return named


def files_folder() -> Path:
    """Return where files lie, by their names."""
    folder = home_folder() / "files"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class FileStore:
    """The only door to the tables of files and uploads."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock

    def keep(
        self, part: Path, sent: FileUpload, file_id: str | None = None, seconds: float | None = None
    ) -> StoredFile:
        """Take a file that was received over, under a name of its own.

        Args:
            part: Where it was received; it is moved away from there.
            sent: What is known of it.
            file_id: Its name here; a new one by default. One that is there already stays.
            seconds: How long it lives; for ever by default.
        """
        named = file_id or f"file-{secrets.token_hex(12)}"
        known = self._find(named)
        if known is not None:
            part.unlink()
            return known
        now = self.clock.now()
        made = StoredFile(
            named,
            sent.owner,
            sent.filename,
            sent.purpose,
            part.stat().st_size,
            sent.sha256 or _hash(part),
            now,
            None if seconds is None else now + seconds,
        )
        os.replace(part, made.path)
        with write_transaction(self.engine) as connection:
            connection.execute(files.insert().values(**made.__dict__))
        return made

    def file(self, file_id: str, owner_filter: str | None) -> StoredFile:
        """Find a file.

        Raises:
            NoSuchFile: there is none that *owner_filter* may see, or its time is over.
        """
        found = self._find(file_id)
        if found is None or owner_filter not in (None, found.owner):
            raise NoSuchFile(f"no file '{file_id}' is there for you. Upload it first.")
        return found

    def _find(self, file_id: str) -> StoredFile | None:
        with read_connection(self.engine) as connection:
            row = connection.execute(select(files).where(files.c.file_id == file_id)).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= self.clock.now()):
            return None
        return StoredFile(**row._mapping)

    def listed(
        self, owner_filter: str | None, purpose: str | None = None
    ) -> tuple[StoredFile, ...]:
        """List files, the newest first."""
        asked = select(files).order_by(files.c.made_at.desc(), files.c.file_id.desc())
        if owner_filter is not None:
            asked = asked.where(files.c.owner == owner_filter)
        if purpose is not None:
            asked = asked.where(files.c.purpose == purpose)
        with read_connection(self.engine) as connection:
            found = [StoredFile(**row._mapping) for row in connection.execute(asked)]
        now = self.clock.now()
        return tuple(one for one in found if one.expires_at is None or one.expires_at > now)

    def delete(self, file_id: str, owner_filter: str | None) -> StoredFile:
        """Delete a file with its bytes.

        Raises:
            NoSuchFile: there is none that *owner_filter* may see.
        """
        found = self.file(file_id, owner_filter)
        with write_transaction(self.engine) as connection:
            connection.execute(delete(files).where(files.c.file_id == file_id))
        _unlink(file_id)
        return found

    def sweep(self) -> int:
        """Delete the files whose time is over; return how many."""
        with write_transaction(self.engine) as connection:
            over = files.c.expires_at <= self.clock.now()
            old = list(connection.execute(select(files.c.file_id).where(over)).scalars())
            connection.execute(delete(files).where(files.c.file_id.in_(old)))
        for file_id in old:
            _unlink(file_id)
        return len(old)


def _unlink(file_id: str) -> None:
    """Delete the bytes of a file, under whatever endings they are read by."""
    for path in files_folder().glob(f"{file_id}*"):
        path.unlink()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
