"""What every route works with: one open office, who may do what, files, models that talk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from fastapi import Request

from advisor.errors import UsageError, did_you_mean
from trainer import home
from trainer.context import TrainerContext
from trainer.local.model_pool import ModelPool
from trainer.storage.access_tokens import TokenStore
from trainer.storage.audit_log import AuditLog
from trainer.storage.files import FileStore
from trainer.storage.idempotency import IdempotencyStore
from trainer.storage.multipart_uploads import UploadStore

MAX_FILE_BYTES = 2 * 1024**3
MAX_PART_BYTES = 64 * 1024**2
"""As OpenAI takes parts. Source: https://platform.openai.com/docs/api-reference/uploads"""


@dataclass(frozen=True)
class ServerSettings:
    """What whoever runs the server decides."""

    bases: Mapping[str, Path] = field(default_factory=dict)
    """Names of bases -> the folders that hold them; those in the home folder come on top."""
    gpu: str = "cpu"
    """What trains here, as the price book names it."""
    usd_per_hour: Decimal = Decimal("0.10")
    """What an hour of it costs, power too."""
    job_cap_usd: Decimal = Decimal("25")
    """Most that a job may cost which names no cap of its own."""
    max_file_bytes: int = MAX_FILE_BYTES
    """Largest file that is taken."""
    requests_per_minute: int = 600
    """Of one token."""


@dataclass(frozen=True)
class ServerContext:
    """Everything that routes share."""

    context: TrainerContext
    tokens: TokenStore
    audit: AuditLog
    answered: IdempotencyStore
    file_store: FileStore
    uploads: UploadStore
    model_pool: ModelPool
    settings: ServerSettings

    def bases(self) -> dict[str, Path]:
        """Name every base that can be tuned here, with its folder."""
        return home.list_bases() | dict(self.settings.bases)

    def base(self, name: str) -> Path:
        """Find the folder of a base.

        Raises:
            UsageError: there is none of this name.
        """
        known = self.bases()
        if name not in known:
            raise UsageError(
                f"model '{name}'",
                "no base of this name is here.",
                did_you_mean(name, known).strip() or "Start the server with --base NAME=FOLDER.",
            )
        return known[name]


def open_server_context(context: TrainerContext, settings: ServerSettings) -> ServerContext:
    """Open everything that routes share."""
    engine, clock = context.store.engine, context.clock
    file_store = FileStore(engine, clock)
    return ServerContext(
        context=context,
        tokens=TokenStore(engine, clock),
        audit=AuditLog(engine, clock),
        answered=IdempotencyStore(engine, clock),
        file_store=file_store,
        uploads=UploadStore(file_store),
        model_pool=ModelPool(),
        settings=settings,
    )


def server_of(request: Request) -> ServerContext:
    """Return what the routes of a request's app share."""
    server = request.app.state.server
    assert isinstance(server, ServerContext)
    return server
