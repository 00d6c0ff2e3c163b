"""What a provider calls when a job changed: verified, and then its run is looked at next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from advisor.units import Record
from trainer.runs.webhooks import InvalidSignature, make_due, verified_job_id, webhook_secret
from trainer.server.context import ServerContext, server_of

MAX_BODY_BYTES = 65_536
"""A call names a job and little else; own judgement."""
router = APIRouter(prefix="/api/v1", tags=["webhooks"])


class WebhookReceipt(Record):
    """What came of a call."""

    run_id: str | None
    """The run that it is about, if it is one of ours."""


@router.post("/webhooks/{provider}", status_code=202)
async def webhook(
    provider: str, request: Request, server: Annotated[ServerContext, Depends(server_of)]
) -> WebhookReceipt:
    """Take a provider's signed call that a job changed: its run is looked at next, no more."""
    body = await _body(request)
    secret = await run_in_threadpool(webhook_secret, provider)
    job_id = verified_job_id(body, request.headers, secret)
    run_id = await run_in_threadpool(make_due, server.context.store, provider, job_id)
    request.app.state.driver.wake()
    return WebhookReceipt(run_id=run_id)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise InvalidSignature(f"webhook: more than {MAX_BODY_BYTES} bytes. Nothing was done.")
    return body
