"""An error -> a body in OpenAI's shape: what is wrong, with which parameter, and its code."""

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

UNPROCESSABLE, BAD_REQUEST, CONFLICT, FAULT = 422, 400, 409, 500
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
"""Codes that OpenAI has a word of its own for."""
STATUS_DESCRIPTIONS: Mapping[int, str] = {
    400: "A parameter cannot be used.",
    401: "No token, or none that holds.",
    403: "The token's role does not go so far.",
    404: "There is no such thing for this caller.",
    405: "The path is there for other methods.",
    409: "It cannot be done in this state.",
    413: "The body is larger than is taken.",
    429: "Too many requests.",
    500: "A fault of the server.",
    503: "Something that is needed does not answer; try again.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": says}
    for status, says in STATUS_DESCRIPTIONS.items()
}
"""What every operation can answer beside what it is for."""


class BadParameter(TrainerError):
    """A parameter of a request under /v1 cannot be used."""

    code = "bad-parameter"
    http_status = 400
    what_to_do = "Correct the parameter that is named."

    def __init__(self, param: str | None, message: str) -> None:
        self.param = param
        super().__init__(message)


class OpenAINotFound(TrainerError):
    """There is no such job, model or path under /v1 for this caller."""

    code = "nothing-there"
    http_status = 404
    what_to_do = "Name something that the list beside it holds."

    def __init__(self, message: str, param: str | None = None, code: str = "not_found") -> None:
        self.param, self.code = param, code
        super().__init__(message)


def body_of(status: int, message: str, code: str, param: str | None = None) -> bytes:
    """Write an error."""
    kind = TYPES.get(status, "invalid_request_error")
    word = CODES.get(code, code.replace("-", "_"))
    body = ErrorBody(message=message, type=kind, param=param, code=word)
    return ErrorResponse(error=body).model_dump_json().encode()


def error_response(error: AdvisorError) -> Response:
    """Answer with an error; what another try cannot change is marked so for the SDK."""
    status = BAD_REQUEST if error.http_status == UNPROCESSABLE else error.http_status
    is_final = status == CONFLICT and not isinstance(error, RequestInProgress | LeaseLost)
    headers = {"x-should-retry": "false"} if is_final else {}
    body = body_of(status, str(error), error.code, getattr(error, "param", None))
    return Response(body, status, headers, "application/json")


def install(app: FastAPI) -> None:
    """Let an app answer every error in OpenAI's shape, also those that nobody foresaw."""
    app.add_exception_handler(AdvisorError, _known)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _routing)
    app.add_middleware(UnhandledErrorMiddleware, fault=_fault)


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, AdvisorError)
    return error_response(error)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = _param(first["loc"], error.body) or None
    key = (first.get("ctx") or {}).get("key")
    if key is not None:
        param = f"{param}.{key}" if param else str(key)
    message = f"{param or 'body'}: {first['msg']}."
    return Response(
        body_of(BAD_REQUEST, message, "invalid_value", param),
        BAD_REQUEST,
        media_type="application/json",
    )


def _param(place: tuple[str | int, ...], body: Any) -> str:
    """Name the place in a request; the names of tried types are left out.

    >>> _param(("body", "method", "dpo", "beta", "float"), {"method": {"dpo": {"beta": "x"}}})
    'method.dpo.beta'
    """
    if place[0] != "body":
        return ".".join(str(part) for part in place[1:])
    named, here = list[str](), body
    for part in place[1:]:
        is_inside = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if not is_inside and not isinstance(here, dict):
            break
        named.append(str(part))
        here = here[part] if is_inside else None
    return ".".join(named)


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, path = error.status_code, request.url.path
    says = {
        404: f"{request.method} {path}: there is no such path here.",
        405: f"{request.method} {path}: this path is there for other methods.",
    }
    code = {404: "unknown_url", 405: "wrong_method"}.get(status, "invalid_request")
    body = body_of(status, says.get(status, f"{error.detail}."), code)
    return Response(body, status, error.headers, "application/json")


def _fault() -> Response:
    body = body_of(FAULT, "This is a fault of the server. Try again.", "fault")
    return Response(body, FAULT, media_type="application/json")
