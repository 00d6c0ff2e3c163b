"""Routes of model versions, and of deployments that cost by the hour."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Query

from trainer.providers.deployments import hosting_for
from trainer.runs.deployments import Deployment, all_deployments, find_deployment, stop
from trainer.server.auth import (
    ResourceNotFound,
    Spender,
    Viewer,
    own_run_ids,
    own_version,
    own_versions,
)
from trainer.server.context import CurrentServer
from trainer.server.schemas import DeploymentView, PromoteBody, VersionView
from trainer.storage.model_version import ModelVersion

router = APIRouter(prefix="/api/v1", tags=["versions and deployments"])


@router.get("/versions", response_model=list[VersionView])
def list_versions(
    server: CurrentServer,
    caller: Viewer,
    name: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z0-9._-]+$")] = None,
) -> Sequence[ModelVersion]:
    """List versions, of one name or all; the newest of a name first."""
    return own_versions(server, caller, name)


@router.get("/versions/{version_id}", response_model=VersionView)
def show_version(version_id: str, server: CurrentServer, caller: Viewer) -> ModelVersion:
    """Return what a version was made from, and its evaluation."""
    return own_version(server, version_id, caller)


@router.post("/versions/{version_id}/promote", response_model=VersionView)
def promote(
    version_id: str, body: PromoteBody, server: CurrentServer, caller: Spender
) -> ModelVersion:
    """Make a version the champion of its name; the previous champion is retired."""
    version = own_version(server, version_id, caller)
    server.audit.write(caller, "promote", version.version_id, anyway=body.anyway)
    return server.context.registry.promote(version.version_id, caller.owner, body.anyway)


@router.post("/versions/{version_id}/rollback", response_model=VersionView)
def rollback(version_id: str, server: CurrentServer, caller: Spender) -> ModelVersion:
    """Make the previous champion of this name champion again."""
    version = own_version(server, version_id, caller)
    server.audit.write(caller, "rollback", version.name)
    return server.context.registry.rollback(version.name, caller.owner)


@router.post("/versions/{version_id}/retire", response_model=VersionView)
def retire(version_id: str, server: CurrentServer, caller: Spender) -> ModelVersion:
    """Retire a version."""
    version = own_version(server, version_id, caller)
    server.audit.write(caller, "retire", version.version_id)
    return server.context.registry.retire(version.version_id, caller.owner)


@router.get("/deployments")
def list_deployments(server: CurrentServer, caller: Viewer) -> list[DeploymentView]:
    """List deployments, running or stopped, with their cost; newest first."""
    now, deployments = server.context.clock.now(), all_deployments(server.context)
    if caller.owner_filter is not None:
        run_ids = own_run_ids(server, caller.owner_filter)
        deployments = [each for each in deployments if each.run_id in run_ids]
    return [_view(deployment, now) for deployment in deployments]


@router.post("/deployments/{deployment_id}/stop")
def stop_deployment(deployment_id: str, server: CurrentServer, caller: Spender) -> DeploymentView:
    """Stop a deployment, verify that it is gone, and settle its cost."""
    if deployment_id not in {each.deployment_id for each in list_deployments(server, caller)}:
        raise ResourceNotFound("deployment", deployment_id)
    server.audit.write(caller, "stop_deployment", deployment_id)
    deployment = find_deployment(server.context, deployment_id)
    with closing(hosting_for(deployment.provider, server.context.book)) as hosting:
        stopped = stop(server.context, deployment, hosting)
    return _view(stopped, server.context.clock.now())


def _view(deployment: Deployment, now: float) -> DeploymentView:
    return DeploymentView.of(
        deployment,
        hours=round(deployment.hours(now), 4),
        spent_usd=f"{deployment.spent(now):.2f}",
    )
