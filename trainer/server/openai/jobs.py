"""Routes of /fine_tuning/jobs: create, list, show, pause, resume and cancel jobs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from trainer.errors import Refused
from trainer.runs.start import LaunchConsent, next_attempt, resume_launch, start_run
from trainer.runs.user_actions import request_action
from trainer.server.auth import Spender, Viewer
from trainer.server.context import ServerContext, server_of
from trainer.server.idempotency import (
    IdempotencyKey,
    IdempotentRequest,
    canonical_bytes,
    idempotent,
    json_response,
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
from trainer.server.openai.tuned_models import job_store
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
        job = job_store(turn.server).keep(
            run_id, caller.owner, body.model_dump(mode="json", exclude_unset=True)
        )
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


@router.get("", response_model=ListPaginatedFineTuningJobsResponse, openapi_extra=METADATA)
def list_jobs(request: Request, caller: Viewer, after: After = None, limit: Limit = 20) -> Response:
    """List jobs, the newest first."""
    server, wanted = server_of(request), _metadata_filter(request)
    listed = [
        job
        for job in job_store(server).listed(caller.owner_filter)
        if _matches_metadata(job.request.get("metadata") or {}, wanted)
    ]
    page, has_more = page_of(listed, lambda job: job_id_of(job.run_id), after, limit)
    shown = [job_view(server, job) for job in page]
    return json_response(ListPaginatedFineTuningJobsResponse(data=shown, has_more=has_more))


def _metadata_filter(request: Request) -> Mapping[str, str] | None:
    """Parse `metadata[key]=value`; None for `metadata=null`."""
    query = request.query_params
    if query.get("metadata") == "null":
        return None
    named = {name: value for name, value in query.items() if name.startswith("metadata")}
    for name in named:
        if not name.startswith("metadata[") or not name.endswith("]"):
            raise BadParameter(
                "metadata",
                f"{name}: write metadata[key]=value, or metadata=null for jobs without any.",
            )
    return {name[len("metadata[") : -1]: value for name, value in named.items()}


def _matches_metadata(metadata: Mapping[str, str], wanted: Mapping[str, str] | None) -> bool:
    if wanted is None:
        return not metadata
    return all(metadata.get(name) == value for name, value in wanted.items())


@router.get("/{fine_tuning_job_id}", response_model=FineTuningJob)
def retrieve_job(request: Request, caller: Viewer, fine_tuning_job_id: str) -> Response:
    """Return a job with its current status."""
    server = server_of(request)
    return json_response(job_view(server, _own_job(server, caller, fine_tuning_job_id)))


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


@router.get("/{fine_tuning_job_id}/events", response_model=ListFineTuningJobEventsResponse)
def list_events(
    request: Request,
    caller: Viewer,
    fine_tuning_job_id: str,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List the events of a job, the newest first."""
    server = server_of(request)
    run_id = _own_job(server, caller, fine_tuning_job_id).run_id
    listed = run_timeline(server, run_id)[::-1]
    page, has_more = page_of(listed, lambda event: event_id_of(run_id, event.seq), after, limit)
    shown = [job_event(run_id, event) for event in page]
    return json_response(ListFineTuningJobEventsResponse(data=shown, has_more=has_more))


@router.get(
    "/{fine_tuning_job_id}/checkpoints", response_model=ListFineTuningJobCheckpointsResponse
)
def list_checkpoints(
    request: Request,
    caller: Viewer,
    fine_tuning_job_id: str,
    after: After = None,
    limit: Limit = 10,
) -> Response:
    """List the checkpoints of a job, the newest first."""
    server = server_of(request)
    listed = checkpoints_of(server, _own_job(server, caller, fine_tuning_job_id))
    page, has_more = page_of(listed, lambda checkpoint: checkpoint.id, after, limit)
    ends: dict[str, Any] = {
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
    return json_response(ListFineTuningJobCheckpointsResponse(data=page, has_more=has_more, **ends))


def _own_job(server: ServerContext, caller: Caller, job_id: str) -> StoredJob:
    run_id = run_id_of(job_id)
    if run_id is not None:
        try:
            return job_store(server).job(run_id, caller.owner_filter)
        except NoSuchJob:
            pass
    raise OpenAINotFound(
        f"fine_tuning_job_id '{job_id}': job not found. List the jobs.",
        "fine_tuning_job_id",
        "job_not_found",
    )
