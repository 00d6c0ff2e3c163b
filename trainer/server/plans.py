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
async def keep_dataset(request: Request, front: CurrentServer, caller: Proposer) -> DatasetView:
    """Keep a file of rows: a form with the field `file`, or the bytes as they are."""
    came = await receive_file(request, files_folder(), front.settings.most_file_bytes)
    sent = FileUpload(caller.owner, came.filename, PURPOSE, came.sha256)
    return dataset_view(front.filing.keep(came.path, sent))


@router.get("/datasets")
def list_datasets(front: CurrentServer, caller: Viewer) -> list[DatasetView]:
    """List the caller's files of rows, the newest first."""
    return [dataset_view(one) for one in front.filing.listed(caller.sees, PURPOSE)]


@router.get("/datasets/{dataset_id}")
def show_dataset(dataset_id: str, front: CurrentServer, caller: Viewer) -> DatasetView:
    """Say what is known of a file of rows."""
    return dataset_view(front.filing.file(dataset_id, caller.sees))


@router.get("/datasets/{dataset_id}/profile")
def profile_dataset(
    dataset_id: str,
    front: CurrentServer,
    caller: Viewer,
    encoding: EncodingQuery = "o200k_base",
) -> Profile:
    """Say what a file of rows holds: give it to `recommend` as its profile."""
    filed = front.filing.file(dataset_id, caller.sees)
    return profile_file(filed.with_ending(), encoding)


@router.delete("/datasets/{dataset_id}")
def delete_dataset(dataset_id: str, front: CurrentServer, caller: Proposer) -> DatasetView:
    """Delete a file of rows; what plans have made of it stays with them."""
    front.audit.write(caller, "delete_file", dataset_id)
    return dataset_view(front.filing.delete(dataset_id, caller.sees))


@router.post("/plans", status_code=201)
def make_plan(asked: PlanBody, front: CurrentServer, caller: Proposer) -> PlanView:
    """Lay one job down, with everything that it is made from, and what it may cost."""
    made = _build_plan(asked, front, caller.owner, caller.sees)
    made = next_attempt(front.office, made, asked.again)
    front.office.store.keep_plan(made)
    return plan_view(front, made)


@router.get("/plans/{plan_id}")
def show_plan(plan_id: str, front: CurrentServer, caller: Viewer) -> PlanView:
    """Read a plan by its hash."""
    return plan_view(front, own_plan(front, plan_id, caller))


def _build_plan(
    asked: PlanBody, front: ServerContext, owner: str, sees: str | None
) -> TrainingPlan:
    dataset = asked.question.get("dataset")
    if isinstance(dataset, dict) and dataset.get("path"):
        raise PathRefused
    filed = front.filing.file(asked.dataset_id, sees)
    request = Planning(
        asked.question,
        "question",
        option=asked.option,
        dataset=filed.with_ending(),
        held_out_share=asked.held_out_share,
        sends_held_out=asked.sends_held_out,
        validation_share=asked.validation_share,
        owner=owner,
    )
    wish = PlanSettings(
        method=asked.method,
        hyperparameters=asked.hyperparameters,
        cap_usd=asked.cap_usd,
        suffix=asked.suffix,
        grader=asked.grader,
    )
    now, book = datetime.fromtimestamp(front.office.clock.now(), UTC), front.office.book
    if asked.base is None and not is_baseline(asked.option):
        return plan_provider_job(request, wish, book, now)
    base = None if asked.base is None else front.base(asked.base)
    here = LocalOptions(base, front.settings.usd_per_hour, dict(asked.settings))
    return plan_local(request, wish, here, book, now)
