"""HTTP in, the same answer out: health, readiness, planning, and what providers call."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from advisor import __version__
from advisor.errors import AdvisorError
from advisor.files import answer_bytes
from trainer.clock import SystemClock
from trainer.database import open_database, schema_version
from trainer.errors import TrainerError
from trainer.store import Store
from trainer.webhooks import NotVerified, job_of_call, make_due, webhook_secret

MOST_WEBHOOK_BYTES = 65_536
"""A call names a job and little else; own judgement."""

app = FastAPI(title="Tune or Not", version=__version__, openapi_url="/api/v1/openapi.json")


class RequestRefused(AdvisorError):
    """The body of a request is no scenario at all."""

    code = "request"


class PathRefused(AdvisorError):
    """A request named a file of the server."""

    code = "path-refused"

    def __init__(self) -> None:
        super().__init__("dataset.path: a request names no file of this machine. "
                         "Give dataset.examples and the tokens instead.")  # fmt: skip


class NotReady(AdvisorError):
    """The home folder or its database cannot be used."""

    code = "not-ready"

    def __init__(self, why: Exception) -> None:
        super().__init__(f"home folder: {why}. "
                         "Set TUNE_OR_NOT_HOME to a folder that can be written.")  # fmt: skip


def _problem(status: int, code: str, detail: str) -> JSONResponse:
    body = {"type": f"about:blank#{code}", "title": code, "status": status,
            "detail": detail, "code": code}  # fmt: skip
    return JSONResponse(body, status, media_type="application/problem+json")


@app.exception_handler(AdvisorError)
def problem(_: Request, error: AdvisorError) -> JSONResponse:
    """Say what is wrong with a question as problem+json."""
    status = {NotReady: 503, NotVerified: 401}.get(type(error), 422)
    return _problem(status, error.code, str(error))


@app.exception_handler(RequestValidationError)
def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong with a body that is not a JSON object, in the same shape."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    why = first.get("ctx", {}).get("error", first["msg"])
    return _problem(422, "request", f"{where}: {why}. Send a scenario as a JSON object.")


@app.get("/healthz")
def health() -> dict[str, str]:
    """Say that the server runs."""
    return {"status": "ok", "version": __version__}


@app.get("/readyz")
def ready() -> dict[str, Any]:
    """Say that the database opens."""
    try:
        engine = open_database()
        version = schema_version(engine)
        engine.dispose()
    except (OSError, TrainerError) as error:
        raise NotReady(error) from error
    return {"status": "ready", "schema_version": version}


@app.post("/api/v1/recommend")
def recommend(scenario: dict[str, Any]) -> Response:
    """Answer a scenario; the body is the canonical bytes of every door."""
    _check(scenario)
    return Response(answer_bytes(scenario), media_type="application/json")


@app.post("/api/v1/webhooks/{provider}", status_code=202)
async def webhook(provider: str, request: Request) -> dict[str, str | None]:
    """Take a provider's signed call that a job changed: its run is looked at next, no more."""
    job_id = job_of_call(await _body(request), request.headers, webhook_secret(provider))
    engine = open_database()
    try:
        return {"run_id": make_due(Store(engine, SystemClock()), provider, job_id)}
    finally:
        engine.dispose()


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_WEBHOOK_BYTES:
            raise NotVerified(f"webhook: more than {MOST_WEBHOOK_BYTES} bytes. Nothing was done.")
    return body


def _check(scenario: dict[str, Any]) -> None:
    """Refuse text that no answer can hold, and paths: a caller must not name our files."""
    try:
        json.dumps(scenario, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        found = ascii(error.object[error.start])
        says = f"body: found {found}, half of a character. Send text as UTF-8."
        raise RequestRefused(says) from error
    dataset = scenario.get("dataset")
    if isinstance(dataset, dict) and dataset.get("path"):
        raise PathRefused
