"""Webhook route: a provider's signed call that a job changed makes its run due, no more."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from advisor.api.bodies import read_body
from advisor.api.errors import TooLarge
from advisor.units import Record
from trainer.runs.webhooks import InvalidSignature, make_due, verified_job_id, webhook_secret
from trainer.server.context import CurrentServer

MAX_BODY_BYTES = 65_536
"""A call contains little more than the id of a job; own judgement."""
router = APIRouter(prefix="/api/v1", tags=["webhooks"])


class WebhookReceipt(Record):
    """Result of a webhook call."""

    run_id: str | None
    """The run it is about, if it is a run of this server."""


@router.post("/webhooks/{provider}", status_code=202)
async def webhook(provider: str, request: Request, server: CurrentServer) -> WebhookReceipt:
    """Accept a provider's signed call that a job changed; the run is checked next."""
    try:
        body = await read_body(request, MAX_BODY_BYTES)
    except TooLarge:
        raise InvalidSignature(
            f"webhook: larger than {MAX_BODY_BYTES} bytes. Nothing was done."
        ) from None
    secret = await run_in_threadpool(webhook_secret, provider)
    job_id = verified_job_id(body, request.headers, secret)
    run_id = await run_in_threadpool(make_due, server.context.store, provider, job_id)
    request.app.state.background.wake()
    return WebhookReceipt(run_id=run_id)
