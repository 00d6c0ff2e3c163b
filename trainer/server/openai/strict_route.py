"""Route class of the OpenAI surface: rejects unknown query names, invalid text and invalid JSON."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from advisor.api.bodies import json_texts, read_body
from advisor.errors import did_you_mean
from trainer.server.openai.errors import BadParameter

MAX_JSON_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
"""Levels of lists and mappings."""


class StrictRoute(APIRoute):
    """A route that rejects what could not be stored: NUL, lone surrogates, unknown names."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the checks in front of it."""
        handler = super().get_route_handler()
        known = {
            param.alias
            for param in get_flat_params(self.dependant)
            if isinstance(param.field_info, params.Query)
        }
        maps = tuple(param["name"] for param in (self.openapi_extra or {}).get("parameters", ()))
        has_body = self.body_field is not None

        async def checked(request: Request) -> Response:
            _check_query(request, known, maps)
            if has_body:
                request._body = await _json_body(request)
            return await handler(request)

        return checked


def _check_query(request: Request, known: set[str], maps: tuple[str, ...]) -> None:
    """Check names and values; the names in *maps* take the form `name[key]`."""
    _check_text(request.url.path, "path")
    for name, value in request.query_params.multi_items():
        _check_text(name, "query")
        _check_text(value, name)
        if name not in known and name.partition("[")[0] not in maps:
            near = did_you_mean(name, {*known, *maps})
            raise BadParameter(name, f"unknown parameter.{near}")


def _check_text(text: str, param: str) -> None:
    try:
        text.encode()
        is_valid = "\0" not in text
    except UnicodeEncodeError:
        is_valid = False
    if not is_valid:
        problem = "found the NUL character or a lone surrogate."
        raise BadParameter(param, f"{problem} Send text as UTF-8.")


async def _json_body(request: Request) -> bytes:
    body = await read_body(request, MAX_JSON_BYTES)
    try:
        for text in json_texts(orjson.loads(body) if body else None, MAX_DEPTH):
            _check_text(text, "body")
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadParameter(None, f"{place}: {error.msg}. Send a JSON object in UTF-8.") from error
    except RecursionError as error:
        found = f"found more than {MAX_DEPTH} levels. Send a flatter object."
        raise BadParameter(None, found) from error
    return body
