"""OpenAPI metadata of each operation: request bodies, statuses and headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse, PlainTextResponse

from advisor.api.errors import MEDIA_TYPE
from advisor.report.bill_formats import MEDIA_TYPES

SCHEMAS = "#/components/schemas/"
INPUT_SUFFIX = "Input"
"""Suffix of the schemas of requests; the schemas of responses have none."""
ETAG_HEADERS = {
    "ETag": "Changes with the question, the price book or the engine only.",
    "X-Request-ID": "Id of this request in the log: the client's, or a generated one.",
}
COMPUTED_HEADERS = {**ETAG_HEADERS, "X-Cache": "hit if the body was cached, else miss."}
PLAIN_HEADERS = {"X-Request-ID": ETAG_HEADERS["X-Request-ID"]}
HEADER_EXAMPLES = {"ETag": '"5f2a"', "X-Request-ID": "trace-7", "X-Cache": "miss"}
BINARY = {
    "type": "string",
    "format": "binary",
    "description": "JSONL, a JSON array, CSV or Parquet.",
}


def _json_body(*schemas: str) -> dict[str, Any]:
    references = [{"$ref": f"{SCHEMAS}{name}{INPUT_SUFFIX}"} for name in schemas]
    if len(references) == 1:
        return {"application/json": {"schema": references[0]}}
    description = "A scenario, or a scenario with the profile of its dataset and your team's rules."
    return {"application/json": {"schema": {"description": description, "anyOf": references}}}


BODIES: dict[str, dict[str, Any]] = {
    "profile": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {"file": BINARY},
            }
        },
        "application/octet-stream": {"schema": BINARY},
    },
    "recommend": _json_body("Scenario", "RecommendRequest"),
    "sensitivity": _json_body("Scenario", "RecommendRequest"),
    "estimate": _json_body("Scenario", "QuestionRequest"),
    "bill": _json_body("Scenario", "QuestionRequest"),
    "sweep": _json_body("SweepRequest"),
    "interview": _json_body("InterviewRequest"),
}
OTHER_MEDIA_TYPES = {"bill": [media for media in MEDIA_TYPES.values() if "json" not in media]}
"""Media types of a 200 of an operation, besides JSON."""
COMPUTED_STATUSES = (304, 413, 415, 422, 500)
STATUSES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(BODIES, COMPUTED_STATUSES),
    "profile": (400, 413, 422, 500),
    "models": (304, 422, 500),
    "prices": (304, 422, 500),
    "rules": (304, 500),
    "errors": (304, 500),
    "openapi": (304, 500),
    **dict.fromkeys(("health", "ready", "metrics"), (500,)),
}
"""Every status of an operation other than 200."""


def operation_docs(returns: Any, name: str) -> dict[str, Any]:
    """Return the keyword arguments that document a route; *returns* is the type of a 200."""
    headers = COMPUTED_HEADERS if 304 in STATUSES[name] else PLAIN_HEADERS
    responses: dict[int | str, dict[str, Any]] = {200: {"headers": _headers(headers)}}
    if name in OTHER_MEDIA_TYPES:
        content = {media: {"schema": {"type": "string"}} for media in OTHER_MEDIA_TYPES[name]}
        responses[200]["content"] = content
    responses |= {status: _response(status) for status in STATUSES[name]}
    extra: dict[str, Any] = {}
    if name in BODIES:
        extra["requestBody"] = {"required": True, "content": BODIES[name]}
    return {
        "response_model": returns,
        "response_class": PlainTextResponse if name == "metrics" else JSONResponse,
        "responses": responses,
        "operation_id": name,
        "openapi_extra": extra,
        "summary": name.capitalize(),
        "response_description": "Success.",
    }


def _response(status: int) -> dict[str, Any]:
    if status == HTTPStatus.NOT_MODIFIED:
        return {"description": "The client's copy is current.", "headers": _headers(ETAG_HEADERS)}
    return {
        "description": f"{HTTPStatus(status).phrase}; see `code`.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
        "headers": _headers(PLAIN_HEADERS),
    }


def _headers(descriptions: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "schema": {"type": "string"}, "example": HEADER_EXAMPLES[name]}
        for name, text in descriptions.items()
    }
