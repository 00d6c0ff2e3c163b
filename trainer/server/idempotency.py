"""Idempotency keys: a repeated request gets the first response, and nothing is done twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import Header, Request, Response

from advisor.units import Record
from trainer.server.context import ServerContext, server_of
from trainer.storage.access_tokens import Caller

JSON_TYPE = "application/json"
REPLAYED = {"Idempotent-Replayed": "true"}
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        examples=["5d7f3c1a-9b1e-4a57-8f0d-2f6f7c0e9a11"],
        description="A unique id for this request, chosen by the caller and stored for a day. "
        "The same request with the same key returns the first response; nothing is done twice.",
    ),
]


@dataclass
class IdempotentRequest:
    """One request with its key, while it is handled."""

    server: ServerContext
    owner: str
    key: str | None
    stored: Response | None = None
    """The response to replay, if this request was answered before."""
    plan_id: str | None = None
    """Plan that an earlier process stored to launch it, and then stopped."""
    is_launched: bool = False
    is_done: bool = False

    def record_plan(self, plan_id: str) -> None:
        """Store the plan before its launch, so that a retry launches no other plan."""
        if self.key is not None:
            self.server.idempotency.record_plan(self.owner, self.key, plan_id)
            self.is_launched = True

    def respond(self, record: Record, status: int = 200) -> Response:
        """Store a response under the key, and return it."""
        self.is_done, body = True, record.model_dump_json(by_alias=True)
        if self.key is not None:
            self.server.idempotency.answer(self.owner, self.key, status, body)
        return Response(body, status, media_type=JSON_TYPE)


@contextmanager
def idempotent(
    request: Request, caller: Caller, key: str | None, body: bytes
) -> Iterator[IdempotentRequest]:
    """Handle a request under its key; method, path and body identify the request.

    After an error the key can be used again: by a retry that resumes the stored plan, or, if no
    plan was stored, by any request, because nothing was done.

    Raises:
        IdempotencyKeyReused: the key belongs to another request, or is not a valid key.
        RequestInProgress: the first request is still being handled.
    """
    turn = IdempotentRequest(server_of(request), caller.owner, key)
    if key is None:
        yield turn
        return
    store = turn.server.idempotency
    identity = f"{request.method} {request.url.path}\n".encode() + body
    first = store.begin(turn.owner, key, hashlib.sha256(identity).hexdigest())
    if first.status is not None:
        turn.stored = Response(first.body, first.status, REPLAYED, JSON_TYPE)
        yield turn
        return
    turn.plan_id, turn.is_launched = first.plan_id, first.plan_id is not None
    try:
        yield turn
    except BaseException:
        if turn.is_launched:
            store.release_key(turn.owner, key)
        elif not turn.is_done:
            store.forget(turn.owner, key)
        raise


def canonical_bytes(body: Record) -> bytes:
    """Return the JSON of a request body, independent of the order of its keys."""
    fields = body.model_dump(mode="json", exclude_unset=True)
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
