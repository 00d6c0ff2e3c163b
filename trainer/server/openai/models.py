"""Models under /v1: base models of this server, those tuned from them, and their routes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from advisor.errors import did_you_mean
from advisor.plan.training_plan import TrainingPlan
from trainer.home import home_folder
from trainer.server.auth import Spender, Viewer
from trainer.server.context import CurrentServer, ServerContext
from trainer.server.idempotency import IdempotencyKey, idempotent
from trainer.server.openai.errors import BadParameter, model_not_found
from trainer.server.openai.file_schemas import DeleteModelResponse, ListModelsResponse, Model
from trainer.server.openai.ids import run_prefix_of, tuned_name
from trainer.server.openai.strict_route import StrictRoute
from trainer.storage import cleanup
from trainer.storage.access_tokens import Caller
from trainer.storage.model_version import ModelVersion

SYSTEM = "system"
router = APIRouter(route_class=StrictRoute, tags=["models"])


@dataclass(frozen=True)
class TunedModel:
    """One model that was tuned on this server."""

    name: str
    owner: str
    version: ModelVersion
    plan: TrainingPlan

    @property
    def run_folder(self) -> Path:
        """The folder of its run."""
        return home_folder() / "runs" / self.version.run_id


def tuned_models(
    server: ServerContext, caller: Caller, run_prefix: str = "run_"
) -> list[TunedModel]:
    """List the tuned models a caller can use, newest first."""
    store = server.context.store
    owners = {run.run_id: run.owner for run in store.listed(owner=caller.owner_filter)}
    jobs = {job.run_id: job for job in server.jobs.listed(caller.owner_filter)}
    models = []
    for version in server.context.registry.listed():
        run_id = version.run_id
        if version.kind == "remote" or run_id not in owners or not run_id.startswith(run_prefix):
            continue
        plan, owner = store.plan(version.plan_id), owners[run_id] or ""
        base = jobs[run_id].request["model"] if run_id in jobs else plan.base_model
        name = tuned_name(base, owner, plan.suffix, run_id)
        models.append(TunedModel(name, owner, version, plan))
    return sorted(models, key=lambda model: (-model.version.made_at, model.name))


def tuned_model(server: ServerContext, caller: Caller, name: str) -> TunedModel:
    """Return a tuned model by its name.

    Raises:
        OpenAINotFound: the caller has no such model.
    """
    prefix = run_prefix_of(name)
    for model in tuned_models(server, caller, prefix) if prefix else ():
        if model.name == name:
            return model
    known = {*server.bases(), *(model.name for model in tuned_models(server, caller))}
    raise model_not_found(name, f" not found.{did_you_mean(name, known)}")


@router.get("/models")
def list_models(server: CurrentServer, caller: Viewer) -> ListModelsResponse:
    """List the base models of this server and the caller's tuned models."""
    bases = [_base_view(name, folder) for name, folder in sorted(server.bases().items())]
    tuned = [_tuned_view(model) for model in tuned_models(server, caller)]
    return ListModelsResponse(data=[*bases, *tuned])


@router.get("/models/{model:path}")
def retrieve_model(server: CurrentServer, caller: Viewer, model: str) -> Model:
    """Return a model."""
    bases = server.bases()
    if model in bases:
        return _base_view(model, bases[model])
    return _tuned_view(tuned_model(server, caller, model))


@router.delete("/models/{model:path}", response_model=DeleteModelResponse)
def delete_model(
    request: Request, caller: Spender, model: str, key: IdempotencyKey = None
) -> Response:
    """Delete a tuned model with its weights, unless it is the champion of its name."""
    with idempotent(request, caller, key, b"") as turn:
        if turn.stored is not None:
            return turn.stored
        server = turn.server
        if model in server.bases():
            text = "only the operator can delete a base model."
            raise BadParameter("model", text, where=f"model '{model}'")
        version_id = tuned_model(server, caller, model).version.version_id
        store, registry = server.context.store, server.context.registry
        server.audit.write(caller, "retire", version_id, model=model)
        cleanup.delete_everywhere("version", version_id, home_folder(), store, registry)
        return turn.respond(DeleteModelResponse(id=model))


def _base_view(name: str, folder: Path) -> Model:
    config = folder / "config.json"
    made_at = config.stat().st_mtime if config.is_file() else 0.0
    return Model(id=name, created=int(made_at), owned_by=SYSTEM, shutdown_date=None)


def _tuned_view(tuned: TunedModel) -> Model:
    shutdown_on = tuned.version.shutdown_on
    return Model(
        id=tuned.name,
        created=int(tuned.version.made_at),
        owned_by=tuned.owner or SYSTEM,
        shutdown_date=shutdown_on.isoformat() if shutdown_on else None,
    )
