"""Multipart uploads: files sent in parts, in any order, then completed or cancelled."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select, update

from trainer.errors import Refused
from trainer.storage.database import execute, fetch_all
from trainer.storage.files import FileStore, FileUpload, NoSuchFile, StoredFile, files_folder
from trainer.storage.schema import upload_parts, uploads

UPLOAD_SECONDS = 3600.0
"""How long an upload stays open. Source: https://platform.openai.com/docs/api-reference/uploads"""
COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class MultipartUpload:
    """One file that is sent in parts."""

    upload_id: str
    owner: str
    filename: str
    purpose: str
    bytes: int
    status: str
    """pending, completing, completed, cancelled or expired."""
    made_at: float
    expires_at: float
    file_id: str | None


@dataclass(frozen=True)
class UploadedPart:
    """One part of an upload."""

    part_id: str
    upload_id: str
    bytes: int
    made_at: float

    @property
    def path(self) -> Path:
        """Path of the content."""
        return files_folder() / self.part_id


class UploadStore:
    """Reads and writes the tables of uploads and parts, and their content."""

    def __init__(self, file_store: FileStore) -> None:
        self.file_store, self.engine, self.clock = file_store, file_store.engine, file_store.clock

    def sweep(self) -> int:
        """Close the expired uploads; return how many."""
        is_expired = (uploads.c.status == "pending", uploads.c.expires_at <= self.clock.now())
        rows = fetch_all(self.engine, select(uploads.c.upload_id).where(*is_expired))
        for row in rows:
            self._close(row.upload_id, "expired", None)
        return len(rows)

    def begin(self, owner: str, filename: str, purpose: str, bytes_: int) -> MultipartUpload:
        """Open an upload."""
        now = self.clock.now()
        upload_id, expires_at = f"upload_{secrets.token_hex(12)}", now + UPLOAD_SECONDS
        described = (upload_id, owner, filename, purpose, bytes_)
        upload = MultipartUpload(*described, "pending", now, expires_at, None)
        execute(self.engine, uploads.insert().values(**vars(upload)))
        return upload

    def upload(self, upload_id: str, owner_filter: str | None) -> MultipartUpload:
        """Return an upload; one that was left open too long has expired.

        Raises:
            NoSuchFile: there is none that *owner_filter* can see.
        """
        rows = fetch_all(self.engine, select(uploads).where(uploads.c.upload_id == upload_id))
        if not rows or owner_filter not in (None, rows[0].owner):
            raise NoSuchFile(f"upload '{upload_id}' not found. Create one first.")
        upload = MultipartUpload(**rows[0]._mapping)
        if upload.status == "pending" and upload.expires_at <= self.clock.now():
            return self._close(upload_id, "expired", None)
        return upload

    def add_part(self, upload: MultipartUpload, received: Path) -> UploadedPart:
        """Store a part; a part that arrived incomplete can be sent again.

        Raises:
            Refused: the upload is closed, or has received twice its announced size.
        """
        _check_open(upload)
        size = received.stat().st_size
        received_bytes = sum(part.bytes for part in self.parts(upload.upload_id).values())
        if received_bytes + size > 2 * upload.bytes:
            raise Refused(
                f"{upload.upload_id}: {upload.bytes} bytes announced, {received_bytes} received "
                "already. Complete the upload, or cancel it."
            )
        part_id = f"part_{secrets.token_hex(12)}"
        part = UploadedPart(part_id, upload.upload_id, size, self.clock.now())
        os.replace(received, part.path)
        execute(self.engine, upload_parts.insert().values(**vars(part)))
        return part

    def parts(self, upload_id: str) -> dict[str, UploadedPart]:
        """Return the received parts by id, in the order of arrival."""
        query = select(upload_parts).where(upload_parts.c.upload_id == upload_id)
        rows = fetch_all(self.engine, query.order_by(upload_parts.c.made_at))
        return {row.part_id: UploadedPart(**row._mapping) for row in rows}

    def complete(
        self, upload: MultipartUpload, order: Sequence[str], md5: str | None
    ) -> MultipartUpload:
        """Join the parts in the given order, store the file and delete the parts.

        Raises:
            Refused: a part is missing, or size or checksum differ from those announced.
        """
        _check_open(self.upload(upload.upload_id, None))
        parts = self.parts(upload.upload_id)
        missing = [part_id for part_id in order if part_id not in parts]
        if missing or not order or len(set(order)) != len(order):
            problem = f"{', '.join(missing)} not received" if missing else "empty or not unique"
            raise Refused(
                f"{upload.upload_id}: part_ids: {problem}. Received: {', '.join(parts) or 'none'}."
            )
        total = sum(parts[part_id].bytes for part_id in order)
        if total != upload.bytes:
            raise Refused(
                f"{upload.upload_id}: the parts have {total} bytes, {upload.bytes} were "
                "announced. Send the missing parts, or create a new upload."
            )
        self._claim(upload)
        try:
            stored = self._join(upload, [parts[part_id].path for part_id in order], md5)
        except BaseException:
            self._set(upload.upload_id, status="pending")
            raise
        return self._close(upload.upload_id, "completed", stored.file_id)

    def _join(
        self, upload: MultipartUpload, parts: Sequence[Path], expected_md5: str | None
    ) -> StoredFile:
        joined = files_folder() / f"{upload.upload_id}.part"
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with joined.open("wb") as out:
            for part in parts:
                with part.open("rb") as content:
                    while block := content.read(COPY_BYTES):
                        for sink in (sha256.update, md5.update, out.write):
                            sink(block)
        if expected_md5 is not None and expected_md5 != md5.hexdigest():
            joined.unlink()
            raise Refused(
                f"{upload.upload_id}: the parts have the md5 {md5.hexdigest()}, {expected_md5} "
                "was announced. Send the parts again."
            )
        sent = FileUpload(upload.owner, upload.filename, upload.purpose, sha256.hexdigest())
        return self.file_store.keep(joined, sent)

    def cancel(self, upload: MultipartUpload) -> MultipartUpload:
        """Cancel an open upload and delete its parts."""
        self._claim(upload)
        return self._close(upload.upload_id, "cancelled", None)

    def _claim(self, upload: MultipartUpload) -> None:
        """Reserve the upload for one caller, who completes or cancels it."""
        is_open = (uploads.c.upload_id == upload.upload_id, uploads.c.status == "pending")
        if execute(self.engine, update(uploads).where(*is_open).values(status="completing")) != 1:
            _check_open(self.upload(upload.upload_id, None))

    def _close(self, upload_id: str, status: str, file_id: str | None) -> MultipartUpload:
        for part in self.parts(upload_id).values():
            part.path.unlink(missing_ok=True)
        execute(self.engine, delete(upload_parts).where(upload_parts.c.upload_id == upload_id))
        self._set(upload_id, status=status, file_id=file_id)
        return self.upload(upload_id, None)

    def _set(self, upload_id: str, **values: object) -> None:
        own = uploads.c.upload_id == upload_id
        execute(self.engine, update(uploads).where(own).values(**values))


def _check_open(upload: MultipartUpload) -> None:
    if upload.status != "pending":
        raise Refused(f"{upload.upload_id}: the upload is {upload.status}. Create a new upload.")
