"""Routes of /fine_tuning/jobs: create, list, show, pause, resume and cancel jobs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Literal

from fastapi import APIRouter, Request, Response

from trainer.errors import Refused
from trainer.runs.start import LaunchConsent, next_attempt, resume_launch, start_run
from trainer.runs.user_actions import request_action
from trainer.server.auth import Spender, Viewer
from trainer.server.context import CurrentServer, ServerContext
from trainer.server.idempotency import (
    IdempotencyKey,
    IdempotentRequest,
    canonical_bytes,
    idempotent,
)
from trainer.server.openai.errors import BadParameter, OpenAINotFound
from trainer.server.openai.ids import After, Limit, event_id_of, job_id_of, page_of, run_id_of
from trainer.server.openai.job_request import plan_from_request
from trainer.server.openai.job_schemas import (
    CreateFineTuningJobRequest,
    FineTuningJob,
    ListFineTuningJobCheckpointsResponse,
    ListFineTuningJobEventsResponse,
    ListPaginatedFineTuningJobsResponse,
)
from trainer.server.openai.job_view import (
    checkpoints_of,
    job_event,
    job_view,
    run_timeline,
    status_of,
)
from trainer.server.openai.strict_route import StrictRoute
from trainer.storage.access_tokens import Caller
from trainer.storage.job_store import NoSuchJob, StoredJob

FINAL_STATUSES = frozenset({"succeeded", "failed", "cancelled"})
METADATA = {
    "parameters": [
        {
            "name": "metadata",
            "in": "query",
            "required": False,
            "style": "deepObject",
            "explode": True,
            "description": "Only jobs with this metadata; `metadata=null` for jobs without.",
            "schema": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "examples": [{"team": "triage"}],
            },
        }
    ]
}
router = APIRouter(route_class=StrictRoute, prefix="/fine_tuning/jobs", tags=["fine-tuning"])


@router.post("", response_model=FineTuningJob)
def create_job(
    request: Request, caller: Spender, body: CreateFineTuningJobRequest, key: IdempotencyKey = None
) -> Response:
    """Create a fine-tuning job within its cap, and start it."""
    with idempotent(request, caller, key, canonical_bytes(body)) as turn:
        if turn.stored is not None:
            return turn.stored
        run_id = _run_for(turn, caller, body)
        fields = body.model_dump(mode="json", exclude_unset=True)
        job = turn.server.jobs.keep(run_id, caller.owner, fields)
        return turn.respond(job_view(turn.server, job))


def _run_for(turn: IdempotentRequest, caller: Caller, body: CreateFineTuningJobRequest) -> str:
    context = turn.server.context
    if turn.plan_id is not None:  # an earlier process ended before it responded
        return resume_launch(context, turn.plan_id)
    plan = plan_from_request(turn.server, caller, body)
    while True:  # two requests at once can choose the same attempt: the later one tries the next
        plan = next_attempt(context, plan, again=True)
        context.store.keep_plan(plan)
        turn.server.audit.write(
            caller,
            "launch",
            f"plan {plan.plan_id}",
            plan.figure.at_most,
            cap_usd=plan.cap_usd,
            model=body.model,
        )
        turn.record_plan(plan.plan_id)
        run_id, is_new = start_run(context, plan, LaunchConsent(Decimal(plan.cap_usd)))
        if is_new:
            return run_id


@router.get("", openapi_extra=METADATA)
def list_jobs(
    request: Request, server: CurrentServer, caller: Viewer, after: After = None, limit: Limit = 20
) -> ListPaginatedFineTuningJobsResponse:
    """List jobs, the newest first."""
    wanted, listed = _metadata_filter(request), []
    for job in server.jobs.listed(caller.owner_filter):
        metadata = job.request.get("metadata") or {}
        if not metadata if wanted is None else wanted.items() <= metadata.items():
            listed.append(job)
    page, has_more = page_of(listed, lambda job: job_id_of(job.run_id), after, limit)
    shown = [job_view(server, job) for job in page]
    return ListPaginatedFineTuningJobsResponse(data=shown, has_more=has_more)


def _metadata_filter(request: Request) -> Mapping[str, str] | None:
    """Parse `metadata[key]=value`; None for `metadata=null`."""
    query = request.query_params
    if query.get("metadata") == "null":
        return None
    named = {name: value for name, value in query.items() if name.startswith("metadata")}
    for name in named:
        if not name.startswith("metadata[") or not name.endswith("]"):
            text = "write metadata[key]=value, or metadata=null for jobs without any."
            raise BadParameter("metadata", text, where=name)
    return {name[len("metadata[") : -1]: value for name, value in named.items()}


@router.get("/{fine_tuning_job_id}")
def retrieve_job(server: CurrentServer, caller: Viewer, fine_tuning_job_id: str) -> FineTuningJob:
    """Return a job with its current status."""
    return job_view(server, _own_job(server, caller, fine_tuning_job_id))


@router.post("/{fine_tuning_job_id}/cancel", response_model=FineTuningJob)
def cancel_job(
    request: Request, caller: Spender, fine_tuning_job_id: str, key: IdempotencyKey = None
) -> Response:
    """Cancel a job; its cost so far is billed."""
    return _request_action(request, caller, fine_tuning_job_id, key, "cancel")


@router.post("/{fine_tuning_job_id}/pause", response_model=FineTuningJob)
def pause_job(
    request: Request, caller: Spender, fine_tuning_job_id: str, key: IdempotencyKey = None
) -> Response:
    """Pause a job; it saves a checkpoint first."""
    return _request_action(request, caller, fine_tuning_job_id, key, "pause")


@router.post("/{fine_tuning_job_id}/resume", response_model=FineTuningJob)
def resume_job(
    request: Request, caller: Spender, fine_tuning_job_id: str, key: IdempotencyKey = None
) -> Response:
    """Resume a paused job."""
    return _request_action(request, caller, fine_tuning_job_id, key, "resume")


def _request_action(
    request: Request,
    caller: Caller,
    job_id: str,
    key: str | None,
    what: Literal["cancel", "pause", "resume"],
) -> Response:
    with idempotent(request, caller, key, b"") as turn:
        if turn.stored is not None:
            return turn.stored
        kept = _own_job(turn.server, caller, job_id)
        run = turn.server.context.store.run(kept.run_id)
        if status_of(run) in FINAL_STATUSES or run.outcome:
            raise Refused(f"{job_id}: it has ended ({run.outcome}); there is nothing to {what}.")
        turn.server.audit.write(caller, what, kept.run_id)
        request_action(turn.server.context, run, what)
        return turn.respond(job_view(turn.server, kept))


@router.get("/{fine_tuning_job_id}/events")
def list_events(
    server: CurrentServer,
    caller: Viewer,
    fine_tuning_job_id: str,
    after: After = None,
    limit: Limit = 20,
) -> ListFineTuningJobEventsResponse:
    """List the events of a job, the newest first."""
    run_id = _own_job(server, caller, fine_tuning_job_id).run_id
    listed = run_timeline(server, run_id)[::-1]
    page, has_more = page_of(listed, lambda event: event_id_of(run_id, event.seq), after, limit)
    shown = [job_event(run_id, event) for event in page]
    return ListFineTuningJobEventsResponse(data=shown, has_more=has_more)


@router.get("/{fine_tuning_job_id}/checkpoints")
def list_checkpoints(
    server: CurrentServer,
    caller: Viewer,
    fine_tuning_job_id: str,
    after: After = None,
    limit: Limit = 10,
) -> ListFineTuningJobCheckpointsResponse:
    """List the checkpoints of a job, the newest first."""
    listed = checkpoints_of(server, _own_job(server, caller, fine_tuning_job_id))
    page, has_more = page_of(listed, lambda checkpoint: checkpoint.id, after, limit)
    return ListFineTuningJobCheckpointsResponse(
        data=page,
        has_more=has_more,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
    )


def _own_job(server: ServerContext, caller: Caller, job_id: str) -> StoredJob:
    run_id = run_id_of(job_id)
    with suppress(NoSuchJob):
        if run_id is not None:
            return server.jobs.job(run_id, caller.owner_filter)
    raise OpenAINotFound(
        f"fine_tuning_job_id '{job_id}': job not found. List the jobs.",
        "fine_tuning_job_id",
        "job_not_found",
    )
