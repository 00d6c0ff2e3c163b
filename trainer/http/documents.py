"""Statuses that a route can refuse with -> what its OpenAPI description says of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from advisor.api.documents import SCHEMAS
from advisor.api.problems import MEDIA_TYPE

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
