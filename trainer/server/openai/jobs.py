"""POST and GET of /fine_tuning/jobs: asked for, looked at, held, gone on with, ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from advisor.plan.training_plan import TrainingPlan
from trainer.errors import Refused
from trainer.runs.start import launch_job, resume_launch
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
            "description": "Only jobs with this metadata; `metadata=null` for those without any.",
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
    """Lay a training down, see that it keeps its cap, and start it."""
    asked = body.model_dump(mode="json", exclude_unset=True)
    with idempotent(request, caller, key, canonical_bytes(body)) as turn:
        if turn.stored is not None:
            return turn.stored
        run_id = _run_for(turn, caller, body)
        job = job_store(turn.server).keep(run_id, caller.owner, asked)
        return turn.respond(job_view(turn.server, job))


def _run_for(turn: IdempotentRequest, caller: Caller, body: CreateFineTuningJobRequest) -> str:
    context = turn.server.context
    if turn.plan_id is not None:  # a process ended between this line and the answer
        return resume_launch(context, turn.plan_id)

    def before(plan: TrainingPlan) -> None:
        turn.server.audit.write(
            caller,
            "launch",
            f"plan {plan.plan_id}",
            plan.figure.at_most,
            cap_usd=plan.cap_usd,
            model=body.model,
        )
        turn.record_plan(plan.plan_id)

    return launch_job(context, plan_from_request(turn.server, caller, body), before)


@router.get("", response_model=ListPaginatedFineTuningJobsResponse, openapi_extra=METADATA)
def list_jobs(request: Request, caller: Viewer, after: After = None, limit: Limit = 20) -> Response:
    """List jobs, the newest first."""
    server, words = server_of(request), _metadata_filter(request)
    listed = [
        one
        for one in job_store(server).listed(caller.owner_filter)
        if _matches_metadata(one.request.get("metadata") or {}, words)
    ]
    page, has_more = page_of(listed, lambda one: job_id_of(one.run_id), after, limit)
    shown = [job_view(server, one) for one in page]
    return json_response(ListPaginatedFineTuningJobsResponse(data=shown, has_more=has_more))


def _metadata_filter(request: Request) -> Mapping[str, str] | None:
    """Read `metadata[key]=value`; nothing for `metadata=null`."""
    asked = request.query_params
    if asked.get("metadata") == "null":
        return None
    named = {name: value for name, value in asked.items() if name.startswith("metadata")}
    for name in named:
        if not name.startswith("metadata[") or not name.endswith("]"):
            raise BadParameter(
                "metadata",
                f"{name}: write metadata[key]=value, or metadata=null for jobs without any.",
            )
    return {name[len("metadata[") : -1]: value for name, value in named.items()}


def _matches_metadata(metadata: Mapping[str, str], words: Mapping[str, str] | None) -> bool:
    if words is None:
        return not metadata
    return all(metadata.get(name) == value for name, value in words.items())


@router.get("/{fine_tuning_job_id}", response_model=FineTuningJob)
def retrieve_job(request: Request, caller: Viewer, fine_tuning_job_id: str) -> Response:
    """Show a job as it stands now."""
    server = server_of(request)
    return json_response(job_view(server, _own_job(server, caller, fine_tuning_job_id)))


@router.post("/{fine_tuning_job_id}/cancel", response_model=FineTuningJob)
def cancel_job(
    request: Request, caller: Spender, fine_tuning_job_id: str, key: IdempotencyKey = None
) -> Response:
    """End a job; what it cost so far is paid."""
    return _request_action(request, caller, fine_tuning_job_id, key, "cancel")


@router.post("/{fine_tuning_job_id}/pause", response_model=FineTuningJob)
def pause_job(
    request: Request, caller: Spender, fine_tuning_job_id: str, key: IdempotencyKey = None
) -> Response:
    """Hold a job; it saves first."""
    return _request_action(request, caller, fine_tuning_job_id, key, "pause")


@router.post("/{fine_tuning_job_id}/resume", response_model=FineTuningJob)
def resume_job(
    request: Request, caller: Spender, fine_tuning_job_id: str, key: IdempotencyKey = None
) -> Response:
    """Go on with a job that is held."""
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
            raise Refused(f"{job_id}: it has ended ({run.outcome}), so there is nothing to {what}.")
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
    """List what happened to a job, the newest first."""
    server = server_of(request)
    run_id = _own_job(server, caller, fine_tuning_job_id).run_id
    listed = run_timeline(server, run_id)[::-1]
    page, has_more = page_of(listed, lambda one: event_id_of(run_id, one.seq), after, limit)
    shown = [job_event(run_id, one) for one in page]
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
    """List the models that were saved on the way, the newest first."""
    server = server_of(request)
    listed = checkpoints_of(server, _own_job(server, caller, fine_tuning_job_id))
    page, has_more = page_of(listed, lambda one: one.id, after, limit)
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
        f"fine_tuning_job_id '{job_id}': there is no such job for you. List the jobs.",
        "fine_tuning_job_id",
        "job_not_found",
    )
