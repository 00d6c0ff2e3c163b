"""The bytes of a multipart body, as they come -> the bytes of its one file, and its text fields."""

from __future__ import annotations

import re
from collections.abc import Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from advisor.api.refusals import Malformed, TooLarge

MOST_FIELDS = 32
MOST_FORM_BYTES = 128 * 1024
"""Of everything in a form that is not the file: headers, boundaries and text fields."""
LONGEST_NAME = 200
UNNAMED = "upload"
Sink = Callable[[bytes], None]


class Form:
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
            self._parser = MultipartParser(boundary, {
                "on_part_begin": self._begin, "on_part_data": self._data,
                "on_part_end": self._end_part, "on_header_field": self._header_name,
                "on_header_value": self._header_value, "on_header_end": self._end_header,
                "on_headers_finished": self._open, "on_end": self._end,
            })  # fmt: skip
        except FormParserError as error:
            raise _malformed(f"{error}.") from error

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Malformed: they break the rules of multipart.
            TooLarge: the text fields are more than a form holds.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed(f"{error}.") from error

    def close(self) -> str:
        """Say that the body has ended, and return the name of its file.

        Raises:
            Malformed: it broke off, or held no file.
        """
        if not self.ended:
            raise _malformed("the body breaks off before its last boundary.")
        if self.filename is None:
            raise Malformed(self._file_field, "the form holds no such field.",
                            f"Send the file in the field '{self._file_field}'.")  # fmt: skip
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
            raise _malformed("a part has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        self._is_file = self._name == self._file_field
        if not self._is_file and b"filename" in options:
            raise Malformed(self._name, "found a file in this field.",
                            f"Send the file in the field '{self._file_field}'.")  # fmt: skip
        if self._is_file:
            self._open_file(options.get(b"filename", b""))
        elif len(self.fields) >= MOST_FIELDS or self._name in self.fields:
            raise Malformed(self._name, "this field is one too many.",
                            f"Send each field once, and at most {MOST_FIELDS}.")  # fmt: skip

    def _open_file(self, name: bytes) -> None:
        if self.filename is not None:
            raise Malformed(self._file_field, "found a second file.", "Send one file a request.")
        self.filename = shown_name(name.decode("utf-8", "replace"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._sink(data[start:end])
            return
        self._kept += end - start
        if self._kept > MOST_FORM_BYTES:
            raise TooLarge(self._name, f"the text fields hold more than {MOST_FORM_BYTES} bytes.",
                           "Send large content as the file.")  # fmt: skip
        self._text += data[start:end]

    def _end_part(self) -> None:
        if self._is_file:
            return
        try:
            self.fields[self._name] = self._text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(self._name, "this field is not UTF-8.", "Send UTF-8.") from error

    def _end(self) -> None:
        self.ended = True


def _malformed(found: str) -> Malformed:
    return Malformed("multipart body", found, "Send one complete multipart/form-data body.")


def shown_name(given: str) -> str:
    """Return the last part of a file name that a client gave: to show, never to open.

    >>> shown_name("../../etc/passwd")
    'passwd'
    >>> shown_name("")
    'upload'
    """
    last = re.split(r"[/\\]", given)[-1]
    clean = "".join(letter for letter in last if letter.isprintable()).strip()
    return clean[:LONGEST_NAME] or UNNAMED
