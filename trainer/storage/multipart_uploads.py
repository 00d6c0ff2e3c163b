"""Files that come by parts: begun, sent in any order, put together, or given up."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select, update

from trainer.errors import Refused
from trainer.storage.database import read_connection, write_transaction
from trainer.storage.files import FileStore, FileUpload, NoSuchFile, StoredFile, files_folder
from trainer.storage.schema import upload_parts, uploads

UPLOAD_SECONDS = 3600.0
"""How long an upload stays open. Source: https://platform.openai.com/docs/api-reference/uploads"""
COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class MultipartUpload:
    """One file that comes by parts."""

    upload_id: str
    owner: str
    filename: str
    purpose: str
    bytes: int
    status: str
    """pending, completed, cancelled or expired."""
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
        """Where its bytes lie."""
        return files_folder() / self.part_id


class UploadStore:
    """The only door to the tables of uploads."""

    def __init__(self, file_store: FileStore) -> None:
        self.file_store, self.engine, self.clock = file_store, file_store.engine, file_store.clock

    def sweep(self) -> int:
        """End the uploads whose time is over; return how many."""
        late = select(uploads.c.upload_id).where(
            uploads.c.status == "pending", uploads.c.expires_at <= self.clock.now()
        )
        with read_connection(self.engine) as connection:
            found = list(connection.execute(late).scalars())
        for upload_id in found:
            self._end(upload_id, "expired", None)
        return len(found)

    def begin(self, owner: str, filename: str, purpose: str, bytes_: int) -> MultipartUpload:
        """Open an upload by parts."""
        now = self.clock.now()
        made = MultipartUpload(
            f"upload_{secrets.token_hex(12)}",
            owner,
            filename,
            purpose,
            bytes_,
            "pending",
            now,
            now + UPLOAD_SECONDS,
            None,
        )
        with write_transaction(self.engine) as connection:
            connection.execute(uploads.insert().values(**made.__dict__))
        return made

    def upload(self, upload_id: str, owner_filter: str | None) -> MultipartUpload:
        """Find an upload; one that was left open too long has expired.

        Raises:
            NoSuchFile: there is none that *owner_filter* may see.
        """
        with read_connection(self.engine) as connection:
            row = connection.execute(
                select(uploads).where(uploads.c.upload_id == upload_id)
            ).one_or_none()
        if row is None or owner_filter not in (None, row.owner):
            raise NoSuchFile(f"no upload '{upload_id}' is there for you. Begin one first.")
        if row.status == "pending" and row.expires_at <= self.clock.now():
            return self._end(upload_id, "expired", None)
        return MultipartUpload(**row._mapping)

    def add_part(self, upload: MultipartUpload, received: Path) -> UploadedPart:
        """Take a part over; one that came torn may be sent again.

        Raises:
            Refused: the upload is not open any more, or far more came than was announced.
        """
        self._need_open(upload)
        so_far = sum(part.bytes for part in self.parts(upload.upload_id).values())
        if so_far + received.stat().st_size > 2 * upload.bytes:
            raise Refused(
                f"{upload.upload_id}: {upload.bytes} bytes were announced, and "
                f"{so_far} have come already. Complete it, or cancel it."
            )
        made = UploadedPart(
            f"part_{secrets.token_hex(12)}",
            upload.upload_id,
            received.stat().st_size,
            self.clock.now(),
        )
        os.replace(received, made.path)
        with write_transaction(self.engine) as connection:
            connection.execute(upload_parts.insert().values(**made.__dict__))
        return made

    def parts(self, upload_id: str) -> dict[str, UploadedPart]:
        """Return the parts that have come, in the order they came."""
        mine = select(upload_parts).where(upload_parts.c.upload_id == upload_id)
        with read_connection(self.engine) as connection:
            rows = connection.execute(mine.order_by(upload_parts.c.made_at))
            return {row.part_id: UploadedPart(**row._mapping) for row in rows}

    def complete(
        self, upload: MultipartUpload, order: Sequence[str], md5: str | None
    ) -> MultipartUpload:
        """Put the parts together in the order that is named; the parts are deleted then.

        Raises:
            Refused: a part is not there, or their bytes are not those that were announced.
        """
        self._need_open(self.upload(upload.upload_id, None))
        there = self.parts(upload.upload_id)
        missing = [one for one in order if one not in there]
        if missing or not order or len(set(order)) != len(order):
            named = ", ".join(missing) or "no part, or one twice"
            raise Refused(
                f"{upload.upload_id}: part_ids name {named}, and these have come: "
                f"{', '.join(there) or 'none'}."
            )
        total = sum(there[one].bytes for one in order)
        if total != upload.bytes:
            raise Refused(
                f"{upload.upload_id}: the parts hold {total} bytes, and {upload.bytes} "
                "were announced. Send what is missing, or begin anew."
            )
        self._claim(upload)
        try:
            made = self._put_together(upload, [there[one].path for one in order], md5)
        except BaseException:
            self._set(upload.upload_id, status="pending")
            raise
        return self._end(upload.upload_id, "completed", made.file_id)

    def _put_together(
        self, upload: MultipartUpload, parts: Sequence[Path], md5: str | None
    ) -> StoredFile:
        whole = files_folder() / f"{upload.upload_id}.part"
        sha, sum5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with whole.open("wb") as out:
            for part in parts:
                with part.open("rb") as piece:
                    while block := piece.read(COPY_BYTES):
                        for sink in (sha.update, sum5.update, out.write):
                            sink(block)
        if md5 is not None and md5 != sum5.hexdigest():
            whole.unlink()
            raise Refused(
                f"{upload.upload_id}: the bytes have the md5 {sum5.hexdigest()}, and "
                f"{md5} was announced. Send the parts again."
            )
        sent = FileUpload(upload.owner, upload.filename, upload.purpose, sha.hexdigest())
        return self.file_store.keep(whole, sent)

    def cancel(self, upload: MultipartUpload) -> MultipartUpload:
        """End an upload and delete its parts.

        Raises:
            Refused: it has ended already.
        """
        self._claim(upload)
        return self._end(upload.upload_id, "cancelled", None)

    def _claim(self, upload: MultipartUpload) -> None:
        """Let one caller alone put an upload together, or end it."""
        mine = (uploads.c.upload_id == upload.upload_id, uploads.c.status == "pending")
        with write_transaction(self.engine) as connection:
            done = connection.execute(update(uploads).where(*mine).values(status="completing"))
        if done.rowcount != 1:
            self._need_open(self.upload(upload.upload_id, None))

    def _need_open(self, upload: MultipartUpload) -> None:
        if upload.status != "pending":
            raise Refused(f"{upload.upload_id}: it is {upload.status}. Begin another one.")

    def _end(self, upload_id: str, status: str, file_id: str | None) -> MultipartUpload:
        for part in self.parts(upload_id).values():
            part.path.unlink(missing_ok=True)
        with write_transaction(self.engine) as connection:
            connection.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id))
        self._set(upload_id, status=status, file_id=file_id)
        return self.upload(upload_id, None)

    def _set(self, upload_id: str, **values: object) -> None:
        with write_transaction(self.engine) as connection:
            mine = uploads.c.upload_id == upload_id
            connection.execute(update(uploads).where(mine).values(**values))
