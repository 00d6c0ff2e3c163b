"""The working API as an app: planning, work under tokens, and the OpenAI surface under /v1."""

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
from advisor.api.app import Health, Readiness, configure_app, health, metrics, readiness
from advisor.api.errors import MEDIA_TYPE
from advisor.api.openapi import openapi_document
from advisor.api.route_docs import SCHEMAS, operation_docs
from advisor.api.routes import IfNoneMatch, ServiceDep, etag_response, planning_router
from advisor.api.service import PlanningService
from trainer.errors import TrainerError
from trainer.runs.background import BackgroundReconciler
from trainer.server import admin, plans, runs, versions, webhooks
from trainer.server.auth import RateLimiter, require_role
from trainer.server.context import ServerContext, server_of
from trainer.server.openai.app import openai_app
from trainer.storage.database import schema_version

TOKEN_ERRORS = (401, 403, 429, 503)
WORK_ERRORS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503)
"""Error statuses of every route that works under a token."""
PREFIX = "/v1"


def error_responses(statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of errors: each body is a problem with its code."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}; `code` identifies the error.",
            "content": content,
        }
        for status in statuses
    }


class NotReady(TrainerError):
    """The home folder or its database cannot be used."""

    code = "not-ready"
    http_status = 503
    what_to_do = "Set TUNE_OR_NOT_HOME to a folder that can be written, or free the database."


class WorkReadiness(Readiness):
    """Readiness of prices and database."""

    schema_version: str
    """Name of the newest database migration."""


def create_app(server: ServerContext, planner: PlanningService) -> FastAPI:
    """Return the app of `trainer serve`; while it runs, it advances open runs in the background."""
    background = BackgroundReconciler(
        server.context, lambda: (server.file_store.sweep(), server.uploads.sweep())
    )

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        background.start()
        yield
        background.stop()
        server.model_pool.close()

    app = FastAPI(
        title="Tune or Not",
        version=__version__,
        lifespan=running,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.server, app.state.background = server, background
    app.state.rates = RateLimiter(server.settings.requests_per_minute)
    app.include_router(
        planning_router(),
        dependencies=[Depends(require_role("view"))],
        responses=error_responses(TOKEN_ERRORS),
    )
    for part in (plans, runs, versions, admin, webhooks):
        app.include_router(part.router, responses=error_responses(WORK_ERRORS))
    app.include_router(_health_routes())
    app.add_middleware(PrefixDispatcher, surface=openai_app(server, app.state.rates))
    configure_app(app, planner)
    return app


class PrefixDispatcher:
    """Sends every path under /v1 to the OpenAI surface, and all others to the working API.

    Middleware rather than a mount, so that the surface keeps its own middleware and error bodies.
    """

    def __init__(self, app: ASGIApp, surface: ASGIApp) -> None:
        self.app, self.surface = app, surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the app of its path."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith(f"{PREFIX}/"):
            scope["root_path"] = scope.get("root_path", "") + PREFIX
            await self.surface(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _health_routes() -> APIRouter:
    router = APIRouter(tags=["watching"])
    router.get("/healthz", **operation_docs(Health, "health"))(health)
    router.get("/readyz", responses=error_responses((503,)))(ready)
    router.get("/metrics", **operation_docs(None, "metrics"))(metrics)
    router.get("/api/v1/openapi.json", **operation_docs(None, "openapi"))(openapi)
    return router


def ready(request: Request, shared: ServiceDep) -> WorkReadiness:
    """Return whether the database responds, and how old the prices are."""
    try:
        schema = schema_version(server_of(request).context.store.engine)
    except Exception as error:
        raise NotReady(f"home folder: {error}. {NotReady.what_to_do}") from error
    return WorkReadiness(**readiness(shared).model_dump(), schema_version=schema)


def openapi(request: Request, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Describe this API; the OpenAI surface describes itself at /v1/openapi.json."""

    def document() -> bytes:
        return orjson.dumps(openapi_document(request.app))

    return etag_response(shared, shared.tag_of("openapi", "working"), if_none_match, document)
