"""The OpenAI surface as an app: the routes under /v1."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from advisor import __version__
from trainer.server.auth import RateLimiter, Viewer
from trainer.server.context import ServerContext
from trainer.server.openai import chat, errors, files, graders, jobs, models, uploads
from trainer.server.openai.strict_route import StrictRoute

ROUTERS = (files.router, uploads.router, jobs.router, graders.router, models.router, chat.router)
PERMISSIONS = "/fine_tuning/checkpoints/{checkpoint:path}/permissions"
API_DESCRIPTION = (
    "OpenAI's fine-tuning and chat protocol, with the trainer of this machine behind it: change "
    "`base_url`, keep your code. Settings that OpenAI has no field for go in `metadata`, under "
    "keys that begin with `ton_`."
)
not_served = APIRouter(route_class=StrictRoute, include_in_schema=False)


@not_served.get(PERMISSIONS)
@not_served.post(PERMISSIONS)
@not_served.delete(PERMISSIONS + "/{permission_id}")
def permissions(caller: Viewer) -> None:
    """Reject: checkpoints are not shared between projects."""
    raise errors.OpenAINotFound(
        "checkpoint permissions are not served here: a model belongs to its owner. "
        "Give the other team a token of the same owner."
    )


def openai_app(server: ServerContext, rates: RateLimiter) -> FastAPI:
    """Return the app; the app that mounts it advances the runs."""
    app = _App(
        title="Tune or Not, as OpenAI",
        version=__version__,
        description=API_DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "/v1"}],
        root_path_in_servers=False,
        redirect_slashes=False,
        responses=errors.RESPONSES,
    )
    app.state.server, app.state.rates = server, rates
    app.router.route_class = StrictRoute
    errors.install(app)
    for router in (*ROUTERS, not_served):
        app.include_router(router)
    return app


class _App(FastAPI):
    """An app whose OpenAPI document lists only the errors it returns."""

    def openapi(self) -> dict[str, Any]:
        """Return the document, without FastAPI's own validation errors."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for name in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(name, None)
            self.openapi_schema = document
        return self.openapi_schema
