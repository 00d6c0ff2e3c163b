"""JSON request bodies: size, media type, syntax and values are checked before use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Request
from pydantic import ValidationError

from advisor.api.errors import SCHEMA_REMEDY, RequestRefused, WrongMediaType
from advisor.api.uploads import declared_bytes, too_large_error
from advisor.units import Record

MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_JSON_DEPTH = 32
"""Levels of lists and mappings; a scenario has four."""
R = TypeVar("R", bound=Record)


async def _read_body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and "+json" in kind):
        raise WrongMediaType(kind[:80])
    return await read_body(request, MAX_JSON_BYTES)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the body of a request.

    Raises:
        TooLarge: it is larger than *max_bytes*.
    """
    if declared_bytes(request) > max_bytes:
        raise too_large_error(max_bytes)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise too_large_error(max_bytes)
    return bytes(body)


JsonBytes = Annotated[bytes, Depends(_read_body)]
"""The body of a request; `parse_json_object` parses it outside the event loop."""


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a body as a JSON object.

    Raises:
        RequestRefused: it is not an object, or contains text that no answer can contain.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"body: line {error.lineno} column {error.colno}"
        raise RequestRefused(where, f"{error.msg}.", "Send a JSON object in UTF-8.") from error
    if not isinstance(parsed, dict):
        raise RequestRefused(
            "body",
            f"found {_kind(parsed)} instead of an object.",
            "Send a scenario as a JSON object.",
        )
    try:
        has_null = any("\0" in text for text in json_texts(parsed, MAX_JSON_DEPTH + 1))
    except RecursionError as error:
        found = f"nested more than {MAX_JSON_DEPTH} levels deep."
        raise RequestRefused("body", found, "Send a scenario.") from error
    if has_null:
        raise RequestRefused("body", "found a null character in a text.", "Remove it.")
    return parsed


def json_texts(value: object, max_levels: int) -> Iterator[str]:
    """Yield every text of parsed JSON, keys included.

    Raises:
        RecursionError: it has more levels than *max_levels*; texts and numbers are a level too.
    """
    level: list[Any] = [value]
    for _ in range(max_levels):
        inner: list[Any] = []
        for part in level:
            if isinstance(part, str):
                yield part
            elif isinstance(part, dict):
                inner += [*part, *part.values()]
            elif isinstance(part, list):
                inner += part
        if not inner:
            return
        level = inner
    raise RecursionError


def _kind(value: object) -> str:
    names = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def parse_record(kind: type[R], mapping: object, where: str) -> R:
    """Validate a part of a body as a record.

    Raises:
        RequestRefused: the first validation error, with its location.
    """
    if not isinstance(mapping, Mapping):
        raise RequestRefused(where, f"found {_kind(mapping)} instead of an object.", SCHEMA_REMEDY)
    try:
        return kind.model_validate(mapping)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join((where, *(str(part) for part in first["loc"])))
        raise RequestRefused(path, f"{first['msg']}.", SCHEMA_REMEDY) from error
