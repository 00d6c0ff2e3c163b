"""Versions of tuned models, and what stands and costs by the hour."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from trainer.providers.deployments import hosting_for
from trainer.runs.deployments import all_deployments, find_deployment, stop
from trainer.server.auth import ResourceNotFound, Spender, Viewer, own_version, own_versions
from trainer.server.context import ServerContext, server_of
from trainer.server.schemas import (
    DeploymentView,
    PromoteBody,
    VersionView,
    deployment_view,
    version_view,
)

router = APIRouter(prefix="/api/v1", tags=["versions and deployments"])
CurrentServer = Annotated[ServerContext, Depends(server_of)]


@router.get("/versions")
def list_versions(
    server: CurrentServer,
    caller: Viewer,
    name: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z0-9._-]+$")] = None,
) -> list[VersionView]:
    """List versions, of one name or all; the newest of a name first."""
    return [version_view(version) for version in own_versions(server, caller, name)]


@router.get("/versions/{version_id}")
def show_version(version_id: str, server: CurrentServer, caller: Viewer) -> VersionView:
    """Say what a version was made from, and how it did."""
    return version_view(own_version(server, version_id, caller))


@router.post("/versions/{version_id}/promote")
def promote(
    version_id: str, asked: PromoteBody, server: CurrentServer, caller: Spender
) -> VersionView:
    """Make a version the champion of its name; the one before it is retired."""
    version = own_version(server, version_id, caller)
    server.audit.write(caller, "promote", version.version_id, anyway=asked.anyway)
    registry = server.context.registry
    return version_view(registry.promote(version.version_id, caller.owner, asked.anyway))


@router.post("/versions/{version_id}/rollback")
def rollback(version_id: str, server: CurrentServer, caller: Spender) -> VersionView:
    """Make the champion before this one champion of the name again."""
    version = own_version(server, version_id, caller)
    server.audit.write(caller, "rollback", version.name)
    return version_view(server.context.registry.rollback(version.name, caller.owner))


@router.post("/versions/{version_id}/retire")
def retire(version_id: str, server: CurrentServer, caller: Spender) -> VersionView:
    """Take a version out of use."""
    version = own_version(server, version_id, caller)
    server.audit.write(caller, "retire", version.version_id)
    return version_view(server.context.registry.retire(version.version_id, caller.owner))


@router.get("/deployments")
def list_deployments(server: CurrentServer, caller: Viewer) -> list[DeploymentView]:
    """List what stands or stood, and what it costs by the hour; the newest first."""
    now = server.context.clock.now()
    there = all_deployments(server.context)
    if caller.owner_filter is not None:
        mine = {run.run_id for run in server.context.store.listed(owner=caller.owner_filter)}
        there = [each for each in there if each.run_id in mine]
    return [deployment_view(each, now) for each in there]


@router.post("/deployments/{deployment_id}/stop")
def stop_deployment(deployment_id: str, server: CurrentServer, caller: Spender) -> DeploymentView:
    """End a deployment, see that it is gone, and settle what it cost."""
    if deployment_id not in {each.deployment_id for each in list_deployments(server, caller)}:
        raise ResourceNotFound("deployment", deployment_id)
    server.audit.write(caller, "stop_deployment", deployment_id)
    deployment = find_deployment(server.context, deployment_id)
    way = hosting_for(deployment.provider, server.context.book)
    try:
        ended = stop(server.context, deployment, way)
    finally:
        way.close()
    return deployment_view(ended, server.context.clock.now())
