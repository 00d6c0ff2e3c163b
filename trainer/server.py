"""HTTP in, the same answer out: health, readiness, and one planning route."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from advisor import __version__
from advisor.errors import AdvisorError
from advisor.files import answer_bytes
from trainer.database import open_database

app = FastAPI(title="Tune or Not", version=__version__, openapi_url="/api/v1/openapi.json")


@app.exception_handler(AdvisorError)
def problem(_: Request, error: AdvisorError) -> JSONResponse:
    """Say what is wrong with a question as problem+json."""
    body = {"type": f"about:blank#{error.code}", "title": error.code, "status": 422,
            "detail": str(error), "code": error.code}  # fmt: skip
    return JSONResponse(body, 422, media_type="application/problem+json")


@app.get("/healthz")
def health() -> dict[str, str]:
    """Say that the server runs."""
    return {"status": "ok", "version": __version__}


@app.get("/readyz")
def ready() -> dict[str, Any]:
    """Say that the database opens."""
    with closing(open_database()) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
    return {"status": "ready", "schema_version": version}


@app.post("/api/v1/recommend")
def recommend(scenario: dict[str, Any]) -> Response:
    """Answer a scenario; the body is the canonical bytes of every door."""
    if "dataset" in scenario:
        scenario = {**scenario, "dataset": _without_path(scenario["dataset"])}
    return Response(answer_bytes(scenario), media_type="application/json")


def _without_path(dataset: Any) -> Any:
    """Refuse a path: a caller over HTTP must not name files of this machine."""
    if isinstance(dataset, dict) and dataset.get("path"):
        raise PathRefused
    return dataset


class PathRefused(AdvisorError):
    """A request named a file of the server."""

    code = "path-refused"

    def __init__(self) -> None:
        super().__init__("dataset.path: a request names no file of this machine. "
                         "Give dataset.examples and the tokens instead.")  # fmt: skip
