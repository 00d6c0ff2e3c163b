"""Runs: launched once under a key and an amount, watched, held, ended; looking never spends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from advisor.api.errors import RequestRefused
from trainer.run_states import Run
from trainer.runs.background import BackgroundReconciler
from trainer.runs.start import LaunchConsent, start_run
from trainer.runs.user_actions import UserAction, request_action
from trainer.server.auth import Spender, Viewer, own_plan, own_run
from trainer.server.context import ServerContext, server_of
from trainer.server.schemas import EventView, LaunchBody, RunView, event_view, run_view
from trainer.storage.run_store import read_timeline

STREAM = "text/event-stream"
POLL_SECONDS = 0.5
PING_SECONDS = 15.0
router = APIRouter(prefix="/api/v1", tags=["runs"])
CurrentServer = Annotated[ServerContext, Depends(server_of)]


@router.post("/plans/{plan_id}/launch", status_code=202)
def launch(
    plan_id: str,
    asked: LaunchBody,
    request: Request,
    server: CurrentServer,
    caller: Spender,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> RunView:
    """Start the one job of a plan; the same key gives the same answer, and no second job."""
    if idempotency_key is None:
        raise RequestRefused(
            "Idempotency-Key",
            "the header is not there.",
            "Send a UUID of your own: a repeated request then starts nothing twice.",
        )
    plan = own_plan(server, plan_id, caller)
    told = orjson.dumps([plan_id, str(asked.at_most_usd), asked.egress])
    kept = server.answered.begin(caller.owner, idempotency_key, hashlib.sha256(told).hexdigest())
    if kept.body is not None:
        return RunView.model_validate_json(kept.body)
    try:
        server.audit.write(
            caller,
            "launch",
            plan_id,
            plan.figure.at_most,
            agreed_usd=str(asked.at_most_usd),
            egress=asked.egress,
        )
        run_id, _ = start_run(server.context, plan, LaunchConsent(asked.at_most_usd, asked.egress))
    except Exception:  # the key may be tried again: a plan is launched once, whatever happens
        server.answered.forget(caller.owner, idempotency_key)
        raise
    _background(request).wake()
    shown = _run_view(server, server.context.store.run(run_id))
    server.answered.answer(caller.owner, idempotency_key, 202, shown.model_dump_json())
    return shown


@router.get("/runs")
def list_runs(
    server: CurrentServer, caller: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[RunView]:
    """List the caller's runs, the newest first."""
    listed = server.context.store.listed(owner=caller.owner_filter)[:limit]
    return [run_view(server, server.context.store.run(one.run_id), one) for one in listed]


@router.get("/runs/{run_id}")
def show_run(run_id: str, server: CurrentServer, caller: Viewer) -> RunView:
    """Say where a run stands, and what it costs."""
    return _run_view(server, own_run(server, run_id, caller))


@router.post("/runs/{run_id}/{verb}", status_code=202)
def ask_of_run(
    run_id: str,
    verb: UserAction,
    request: Request,
    server: CurrentServer,
    caller: Spender,
) -> RunView:
    """End a run, hold it, or let it go on; it happens at the provider a moment later."""
    run = own_run(server, run_id, caller)
    server.audit.write(caller, verb, run.run_id)
    request_action(server.context, run, verb)
    _background(request).wake()
    return _run_view(server, server.context.store.run(run.run_id))


@router.get(
    "/runs/{run_id}/events",
    response_model=list[EventView],
    responses={200: {"content": {STREAM: {"schema": {"type": "string"}}}}},
)
async def list_events(
    run_id: str,
    request: Request,
    server: CurrentServer,
    caller: Viewer,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Tell what happened to a run after a number; as `text/event-stream` it goes on telling."""
    run = await run_in_threadpool(own_run, server, run_id, caller)
    if STREAM not in request.headers.get("accept", ""):
        found = await run_in_threadpool(
            read_timeline, server.context.store.engine, run.run_id, after
        )
        shown = [event_view(one).model_dump(mode="json") for one in found]
        return Response(orjson.dumps(shown), media_type="application/json")
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = int(last_event_id)
    return StreamingResponse(
        _event_stream(server, run.run_id, after),
        media_type=STREAM,
        headers={"Cache-Control": "no-store"},
    )


async def _event_stream(server: ServerContext, run_id: str, after: int) -> AsyncIterator[bytes]:
    """Tell a run from a number on, until it is settled."""
    store, quiet = server.context.store, 0.0
    while True:
        ended = (await run_in_threadpool(store.run, run_id)).state == "settled"
        for one in await run_in_threadpool(read_timeline, store.engine, run_id, after):
            after, quiet = one.seq, 0.0
            data = event_view(one).model_dump_json()
            yield format_sse_event(data_str=data, event=one.what, id=str(one.seq))
        if ended:
            return
        if quiet >= PING_SECONDS:
            quiet = 0.0
            yield format_sse_event(comment="still here")
        await asyncio.sleep(POLL_SECONDS)
        quiet += POLL_SECONDS


def _run_view(server: ServerContext, run: Run) -> RunView:
    listed = {one.run_id: one for one in server.context.store.listed()}
    return run_view(server, run, listed[run.run_id])


def _background(request: Request) -> BackgroundReconciler:
    driver = request.app.state.driver
    assert isinstance(driver, BackgroundReconciler)
    return driver
