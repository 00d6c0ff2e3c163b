"""The planning API as an app: planning routes, health, readiness, metrics, OpenAPI."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Literal

import orjson
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from advisor import __version__
from advisor.api.catalogues import list_prices
from advisor.api.errors import install_error_handlers
from advisor.api.observability import ObservabilityMiddleware
from advisor.api.openapi import openapi_document
from advisor.api.route_docs import operation_docs
from advisor.api.routes import (
    JSON_MEDIA_TYPE,
    IfNoneMatch,
    ServiceDep,
    etag_response,
    planning_router,
)
from advisor.api.service import MAX_UPLOAD_BYTES, PlanningService
from advisor.decision.answer import canonical_json
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from advisor.units import Record

PRICES_VARIABLE = "TUNE_OR_NOT_PRICES"
MAX_UPLOAD_VARIABLE = "TUNE_OR_NOT_MOST_UPLOAD_BYTES"


class Health(Record):
    """The server is running."""

    status: Literal["ok"] = "ok"
    """Always ok."""
    version: str
    """Version of the program."""


class Readiness(Record):
    """The price book is loaded; its age."""

    status: Literal["ready"] = "ready"
    """Always ready; a server without a price book does not start."""
    prices_sha256: str
    """Hash of the price book."""
    prices: int
    """Number of prices that apply today."""
    stale: int
    """Number of them that were read 30 days ago or more."""
    oldest_read_on: date | None
    """Date of the oldest reading."""
    age_days: int | None
    """Age of the oldest reading, in days."""


def planning_app(
    book: PriceBook | None = None, most_upload_bytes: int = MAX_UPLOAD_BYTES
) -> FastAPI:
    """Return the planning API; its price book is the bundled one by default."""
    app = FastAPI(
        title="Tune or Not: planning",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(planning_router())
    app.include_router(monitoring_router())
    configure_app(app, PlanningService(book, most_upload_bytes=most_upload_bytes))
    return app


def configure_app(app: FastAPI, planner: PlanningService) -> None:
    """Add the shared service, error handlers, access log and metrics to an app."""
    app.state.planner = planner
    install_error_handlers(app)
    app.add_middleware(ObservabilityMiddleware, meters=planner.meters)  # last: the outermost


def app_from_environment() -> FastAPI:
    """Return the app of a worker of `advisor serve`, configured by environment variables."""
    overlay = os.environ.get(PRICES_VARIABLE)
    most = int(os.environ.get(MAX_UPLOAD_VARIABLE, MAX_UPLOAD_BYTES))
    return planning_app(load_prices(overlay=Path(overlay) if overlay else None), most)


def monitoring_router() -> APIRouter:
    """Return the routes for health, readiness, metrics and the OpenAPI document."""
    router = APIRouter(tags=["watching"])
    router.get("/healthz", **operation_docs(Health, "health"))(health)
    router.get("/readyz", **operation_docs(Readiness, "ready"))(ready)
    router.get("/metrics", **operation_docs(None, "metrics"))(metrics)
    router.get("/api/v1/openapi.json", **operation_docs(None, "openapi"))(openapi)
    return router


async def health() -> Response:
    """Return that the server is running."""
    return Response(canonical_json(Health(version=__version__)), media_type=JSON_MEDIA_TYPE)


async def ready(shared: ServiceDep) -> Response:
    """Return that the price book is loaded, and the age of its prices."""
    return Response(canonical_json(readiness(shared)), media_type=JSON_MEDIA_TYPE)


def readiness(planner: PlanningService) -> Readiness:
    """Return the age of today's prices."""
    listed = list_prices(planner.book, planner.today(), "")
    days = [price.read_on for price in listed.prices if price.read_on]
    oldest = min(days, default=None)
    return Readiness(
        prices_sha256=planner.book.sha256,
        prices=len(days),
        stale=listed.stale,
        oldest_read_on=oldest,
        age_days=(listed.on - oldest).days if oldest else None,
    )


async def metrics(shared: ServiceDep) -> Response:
    """Return metrics in Prometheus' text format."""
    return Response(shared.meters.text(), media_type=CONTENT_TYPE_LATEST)


def openapi(request: Request, shared: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Return the OpenAPI document of this API."""
    app: FastAPI = request.app
    tag = shared.tag_of("openapi")
    return etag_response(shared, tag, if_none_match, lambda: orjson.dumps(openapi_document(app)))
