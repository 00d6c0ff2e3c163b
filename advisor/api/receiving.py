"""A request with one file -> the file on disk, in flat memory; nothing is left after an error."""

from __future__ import annotations

import errno
import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import uuid4

from anyio import to_thread
from fastapi import Request
from python_multipart.multipart import parse_options_header

from advisor.api.multipart import MOST_FORM_BYTES, UNNAMED, Form
from advisor.api.refusals import Malformed, TooLarge
from advisor.units import GIB

BLOCK_BYTES = 1 << 20
"""Written at once: what a request holds in memory."""
RESERVE_BYTES = GIB
"""Of the disk that an upload leaves free."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Received(NamedTuple):
    """One file as it came."""

    path: Path
    filename: str
    bytes: int
    sha256: str
    fields: dict[str, str]


class _Parser(Protocol):
    fields: dict[str, str]

    def write(self, data: bytes) -> None: ...

    def close(self) -> str: ...


class _Raw:
    """A body that is the file itself."""

    def __init__(self, file: _File) -> None:
        self.fields: dict[str, str] = {}
        self._file = file

    def write(self, data: bytes) -> None:
        self._file.take(data)

    def close(self) -> str:
        return UNNAMED


class _File:
    """The file that is being written: its bytes are counted, hashed and held back by blocks."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path, self.most_bytes = path, most_bytes
        self.bytes = 0
        self.digest = hashlib.sha256()
        self._held = bytearray()
        self._raw = path.open("xb")

    def take(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.bytes > self.most_bytes:
            raise too_large(self.most_bytes)
        self._held += data

    @property
    def is_due(self) -> bool:
        return len(self._held) >= BLOCK_BYTES

    def flush(self) -> None:
        check_room(self.path.parent, len(self._held))
        self.digest.update(self._held)
        try:
            self._raw.write(self._held)
            self._raw.flush()
        except OSError as error:
            if error.errno in NO_SPACE:
                raise _no_room() from error
            raise
        self._held.clear()

    def close(self) -> None:
        self._raw.close()


async def receive(
    request: Request, folder: Path, most_bytes: int, file_field: str = "file"
) -> Received:
    """Write the one file of a request into a folder while it comes in.

    Args:
        request: Its body is multipart/form-data with one file, or the file itself.
        folder: Where the file goes, under a name of ours that ends in `.part`.
        most_bytes: Most that the file may hold.
        file_field: Name of the field that holds it.

    Raises:
        TooLarge: the file is larger, or the disk has no room for it.
        Malformed: the body breaks the rules of multipart.
    """
    declared = declared_bytes(request)
    boundary = _boundary(request)
    if declared > most_bytes + (MOST_FORM_BYTES if boundary else 0):
        raise too_large(most_bytes)
    check_room(folder, declared)
    file = _File(folder / f"{uuid4().hex}.part", most_bytes)
    try:
        parser: _Parser = Form(boundary, file_field, file.take) if boundary else _Raw(file)
        await _pour(request, parser, file)
        filename = parser.close()
        await to_thread.run_sync(file.flush)
    except BaseException:
        file.close()
        file.path.unlink(missing_ok=True)
        raise
    file.close()
    return Received(file.path, filename, file.bytes, file.digest.hexdigest(), parser.fields)


async def _pour(request: Request, parser: _Parser, file: _File) -> None:
    total = 0
    async for data in request.stream():
        total += len(data)
        if total > file.most_bytes + MOST_FORM_BYTES:
            raise too_large(file.most_bytes)
        for start in range(0, len(data), BLOCK_BYTES):
            parser.write(data[start : start + BLOCK_BYTES])
            if file.is_due:
                await to_thread.run_sync(file.flush)


def declared_bytes(request: Request) -> int:
    """Return the length that the client declares; 0 where it declares none."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _boundary(request: Request) -> bytes | None:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise Malformed("content-type", "multipart/form-data without a boundary.",
                        "Let your client write this header.")  # fmt: skip
    return boundary


def check_room(folder: Path, wanted_bytes: int) -> None:
    """See that the disk has room, and keeps a reserve.

    Raises:
        TooLarge: it has not.
    """
    if shutil.disk_usage(folder).free - RESERVE_BYTES < wanted_bytes:
        raise _no_room()


def _no_room() -> TooLarge:
    return TooLarge("body", "the disk of the server has no room for it.",
                    "Send less, or try again once there is room.")  # fmt: skip


def too_large(most_bytes: int) -> TooLarge:
    """Say that a body passes a limit."""
    return TooLarge("body", f"it holds more than {most_bytes:,} bytes.",
                    "Send less, or raise the limit of the server.")  # fmt: skip
