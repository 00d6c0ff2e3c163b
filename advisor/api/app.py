"""A price book -> the app: planning routes, health, readiness, metrics and its own description."""

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
from advisor.api.catalogues import prices_on
from advisor.api.errors import install
from advisor.api.observability import observe
from advisor.api.openapi import document
from advisor.api.route_docs import described
from advisor.api.routes import JSON, IfNoneMatch, Shared, planning_router, tagged
from advisor.api.service import MOST_UPLOAD_BYTES, Planner
from advisor.decision.answer import canonical
from advisor.prices.book import Book
from advisor.prices.loader import load_book
from advisor.units import Record

PRICES = "TUNE_OR_NOT_PRICES"
MOST_UPLOAD = "TUNE_OR_NOT_MOST_UPLOAD_BYTES"


class Health(Record):
    """That the server runs."""

    status: Literal["ok"] = "ok"
    """Always ok: a server that does not run says nothing."""
    version: str
    """Version of the program."""


class Readiness(Record):
    """That the price book is loaded, and how old it is."""

    status: Literal["ready"] = "ready"
    """Always ready: a server without a price book does not start."""
    prices_sha256: str
    """Hash of the price book."""
    prices: int
    """How many prices hold today."""
    stale: int
    """How many of them were read 30 days ago or more."""
    oldest_read_on: date | None
    """Day of the oldest reading."""
    age_days: int | None
    """Its age."""


def planning_app(book: Book | None = None, most_upload_bytes: int = MOST_UPLOAD_BYTES) -> FastAPI:
    """Return the planning API over a price book, the shipped one by default."""
    app = FastAPI(
        title="Tune or Not: planning",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(planning_router())
    app.include_router(watching_router())
    furnish(app, Planner(book, most_upload_bytes=most_upload_bytes))
    return app


def furnish(app: FastAPI, planner: Planner) -> None:
    """Give an app what the routes share, its problems, its log and its numbers."""
    app.state.planner = planner
    install(app)
    observe(app, planner.meters)


def served() -> FastAPI:
    """Return the app that the environment describes: what each worker of `advisor serve` runs."""
    overlay = os.environ.get(PRICES)
    most = int(os.environ.get(MOST_UPLOAD, MOST_UPLOAD_BYTES))
    return planning_app(load_book(overlay=Path(overlay) if overlay else None), most)


def watching_router() -> APIRouter:
    """Return health, readiness, metrics and the description of the API."""
    router = APIRouter(tags=["watching"])
    router.get("/healthz", **described(Health, "health"))(health)
    router.get("/readyz", **described(Readiness, "ready"))(ready)
    router.get("/metrics", **described(None, "metrics"))(metrics)
    router.get("/api/v1/openapi.json", **described(None, "openapi"))(openapi)
    return router


async def health() -> Response:
    """Say that the server runs."""
    return Response(canonical(Health(version=__version__)), media_type=JSON)


async def ready(shared: Shared) -> Response:
    """Say that the price book is loaded, and how old its prices are."""
    return Response(canonical(readiness(shared)), media_type=JSON)


def readiness(planner: Planner) -> Readiness:
    """Say how old the prices are that hold today."""
    found = prices_on(planner.book, planner.today(), "")
    days = [price.read_on for price in found.prices if price.read_on]
    oldest = min(days, default=None)
    return Readiness(
        prices_sha256=planner.book.sha256,
        prices=len(days),
        stale=found.stale,
        oldest_read_on=oldest,
        age_days=(found.on - oldest).days if oldest else None,
    )


async def metrics(shared: Shared) -> Response:
    """Write what was served in numbers that Prometheus reads."""
    return Response(shared.meters.text(), media_type=CONTENT_TYPE_LATEST)


def openapi(request: Request, shared: Shared, if_none_match: IfNoneMatch = None) -> Response:
    """Describe this API."""
    app: FastAPI = request.app
    tag = shared.tag_of("openapi")
    return tagged(shared, tag, if_none_match, lambda: orjson.dumps(document(app, shared)))
