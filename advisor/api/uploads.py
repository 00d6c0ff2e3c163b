"""A request with one file -> the file on disk, in flat memory; nothing is left after an error.

The bytes of a multipart body, as they come -> the bytes of its one file, and its text fields.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import uuid4

from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from advisor.api.errors import MalformedBody, TooLarge
from advisor.units import GIB

MAX_FIELDS = 32
MAX_FORM_BYTES = 128 * 1024
"""Of everything in a form that is not the file: headers, boundaries and text fields."""
MAX_FILENAME_LENGTH = 200
DEFAULT_FILENAME = "upload"
Sink = Callable[[bytes], None]


class MultipartForm:
    """Takes a multipart body piece by piece; the file goes to a sink, text fields are kept."""

    def __init__(self, boundary: bytes, file_field: str, sink: Sink) -> None:
        self.filename: str | None = None
        self.fields: dict[str, str] = {}
        self.ended = False
        self._file_field, self._sink = file_field, sink
        self._header = [bytearray(), bytearray()]
        self._disposition = b""
        self._name, self._text = "", bytearray()
        self._kept = 0
        self._is_file = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_part_data": self._data,
                    "on_part_end": self._end_part,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed_body(f"{error}.") from error

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Malformed: they break the rules of multipart.
            TooLarge: the text fields are more than a form holds.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed_body(f"{error}.") from error

    def close(self) -> str:
        """Say that the body has ended, and return the name of its file.

        Raises:
            Malformed: it broke off, or held no file.
        """
        if not self.ended:
            raise _malformed_body("the body breaks off before its last boundary.")
        if self.filename is None:
            raise MalformedBody(
                self._file_field,
                "the form holds no such field.",
                f"Send the file in the field '{self._file_field}'.",
            )
        return self.filename

    def _begin(self) -> None:
        self._disposition, self._text = b"", bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _end_header(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = [bytearray(), bytearray()]

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise _malformed_body("a part has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        self._is_file = self._name == self._file_field
        if not self._is_file and b"filename" in options:
            raise MalformedBody(
                self._name,
                "found a file in this field.",
                f"Send the file in the field '{self._file_field}'.",
            )
        if self._is_file:
            self._open_file(options.get(b"filename", b""))
        elif len(self.fields) >= MAX_FIELDS or self._name in self.fields:
            raise MalformedBody(
                self._name,
                "this field is one too many.",
                f"Send each field once, and at most {MAX_FIELDS}.",
            )

    def _open_file(self, name: bytes) -> None:
        if self.filename is not None:
            raise MalformedBody(
                self._file_field, "found a second file.", "Send one file a request."
            )
        self.filename = display_name(name.decode("utf-8", "replace"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._sink(data[start:end])
            return
        self._kept += end - start
        if self._kept > MAX_FORM_BYTES:
            raise TooLarge(
                self._name,
                f"the text fields hold more than {MAX_FORM_BYTES} bytes.",
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
        self.ended = True


def _malformed_body(found: str) -> MalformedBody:
    return MalformedBody("multipart body", found, "Send one complete multipart/form-data body.")


def display_name(given: str) -> str:
    """Return the last part of a file name that a client gave: to show, never to open.

    >>> display_name("../../etc/passwd")
    'passwd'
    >>> display_name("")
    'upload'
    """
    last = re.split(r"[/\\]", given)[-1]
    clean = "".join(letter for letter in last if letter.isprintable()).strip()
    return clean[:MAX_FILENAME_LENGTH] or DEFAULT_FILENAME


BLOCK_BYTES = 1 << 20
"""Written at once: what a request holds in memory."""
RESERVE_BYTES = GIB
"""Of the disk that an upload leaves free."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class UploadedFile(NamedTuple):
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


class _RawBody:
    """A body that is the file itself."""

    def __init__(self, file: _FileWriter) -> None:
        self.fields: dict[str, str] = {}
        self._file = file

    def write(self, data: bytes) -> None:
        self._file.take(data)

    def close(self) -> str:
        return DEFAULT_FILENAME


class _FileWriter:
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
            raise too_large_error(self.most_bytes)
        self._held += data

    @property
    def is_due(self) -> bool:
        return len(self._held) >= BLOCK_BYTES

    def flush(self) -> None:
        check_disk_space(self.path.parent, len(self._held))
        self.digest.update(self._held)
        try:
            self._raw.write(self._held)
            self._raw.flush()
        except OSError as error:
            if error.errno in NO_SPACE:
                raise _disk_full_error() from error
            raise
        self._held.clear()

    def close(self) -> None:
        self._raw.close()


async def receive_file(
    request: Request, folder: Path, most_bytes: int, file_field: str = "file"
) -> UploadedFile:
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
    if declared > most_bytes + (MAX_FORM_BYTES if boundary else 0):
        raise too_large_error(most_bytes)
    check_disk_space(folder, declared)
    file = _FileWriter(folder / f"{uuid4().hex}.part", most_bytes)
    try:
        parser: _Parser = (
            MultipartForm(boundary, file_field, file.take) if boundary else _RawBody(file)
        )
        await _write_body(request, parser, file)
        filename = parser.close()
        await to_thread.run_sync(file.flush)
    except BaseException:
        file.close()
        file.path.unlink(missing_ok=True)
        raise
    file.close()
    return UploadedFile(file.path, filename, file.bytes, file.digest.hexdigest(), parser.fields)


async def _write_body(request: Request, parser: _Parser, file: _FileWriter) -> None:
    total = 0
    async for data in request.stream():
        total += len(data)
        if total > file.most_bytes + MAX_FORM_BYTES:
            raise too_large_error(file.most_bytes)
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
        raise MalformedBody(
            "content-type",
            "multipart/form-data without a boundary.",
            "Let your client write this header.",
        )
    return boundary


def check_disk_space(folder: Path, wanted_bytes: int) -> None:
    """See that the disk has room, and keeps a reserve.

    Raises:
        TooLarge: it has not.
    """
    if shutil.disk_usage(folder).free - RESERVE_BYTES < wanted_bytes:
        raise _disk_full_error()


def _disk_full_error() -> TooLarge:
    return TooLarge(
        "body",
        "the disk of the server has no room for it.",
        "Send less, or try again once there is room.",
    )


def too_large_error(most_bytes: int) -> TooLarge:
    """Say that a body passes a limit."""
    return TooLarge(
        "body",
        f"it holds more than {most_bytes:,} bytes.",
        "Send less, or raise the limit of the server.",
    )
