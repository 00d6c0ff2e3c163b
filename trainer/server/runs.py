"""Routes of runs: launch once under a key and an amount, list, show, follow, cancel, pause, resume.

Reading a run never spends money.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from advisor.api.errors import RequestRefused
from trainer.run_states import Run
from trainer.runs.background import BackgroundReconciler
from trainer.runs.start import LaunchConsent, start_run
from trainer.runs.user_actions import UserAction, request_action
from trainer.server.auth import Spender, Viewer, own_plan, own_run
from trainer.server.context import CurrentServer, ServerContext
from trainer.server.idempotency import canonical_bytes, idempotent
from trainer.server.schemas import EventView, LaunchBody, RunView
from trainer.storage.ledger import LedgerEntry
from trainer.storage.run_store import RunSummary, read_timeline

STREAM = "text/event-stream"
POLL_SECONDS = 0.5
PING_SECONDS = 15.0
router = APIRouter(prefix="/api/v1", tags=["runs"])


@router.post("/plans/{plan_id}/launch", status_code=202, response_model=RunView)
def launch(
    plan_id: str,
    body: LaunchBody,
    request: Request,
    server: CurrentServer,
    caller: Spender,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Start the one job of a plan; the same key returns the same response and no second job."""
    if idempotency_key is None:
        raise RequestRefused(
            "Idempotency-Key",
            "missing required header.",
            "Send a UUID of your own, so that a repeated request starts nothing twice.",
        )
    plan = own_plan(server, plan_id, caller)
    with idempotent(request, caller, idempotency_key, canonical_bytes(body)) as turn:
        if turn.stored is not None:
            return turn.stored
        server.audit.write(
            caller,
            "launch",
            plan_id,
            plan.figure.at_most,
            agreed_usd=str(body.at_most_usd),
            egress=body.egress,
        )
        run_id, _ = start_run(server.context, plan, LaunchConsent(body.at_most_usd, body.egress))
        _background(request).wake()
        return turn.respond(_current_view(server, run_id), 202)


@router.get("/runs")
def list_runs(
    server: CurrentServer, caller: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[RunView]:
    """List the caller's runs, newest first."""
    store = server.context.store
    money = {entry.subject: entry for entry in server.context.ledger.entries()}
    summaries = store.listed(owner=caller.owner_filter)[:limit]
    return [_view(store.run(summary.run_id), summary, money) for summary in summaries]


@router.get("/runs/{run_id}")
def show_run(run_id: str, server: CurrentServer, caller: Viewer) -> RunView:
    """Return the state and the cost of a run."""
    return _current_view(server, own_run(server, run_id, caller).run_id)


@router.post("/runs/{run_id}/{verb}", status_code=202)
def request_run_action(
    run_id: str,
    verb: UserAction,
    request: Request,
    server: CurrentServer,
    caller: Spender,
) -> RunView:
    """Cancel, pause or resume a run; it takes effect at the provider a moment later."""
    run = own_run(server, run_id, caller)
    server.audit.write(caller, verb, run.run_id)
    request_action(server.context, run, verb)
    _background(request).wake()
    return _current_view(server, run.run_id)


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
    """List the events of a run after a number; `text/event-stream` keeps sending new ones."""
    run = await run_in_threadpool(own_run, server, run_id, caller)
    if STREAM not in request.headers.get("accept", ""):
        events = await run_in_threadpool(
            read_timeline, server.context.store.engine, run.run_id, after
        )
        views = [EventView.model_validate(event).model_dump(mode="json") for event in events]
        return Response(orjson.dumps(views), media_type="application/json")
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = int(last_event_id)
    return StreamingResponse(
        _event_stream(server, run.run_id, after),
        media_type=STREAM,
        headers={"Cache-Control": "no-store"},
    )


async def _event_stream(server: ServerContext, run_id: str, after: int) -> AsyncIterator[bytes]:
    """Send the events of a run after a number, until the run is settled."""
    store, quiet_seconds = server.context.store, 0.0
    while True:
        is_settled = (await run_in_threadpool(store.run, run_id)).state == "settled"
        for event in await run_in_threadpool(read_timeline, store.engine, run_id, after):
            after, quiet_seconds = event.seq, 0.0
            data = EventView.model_validate(event).model_dump_json()
            yield format_sse_event(data_str=data, event=event.what, id=str(event.seq))
        if is_settled:
            return
        if quiet_seconds >= PING_SECONDS:
            quiet_seconds = 0.0
            yield format_sse_event(comment="ping")
        await asyncio.sleep(POLL_SECONDS)
        quiet_seconds += POLL_SECONDS


def _current_view(server: ServerContext, run_id: str) -> RunView:
    context = server.context
    summary = next(summary for summary in context.store.listed() if summary.run_id == run_id)
    entry = context.ledger.entry(run_id)
    return _view(context.store.run(run_id), summary, {} if entry is None else {run_id: entry})


def _view(run: Run, summary: RunSummary, money: Mapping[str, LedgerEntry]) -> RunView:
    entry = money.get(run.run_id)
    problem = run.said("failed", "why")
    if run.state == "needs_human":
        problem = run.said("needs_human", "why")
    elif run.events[-1].kind == "refused":
        problem = run.events[-1].body["why"]
    return RunView.of(
        run,
        owner=summary.owner,
        watched=summary.watched,
        made_at=summary.made_at,
        version=run.said("registered", "version"),
        problem=problem,
        reserved_usd=None if entry is None else entry.reserved,
        spent_usd=None if entry is None else entry.settled,
    )


def _background(request: Request) -> BackgroundReconciler:
    background = request.app.state.background
    assert isinstance(background, BackgroundReconciler)
    return background
