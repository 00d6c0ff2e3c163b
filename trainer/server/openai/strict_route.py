"""A request -> one that is clean: known names, whole text, JSON of a size."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from advisor.api.uploads import declared_bytes, too_large_error
from advisor.errors import did_you_mean
from trainer.server.openai.errors import BadParameter

MAX_JSON_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
"""Levels of lists and mappings."""


class StrictRoute(APIRoute):
    """A route that is given nothing it cannot keep: half characters, zeros, unknown names."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Look at a request before its route does."""
        handler = super().get_route_handler()
        known = {
            one.alias
            for one in get_flat_params(self.dependant)
            if isinstance(one.field_info, params.Query)
        }
        by_key = tuple(one["name"] for one in (self.openapi_extra or {}).get("parameters", ()))
        has_body = self.body_field is not None

        async def clean(request: Request) -> Response:
            _check_names(request, known, by_key)
            if has_body:
                request._body = await _json_of(request)
            return await handler(request)

        return clean


def _check_names(request: Request, known: set[str], maps: tuple[str, ...]) -> None:
    _check_text(request.url.path, "path")
    for name, value in request.query_params.multi_items():
        _check_text(name, "query")
        _check_text(value, name)
        if name not in known and not any(name == one or name.startswith(f"{one}[") for one in maps):
            near = did_you_mean(name, {*known, *maps})
            raise BadParameter(name, f"{name}: there is no such parameter.{near}")


def _check_text(text: str, param: str) -> None:
    if "\0" in text or (not text.isascii() and not _is_valid_text(text)):
        raise BadParameter(
            param, f"{param}: found the character zero or half a character. Send text as UTF-8."
        )


def _is_valid_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _json_of(request: Request) -> bytes:
    """Read the body, see that it is JSON with whole text, and not too large."""
    if declared_bytes(request) > MAX_JSON_BYTES:
        raise too_large_error(MAX_JSON_BYTES)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_JSON_BYTES:
            raise too_large_error(MAX_JSON_BYTES)
    try:
        _check_depth(orjson.loads(body) if body else None)
    except orjson.JSONDecodeError as error:
        raise BadParameter(
            None,
            f"body: line {error.lineno} column {error.colno}: {error.msg}. "
            "Send a JSON object in UTF-8.",
        ) from error
    return bytes(body)


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value, "body")
            elif isinstance(value, dict):
                inner += [*value, *value.values()]
            elif isinstance(value, list):
                inner += value
        if not inner:
            return
        level = inner
    raise BadParameter(None, f"body: found more than {MAX_DEPTH} levels. Send a simpler one.")
