"""A name in a request -> the thing it names, if this caller may see it; else it is not there."""

from __future__ import annotations

from advisor.errors import UsageError
from advisor.plan import TrainingPlan
from trainer.errors import TrainerError
from trainer.http.front import Front
from trainer.states import Run
from trainer.tokens import Caller
from trainer.versions import Version


class NotThere(TrainerError):
    """Nothing of this name is there for this caller."""

    code = "not-there"
    http_status = 404

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} '{name}': none of this name is there for you. "
                         f"List what is there with GET /api/v1/{kind}s.")  # fmt: skip


def own_plan(front: Front, plan_id: str, caller: Caller) -> TrainingPlan:
    """Find a plan.

    Raises:
        NotThere: there is none, or it is another owner's.
    """
    try:
        plan = front.office.store.plan(plan_id)
    except UsageError:
        raise NotThere("plan", plan_id) from None
    if plan.plan_id != plan_id or caller.sees not in (None, plan.owner):
        raise NotThere("plan", plan_id)
    return plan


def own_run(front: Front, run_id: str, caller: Caller) -> Run:
    """Find a run.

    Raises:
        NotThere: there is none, or it is another owner's.
    """
    try:
        run = front.office.store.run(run_id)
    except UsageError:
        raise NotThere("run", run_id) from None
    if run.run_id != run_id or caller.sees not in (None, owner_of(front, run)):
        raise NotThere("run", run_id)
    return run


def owner_of(front: Front, run: Run) -> str | None:
    """Return whose run it is; nobody's where it was started on the command line."""
    return front.office.store.plan(run.plan_id).owner


def own_versions(front: Front, caller: Caller, name: str | None = None) -> tuple[Version, ...]:
    """List the versions that this caller's runs made, or all for an admin."""
    listed = front.office.registry.listed(name)
    if caller.sees is None:
        return listed
    mine = {run.run_id for run in front.office.store.listed(owner=caller.sees)}
    return tuple(version for version in listed if version.run_id in mine)


def own_version(front: Front, version_id: str, caller: Caller) -> Version:
    """Find a version.

    Raises:
        NotThere: there is none, or it is another owner's.
    """
    for version in own_versions(front, caller):
        if version.version_id == version_id:
            return version
    raise NotThere("version", version_id)
