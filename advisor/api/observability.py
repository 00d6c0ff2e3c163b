"""Access log and Prometheus metrics of the HTTP APIs; neither contains request data."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import Any
from uuid import uuid4

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from advisor.api.errors import FAULT_KEY

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of the folder that several workers share; prometheus_client reads it."""


class ApiMetrics:
    """Metrics of one app, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tune_or_not_requests",
            "Requests, by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tune_or_not_request_seconds",
            "Time from the first byte of a request to the last byte of its response.",
            ["route"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.received = Counter(
            "tune_or_not_received_bytes", "Bytes of received datasets.", registry=self.registry
        )
        self.answers = Counter(
            "tune_or_not_answers",
            "Answers computed; cached ones are not counted.",
            registry=self.registry,
        )
        self.variants = Counter(
            "tune_or_not_sweep_variants", "Variants computed in sweeps.", registry=self.registry
        )

    def text(self) -> bytes:
        """Return the metrics of all workers in Prometheus' text format."""
        if not os.environ.get(MULTIPROCESS_VARIABLE):
            return generate_latest(self.registry)
        all_workers = CollectorRegistry()
        multiprocess.MultiProcessCollector(all_workers)  # type: ignore[no-untyped-call]
        return generate_latest(all_workers)


def access_log() -> Any:
    """Return a logger that writes one JSON object per line to standard error."""
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(
                lambda event, **_: orjson.dumps(event, option=orjson.OPT_SORT_KEYS).decode()
            ),
        ],
    )


REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
CLIENT_GONE = 499
"""Logged if the client disconnected before a response, as nginx does."""


class ObservabilityMiddleware:
    """The outermost middleware: request id, time, status and size."""

    def __init__(self, app: ASGIApp, meters: ApiMetrics) -> None:
        self.app, self.meters = app, meters
        self._log = access_log()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, log it and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(Headers(scope=scope).get("x-request-id"))
        status, size, started = CLIENT_GONE, 0, time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            self._record(scope, seconds, id=request_id, status=status, bytes=size)

    def _record(self, scope: Scope, seconds: float, status: int, **details: object) -> None:
        route, method = route_of(scope), scope["method"]
        method = method if method in METHODS else "other"
        self.meters.requests.labels(route, method, status).inc()
        self.meters.seconds.labels(route).observe(seconds)
        fault = {"fault": scope[FAULT_KEY]} if FAULT_KEY in scope else {}
        self._log.info(
            "request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            **details,
            **fault,
        )


def request_id_of(given: str | None) -> str:
    """Return the client's id if it is short and plain, else a new one.

    >>> request_id_of("trace-7")
    'trace-7'
    >>> len(request_id_of("two words"))
    32
    """
    return given if given and REQUEST_ID.fullmatch(given) else uuid4().hex


def route_of(scope: Scope) -> str:
    """Return the path template of the route, with parameter names instead of values."""
    route, mounted = scope.get("route"), scope.get("root_path", "").rstrip("/")
    if isinstance(route, Mount):
        return f"{mounted}/unmatched"
    path = getattr(route, "path_format", None)
    return f"{mounted}{path}" if isinstance(path, str) else "unmatched"
