"""HTTP routes for datasets and plans: upload rows, get the plan of one job with its price."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request

from advisor.api.errors import PathRefused
from advisor.api.routes import EncodingQuery
from advisor.api.uploads import receive_file
from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.plan.training_plan import TrainingPlan
from trainer.context import TrainerContext
from trainer.plan.create import create_plan
from trainer.plan.request import PlanRequest
from trainer.runs.start import egress_of
from trainer.server.auth import Proposer, Viewer, own_plan
from trainer.server.context import CurrentServer
from trainer.server.schemas import DatasetView, PlanBody, PlanView
from trainer.storage.files import FileUpload, StoredFile, files_folder

PURPOSE = "fine-tune"
router = APIRouter(prefix="/api/v1", tags=["datasets and plans"])


@router.post("/datasets", status_code=201, response_model=DatasetView)
async def keep_dataset(request: Request, server: CurrentServer, caller: Proposer) -> StoredFile:
    """Store a file of rows: a form with the field `file`, or the bytes as the body."""
    came = await receive_file(request, files_folder(), server.settings.max_file_bytes)
    sent = FileUpload(caller.owner, came.filename, PURPOSE, came.sha256)
    return server.file_store.keep(came.path, sent)


@router.get("/datasets", response_model=list[DatasetView])
def list_datasets(server: CurrentServer, caller: Viewer) -> Sequence[StoredFile]:
    """List the caller's files of rows, the newest first."""
    return server.file_store.listed(caller.owner_filter, PURPOSE)


@router.get("/datasets/{dataset_id}", response_model=DatasetView)
def show_dataset(dataset_id: str, server: CurrentServer, caller: Viewer) -> StoredFile:
    """Return the metadata of a file of rows."""
    return server.file_store.file(dataset_id, caller.owner_filter)


@router.get("/datasets/{dataset_id}/profile")
def profile_dataset(
    dataset_id: str,
    server: CurrentServer,
    caller: Viewer,
    encoding: EncodingQuery = "o200k_base",
) -> Profile:
    """Profile a file of rows; `recommend` accepts the result as its profile."""
    stored_file = server.file_store.file(dataset_id, caller.owner_filter)
    return profile_file(stored_file.path_with_suffix(), encoding)


@router.delete("/datasets/{dataset_id}", response_model=DatasetView)
def delete_dataset(dataset_id: str, server: CurrentServer, caller: Proposer) -> StoredFile:
    """Delete a file of rows; plans keep the rows that they were made from."""
    server.audit.write(caller, "delete_file", dataset_id)
    return server.file_store.delete(dataset_id, caller.owner_filter)


@router.post("/plans", status_code=201)
def make_plan(body: PlanBody, server: CurrentServer, caller: Proposer) -> PlanView:
    """Create the plan of one job, with its rows, settings, price and cap; nothing is spent."""
    dataset = body.question.get("dataset")
    if isinstance(dataset, dict) and dataset.get("path"):
        raise PathRefused
    stored_file = server.file_store.file(body.dataset_id, caller.owner_filter)
    request = PlanRequest(
        **body.model_dump(exclude={"question", "dataset_id", "base"}),
        scenario=body.question,
        where="question",
        dataset=stored_file.path_with_suffix(),
        base=None if body.base is None else server.base(body.base),
        usd_per_hour=server.settings.usd_per_hour,
        owner=caller.owner,
    )
    return _view(server.context, create_plan(server.context, request))


@router.get("/plans/{plan_id}")
def show_plan(plan_id: str, server: CurrentServer, caller: Viewer) -> PlanView:
    """Read a plan by its hash."""
    return _view(server.context, own_plan(server, plan_id, caller))


def _view(context: TrainerContext, plan: TrainingPlan) -> PlanView:
    return PlanView.of(
        plan,
        at_most_usd=plan.figure.at_most,
        leaves=egress_of(context, plan),
        run_id=context.store.run_of(plan),
        plan=plan,
    )
