"""An error -> problem+json: its code, the place, and what to do.

What a door of HTTP can refuse by itself -> errors with a code, a status and a remedy.
"""

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
from advisor.errors import AdvisorError
from advisor.units import Record


class RequestRefused(AdvisorError):
    """A request does not have the form that the path takes."""

    code = "request"
    what_to_do = "Send what /api/v1/openapi.json describes, as UTF-8."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}")


class MalformedBody(RequestRefused):
    """The body of a request breaks off or breaks the rules of multipart."""

    http_status = 400


class PathRefused(AdvisorError):
    """A request named a file of the server."""

    code = "path-refused"
    what_to_do = "Give dataset.examples and the tokens, or a profile of the file."

    def __init__(self) -> None:
        self.where, self.found = "dataset.path", "a request names no file of this machine."
        self.remedy = "Give dataset.examples and the tokens instead, or a profile."
        super().__init__(f"{self.where}: {self.found} {self.remedy}")


class TooLarge(AdvisorError):
    """A body is larger than is taken here, or than the disk has room for."""

    code = "too-large"
    http_status = 413
    what_to_do = "Send less, or raise the limit of the server."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}")


class WrongMediaType(AdvisorError):
    """A body is not of the type that the path takes."""

    code = "media-type"
    http_status = 415
    what_to_do = "Send JSON with the header content-type: application/json."

    def __init__(self, found: str) -> None:
        self.where, self.remedy = "content-type", "Send application/json."
        self.found = f"found '{found}', and this path takes JSON."
        super().__init__(f"{self.where}: {self.found} {self.remedy}")


class NotFound(AdvisorError):
    """There is nothing under this path."""

    code = "not-found"
    http_status = 404
    what_to_do = "Take a path that /api/v1/openapi.json lists."


class WrongMethod(AdvisorError):
    """The path is there, but not for this method."""

    code = "wrong-method"
    http_status = 405
    what_to_do = "Take a method that the header Allow names."


class InternalError(AdvisorError):
    """A fault of ours: nothing is wrong with the request that we know of."""

    code = "fault"
    http_status = 500
    what_to_do = "Report it with the request id; the log names the place in the code."


MEDIA_TYPE = "application/problem+json"
FAULT_KEY = "tune_or_not.fault"
"""Where a scope carries the place of a fault, for the log."""


class Problem(Record):
    """What is wrong with a request, after RFC 9457."""

    type: str
    """A name for this kind of problem, as a URI."""
    title: str
    """The code in short."""
    status: int
    """The HTTP status."""
    detail: str
    """What was found, where, and what to do, in one message."""
    code: str
    """Stable name of the error; GET /api/v1/errors lists them all."""
    where: str | None
    """The place, where the error names one."""
    remedy: str | None
    """What to do, where the error says so apart."""


def problem_of(error: AdvisorError) -> Problem:
    """Write an error as a problem."""
    return Problem(
        type=f"about:blank#{error.code}",
        title=error.code,
        status=error.http_status,
        detail=str(error),
        code=error.code,
        where=_text(error, "where"),
        remedy=_text(error, "remedy"),
    )


def _text(error: AdvisorError, name: str) -> str | None:
    value = getattr(error, name, None)
    return value if isinstance(value, str) else None


def problem_response(error: AdvisorError, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a problem."""
    return Response(canonical_json(problem_of(error)), error.http_status, headers, MEDIA_TYPE)


def install_error_handlers(app: FastAPI) -> None:
    """Let an app answer every error as a problem, also those that nobody foresaw."""
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
    remedy = "Send what /api/v1/openapi.json describes."
    return problem_response(RequestRefused(where, f"{first['msg']}.", remedy))


async def _routing(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == NotFound.http_status:
        return problem_response(NotFound(f"There is no such path. {NotFound.what_to_do}"))
    if error.status_code == WrongMethod.http_status:
        allowed = (error.headers or {}).get("Allow", "")
        says = f"This path is there for {allowed} only. {WrongMethod.what_to_do}"
        return problem_response(WrongMethod(says), error.headers)
    refused = RequestRefused("request", f"{error.detail}.", RequestRefused.what_to_do)
    body = problem_of(refused).model_copy(update={"status": error.status_code})
    return Response(canonical_json(body), error.status_code, error.headers, MEDIA_TYPE)


def _internal_error() -> Response:
    return problem_response(InternalError(f"This is a fault of ours. {InternalError.what_to_do}"))


class UnhandledErrorMiddleware:
    """Turns what nobody foresaw into an answer that tells nothing of the data."""

    def __init__(self, app: ASGIApp, fault: Callable[[], Response]) -> None:
        self.app, self.fault = app, fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; an unforeseen error becomes a 500."""
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
            scope[FAULT_KEY] = "client-gone"  # nobody is left to answer
        except Exception as error:  # noqa: BLE001 - the last place that can answer at all
            scope[FAULT_KEY] = error_location(error)
            if not started:
                await self.fault()(scope, receive, send)


def error_location(error: BaseException) -> str:
    """Name kind and place of an unforeseen error; its words may hold data and are left out.

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
