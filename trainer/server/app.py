"""One open front -> the working API: planning, work under tokens, and OpenAI's protocol.

Statuses that a route can refuse with -> what its OpenAPI description says of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from advisor import __version__
from advisor.api.app import Health, Readiness, furnish, health, metrics, readiness
from advisor.api.errors import MEDIA_TYPE
from advisor.api.openapi import document
from advisor.api.route_docs import SCHEMAS, described
from advisor.api.routes import IfNoneMatch, Shared, planning_router, tagged
from advisor.api.service import Planner
from trainer.errors import TrainerError
from trainer.runs.background import Driver
from trainer.server import admin, plans, runs, versions, webhooks
from trainer.server.auth import Rates, needs
from trainer.server.context import Front, front_of
from trainer.server.openai.app import openai_app
from trainer.storage.database import schema_version

UNDER_A_TOKEN = (401, 403, 429, 503)
AT_WORK = (400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503)
"""Every status that a route of the work can answer with, beside its own."""


def refusals(statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    """Describe refusals: each body is a problem with its code."""
    body = {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}; `code` says which error it is.",
            "content": body,
        }
        for status in statuses
    }


PREFIX = "/v1"


class NotReady(TrainerError):
    """The home folder or its database cannot be used."""

    code = "not-ready"
    http_status = 503
    what_to_do = "Set TUNE_OR_NOT_HOME to a folder that can be written, or free the database."


class WorkReadiness(Readiness):
    """That prices and database are there."""

    schema_version: str
    """Name of the newest change of the database that was made."""


def working_app(front: Front, planner: Planner) -> FastAPI:
    """Return the app of `trainer serve`; while it runs, open runs are driven in the background."""
    driver = Driver(front.office, lambda: (front.filing.sweep(), front.uploads.sweep()))

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        driver.start()
        yield
        driver.stop()
        front.talkers.close()

    app = FastAPI(
        title="Tune or Not",
        version=__version__,
        lifespan=running,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.front, app.state.driver = front, driver
    app.state.rates = Rates(front.settings.requests_per_minute)
    app.include_router(
        planning_router(), dependencies=[Depends(needs("view"))], responses=refusals(UNDER_A_TOKEN)
    )
    for part in (plans, runs, versions, admin, webhooks):
        app.include_router(part.router, responses=refusals(AT_WORK))
    app.include_router(_watching())
    app.add_middleware(Surface, surface=openai_app(front, app.state.rates))
    furnish(app, planner)
    return app


class Surface:
    """Sends every path under /v1 to the app that speaks OpenAI's protocol, in its own shape."""

    def __init__(self, app: ASGIApp, surface: ASGIApp) -> None:
        self.app, self.surface = app, surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to whom its path belongs."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith(f"{PREFIX}/"):
            scope["root_path"] = scope.get("root_path", "") + PREFIX
            await self.surface(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _watching() -> APIRouter:
    router = APIRouter(tags=["watching"])
    router.get("/healthz", **described(Health, "health"))(health)
    router.get("/readyz", responses=refusals((503,)))(ready)
    router.get("/metrics", **described(None, "metrics"))(metrics)
    router.get("/api/v1/openapi.json", **described(None, "openapi"))(openapi)
    return router


def ready(request: Request, shared: Shared) -> WorkReadiness:
    """Say that the database answers, and how old the prices are."""
    try:
        schema = schema_version(front_of(request).office.store.engine)
    except Exception as error:
        raise NotReady(f"home folder: {error}. {NotReady.what_to_do}") from error
    return WorkReadiness(**readiness(shared).model_dump(), schema_version=schema)


def openapi(request: Request, shared: Shared, if_none_match: IfNoneMatch = None) -> Response:
    """Describe this API; the surface of OpenAI describes itself at /v1/openapi.json."""
    tag = shared.tag_of("openapi", "working")
    return tagged(shared, tag, if_none_match, lambda: orjson.dumps(_document(request, shared)))


def _document(request: Request, shared: Shared) -> dict[str, Any]:
    app: FastAPI = request.app
    return document(app, shared)
