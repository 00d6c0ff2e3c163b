"""A tag and a body -> the response: the body once, and 304 to who has it already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from advisor.api.planner import Planner

JSON = "application/json"
IfNoneMatch = Annotated[
    str | None,
    Header(description="Tags of bodies that you have; where one still holds, 304 comes back.",
           examples=['"5f2a"']),
]  # fmt: skip


def matches(header: str | None, tag: str) -> bool:
    """Whether one of the tags in an If-None-Match header is this one.

    >>> matches('W/"a", "b"', "b")
    True
    """
    given = (part.strip().removeprefix("W/") for part in (header or "").split(","))
    return f'"{tag}"' in given


def tagged(planner: Planner, tag: str, have: str | None, make: Callable[[], bytes]) -> Response:
    """Answer with a body and its tag; a body that the client has is not worked out.

    Raises:
        AdvisorError: the body cannot be worked out.
    """
    headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
    if matches(have, tag):
        return Response(status_code=304, headers=headers)
    body, was_kept = planner.at_hand(tag, make)
    headers["x-cache"] = "hit" if was_kept else "miss"
    return Response(body, headers=headers, media_type=JSON)
