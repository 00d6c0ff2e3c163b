"""Versions of tuned models, and what stands and costs by the hour."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from trainer.providers.deployments import hosting_for
from trainer.runs.deployments import listed, one, stop
from trainer.server.auth import NotThere, Spender, Viewer, own_version, own_versions
from trainer.server.context import Front, front_of
from trainer.server.schemas import (
    DeploymentShown,
    PromoteAsk,
    VersionShown,
    deployment_shown,
    version_shown,
)

router = APIRouter(prefix="/api/v1", tags=["versions and deployments"])
TheFront = Annotated[Front, Depends(front_of)]


@router.get("/versions")
def list_versions(
    front: TheFront,
    caller: Viewer,
    name: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z0-9._-]+$")] = None,
) -> list[VersionShown]:
    """List versions, of one name or all; the newest of a name first."""
    return [version_shown(version) for version in own_versions(front, caller, name)]


@router.get("/versions/{version_id}")
def show_version(version_id: str, front: TheFront, caller: Viewer) -> VersionShown:
    """Say what a version was made from, and how it did."""
    return version_shown(own_version(front, version_id, caller))


@router.post("/versions/{version_id}/promote")
def promote(version_id: str, asked: PromoteAsk, front: TheFront, caller: Spender) -> VersionShown:
    """Make a version the champion of its name; the one before it is retired."""
    version = own_version(front, version_id, caller)
    front.audit.write(caller, "promote", version.version_id, anyway=asked.anyway)
    registry = front.office.registry
    return version_shown(registry.promote(version.version_id, caller.owner, asked.anyway))


@router.post("/versions/{version_id}/rollback")
def rollback(version_id: str, front: TheFront, caller: Spender) -> VersionShown:
    """Make the champion before this one champion of the name again."""
    version = own_version(front, version_id, caller)
    front.audit.write(caller, "rollback", version.name)
    return version_shown(front.office.registry.rollback(version.name, caller.owner))


@router.post("/versions/{version_id}/retire")
def retire(version_id: str, front: TheFront, caller: Spender) -> VersionShown:
    """Take a version out of use."""
    version = own_version(front, version_id, caller)
    front.audit.write(caller, "retire", version.version_id)
    return version_shown(front.office.registry.retire(version.version_id, caller.owner))


@router.get("/deployments")
def list_deployments(front: TheFront, caller: Viewer) -> list[DeploymentShown]:
    """List what stands or stood, and what it costs by the hour; the newest first."""
    now = front.office.clock.now()
    there = listed(front.office)
    if caller.sees is not None:
        mine = {run.run_id for run in front.office.store.listed(owner=caller.sees)}
        there = [each for each in there if each.run_id in mine]
    return [deployment_shown(each, now) for each in there]


@router.post("/deployments/{deployment_id}/stop")
def stop_deployment(deployment_id: str, front: TheFront, caller: Spender) -> DeploymentShown:
    """End a deployment, see that it is gone, and settle what it cost."""
    if deployment_id not in {each.deployment_id for each in list_deployments(front, caller)}:
        raise NotThere("deployment", deployment_id)
    front.audit.write(caller, "stop_deployment", deployment_id)
    deployment = one(front.office, deployment_id)
    way = hosting_for(deployment.provider, front.office.book)
    try:
        ended = stop(front.office, deployment, way)
    finally:
        way.close()
    return deployment_shown(ended, front.office.clock.now())
