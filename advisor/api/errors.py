"""Errors of the HTTP APIs, and every error as an RFC 9457 problem (application/problem+json)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from advisor.decision.answer import canonical_json
from advisor.errors import AdvisorError, LocatedError
from advisor.units import Record

SCHEMA_REMEDY = "Send what /api/v1/openapi.json describes."


class RequestRefused(LocatedError):
    """The request does not match the schema of its path."""

    code = "request"
    what_to_do = "Send what /api/v1/openapi.json describes, as UTF-8."


class MalformedBody(RequestRefused):
    """The request body is incomplete or not valid multipart."""

    http_status = 400


class PathRefused(RequestRefused):
    """The request names a file on the server."""

    code = "path-refused"
    what_to_do = "Set dataset.examples and the tokens, or send a profile of the file."

    def __init__(self) -> None:
        super().__init__(
            "dataset.path",
            "a request cannot name a file on the server.",
            "Set dataset.examples and the tokens, or send a profile.",
        )


class TooLarge(RequestRefused):
    """The body exceeds the limit, or the server's disk is full."""

    code = "too-large"
    http_status = 413
    what_to_do = "Send less, or raise the server's limit."


class WrongMediaType(RequestRefused):
    """The content type is not supported by this path."""

    code = "media-type"
    http_status = 415
    what_to_do = "Send JSON with the header content-type: application/json."

    def __init__(self, found: str) -> None:
        super().__init__(
            "content-type", f"found '{found}'; this path accepts JSON.", "Send application/json."
        )


class NotFound(AdvisorError):
    """The path does not exist."""

    code = "not-found"
    http_status = 404
    what_to_do = "Use a path that /api/v1/openapi.json lists."


class WrongMethod(AdvisorError):
    """The path does not support this method."""

    code = "wrong-method"
    http_status = 405
    what_to_do = "Use a method that the Allow header lists."


class InternalError(AdvisorError):
    """An unexpected error in the server; the request may be valid."""

    code = "fault"
    http_status = 500
    what_to_do = "Report it with the request id; the log names the place in the code."


MEDIA_TYPE = "application/problem+json"
FAULT_KEY = "tune_or_not.fault"
"""Key in the ASGI scope for the location of an unexpected error, for the log."""


class Problem(Record):
    """An error response, as RFC 9457 defines it."""

    type: str
    """URI of this kind of problem."""
    title: str
    """The error code."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong, where, and what to do, in one message."""
    code: str
    """Stable error code; GET /api/v1/errors lists all codes."""
    where: str | None
    """Location of the error, if known."""
    remedy: str | None
    """What to do, if given separately."""


def problem_of(error: AdvisorError) -> Problem:
    """Return an error as a problem."""
    where, remedy = getattr(error, "where", None), getattr(error, "remedy", None)
    return Problem(
        type=f"about:blank#{error.code}",
        title=error.code,
        status=error.http_status,
        detail=str(error),
        code=error.code,
        where=where if isinstance(where, str) else None,
        remedy=remedy if isinstance(remedy, str) else None,
    )


def problem_response(error: AdvisorError, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as a response."""
    return Response(canonical_json(problem_of(error)), error.http_status, headers, MEDIA_TYPE)


def install_error_handlers(app: FastAPI) -> None:
    """Make an app answer every error with a problem, including unexpected ones."""
    app.add_exception_handler(AdvisorError, _advisor_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _routing)
    app.add_middleware(UnhandledErrorMiddleware, fault=_internal_error)


async def _advisor_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AdvisorError)
    return problem_response(error)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem_response(RequestRefused(where, f"{first['msg']}.", SCHEMA_REMEDY))


async def _routing(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == NotFound.http_status:
        return problem_response(NotFound(f"path not found. {NotFound.what_to_do}"))
    if error.status_code == WrongMethod.http_status:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"this path supports {allowed} only. {WrongMethod.what_to_do}"
        return problem_response(WrongMethod(message), error.headers)
    refused = RequestRefused("request", f"{error.detail}.", RequestRefused.what_to_do)
    body = problem_of(refused).model_copy(update={"status": error.status_code})
    return Response(canonical_json(body), error.status_code, error.headers, MEDIA_TYPE)


def _internal_error() -> Response:
    return problem_response(InternalError(f"internal error. {InternalError.what_to_do}"))


class UnhandledErrorMiddleware:
    """Turns an unexpected error into a response that reveals no data."""

    def __init__(self, app: ASGIApp, fault: Callable[[], Response]) -> None:
        self.app, self.fault = app, fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; an unexpected error becomes a 500."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except ClientDisconnect:
            scope[FAULT_KEY] = "client-gone"  # no client is left to answer
        except Exception as error:  # noqa: BLE001 - the last handler that can still answer
            scope[FAULT_KEY] = error_location(error)
            if not started:
                await self.fault()(scope, receive, send)


def error_location(error: BaseException) -> str:
    """Return type and location of an unexpected error, without its message, which may hold data.

    >>> error_location(ValueError("a row of the user"))
    'ValueError'
    """
    trace: Any = error.__traceback__
    if trace is None:
        return type(error).__name__
    while trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "?")
    return f"{type(error).__name__} at {module}:{trace.tb_lineno}"
