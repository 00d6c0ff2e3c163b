"""What every route works with: one open office, who may do what, files, models that talk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from fastapi import Request

from advisor.errors import UsageError, did_you_mean
from trainer import home
from trainer.context import Office
from trainer.local.model_pool import Talkers
from trainer.storage.access_tokens import Tokens
from trainer.storage.audit_log import Audit
from trainer.storage.files import Filing
from trainer.storage.idempotency import Answered
from trainer.storage.multipart_uploads import Uploads

MOST_FILE_BYTES = 2 * 1024**3
MOST_PART_BYTES = 64 * 1024**2
"""As OpenAI takes parts. Source: https://platform.openai.com/docs/api-reference/uploads"""


@dataclass(frozen=True)
class Settings:
    """What whoever runs the server decides."""

    bases: Mapping[str, Path] = field(default_factory=dict)
    """Names of bases -> the folders that hold them; those in the home folder come on top."""
    gpu: str = "cpu"
    """What trains here, as the price book names it."""
    usd_per_hour: Decimal = Decimal("0.10")
    """What an hour of it costs, power too."""
    job_cap_usd: Decimal = Decimal("25")
    """Most that a job may cost which names no cap of its own."""
    most_file_bytes: int = MOST_FILE_BYTES
    """Largest file that is taken."""
    requests_per_minute: int = 600
    """Of one token."""


@dataclass(frozen=True)
class Front:
    """Everything that routes share."""

    office: Office
    tokens: Tokens
    audit: Audit
    answered: Answered
    filing: Filing
    uploads: Uploads
    talkers: Talkers
    settings: Settings

    def bases(self) -> dict[str, Path]:
        """Name every base that can be tuned here, with its folder."""
        return home.bases() | dict(self.settings.bases)

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


def open_front(office: Office, settings: Settings) -> Front:
    """Open everything that routes share."""
    engine, clock = office.store.engine, office.clock
    filing = Filing(engine, clock)
    return Front(
        office=office,
        tokens=Tokens(engine, clock),
        audit=Audit(engine, clock),
        answered=Answered(engine, clock),
        filing=filing,
        uploads=Uploads(filing),
        talkers=Talkers(),
        settings=settings,
    )


def front_of(request: Request) -> Front:
    """Return what the routes of a request's app share."""
    front = request.app.state.front
    assert isinstance(front, Front)
    return front
