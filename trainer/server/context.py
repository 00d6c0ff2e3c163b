"""Server context: everything the routes share, and the settings of the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from advisor.errors import UsageError, did_you_mean
from trainer import home
from trainer.context import TrainerContext
from trainer.local.model_pool import ModelPool
from trainer.storage.access_tokens import TokenStore
from trainer.storage.audit_log import AuditLog
from trainer.storage.files import FileStore
from trainer.storage.idempotency import IdempotencyStore
from trainer.storage.job_store import JobStore
from trainer.storage.multipart_uploads import UploadStore

MAX_FILE_BYTES = 2 * 1024**3
MAX_PART_BYTES = 64 * 1024**2
"""Same limit as OpenAI. Source: https://platform.openai.com/docs/api-reference/uploads"""


@dataclass(frozen=True)
class ServerSettings:
    """Settings of the operator."""

    bases: Mapping[str, Path] = field(default_factory=dict)
    """Name of a base model -> its folder, in addition to those in the home folder."""
    gpu: str = "cpu"
    """What trains here, as named in the price book."""
    usd_per_hour: Decimal = Decimal("0.10")
    """Cost of an hour of this machine, including power."""
    job_cap_usd: Decimal = Decimal("25")
    """Cap of a job that sets none."""
    max_file_bytes: int = MAX_FILE_BYTES
    """Largest file that is accepted."""
    requests_per_minute: int = 600
    """Per token."""


@dataclass(frozen=True)
class ServerContext:
    """Everything the routes share."""

    context: TrainerContext
    tokens: TokenStore
    audit: AuditLog
    idempotency: IdempotencyStore
    file_store: FileStore
    uploads: UploadStore
    jobs: JobStore
    model_pool: ModelPool
    settings: ServerSettings

    def bases(self) -> dict[str, Path]:
        """Return every base model that can be tuned here, with its folder."""
        return home.list_bases() | dict(self.settings.bases)

    def base(self, name: str) -> Path:
        """Return the folder of a base model.

        Raises:
            UsageError: base model not found.
        """
        known = self.bases()
        if name not in known:
            raise UsageError(
                f"model '{name}'",
                "base model not found on this server.",
                did_you_mean(name, known).strip() or "Start the server with --base NAME=FOLDER.",
            )
        return known[name]


def open_server_context(context: TrainerContext, settings: ServerSettings) -> ServerContext:
    """Open the stores and the model pool that the routes share."""
    engine, clock = context.store.engine, context.clock
    file_store = FileStore(engine, clock)
    return ServerContext(
        context=context,
        tokens=TokenStore(engine, clock),
        audit=AuditLog(engine, clock),
        idempotency=IdempotencyStore(engine, clock),
        file_store=file_store,
        uploads=UploadStore(file_store),
        jobs=JobStore(engine, clock),
        model_pool=ModelPool(),
        settings=settings,
    )


def server_of(request: Request) -> ServerContext:
    """Return the server context of a request."""
    server = request.app.state.server
    assert isinstance(server, ServerContext)
    return server


CurrentServer = Annotated[ServerContext, Depends(server_of)]
