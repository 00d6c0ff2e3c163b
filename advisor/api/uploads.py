"""Uploads: the one file of a request, streamed to disk in constant memory; raw or multipart."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from advisor.api.errors import MalformedBody, TooLarge
from advisor.units import GIB

MAX_FIELDS = 32
MAX_FORM_BYTES = 128 * 1024
"""Maximum size of everything in a form except the file: headers, boundaries and text fields."""
MAX_FILENAME_LENGTH = 200
DEFAULT_FILENAME = "upload"
BLOCK_BYTES = 1 << 20
"""Size of one write to disk, and so of what a request holds in memory."""
RESERVE_BYTES = GIB
"""Disk space that an upload leaves free."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class UploadedFile(NamedTuple):
    """A received file."""

    path: Path
    filename: str
    bytes: int
    sha256: str
    fields: dict[str, str]


class _FileWriter:
    """The file being written: counted, hashed and buffered by blocks."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path, self.max_bytes = path, max_bytes
        self.bytes = 0
        self.digest = hashlib.sha256()
        self._buffer = bytearray()
        self._raw = path.open("xb")

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.bytes > self.max_bytes:
            raise too_large_error(self.max_bytes)
        self._buffer += data

    @property
    def has_full_block(self) -> bool:
        return len(self._buffer) >= BLOCK_BYTES

    def flush(self) -> None:
        check_disk_space(self.path.parent, len(self._buffer))
        self.digest.update(self._buffer)
        try:
            self._raw.write(self._buffer)
            self._raw.flush()
        except OSError as error:
            if error.errno in NO_SPACE:
                raise _disk_full_error() from error
            raise
        self._buffer.clear()

    def close(self) -> None:
        self._raw.close()


class _MultipartBody:
    """A multipart body: its file goes to the writer, its text fields are kept."""

    def __init__(self, boundary: bytes, file_field: str, file: _FileWriter) -> None:
        self.filename: str | None = None
        self.fields: dict[str, str] = {}
        self._file_field, self._file = file_field, file
        self._is_complete = False
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._name, self._text = "", bytearray()
        self._form_bytes = 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header.extend(
                        data[start:end]
                    ),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_content,
                    "on_part_data": self._content,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed_body(f"{error}.") from error

    def write(self, data: bytes) -> None:
        """Parse the next bytes of the body.

        Raises:
            MalformedBody: they are not valid multipart.
            TooLarge: the text fields exceed the limit of a form.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed_body(f"{error}.") from error

    def close(self) -> str:
        """Check that the body is complete, and return the name of its file.

        Raises:
            MalformedBody: it is incomplete, or contains no file.
        """
        if not self._is_complete:
            raise _malformed_body("the body ends before its last boundary.")
        if self.filename is None:
            raise MalformedBody(
                self._file_field,
                "the form has no such field.",
                f"Send the file in the field '{self._file_field}'.",
            )
        return self.filename

    @property
    def _is_file(self) -> bool:
        return self._name == self._file_field

    def _begin_part(self) -> None:
        self._disposition, self._text = b"", bytearray()

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise _malformed_body("a part has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        if self._is_file:
            if self.filename is not None:
                raise MalformedBody(
                    self._name, "found a second file.", "Send one file per request."
                )
            self.filename = display_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        elif b"filename" in options:
            raise MalformedBody(
                self._name,
                "found a file in this field.",
                f"Send the file in the field '{self._file_field}'.",
            )
        elif len(self.fields) >= MAX_FIELDS or self._name in self.fields:
            raise MalformedBody(
                self._name,
                "duplicate field, or too many fields.",
                f"Send each field once, and at most {MAX_FIELDS}.",
            )

    def _content(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._file.write(data[start:end])
            return
        self._form_bytes += end - start
        if self._form_bytes > MAX_FORM_BYTES:
            raise TooLarge(
                self._name,
                f"the text fields exceed {MAX_FORM_BYTES} bytes.",
                "Send large content as the file.",
            )
        self._text += data[start:end]

    def _end_part(self) -> None:
        if self._is_file:
            return
        try:
            self.fields[self._name] = self._text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedBody(self._name, "this field is not UTF-8.", "Send UTF-8.") from error

    def _end(self) -> None:
        self._is_complete = True


async def receive_file(
    request: Request, folder: Path, max_bytes: int, file_field: str = "file"
) -> UploadedFile:
    """Write the one file of a request, raw or multipart, to a folder while it arrives.

    It gets a random name that ends in `.part`.

    Raises:
        TooLarge: the file exceeds the maximum, or the disk is full.
        MalformedBody: the body is not valid multipart.
    """
    declared = declared_bytes(request)
    boundary = _boundary(request)
    if declared > max_bytes + (MAX_FORM_BYTES if boundary else 0):
        raise too_large_error(max_bytes)
    check_disk_space(folder, declared)
    file = _FileWriter(folder / f"{uuid4().hex}.part", max_bytes)
    try:
        form = _MultipartBody(boundary, file_field, file) if boundary else None
        await _write_body(request, form or file, file)
        filename = form.close() if form else DEFAULT_FILENAME
        await to_thread.run_sync(file.flush)
    except BaseException:
        file.close()
        file.path.unlink(missing_ok=True)
        raise
    file.close()
    fields = form.fields if form else {}
    return UploadedFile(file.path, filename, file.bytes, file.digest.hexdigest(), fields)


async def _write_body(
    request: Request, body: _MultipartBody | _FileWriter, file: _FileWriter
) -> None:
    total = 0
    async for data in request.stream():
        total += len(data)
        if total > file.max_bytes + MAX_FORM_BYTES:
            raise too_large_error(file.max_bytes)
        for start in range(0, len(data), BLOCK_BYTES):
            body.write(data[start : start + BLOCK_BYTES])
            if file.has_full_block:
                await to_thread.run_sync(file.flush)


def _boundary(request: Request) -> bytes | None:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise MalformedBody(
            "content-type",
            "multipart/form-data without a boundary.",
            "Let your HTTP client set this header.",
        )
    return boundary


def display_name(given: str) -> str:
    """Return the last part of a client's file name; for display, never to open a file.

    >>> display_name("../../etc/passwd")
    'passwd'
    >>> display_name("")
    'upload'
    """
    last = re.split(r"[/\\]", given)[-1]
    clean = "".join(letter for letter in last if letter.isprintable()).strip()
    return clean[:MAX_FILENAME_LENGTH] or DEFAULT_FILENAME


def declared_bytes(request: Request) -> int:
    """Return the declared length of the body, 0 if none is declared."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def check_disk_space(folder: Path, needed_bytes: int) -> None:
    """Raise TooLarge unless the disk has room for the bytes and a reserve."""
    if shutil.disk_usage(folder).free - RESERVE_BYTES < needed_bytes:
        raise _disk_full_error()


def _malformed_body(found: str) -> MalformedBody:
    return MalformedBody("multipart body", found, "Send a complete multipart/form-data body.")


def _disk_full_error() -> TooLarge:
    return TooLarge(
        "body", "the server's disk has no room for it.", "Send less, or try again later."
    )


def too_large_error(max_bytes: int) -> TooLarge:
    """Return the error for a body above a limit."""
    return TooLarge(
        "body", f"larger than {max_bytes:,} bytes.", "Send less, or raise the server's limit."
    )
