"""Errors of the OpenAI surface: bodies in OpenAI's shape, and the errors raised under /v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from advisor.api.errors import UnhandledErrorMiddleware
from advisor.errors import AdvisorError
from trainer.errors import LeaseLost, TrainerError
from trainer.server.openai.file_schemas import ErrorBody, ErrorResponse
from trainer.storage.idempotency import RequestInProgress

UNPROCESSABLE, BAD_REQUEST, CONFLICT, INTERNAL = 422, 400, 409, 500
INTERNAL_MESSAGE = "internal server error. Try again."
TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
CODES: Mapping[str, str] = {
    "not-known": "invalid_api_key",
    "role-too-low": "insufficient_permissions",
    "too-many-requests": "rate_limit_exceeded",
    "context-length": "context_length_exceeded",
    "idempotency-key": "idempotency_key_reused",
}
"""Our codes for which OpenAI has its own."""
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": description}
    for status, description in (
        (400, "Invalid parameter."),
        (401, "Missing or invalid token."),
        (403, "The token's role is too low."),
        (404, "Not found, or owned by another caller."),
        (405, "Method not allowed on this path."),
        (409, "Not possible in the current state."),
        (413, "The body is too large."),
        (429, "Too many requests."),
        (500, "Internal server error."),
        (503, "A required service is not available; try again."),
    )
}
"""Error responses of every operation."""


class BadParameter(TrainerError):
    """A parameter of a request under /v1 is invalid."""

    code = "bad-parameter"
    http_status = 400
    what_to_do = "Correct the parameter that is named."

    def __init__(self, param: str | None, text: str, where: str | None = None) -> None:
        """Name the place in front of the text: the parameter by default, or no place if empty."""
        self.param = param
        place = (param or "body") if where is None else where
        super().__init__(f"{place}: {text}" if place else text)


class OpenAINotFound(TrainerError):
    """No such job, model or path under /v1 for this caller."""

    code = "nothing-there"
    http_status = 404
    what_to_do = "Use an id from the matching list."

    def __init__(self, message: str, param: str | None = None, code: str = "not_found") -> None:
        self.param, self.code = param, code
        super().__init__(message)


def model_not_found(model: str, why: str) -> OpenAINotFound:
    """Return the error for a model that does not exist for the caller, or cannot be used."""
    return OpenAINotFound(f"model '{model}'{why}", "model", "model_not_found")


def error_body(status: int, message: str, code: str, param: str | None = None) -> bytes:
    """Return the JSON of an error."""
    body = ErrorBody(
        message=message,
        type=TYPES.get(status, "invalid_request_error"),
        param=param,
        code=CODES.get(code, code.replace("-", "_")),
    )
    return ErrorResponse(error=body).model_dump_json().encode()


def _response(
    status: int,
    message: str,
    code: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(error_body(status, message, code, param), status, headers, "application/json")


def install(app: FastAPI) -> None:
    """Have the app return every error in OpenAI's shape, unexpected ones included."""
    app.add_exception_handler(AdvisorError, _advisor_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _routing)
    app.add_middleware(
        UnhandledErrorMiddleware, fault=lambda: _response(INTERNAL, INTERNAL_MESSAGE, "fault")
    )


async def _advisor_error(_: Request, error: Exception) -> Response:
    """Return an error; the SDK is told not to retry a conflict that a retry cannot solve."""
    assert isinstance(error, AdvisorError)
    status = BAD_REQUEST if error.http_status == UNPROCESSABLE else error.http_status
    is_final = status == CONFLICT and not isinstance(error, RequestInProgress | LeaseLost)
    headers = {"x-should-retry": "false"} if is_final else None
    return _response(status, str(error), error.code, getattr(error, "param", None), headers)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = _param(first["loc"], error.body) or None
    key = (first.get("ctx") or {}).get("key")
    if key is not None:
        param = f"{param}.{key}" if param else str(key)
    return _response(BAD_REQUEST, f"{param or 'body'}: {first['msg']}.", "invalid_value", param)


def _param(location: tuple[str | int, ...], body: Any) -> str:
    """Return the path of a parameter, without the names of the union members pydantic tried.

    >>> _param(("body", "method", "dpo", "beta", "float"), {"method": {"dpo": {"beta": "x"}}})
    'method.dpo.beta'
    """
    if location[0] != "body":
        return ".".join(str(part) for part in location[1:])
    path, value = list[str](), body
    for part in location[1:]:
        is_inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if not is_inside and not isinstance(value, dict):
            break
        path.append(str(part))
        value = value[part] if is_inside else None
    return ".".join(path)


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, where = error.status_code, f"{request.method} {request.url.path}"
    code, message = {
        404: ("unknown_url", f"{where}: path not found."),
        405: ("wrong_method", f"{where}: method not allowed on this path."),
    }.get(status, ("invalid_request", f"{error.detail}."))
    return _response(status, message, code, headers=error.headers)
