"""Datasets and plans: rows come in, a plan of one job with its price goes out; nothing is spent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from advisor.api.errors import PathRefused
from advisor.api.routes import EncodingQuery
from advisor.api.uploads import receive_file
from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.plan.training_plan import PlanSettings, TrainingPlan
from trainer.plan.local import LocalOptions, is_baseline, plan_local
from trainer.plan.provider import PlanRequest as Planning
from trainer.plan.provider import plan_provider_job
from trainer.runs.start import next_attempt
from trainer.server.auth import Proposer, Viewer, own_plan
from trainer.server.context import ServerContext, server_of
from trainer.server.schemas import DatasetView, PlanBody, PlanView, dataset_view, plan_view
from trainer.storage.files import FileUpload, files_folder

PURPOSE = "fine-tune"
router = APIRouter(prefix="/api/v1", tags=["datasets and plans"])
CurrentServer = Annotated[ServerContext, Depends(server_of)]


@router.post("/datasets", status_code=201)
async def keep_dataset(request: Request, server: CurrentServer, caller: Proposer) -> DatasetView:
    """Keep a file of rows: a form with the field `file`, or the bytes as they are."""
    came = await receive_file(request, files_folder(), server.settings.max_file_bytes)
    sent = FileUpload(caller.owner, came.filename, PURPOSE, came.sha256)
    return dataset_view(server.file_store.keep(came.path, sent))


@router.get("/datasets")
def list_datasets(server: CurrentServer, caller: Viewer) -> list[DatasetView]:
    """List the caller's files of rows, the newest first."""
    return [dataset_view(one) for one in server.file_store.listed(caller.owner_filter, PURPOSE)]


@router.get("/datasets/{dataset_id}")
def show_dataset(dataset_id: str, server: CurrentServer, caller: Viewer) -> DatasetView:
    """Say what is known of a file of rows."""
    return dataset_view(server.file_store.file(dataset_id, caller.owner_filter))


@router.get("/datasets/{dataset_id}/profile")
def profile_dataset(
    dataset_id: str,
    server: CurrentServer,
    caller: Viewer,
    encoding: EncodingQuery = "o200k_base",
) -> Profile:
    """Say what a file of rows holds: give it to `recommend` as its profile."""
    stored_file = server.file_store.file(dataset_id, caller.owner_filter)
    return profile_file(stored_file.path_with_suffix(), encoding)


@router.delete("/datasets/{dataset_id}")
def delete_dataset(dataset_id: str, server: CurrentServer, caller: Proposer) -> DatasetView:
    """Delete a file of rows; what plans have made of it stays with them."""
    server.audit.write(caller, "delete_file", dataset_id)
    return dataset_view(server.file_store.delete(dataset_id, caller.owner_filter))


@router.post("/plans", status_code=201)
def make_plan(asked: PlanBody, server: CurrentServer, caller: Proposer) -> PlanView:
    """Lay one job down, with everything that it is made from, and what it may cost."""
    made = _build_plan(asked, server, caller.owner, caller.owner_filter)
    made = next_attempt(server.context, made, asked.again)
    server.context.store.keep_plan(made)
    return plan_view(server, made)


@router.get("/plans/{plan_id}")
def show_plan(plan_id: str, server: CurrentServer, caller: Viewer) -> PlanView:
    """Read a plan by its hash."""
    return plan_view(server, own_plan(server, plan_id, caller))


def _build_plan(
    asked: PlanBody, server: ServerContext, owner: str, owner_filter: str | None
) -> TrainingPlan:
    dataset = asked.question.get("dataset")
    if isinstance(dataset, dict) and dataset.get("path"):
        raise PathRefused
    stored_file = server.file_store.file(asked.dataset_id, owner_filter)
    request = Planning(
        asked.question,
        "question",
        option=asked.option,
        dataset=stored_file.path_with_suffix(),
        held_out_share=asked.held_out_share,
        sends_held_out=asked.sends_held_out,
        validation_share=asked.validation_share,
        owner=owner,
    )
    plan_settings = PlanSettings(
        method=asked.method,
        hyperparameters=asked.hyperparameters,
        cap_usd=asked.cap_usd,
        suffix=asked.suffix,
        grader=asked.grader,
    )
    now, book = datetime.fromtimestamp(server.context.clock.now(), UTC), server.context.book
    if asked.base is None and not is_baseline(asked.option):
        return plan_provider_job(request, plan_settings, book, now)
    base = None if asked.base is None else server.base(asked.base)
    here = LocalOptions(base, server.settings.usd_per_hour, dict(asked.settings))
    return plan_local(request, plan_settings, here, book, now)
