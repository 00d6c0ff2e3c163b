"""The name of an operation -> what its route says of itself: bodies, statuses, headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse, PlainTextResponse

from advisor.api.errors import MEDIA_TYPE

SCHEMAS = "#/components/schemas/"
INPUT_SUFFIX = "Input"
"""Ends the names of schemas that are sent; what comes back has the plain names."""
ETAG_HEADERS = {
    "ETag": "Changes with the question, the price book or the engine, and with nothing else.",
    "X-Request-ID": "The id of this request in the log: yours, or one that was made.",
}
COMPUTED_HEADERS = {**ETAG_HEADERS, "X-Cache": "hit where the body was at hand, else miss."}
PLAIN_HEADERS = {"X-Request-ID": ETAG_HEADERS["X-Request-ID"]}
HEADER_EXAMPLES = {"ETag": '"5f2a"', "X-Request-ID": "trace-7", "X-Cache": "miss"}
BINARY = {
    "type": "string",
    "format": "binary",
    "description": "JSONL, a JSON array, CSV or Parquet.",
}
QUESTION = {
    "description": "A scenario, or a scenario with the profile of its dataset and your rules.",
    "anyOf": [
        {"$ref": f"{SCHEMAS}Scenario{INPUT_SUFFIX}"},
        {"$ref": f"{SCHEMAS}QuestionRequest{INPUT_SUFFIX}"},
    ],
}
QUESTION_WITH_EXTRAS = {
    **QUESTION,
    "anyOf": [
        {"$ref": f"{SCHEMAS}Scenario{INPUT_SUFFIX}"},
        {"$ref": f"{SCHEMAS}RecommendRequest{INPUT_SUFFIX}"},
    ],
}
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
    "recommend": {"application/json": {"schema": QUESTION_WITH_EXTRAS}},
    "estimate": {"application/json": {"schema": QUESTION}},
    "sweep": {"application/json": {"schema": {"$ref": f"{SCHEMAS}SweepRequest{INPUT_SUFFIX}"}}},
    "interview": {
        "application/json": {"schema": {"$ref": f"{SCHEMAS}InterviewRequest{INPUT_SUFFIX}"}}
    },
}
STATUSES = {
    "profile": (400, 413, 422, 500),
    "recommend": (304, 413, 415, 422, 500),
    "estimate": (304, 413, 415, 422, 500),
    "sweep": (304, 413, 415, 422, 500),
    "interview": (304, 413, 415, 422, 500),
    "models": (304, 422, 500),
    "prices": (304, 422, 500),
    "rules": (304, 500),
    "errors": (304, 500),
    "openapi": (304, 500),
    "health": (500,),
    "ready": (500,),
    "metrics": (500,),
}
"""Every status that an operation can answer with, beside 200."""


def operation_docs(returns: Any, name: str) -> dict[str, Any]:
    """Say of a route what it returns, takes, and can answer with.

    Args:
        returns: Type of the body of a 200; none where it is no record.
        name: Name of the operation.
    """
    headers = COMPUTED_HEADERS if 304 in STATUSES[name] else PLAIN_HEADERS
    responses: dict[int | str, dict[str, Any]] = {200: {"headers": _headers(headers)}}
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
        "response_description": "What was asked for.",
    }


def _response(status: int) -> dict[str, Any]:
    if status == HTTPStatus.NOT_MODIFIED:
        return {"description": "What you have still holds.", "headers": _headers(ETAG_HEADERS)}
    return {
        "description": f"{HTTPStatus(status).phrase}; `code` says which error it is.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
        "headers": _headers(PLAIN_HEADERS),
    }


def _headers(says: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "schema": {"type": "string"}, "example": HEADER_EXAMPLES[name]}
        for name, text in says.items()
    }
