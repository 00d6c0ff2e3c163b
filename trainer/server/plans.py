"""Datasets and plans: rows come in, a plan of one job with its price goes out; nothing is spent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from advisor.api.errors import PathRefused
from advisor.api.routes import EncodingQuery
from advisor.api.uploads import receive
from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.plan.training_plan import TrainingPlan, Wish
from trainer.plan.local import Here, is_baseline, plan_here
from trainer.plan.provider import Request as Planning
from trainer.plan.provider import plan
from trainer.runs.start import next_attempt
from trainer.server.auth import Proposer, Viewer, own_plan
from trainer.server.context import Front, front_of
from trainer.server.schemas import Dataset, PlanAsk, Planned, dataset_shown, planned
from trainer.storage.files import Sent, files_folder

PURPOSE = "fine-tune"
router = APIRouter(prefix="/api/v1", tags=["datasets and plans"])
TheFront = Annotated[Front, Depends(front_of)]


@router.post("/datasets", status_code=201)
async def keep_dataset(request: Request, front: TheFront, caller: Proposer) -> Dataset:
    """Keep a file of rows: a form with the field `file`, or the bytes as they are."""
    came = await receive(request, files_folder(), front.settings.most_file_bytes)
    sent = Sent(caller.owner, came.filename, PURPOSE, came.sha256)
    return dataset_shown(front.filing.keep(came.path, sent))


@router.get("/datasets")
def list_datasets(front: TheFront, caller: Viewer) -> list[Dataset]:
    """List the caller's files of rows, the newest first."""
    return [dataset_shown(one) for one in front.filing.listed(caller.sees, PURPOSE)]


@router.get("/datasets/{dataset_id}")
def show_dataset(dataset_id: str, front: TheFront, caller: Viewer) -> Dataset:
    """Say what is known of a file of rows."""
    return dataset_shown(front.filing.file(dataset_id, caller.sees))


@router.get("/datasets/{dataset_id}/profile")
def profile_dataset(
    dataset_id: str,
    front: TheFront,
    caller: Viewer,
    encoding: EncodingQuery = "o200k_base",
) -> Profile:
    """Say what a file of rows holds: give it to `recommend` as its profile."""
    filed = front.filing.file(dataset_id, caller.sees)
    return profile_file(filed.with_ending(), encoding)


@router.delete("/datasets/{dataset_id}")
def delete_dataset(dataset_id: str, front: TheFront, caller: Proposer) -> Dataset:
    """Delete a file of rows; what plans have made of it stays with them."""
    front.audit.write(caller, "delete_file", dataset_id)
    return dataset_shown(front.filing.delete(dataset_id, caller.sees))


@router.post("/plans", status_code=201)
def make_plan(asked: PlanAsk, front: TheFront, caller: Proposer) -> Planned:
    """Lay one job down, with everything that it is made from, and what it may cost."""
    made = _made(asked, front, caller.owner, caller.sees)
    made = next_attempt(front.office, made, asked.again)
    front.office.store.keep_plan(made)
    return planned(front, made)


@router.get("/plans/{plan_id}")
def show_plan(plan_id: str, front: TheFront, caller: Viewer) -> Planned:
    """Read a plan by its hash."""
    return planned(front, own_plan(front, plan_id, caller))


def _made(asked: PlanAsk, front: Front, owner: str, sees: str | None) -> TrainingPlan:
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
    wish = Wish(
        method=asked.method,
        hyperparameters=asked.hyperparameters,
        cap_usd=asked.cap_usd,
        suffix=asked.suffix,
        grader=asked.grader,
    )
    now, book = datetime.fromtimestamp(front.office.clock.now(), UTC), front.office.book
    if asked.base is None and not is_baseline(asked.option):
        return plan(request, wish, book, now)
    base = None if asked.base is None else front.base(asked.base)
    here = Here(base, front.settings.usd_per_hour, dict(asked.settings))
    return plan_here(request, wish, here, book, now)
