"""A request and its Idempotency-Key -> its answer, worked out once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import Header, Request, Response

from advisor.units import Record
from trainer.server.context import ServerContext, server_of
from trainer.storage.access_tokens import Caller

JSON_TYPE = "application/json"
REPLAYED = {"Idempotent-Replayed": "true"}
HTTP_OK = 200
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        examples=["5d7f3c1a-9b1e-4a57-8f0d-2f6f7c0e9a11"],
        description="A name of your own for this request, kept for a day: the same request "
        "under the same key gets the first answer again, and nothing is done twice.",
    ),
]


@dataclass
class IdempotentRequest:
    """One request on its way to its answer."""

    server: ServerContext
    owner: str
    key: str | None
    digest: str
    plan_id: str | None = None
    """The plan that an earlier process had kept to start it, and then ended."""
    is_launched: bool = False

    def record_plan(self, plan_id: str) -> None:
        """Note the plan before it starts: a second try starts no other."""
        if self.key is not None:
            self.server.answered.record_plan(self.owner, self.key, plan_id)
            self.is_launched = True


def idempotent_request(
    request: Request, caller: Caller, key: str | None, body: bytes
) -> IdempotentRequest:
    """Name a request by all that it asks."""
    named = f"{request.method} {request.url.path}\n".encode() + body
    return IdempotentRequest(
        server_of(request), caller.owner, key, hashlib.sha256(named).hexdigest()
    )


def canonical_bytes(body: Record) -> bytes:
    """Write what was asked in one way, in whatever order it was sent."""
    asked = body.model_dump(mode="json", exclude_unset=True)
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)


def json_response(record: Record) -> Response:
    """Answer with a record."""
    return Response(record.model_dump_json(by_alias=True), media_type=JSON_TYPE)


def respond_once(turn: IdempotentRequest, work: Callable[[IdempotentRequest], Record]) -> Response:
    """Answer a request; one that was answered under its key gets the very same bytes.

    Raises:
        KeyReused: the key belongs to another request, or cannot be one.
        StillAtWork: the first request is still being answered.
    """
    if turn.key is None:
        return json_response(work(turn))
    answered = turn.server.answered
    kept = answered.begin(turn.owner, turn.key, turn.digest)
    if kept.status is not None:
        return Response(kept.body, kept.status, REPLAYED, JSON_TYPE)
    turn.plan_id, turn.is_launched = kept.plan_id, kept.plan_id is not None
    try:
        body = work(turn).model_dump_json(by_alias=True)
    except BaseException:
        if turn.is_launched:
            answered.release_key(turn.owner, turn.key)  # whoever tries again goes on with that plan
        else:
            answered.forget(turn.owner, turn.key)  # nothing was done: the key is free again
        raise
    answered.answer(turn.owner, turn.key, HTTP_OK, body)
    return Response(body, media_type=JSON_TYPE)
