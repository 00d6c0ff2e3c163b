"""GET and DELETE of /models: bases of this server, and models that were tuned from them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response

from trainer.home import home_folder
from trainer.server.auth import Spender, Viewer
from trainer.server.context import server_of
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.file_schemas import DeleteModelResponse, ListModelsResponse, Model
from trainer.server.openai.idempotency import (
    IdempotencyKey,
    IdempotentRequest,
    idempotent_request,
    json_response,
    respond_once,
)
from trainer.server.openai.strict_route import StrictRoute
from trainer.server.openai.tuned_models import TunedModel, tuned_model, tuned_models
from trainer.storage import cleanup

SYSTEM = "system"
router = APIRouter(route_class=StrictRoute, tags=["models"])


@router.get("/models", response_model=ListModelsResponse)
def list_models(request: Request, caller: Viewer) -> Response:
    """List what can be tuned here, and what was."""
    server = server_of(request)
    bases = [_base(name, folder) for name, folder in sorted(server.bases().items())]
    tuned = [_model_view(one) for one in tuned_models(server, caller)]
    return json_response(ListModelsResponse(data=[*bases, *tuned]))


@router.get("/models/{model:path}", response_model=Model)
def retrieve_model(request: Request, caller: Viewer, model: str) -> Response:
    """Say what is known of a model."""
    server = server_of(request)
    bases = server.bases()
    if model in bases:
        return json_response(_base(model, bases[model]))
    return json_response(_model_view(tuned_model(server, caller, model)))


@router.delete("/models/{model:path}", response_model=DeleteModelResponse)
def delete_model(
    request: Request, caller: Spender, model: str, key: IdempotencyKey = None
) -> Response:
    """Delete a tuned model with its weights; the champion of its name stays."""

    def work(turn: IdempotentRequest) -> DeleteModelResponse:
        server = turn.server
        if model in server.bases():
            raise BadParameter(
                "model",
                f"model '{model}': it is a base, and bases are kept by whoever runs the server.",
            )
        found = tuned_model(server, caller, model).version.version_id
        store, registry = server.context.store, server.context.registry
        server.audit.write(caller, "retire", found, model=model)
        cleanup.delete_everywhere("version", found, home_folder(), store, registry)
        return DeleteModelResponse(id=model)

    return respond_once(idempotent_request(request, caller, key, b""), work)


def _base(name: str, folder: Path) -> Model:
    config = folder / "config.json"
    made = config.stat().st_mtime if config.is_file() else 0.0
    return Model(id=name, created=int(made), owned_by=SYSTEM, shutdown_date=None)


def _model_view(tuned: TunedModel) -> Model:
    ends = tuned.version.shutdown_on
    return Model(
        id=tuned.name,
        created=int(tuned.version.made_at),
        owned_by=tuned.owner or SYSTEM,
        shutdown_date=ends.isoformat() if ends else None,
    )
