"""Routes of models: base models of this server, and the models tuned from them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response

from trainer.home import home_folder
from trainer.server.auth import Spender, Viewer
from trainer.server.context import CurrentServer
from trainer.server.idempotency import IdempotencyKey, idempotent
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.file_schemas import DeleteModelResponse, ListModelsResponse, Model
from trainer.server.openai.strict_route import StrictRoute
from trainer.server.openai.tuned_models import TunedModel, tuned_model, tuned_models
from trainer.storage import cleanup

SYSTEM = "system"
router = APIRouter(route_class=StrictRoute, tags=["models"])


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
            raise BadParameter(
                "model", f"model '{model}': only the operator can delete a base model."
            )
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
